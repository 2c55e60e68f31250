//! A device that is enrolled and hands in hundreds of changes that no honest app makes, each wrong in another way; what is
//! honest in the same request is merged, the server goes on, and everything in the registry loads afterwards.

use crate::device::{Device, new_actor, push_of, random};
use crate::hostile_changes::{fact_of, visits_of};
use crate::people::{enrol, register_household, sync, visit};
use crate::program;
use crate::town::{GRID, LI, Town, ZHAO, now};
use gridwork_domain::id::FactId;
use gridwork_hostile::{Chance, Seen, forge};
use gridwork_sync::change::{Base, record_fact};
use gridwork_sync::document::{ActorId, DocumentId, DocumentKey};
use gridwork_sync::message::{Outcome, Request, ScopeRequest};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Requests, and hostile changes in each.
const REQUESTS: usize = 12;
const IN_EACH: usize = 40;
/// Bytes of one of them: all fit into a request.
const MOST_BYTES: usize = 20_000;
/// What one of them may take, with all that is in it.
const LONGEST: Duration = Duration::from_secs(20);

struct Drawn(ChaCha8Rng);

impl Chance for Drawn {
    fn next(&mut self) -> u64 {
        self.0.random()
    }
}

#[test]
fn hundreds_of_hostile_changes_spoil_nothing_and_keep_no_honest_one_back() {
    let mut chance = Drawn(crate::chance::chance());
    let town = Town::new();
    let server = town.serve();
    let mut leader = enrol(&town, &server, &LI, "leader");
    let household = register_household(&mut leader, "长江路三十六号");
    visit(&mut leader, household, "第一次走访");
    sync(&mut leader);
    let device = Device::enrol(&server, &ZHAO);
    let (actor, at) = (new_actor(), now());
    let (homes, visits) = (DocumentKey::from(DocumentId::household(household)), visits_of(household, at));

    let mut previous = Base { actor, heads: Vec::new(), previous: None };
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for request in 0..REQUESTS {
        // What it has seen of the registry, as any phone of the grid.
        let scopes = vec![ScopeRequest { scope: (*GRID.scope().as_bytes()).into(), cursor: None }];
        let pulled = device.exchange(&server, &Request { scopes, ..device.message() });
        let actors: Vec<[u8; 16]> = pulled.authors.iter().map(|author| *author.actor).chain([actor.0; 3]).collect();
        let entries = pulled.scopes.iter().flat_map(|scope| &scope.entries);
        let documents = entries.filter_map(|entry| automerge::Automerge::load(&entry.snapshot.as_ref()?.bytes).ok());
        let hashes = documents.flat_map(|document| document.get_heads()).map(|hash| hash.0).collect();
        let seen = Seen { hashes, actors };

        let honest = record_fact(&previous, &visits, &fact_of(household, FactId::new(at, random()), "走访", at), at);
        let head = gridwork_sync::change::Head { hash: honest.hash, largest_op: honest.largest_op };
        previous = Base { actor, heads: vec![head], previous: Some((head, honest.sequence)) };
        let mut pushes = vec![push_of(GRID.scope(), visits, &[&honest.bytes])];
        let single = new_actor();
        let model = record_fact(
            &Base { actor: single, heads: vec![head], previous: None },
            &visits,
            &fact_of(household, FactId::new(at, random()), "伪造", at),
            at,
        );
        for _ in 0..IN_EACH {
            let mut forged = forge(&mut chance, &model.bytes, &seen);
            forged.truncate(MOST_BYTES);
            let key = if chance.below(6) == 0 { homes } else { visits };
            pushes.push(push_of(GRID.scope(), key, &[&forged]));
        }
        let new_actors = [actor, single].iter().map(|one: &ActorId| one.0.into()).collect();
        let begun = Instant::now();
        let answer = device.exchange(&server, &Request { new_actors, pushes, ..device.message() });
        assert!(begun.elapsed() < LONGEST, "request {request}: {:?}", begun.elapsed());
        assert_eq!(answer.verdicts[0].outcome, Outcome::Merged, "request {request}: the honest one");
        for verdict in &answer.verdicts[1..] {
            *told.entry(verdict.code.clone().unwrap_or_else(|| format!("{:?}", verdict.outcome))).or_default() += 1;
        }
    }
    println!("{told:?}");
    assert!(told.len() > 15, "they are wrong in many ways: {told:?}");

    let later = visit(&mut leader, household, "以后的走访");
    sync(&mut leader);
    let mut third = enrol(&town, &server, &ZHAO, "third");
    sync(&mut third);
    assert!(third.status().damaged.is_empty(), "{:?}", third.status().damaged);
    let visits_of_third = third.visits(household);
    assert!(visits_of_third.len() > REQUESTS && visits_of_third.iter().any(|known| known.fact.id == later));
    assert_eq!(visits_of_third.len(), leader.visits(household).len());
    server.end();
    let verified = program::about(&town.data_folder(), &["verify", "--json"]).output();
    program::Said::of(verified.expect("the binary runs")).well();
}
