//! Phones against a registry in memory, over a link that can be told to fail.

mod damage;
mod property;
mod refused;
mod restored;
mod schedule;
mod stories;

use super::{Effect, Event, Exchanged, Failure, NotSaved, Owner, Pending, PendingState, Replica, Row, Scope};
use crate::answer::{Asked, answer};
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::guard::Verdict;
use crate::guard::scan::{Limits, scan};
use crate::message::{Answer, ChangeVerdict, MOST_CHANGES, Outcome, PROTOCOL, Request};
use crate::receipt::{self, Receipt};
use crate::testing::{GRID, NOW, Random, Registry};
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::{Fields, Value};
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{DeviceId, EditId, FactId, HouseholdId, MembershipId, ResidentId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::{SCHEMA_1, Schema};
use std::collections::BTreeSet;

/// What happens to one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Good,
    RequestLost,
    AnswerLost,
    Doubled,
}

/// The registry's side of the exchange.
struct Server {
    registry: Registry,
    requests: usize,
    /// The largest answer that it gives.
    budget: usize,
    /// What makes its codes.
    secret: &'static str,
}

impl Server {
    fn new() -> Self {
        Self { registry: Registry::new(&SCHEMA_1), requests: 0, budget: usize::MAX, secret: "the registry's secret" }
    }

    fn exchange(&mut self, request: &Request) -> Answer {
        self.requests += 1;
        let request = Request::from_bytes(&request.to_bytes()).expect("the request can be read");
        let staff = StaffId::from_bytes(*request.device().as_bytes());
        for actor in &request.new_actors {
            self.registry.owners.entry(ActorId(**actor)).or_insert(staff);
        }
        let vouched = receipt::attested(&request, |said, code| self.code(said) == *code);
        for (actor, author) in vouched.values() {
            self.registry.owners.entry(*actor).or_insert(*author);
        }
        let (mut verdicts, mut pushed, mut there) = (Vec::new(), BTreeSet::new(), Vec::new());
        for push in &request.pushes {
            let key = push.key().expect("a document");
            for bytes in &push.changes {
                // Only staff release what was refused.
                let hash = scan(bytes, &Limits::DEFAULT).ok().map(|scanned| ChangeHash(scanned.hash));
                let refused = hash.and_then(|hash| Some((hash, *self.registry.quarantine.get(&(key, hash))?)));
                if let Some((hash, code)) = refused {
                    pushed.insert((key, hash));
                    let (document, hash) = ((*key.id.as_bytes()).into(), hash.0.into());
                    let (outcome, code) = (Outcome::Quarantined, Some(code.to_owned()));
                    verdicts.push(ChangeVerdict { document, epoch: key.epoch, hash, outcome, code });
                    continue;
                }
                let by = vouched.get(&(key, receipt::hash_of(bytes))).map_or(staff, |(_, author)| *author);
                let (hash, outcome, code) = match self.registry.offer(by, push.scope(), key, bytes) {
                    Verdict::Known(hash) => (hash, Outcome::Known, None),
                    Verdict::Merge(merge) => (merge.change.hash, Outcome::Merged, None),
                    Verdict::Hold(scanned, missing) => (ChangeHash(scanned.hash), Outcome::Held, Some(missing.word())),
                    Verdict::Quarantine(refusal) => {
                        let hash = refusal.hash.expect("an own change is scanned");
                        (hash, Outcome::Quarantined, Some(refusal.code.word()))
                    }
                };
                pushed.insert((key, hash));
                let actor = scan(bytes, &Limits::DEFAULT).expect("an own change is scanned").actor;
                if matches!(outcome, Outcome::Merged | Outcome::Known) && request.new_actors.contains(&actor.into()) {
                    there.push((key, hash, ActorId(actor)));
                }
                let (document, hash) = ((*key.id.as_bytes()).into(), hash.0.into());
                let code = code.map(str::to_owned);
                verdicts.push(ChangeVerdict { document, epoch: key.epoch, hash, outcome, code });
            }
        }
        assert!(pushed.len() <= MOST_CHANGES);
        let asked = Asked { scopes: &request.scopes, budget: request.budget().min(self.budget), pushed: &pushed };
        let Ok((scopes, authors)) = answer(&self.registry, &asked);
        let receipt = Receipt::of(&scopes, &authors, there, staff);
        let receipt = receipt.map(|receipt| self.code(&receipt.attestation()).into());
        Answer { protocol: PROTOCOL, server_time_ms: self.registry.now.ms(), verdicts, scopes, authors, receipt }
    }

    /// What nobody else can make.
    fn code(&self, said: &[u8]) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        Sha256::digest([self.secret.as_bytes(), said].concat()).into()
    }
}

/// A phone with its disk.
struct Phone {
    replica: Replica,
    disk: Vec<Row>,
    random: Random,
    clock: Instant,
    count: u64,
}

impl Phone {
    /// A phone of its own person, assigned to the grid.
    fn enrol(server: &mut Server, number: u8, schema: &'static Schema) -> Self {
        let staff = StaffId::from_bytes([number; 16]);
        server.registry.assignments.insert((staff, GRID));
        let disk = vec![Row::Scope(GRID, Scope::default())];
        let replica = Replica::new(schema, Self::owner(number), disk.clone());
        Self { replica, disk, random: Random(u64::from(number) * 7919 + 1), clock: NOW, count: 0 }
    }

    fn owner(number: u8) -> Owner {
        Owner {
            device: DeviceId::from_bytes([number; 16]),
            staff: StaffId::from_bytes([number; 16]),
            name: format!("网格员{number:03}"),
        }
    }

    /// The app is started again from what is on the disk.
    fn restart(&mut self) {
        self.replica = Replica::new(self.replica.schema, self.replica.owner.clone(), self.disk.clone());
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.replica.handle(self.clock, &mut self.random, event);
        if let Some(Effect::Save(rows)) = effects.first() {
            self.disk.extend(rows.iter().cloned());
            effects.remove(0);
        }
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Save(_))), "one save, before all else");
        effects
    }

    fn edit(&mut self, household: HouseholdId, action: Action) -> Edit {
        self.count += 1;
        self.clock = self.clock.plus_ms(1_000);
        Edit { id: EditId::from_bytes(self.random.bytes()), at: self.clock, household, action }
    }

    fn record(&mut self, edit: &Edit, seen: Option<Vec<ChangeHash>>) -> Result<(), NotSaved> {
        let effects = self.handle(Event::Record { edit: Box::new(edit.clone()), seen, home: GRID });
        match effects.as_slice() {
            [Effect::Saved(id)] if *id == edit.id => Ok(()),
            [Effect::NotSaved(_, reason)] => Err(reason.clone()),
            other => panic!("an edit is saved or not: {other:?}"),
        }
    }

    /// Records an action on what stands now; it must be saved.
    fn act(&mut self, household: HouseholdId, action: Action) -> Edit {
        let edit = self.edit(household, action);
        self.record(&edit, None).expect("saved");
        edit
    }

    /// Exchanges until nothing is left to do.
    fn sync(&mut self, server: &mut Server) -> Exchanged {
        self.sync_over(server, |_| Link::Good)
    }

    /// Exchanges until nothing is left to do or the link fails.
    fn sync_over(&mut self, server: &mut Server, mut link: impl FnMut(&mut Random) -> Link) -> Exchanged {
        let mut sum = Exchanged::default();
        let mut effects = self.handle(Event::Sync { pull: true });
        let mut rounds = 0;
        while let Some(position) = effects.iter().position(|effect| matches!(effect, Effect::Send(_))) {
            rounds += 1;
            assert!(rounds < 1_000, "a run of exchanges ends");
            let Effect::Send(request) = effects.remove(position) else { unreachable!("found above") };
            let event = match link(&mut self.random) {
                Link::RequestLost => Event::Failed(Failure::Network("cut".into())),
                Link::AnswerLost => {
                    server.exchange(&request);
                    Event::Failed(Failure::Network("cut".into()))
                }
                Link::Good => answered(server.exchange(&request)),
                Link::Doubled => {
                    server.exchange(&request);
                    answered(server.exchange(&request))
                }
            };
            effects = self.handle(event);
            for effect in &effects {
                if let Effect::Exchanged(one) = effect {
                    add(&mut sum, one);
                }
            }
        }
        sum
    }

    fn outbox(&self) -> Vec<&Pending> {
        self.replica.outbox().collect()
    }

    /// All that a person can read of these households.
    fn all(&self, households: &[HouseholdId]) -> String {
        let of = |id: &HouseholdId| {
            let known = self.replica.household(*id).map(|known| (known.household, known.conflicts, known.damaged));
            format!("{known:#?}\n{:#?}", self.replica.visits(*id))
        };
        households.iter().map(of).collect()
    }

    fn text(&self, household: HouseholdId, path: &RecordPath, field: &str) -> Option<String> {
        let known = self.replica.household(household)?;
        known.household.value(&path.field(field)).and_then(Value::as_text).map(str::to_owned)
    }
}

fn answered(answer: Answer) -> Event {
    let bytes = answer.to_bytes();
    Event::Answer { answer: Box::new(Answer::from_bytes(&bytes).expect("an answer")), bytes: bytes.len() }
}

fn add(sum: &mut Exchanged, one: &Exchanged) {
    sum.pushed += one.pushed;
    sum.merged += one.merged;
    sum.known += one.known;
    sum.held += one.held;
    sum.refused += one.refused;
    sum.replayed += one.replayed;
    sum.received += one.received;
    sum.damaged += one.damaged;
    sum.bytes += one.bytes;
}

fn home(number: u8) -> HouseholdId {
    HouseholdId::from_bytes([number; 16])
}

fn register(address: &str) -> Action {
    let dwelling = Fields::new().with("address", address);
    let fields = Fields::new().with("status", "living").with("contact_phone", "02412345678");
    Action::RegisterHousehold { fields, dwelling, residents: vec![new_resident(1, "王秀英")] }
}

fn new_resident(number: u8, name: &str) -> NewResident {
    NewResident {
        resident: ResidentId::from_bytes([number; 16]),
        membership: MembershipId::from_bytes([number; 16]),
        fields: Fields::new().with("name", name),
        stay: Fields::new(),
    }
}

fn correct(field: &str, value: &str) -> Action {
    Action::Correct { record: RecordPath::household(), fields: Fields::new().with(field, value) }
}

fn visit(phone: &mut Phone) -> Action {
    let fact = FactId::from_bytes(phone.random.bytes());
    Action::RecordVisit { fact, visit: crate::testing::visit_at(phone.clock) }
}

fn codes(phone: &Phone) -> Vec<(String, u8)> {
    let refused = |pending: &&Pending| match &pending.state {
        PendingState::Refused { code, .. } => Some((code.clone(), pending.replays)),
        _ => None,
    };
    phone.outbox().iter().filter_map(refused).collect()
}

fn key(household: HouseholdId) -> DocumentKey {
    crate::document::DocumentId::household(household).into()
}
