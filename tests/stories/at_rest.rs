//! What nobody finds who has the disk or the database alone: numbers that were imported, refused or wait, and secrets of
//! one-time codes.

use crate::device::{Device, new_actor, push_of, random};
use crate::hostile_changes::{change_of, fact_of, field_of_household, visits_of};
use crate::program::{self, Said};
use crate::rest::{Session, text};
use crate::store;
use crate::town::{FAR_GRID, GRID, HE, LI, QIAN, Town, WU, ZHOU, now};
use automerge::{Automerge, ScalarValue};
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use gridwork_domain::id::FactId;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_sync::change::{Base, Head, record_fact};
use gridwork_sync::document::{ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::genesis;
use gridwork_sync::message::Outcome;
use serde_json::json;
use std::path::Path;
use totp_rs::Secret;
use ureq::http::Method;

/// Numbers of which one is imported, one refused and one waits.
const IMPORTED: &str = "11010519491231002X";
const REFUSED: &str = "440524188001010014";
const WAITING: &str = "110101199003074514";

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// What of a number is looked for: all but its ends, which are shown.
pub(crate) fn inside(number: &str) -> &[u8] {
    &number.as_bytes()[1..17]
}

/// No file of the folder holds these bytes.
pub(crate) fn assert_nowhere_in(folder: &Path, part: &[u8]) {
    let mut looked_at = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_nowhere_in(&path, part);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let found = bytes.windows(part.len()).any(|window| window == part);
        assert!(!found, "{} holds {}", path.display(), String::from_utf8_lossy(part));
        looked_at += 1;
    }
    assert!(looked_at > 0, "{} is empty", folder.display());
}

/// No row of PostgreSQL holds these bytes, as text or as bytes.
pub(crate) fn assert_in_no_row(folder: &Path, part: &[u8]) {
    let Some(url) = store::url(folder) else { return };
    let mut connection = PgConnection::establish(&url).expect("the database");
    let tables = "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: Vec<Name> = sql_query(tables).load(&mut connection).expect("tables");
    assert!(tables.len() > 10);
    let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
    let as_text = std::str::from_utf8(part).ok().filter(|text| text.chars().all(|c| c.is_ascii_alphanumeric()));
    let as_text = as_text.map_or(String::new(), |text| format!(" OR r::text LIKE '%{text}%'"));
    for Name { name } in tables {
        let query = format!("SELECT count(*) AS count FROM {name} AS r WHERE r::text LIKE '%{hex}%'{as_text}");
        let found: Count = sql_query(query).get_result(&mut connection).expect("a count");
        assert_eq!(found.count, 0, "{name} holds it");
    }
}

#[test]
fn neither_files_nor_rows_hold_numbers_imported_refused_or_waiting_nor_secrets_of_one_time_codes() {
    let town = Town::new();
    let folder = town.data_folder();
    let server = town.serve();

    let file = format!("姓名,地址,身份证号\n张三,田屯路5号,{IMPORTED}\n");
    let query = format!("apply=true&grid={}", FAR_GRID.id());
    let qian = Session::of(&QIAN, &server);
    let (status, imported) = crate::roster::post(&server, &qian, &query, "text/csv", file.as_bytes());
    assert_eq!((status, &imported["residents"]), (200, &json!(1)), "{imported}");

    // A phone sends one where a telephone number belongs, and one in a note that builds on what nobody has.
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let key: DocumentKey = DocumentId::household(household).into();
    let document: Automerge = genesis::begin(&SCHEMA_1, &key);
    let (device, [one, other]) = (Device::enrol(&server, &LI), [new_actor(), new_actor()]);
    let operation = field_of_household("contact_phone", ScalarValue::Str(REFUSED.into()));
    let refused = change_of(one, Some(&document), vec![operation]).raw_bytes().to_vec();
    let head = Head { hash: ChangeHash(random()), largest_op: 1 };
    let (at, visits) = (now(), visits_of(household, now()));
    let base = Base { actor: other, heads: vec![head], previous: None };
    let waits = record_fact(&base, &visits, &fact_of(household, FactId::new(at, random()), WAITING, at), at).bytes;
    let pushes = vec![push_of(GRID.scope(), key, &[&refused]), push_of(GRID.scope(), visits, &[&waits])];
    let told = device.push(&server, &[one, other], pushes);
    assert_eq!(told.iter().map(|one| one.0).collect::<Vec<_>>(), [Outcome::Quarantined, Outcome::Held], "{told:?}");
    // Who decides about them reads what they say, as far as their sight goes.
    let he = Session::of(&HE, &server);
    for state in ["quarantined", "held"] {
        let listed = he.get(&format!("/v1/quarantine?state={state}")).well();
        let read = he.get(&format!("/v1/quarantine/{}", text(&listed["items"][0]["id"]))).well();
        assert!(read["says"].as_array().is_some_and(|lines| !lines.is_empty()), "{read}");
        assert_eq!(read["unreadable"], json!(null));
    }

    let shown = Session::of(&WU, &server).send(Method::POST, "/v1/second-factor", None, &json!({})).well();
    let secret = text(&shown["secret"]);
    server.end();

    let raw = Secret::try_from_base32(&secret).expect("base32").as_bytes().to_vec();
    for part in [inside(IMPORTED), inside(REFUSED), inside(WAITING), secret.as_bytes(), &raw] {
        assert_nowhere_in(&folder, part);
        assert_in_no_row(&folder, part);
    }
    let said = program::about(&folder, &["verify"]).output().expect("the binary runs");
    assert!(Said::of(said).well().contains(" 0 differences"));
    // Without the keys it names what stays shut.
    let elsewhere = town.path("sealing-keys");
    std::fs::rename(folder.join("sealing-keys"), &elsewhere).expect("moved");
    let said = program::about(&folder, &["verify"]).output().expect("the binary runs");
    let said = Said::of(said);
    for row in ["quarantine: ", "held: ", "second_factor: "] {
        assert!(!said.success && format!("{said:?}").contains(row), "{said:?}");
    }
}
