//! Several servers on one log. Each takes in a request in steps, between which it can die: it judges in a transaction,
//! commits, reads the answer, sends it.

use super::log::Log;
use super::memory::Memory;
use super::network::{Message, Network};
use super::oracle::{Oracle, Wrong};
use crate::answer::{Asked, answer};
use crate::broken::{Broken, is_broken};
use crate::change::{Base, record_fact, write_household};
use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use crate::genesis;
use crate::guard::Verdict;
use crate::guard::scan::{Limits, scan};
use crate::message::{Answer, ChangeVerdict, Entry, Outcome, PROTOCOL, Request, ScopeRequest};
use crate::testing::{Random, Registry};
use gridwork_domain::edit::{Edit, Outcome as Comes};
use gridwork_domain::id::{EditId, ScopeId, StaffId};
use std::collections::BTreeSet;

/// Codes with which a change of an honest device may be refused, whatever goes wrong around it.
/// Besides, who was out of office is not entitled, and a phone that was set back uses its sequence numbers again.
const LAWFUL: [&str; 3] = ["exists", "depends-on-quarantined", "nothing-to-correct"];

/// What a server does when a transaction is committed.
#[derive(Debug)]
pub(super) enum Then {
    /// It answers a phone.
    Answer(Box<Exchange>),
    /// It tells a caller that the edit is done.
    Tell(EditId),
    /// A hostile device is told nothing that it would listen to.
    Nothing,
}

/// A request that was judged.
#[derive(Debug)]
pub(super) struct Exchange {
    phone: usize,
    number: u64,
    scopes: Vec<ScopeRequest>,
    budget: usize,
    staff: StaffId,
    verdicts: Vec<ChangeVerdict>,
    pushed: BTreeSet<(DocumentKey, ChangeHash)>,
    actors: BTreeSet<ActorId>,
}

/// A server process.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Requests that came in.
    inbox: Vec<(usize, u64, Request)>,
    /// Requests whose changes are committed.
    committed: Vec<Exchange>,
}

/// An edit over REST, on its way.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) by: StaffId,
    pub(super) edit: Edit,
    /// The heads that the caller read; none for what stands.
    pub(super) seen: Option<Vec<ChangeHash>>,
    pub(super) home: ScopeId,
}

impl Server {
    pub(super) fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.committed.is_empty()
    }

    /// A request arrives; cut ones come to nothing.
    pub(super) fn receive(&mut self, message: &Message) {
        if let Ok(request) = Request::from_bytes(&message.bytes) {
            self.inbox.push((message.phone, message.exchange, request));
        }
    }

    pub(super) fn die(&mut self) {
        *self = Self::default();
    }

    /// Takes a request out of the inbox and judges it in a transaction; nothing if others hold the locks.
    pub(super) fn judge(
        &mut self,
        number: usize,
        log: &mut Log<Then>,
        network: &mut Network,
        memory: &Memory,
    ) -> Result<(), Wrong> {
        let Some((_, _, request)) = self.inbox.first() else { return Ok(()) };
        let keys: BTreeSet<DocumentKey> = request.pushes.iter().filter_map(|push| push.key().ok()).collect();
        let households = keys.iter().map(|key| key.id.subject()).collect();
        let home = |key: &DocumentKey| log.committed.documents.get(key).map(|kept| kept.home);
        let scopes =
            request.pushes.iter().map(|push| push.key().ok().and_then(|key| home(&key)).unwrap_or(push.scope()));
        let scopes = scopes.collect();
        if log.is_locked(&households, &scopes) {
            return Ok(());
        }
        let (phone, exchange, request) = self.inbox.remove(0);
        let mut unlawful = None;
        let early = is_broken(Broken::AcknowledgeBeforeCommit);
        let mut told = None;
        let committed = log.committed.clone();
        log.begin(number, households, scopes, |registry| {
            let judged = take_in(registry, phone, exchange, &request, memory);
            unlawful = judged.1;
            if early {
                told = Some(read_answer(&committed, &judged.0));
                Then::Nothing
            } else {
                Then::Answer(Box::new(judged.0))
            }
        });
        if let Some(bytes) = told {
            network.send(Message { phone, exchange, server: None, bytes });
        }
        unlawful.map_or(Ok(()), |detail| Err(Wrong { oracle: Oracle::HonestWork, detail }))
    }

    pub(super) fn committed(&mut self, exchange: Exchange) {
        self.committed.push(exchange);
    }

    /// Reads the answer to a request whose changes are committed, and sends it.
    pub(super) fn answer(&mut self, log: &Log<Then>, network: &mut Network) -> Result<bool, Wrong> {
        let Some(exchange) = (!self.committed.is_empty()).then(|| self.committed.remove(0)) else { return Ok(false) };
        let uncommitted = is_broken(Broken::CursorBeforeCommit).then(|| log.uncommitted());
        let bytes = read_answer(uncommitted.as_ref().unwrap_or(&log.committed), &exchange);
        let sent = Answer::from_bytes(&bytes).map_err(|error| Oracle::NoPanic.found(error.to_string()))?;
        for scope in &sent.scopes {
            let id = ScopeId::from_bytes(*scope.scope);
            if !log.committed.assignments.contains(&(exchange.staff, id)) {
                return Err(Oracle::PermittedViews.found(format!("phone {} was sent {id}", exchange.phone)));
            }
            let home = |key| log.committed.documents.get(&key).map(|kept| kept.home);
            let strays = |entry: &Entry| entry.key().is_ok_and(|key| home(key).is_some_and(|home| home != id));
            if scope.entries.iter().any(strays) {
                return Err(Oracle::PermittedViews.found(format!("phone {} was sent of elsewhere", exchange.phone)));
            }
        }
        network.send(Message { phone: exchange.phone, exchange: exchange.number, server: None, bytes });
        Ok(true)
    }

    /// Does an edit over REST in a transaction; says whether it could begin.
    pub(super) fn edit(
        number: usize,
        log: &mut Log<Then>,
        memory: &mut Memory,
        random: &mut Random,
        call: &Call,
    ) -> bool {
        let household = DocumentKey::from(DocumentId::household(call.edit.household));
        let home = log.committed.documents.get(&household).map_or(call.home, |kept| kept.home);
        let (households, scopes) = (BTreeSet::from([call.edit.household]), BTreeSet::from([home]));
        if log.is_locked(&households, &scopes) || !log.committed.assignments.contains(&(call.by, home)) {
            return false;
        }
        let single_use = ActorId(random.bytes());
        log.begin(number, households, scopes, |registry| {
            let done = apply_call(registry, memory, call, home, single_use);
            done.map_or(Then::Nothing, Then::Tell)
        });
        true
    }
}

/// The heads of a household as a caller reads them.
pub(super) fn heads(registry: &Registry, key: &DocumentKey) -> Vec<ChangeHash> {
    registry.documents.get(key).map_or_else(Vec::new, |kept| kept.heads.iter().copied().collect())
}

fn take_in(
    registry: &mut Registry,
    phone: usize,
    number: u64,
    request: &Request,
    memory: &Memory,
) -> (Exchange, Option<String>) {
    let staff = StaffId::from_bytes(*request.device().as_bytes());
    for actor in &request.new_actors {
        registry.owners.entry(ActorId(**actor)).or_insert(staff);
    }
    let (mut verdicts, mut pushed, mut unlawful) = (Vec::new(), BTreeSet::new(), None);
    let mut actors = BTreeSet::new();
    for push in &request.pushes {
        let Ok(key) = push.key() else { continue };
        for bytes in &push.changes {
            let scanned = scan(bytes, &Limits::DEFAULT).ok();
            actors.extend(scanned.as_ref().map(|scanned| ActorId(scanned.actor)));
            // Only staff release what was refused.
            let hash = scanned.map(|scanned| ChangeHash(scanned.hash));
            let refused = hash.and_then(|hash| Some((hash, *registry.quarantine.get(&(key, hash))?)));
            let (hash, outcome, code) = if let Some((hash, word)) = refused {
                (hash, Outcome::Quarantined, Some(word))
            } else {
                match registry.offer(staff, push.scope(), key, bytes) {
                    Verdict::Known(hash) => (hash, Outcome::Known, None),
                    Verdict::Merge(merge) => (merge.change.hash, Outcome::Merged, None),
                    Verdict::Hold(scanned, _) if is_broken(Broken::HeldToldMerged) => {
                        registry.held.remove(&(key, ChangeHash(scanned.hash)));
                        (ChangeHash(scanned.hash), Outcome::Merged, None)
                    }
                    Verdict::Hold(scanned, missing) => (ChangeHash(scanned.hash), Outcome::Held, Some(missing.word())),
                    Verdict::Quarantine(refusal) => {
                        let word = refusal.code.word();
                        let is_excused = match word {
                            "not-entitled" => memory.ended.contains(&staff),
                            "sequence-used" => memory.set_back.contains(&phone),
                            _ => LAWFUL.contains(&word),
                        };
                        if !is_excused {
                            unlawful = Some(format!("phone {phone}: {word}: {refusal}"));
                        }
                        (refusal.hash.unwrap_or(ChangeHash([0; 32])), Outcome::Quarantined, Some(word))
                    }
                }
            };
            pushed.insert((key, hash));
            let (document, hash) = ((*key.id.as_bytes()).into(), hash.0.into());
            let code = code.map(str::to_owned);
            verdicts.push(ChangeVerdict { document, epoch: key.epoch, hash, outcome, code });
        }
    }
    // Some answers come page by page.
    let (scopes, budget) = (request.scopes.clone(), [600, 4_000, request.budget()][phone % 3]);
    (Exchange { phone, number, scopes, budget, staff, verdicts, pushed, actors }, unlawful)
}

fn read_answer(registry: &Registry, exchange: &Exchange) -> Vec<u8> {
    let holds = |scope: &&ScopeRequest| {
        is_broken(Broken::EveryScope) || registry.assignments.contains(&(exchange.staff, scope.scope()))
    };
    let scopes: Vec<ScopeRequest> = exchange.scopes.iter().filter(holds).cloned().collect();
    let mut pushed = exchange.pushed.clone();
    if is_broken(Broken::EchoByActor) {
        let rows = registry.feeds.values().flatten().filter(|row| exchange.actors.contains(&row.actor));
        pushed.extend(rows.map(|row| (row.key, row.hash)));
    }
    let Ok((scopes, authors)) = answer(registry, &Asked { scopes: &scopes, budget: exchange.budget, pushed: &pushed });
    let (verdicts, server_time_ms) = (exchange.verdicts.clone(), registry.now.ms());
    Answer { protocol: PROTOCOL, server_time_ms, verdicts, scopes, authors, receipt: None }.to_bytes()
}

/// Makes the change of an edit over REST as the registry does, and has it judged.
fn apply_call(
    registry: &mut Registry,
    memory: &mut Memory,
    call: &Call,
    home: ScopeId,
    single_use: ActorId,
) -> Option<EditId> {
    let Call { by, edit, seen, .. } = call;
    let mut own = *by.as_bytes();
    own[15] ^= 0x5e;
    let own = ActorId(own);
    registry.owners.insert(own, *by);
    registry.owners.insert(single_use, *by);
    let (key, change, sees) = match edit.check(registry.schema).ok()? {
        Comes::Fact(year, fact) => {
            let key = DocumentKey::from(DocumentId::visits(edit.household, year));
            let known = registry.documents.contains_key(&key);
            let document = if known { registry.load(&key) } else { genesis::empty() };
            (key, record_fact(&Base::current(&document, own), &key, &fact, edit.at), BTreeSet::new())
        }
        Comes::Household(writes) => {
            let key = DocumentKey::from(DocumentId::household(edit.household));
            let is_known = registry.documents.contains_key(&key);
            let document = if is_known { registry.load(&key) } else { genesis::begin(registry.schema, &key) };
            let current = heads(registry, &key);
            let stale = seen.clone().filter(|seen| *seen != current && !is_broken(Broken::SeenIgnored));
            let base = match &stale {
                None => Base::current(&document, own),
                Some(seen) => {
                    let seen: Vec<automerge::ChangeHash> = seen.iter().map(|hash| (*hash).into()).collect();
                    Base::seen(&document, single_use, &seen)?
                }
            };
            let sees = memory.seen_at(key, seen.as_ref().unwrap_or(&current));
            (key, write_household(registry.schema, &document, &base, (edit.id, edit.at), &writes).ok()?, sees)
        }
    };
    let verdict = registry.offer(*by, home, key, &change.bytes);
    if !matches!(verdict, Verdict::Merge(_)) {
        return None;
    }
    memory.begin(edit, sees);
    memory.learn(key, change.hash, &change.dependencies, edit.id);
    Some(edit.id)
}
