//! Keys that are rotated as the README says: with one node by `rotate`, with two by `prepare` and `switch`. After each
//! step every number, every secret of one-time codes and every change that waits is still read.

use crate::device::{Device, new_actor, push_of, random};
use crate::hostile_changes::{fact_of, visits_of};
use crate::program::{self, Said};
use crate::rest::{Session, text};
use crate::sealed::{find, sealed};
use crate::server::Server;
use crate::session::{code, confirm_with_the_code_before};
use crate::town::{GRID, HE, LI, PASSWORD, QIAN, Town, ZHOU, now};
use gridwork_domain::id::{FactId, HouseholdId};
use gridwork_domain::instant::Instant;
use gridwork_sync::change::{Base, Head, record_fact};
use gridwork_sync::document::ChangeHash;
use gridwork_sync::message::Outcome;
use serde_json::json;
use ureq::http::Method;

/// A number for each time that one is recorded.
const NUMBERS: [&str; 3] = ["11010519491231002X", "440524188001010014", "110101199003074514"];

/// What of all that was sealed must still be read.
struct Sealed {
    numbers: usize,
    changes: usize,
    /// The secret of one-time codes of somebody at a desk, and of when the last one was that was shown.
    secret: String,
    shown: Instant,
}

impl Sealed {
    /// Somebody with one-time codes; nothing else yet.
    fn begin(server: &Server) -> Self {
        let qian = Session::of(&QIAN, server);
        let secret = text(&qian.send(Method::POST, "/v1/second-factor", None, &json!({})).well()["secret"]);
        // Those of now and of the next half minute are taken after it, so that nobody waits for one.
        let shown = confirm_with_the_code_before(&qian, &secret);
        Self { numbers: 0, changes: 0, secret, shown }
    }

    /// Seals one more number and one more change by a node.
    fn add(&mut self, server: &Server) {
        let zhou = Session::of(&ZHOU, server);
        let number = sealed(NUMBERS[self.numbers], crate::sealed::key(&zhou));
        let resident = json!({ "name": "张三", "citizen_number": number });
        let form = json!({
            "grid": GRID.id(),
            "dwelling": { "address": format!("和平路{}号", self.numbers) },
            "residents": [{ "resident": resident, "membership": { "relation": "02" } }],
        });
        let household = zhou.send(Method::POST, "/v1/households", None, &form).well();
        self.numbers += 1;
        self.wait(server, text(&household["household"]).parse().expect("an id"));
    }

    /// A change that waits for what nobody has.
    fn wait(&mut self, server: &Server, household: HouseholdId) {
        let (li, actor, at) = (Device::enrol(server, &LI), new_actor(), now());
        let head = Head { hash: ChangeHash(random()), largest_op: 1 };
        let (key, fact) = (visits_of(household, at), fact_of(household, FactId::new(at, random()), "等着", at));
        let change = record_fact(&Base { actor, heads: vec![head], previous: None }, &key, &fact, at);
        let told = li.push(server, &[actor], vec![push_of(GRID.scope(), key, &[&change.bytes])]);
        assert_eq!(told[0].0, Outcome::Held, "{told:?}");
        self.changes += 1;
    }

    /// Every node reads all of it, with the keys that it has.
    fn assert_read_by(&self, town: &Town, nodes: &[(&Server, &str)]) {
        for (server, keys) in nodes {
            let (zhou, he) = (Session::of(&ZHOU, server), Session::of(&HE, server));
            for number in &NUMBERS[..self.numbers] {
                assert_eq!(find(&zhou, number).len(), 1, "{number}");
            }
            let kept = he.get("/v1/quarantine?state=held").well();
            let kept = kept["items"].as_array().expect("a list");
            assert_eq!(kept.len(), self.changes);
            for one in kept {
                let read = he.get(&format!("/v1/quarantine/{}", text(&one["id"]))).well();
                assert!(read["unreadable"].is_null() && read["says"].to_string().contains("等着"), "{read}");
            }
            // The secret of one-time codes too, of which each can be shown once.
            verify(town, keys);
        }
    }

    /// The owner comes in with a code of the authenticator.
    fn assert_signs_in(&mut self, server: &Server) {
        self.shown = now().max(self.shown.plus_ms(30_000));
        let form = json!({ "sign_in": QIAN.sign_in, "password": PASSWORD, "code": code(&self.secret, self.shown) });
        Session::with_token(server, "").send(Method::POST, "/v1/sign-in", None, &form).well();
    }
}

/// Runs `gridwork keys` with these keys, or with those of the data folder.
fn keys(town: &Town, keys: Option<&str>, arguments: &[&str]) -> Said {
    let mut command = program::about(&town.data_folder(), &[&["keys"], arguments].concat());
    command.envs(keys.map(|keys| ("GRIDWORK_SEALING_KEYS", keys)));
    Said::of(command.output().expect("the binary runs"))
}

/// The keys of a file, as they are set.
fn in_one_line(keys: &str) -> String {
    keys.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The id of the key of which `gridwork keys list` says this.
fn id_of(listed: &str, does: &str) -> String {
    let line = listed.lines().find_map(|line| line.strip_suffix(does)).unwrap_or_else(|| panic!("{does}: {listed}"));
    line.trim().to_owned()
}

/// A node with these keys does not start, and says which it lacks.
fn assert_does_not_start(town: &Town, with: &str, lacks: &str) {
    let said = program::about(&town.data_folder(), &["serve"])
        .env("GRIDWORK_ADDRESS", "127.0.0.1:0")
        .env("GRIDWORK_METRICS_ADDRESS", "off")
        .env("GRIDWORK_SEALING_KEYS", with)
        .output();
    let said = Said::of(said.expect("the binary runs"));
    assert!(!said.success && said.error.contains(lacks), "{said:?}");
}

/// With these keys every row is what it should be, and opens.
fn verify(town: &Town, with: &str) {
    let mut command = program::about(&town.data_folder(), &["verify"]);
    let said = Said::of(command.env("GRIDWORK_SEALING_KEYS", with).output().expect("the binary runs")).well();
    assert!(said.contains(" 0 differences"), "{said}");
}

#[test]
fn two_nodes_rotate_their_keys_one_after_the_other_and_read_all_that_was_sealed_at_each_step() {
    let town = Town::new();
    let node = |keys: &str| town.serve_with(&[("GRIDWORK_SEALING_KEYS", keys)]);
    let first = keys(&town, None, &["make"]).well().trim().to_owned();
    let (mut one, mut other) = (node(&first), node(&first));
    let mut all = Sealed::begin(&one);
    all.add(&other);
    all.assert_read_by(&town, &[(&one, &first), (&other, &first)]);

    // A key that only opens comes to one node after the other: none seals to it yet.
    let prepared = keys(&town, Some(&first), &["prepare"]);
    let new = id_of(&prepared.error, "only opens, until it is switched to");
    let prepared = prepared.well().trim().to_owned();
    one.end();
    one = node(&prepared);
    all.add(&one);
    all.assert_read_by(&town, &[(&one, &prepared), (&other, &first)]);
    other.end();
    other = node(&prepared);
    all.assert_read_by(&town, &[(&one, &prepared), (&other, &prepared)]);

    // Now it seals: at one node, and the other reads that already.
    let unknown = keys(&town, Some(&first), &["switch", &new]);
    assert!(!unknown.success && unknown.error.contains("gridwork keys list"), "{unknown:?}");
    let switched = keys(&town, Some(&prepared), &["switch", &new]);
    assert_eq!(id_of(&switched.error, "seals and opens"), new);
    let switched = switched.well().trim().to_owned();
    one.end();
    one = node(&switched);
    all.add(&one);
    all.assert_read_by(&town, &[(&one, &switched), (&other, &prepared)]);
    all.assert_signs_in(&other);
    other.end();
    assert_does_not_start(&town, &first, &new);
    other = node(&switched);
    all.assert_read_by(&town, &[(&one, &switched), (&other, &switched)]);
    all.assert_signs_in(&other);
}

#[test]
fn one_node_rotates_the_keys_of_its_folder_and_reads_all_that_was_sealed_before() {
    let town = Town::new();
    let server = town.serve();
    let mut all = Sealed::begin(&server);
    all.add(&server);
    server.end();
    let old = std::fs::read_to_string(town.data_folder().join("sealing-keys")).expect("the keys");
    let new = id_of(&keys(&town, None, &["rotate"]).well(), "seals and opens");
    let server = town.serve();
    all.add(&server);
    let keys = std::fs::read_to_string(town.data_folder().join("sealing-keys")).expect("the keys");
    all.assert_read_by(&town, &[(&server, &in_one_line(&keys))]);
    all.assert_signs_in(&server);
    server.end();
    assert_does_not_start(&town, &in_one_line(&old), &new);
}
