//! A phone: the real replica, a disk that keeps what was saved, a clock that may be wrong, and a person.

use super::memory::Memory;
use super::oracle::{Oracle, Wrong};
use crate::document::{ChangeHash, DocumentId, DocumentKey};
use crate::message::{Answer, Outcome, Request};
use crate::replica::{Effect, Event, Failure, NotSaved, Owner, PendingState, Replica, Row, Scope};
use crate::testing::Random;
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::{DeviceId, EditId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::Schema;
use std::collections::BTreeSet;

/// Words with which an edit is lawfully not saved: it names what is not there, or changes nothing.
const LAWFULLY_NOT_SAVED: [&str; 5] = ["nothing-to-do", "exists", "not-there", "no-such-household", "recorded"];
/// Words with which an edit is lawfully refused for good.
const LAWFULLY_REFUSED: [&str; 6] =
    ["not-entitled", "nothing-to-correct", "exists", "not-there", "no-such-household", "depends-on-quarantined"];

/// When a phone dies while it handles something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dies {
    No,
    BeforeItSaves,
    AfterItSaved,
}

/// A phone.
pub(super) struct Phone {
    pub(super) number: usize,
    pub(super) staff: StaffId,
    pub(super) clock: Instant,
    pub(super) replica: Replica,
    pub(super) scopes: BTreeSet<ScopeId>,
    schema: &'static Schema,
    owner: Owner,
    disk: Vec<Row>,
    backup: Option<Vec<Row>>,
    random: Random,
    /// The exchange whose answer it waits for.
    awaited: Option<u64>,
    exchanges: u64,
    /// What it wants to send.
    pub(super) outgoing: Option<(u64, Request)>,
}

impl Phone {
    pub(super) fn enrol(
        number: usize,
        seed: u64,
        scopes: BTreeSet<ScopeId>,
        now: Instant,
        schema: &'static Schema,
    ) -> Self {
        let id = [number as u8 + 1; 16];
        let (device, staff) = (DeviceId::from_bytes(id), StaffId::from_bytes(id));
        let owner = Owner { device, staff, name: format!("网格员{number:03}") };
        let disk: Vec<Row> = scopes.iter().map(|scope| Row::Scope(*scope, Scope::default())).collect();
        let replica = Replica::new(schema, owner.clone(), disk.clone());
        let random = Random(seed | 1);
        let (backup, awaited, exchanges, outgoing) = (None, None, 0, None);
        Self {
            number,
            staff,
            clock: now,
            replica,
            scopes,
            schema,
            owner,
            disk,
            backup,
            random,
            awaited,
            exchanges,
            outgoing,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// The release of the app.
    pub(super) fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The app is started again, perhaps in a later version.
    pub(super) fn start(&mut self, schema: &'static Schema) {
        self.schema = schema;
        (self.awaited, self.outgoing) = (None, None);
        self.replica = Replica::new(schema, self.owner.clone(), self.disk.clone());
    }

    pub(super) fn crash(&mut self) {
        self.start(self.schema);
    }

    /// Backs the phone up if nothing waits on it: what waits may be refused and made again under another name, and a phone
    /// that is set back before that would make it a second time.
    pub(super) fn back_up(&mut self) {
        if self.replica.outbox().next().is_none() {
            self.backup = Some(self.disk.clone());
        }
    }

    /// The phone is set back to its backup; only a phone that has nothing that nobody else has.
    pub(super) fn set_back(&mut self) -> bool {
        let is_lawful = self.replica.outbox().next().is_none() && self.backup.is_some();
        if let Some(disk) = self.backup.clone().filter(|_| is_lawful) {
            self.disk = disk;
            self.crash();
        }
        is_lawful
    }

    pub(super) fn bytes(&mut self) -> [u8; 16] {
        self.random.bytes()
    }

    /// The heads of a household as its person sees it.
    pub(super) fn form(&self, household: HouseholdId) -> Option<Vec<ChangeHash>> {
        self.replica.heads(&DocumentId::household(household).into()).map(<[ChangeHash]>::to_vec)
    }

    /// A person records something, on a form filled earlier or on what stands.
    pub(super) fn record(
        &mut self,
        memory: &mut Memory,
        edit: &Edit,
        seen: Option<Vec<ChangeHash>>,
        home: ScopeId,
        dies: Dies,
    ) -> Result<(), Wrong> {
        let key = DocumentKey::from(DocumentId::household(edit.household));
        let heads = seen.clone().or_else(|| self.form(edit.household)).unwrap_or_default();
        memory.begin(edit, memory.seen_at(key, &heads));
        let event = Event::Record { edit: Box::new(edit.clone()), seen, home };
        for effect in self.handle(memory, event, dies)? {
            match effect {
                Effect::Saved(id) => memory.told_saved(id),
                Effect::NotSaved(_, NotSaved::Refused(refusal)) if refusal.code.word() == "not-entitled" => {}
                Effect::NotSaved(_, reason) if !LAWFULLY_NOT_SAVED.contains(&reason.word()) => {
                    return Err(Oracle::HonestWork.found(format!("phone {}: {reason}: {edit:?}", self.number)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, memory: &mut Memory, dies: Dies) -> Result<(), Wrong> {
        self.go_on(memory, Event::Sync { pull: true }, dies)
    }

    pub(super) fn give_up(&mut self, memory: &mut Memory, dies: Dies) -> Result<(), Wrong> {
        if self.awaited.take().is_none() {
            return Ok(());
        }
        self.outgoing = None;
        self.go_on(memory, Event::Failed(Failure::Network("nothing came".to_owned())), dies)
    }

    /// An answer arrives; late ones and cut ones come to nothing.
    pub(super) fn receive(
        &mut self,
        memory: &mut Memory,
        exchange: u64,
        bytes: &[u8],
        dies: Dies,
    ) -> Result<(), Wrong> {
        if self.awaited != Some(exchange) {
            return Ok(());
        }
        self.awaited = None;
        let Ok(answer) = Answer::from_bytes(bytes) else {
            return self.go_on(memory, Event::Failed(Failure::Network("cut".to_owned())), dies);
        };
        let confirmed = self.confirmed(memory, &answer);
        let before: Vec<_> = self.replica.outbox().cloned().collect();
        self.go_on(memory, Event::Answer { answer: Box::new(answer), bytes: bytes.len() }, dies)?;
        let still: BTreeSet<EditId> = self.replica.outbox().map(|pending| pending.edit.id).collect();
        for pending in before.iter().filter(|pending| !still.contains(&pending.edit.id)) {
            if confirmed.contains(&pending.edit.id) {
                memory.told_merged(pending.edit.id);
            } else if !self.would_come_to_nothing(&pending.edit, pending.home) {
                let detail = format!("phone {} forgot {:?}, of which nothing was said", self.number, pending.edit);
                return Err(Oracle::NothingLost.found(detail));
            } else if let Some(meant) = memory.meant.get_mut(&pending.edit.id) {
                meant.void = true;
            }
        }
        Ok(())
    }

    /// Whether the person, who does it again now, would be told that all reads so already. A need is withdrawn only where it
    /// was seen, and may have gone with another edit that was refused.
    fn would_come_to_nothing(&self, edit: &Edit, home: ScopeId) -> bool {
        if matches!(edit.action, Action::WithdrawNeed { .. }) {
            return true;
        }
        let mut phone = Replica::new(self.schema, self.owner.clone(), self.disk.clone());
        let again = Edit { id: EditId::from_bytes([0xee; 16]), ..edit.clone() };
        let event = Event::Record { edit: Box::new(again), seen: None, home };
        let effects = phone.handle(self.clock, &mut Random(1), event);
        !effects.iter().any(|effect| matches!(effect, Effect::Save(_)))
    }

    /// Edits that an answer says are in the registry.
    fn confirmed(&self, memory: &Memory, answer: &Answer) -> BTreeSet<EditId> {
        let merged = |outcome| matches!(outcome, Outcome::Merged | Outcome::Known);
        let verdicts = answer.verdicts.iter().filter(|verdict| merged(verdict.outcome));
        let mut confirmed: BTreeSet<EditId> =
            verdicts.filter_map(|verdict| memory.edit_of(verdict.key().ok()?, verdict.hash())).collect();
        for entry in answer.scopes.iter().flat_map(|scope| &scope.entries) {
            let Ok(key) = entry.key() else { continue };
            let hashes: Vec<ChangeHash> = match (&entry.change, &entry.snapshot) {
                (Some(bytes), _) => {
                    let change = automerge::Change::from_bytes(bytes.to_vec()).ok();
                    change.map(|change| change.hash().into()).into_iter().collect()
                }
                (None, Some(snapshot)) => {
                    let document = automerge::Automerge::load(&snapshot.bytes).unwrap_or_default();
                    document.get_changes(&[]).iter().map(|change| change.hash().into()).collect()
                }
                (None, None) => Vec::new(),
            };
            confirmed.extend(hashes.into_iter().filter_map(|hash| memory.edit_of(key, hash)));
        }
        confirmed
    }

    fn go_on(&mut self, memory: &mut Memory, event: Event, dies: Dies) -> Result<(), Wrong> {
        for effect in self.handle(memory, event, dies)? {
            if let Effect::Send(request) = effect {
                self.exchanges += 1;
                self.awaited = Some(self.exchanges);
                self.outgoing = Some((self.exchanges, request));
            }
        }
        Ok(())
    }

    fn handle(&mut self, memory: &mut Memory, event: Event, dies: Dies) -> Result<Vec<Effect>, Wrong> {
        let mut effects = self.replica.handle(self.clock, &mut self.random, event);
        if dies == Dies::BeforeItSaves {
            self.crash();
            return Ok(Vec::new());
        }
        if let Some(Effect::Save(rows)) = effects.first() {
            self.remember(memory, rows);
            self.disk.extend(rows.iter().cloned());
            effects.remove(0);
        }
        if dies == Dies::AfterItSaved {
            self.crash();
            return Ok(Vec::new());
        }
        if effects.iter().any(|effect| matches!(effect, Effect::Save(_))) {
            return Err(Oracle::ExactlyOnce.found(format!("phone {} saves one event twice", self.number)));
        }
        Ok(effects)
    }

    /// Learns of which edit each change is that was saved.
    fn remember(&self, memory: &mut Memory, rows: &[Row]) {
        for row in rows {
            if let Row::Pending(pending) = row {
                let change = &pending.change;
                memory.learn(pending.document, change.hash, &change.dependencies, pending.edit.id);
            }
        }
    }

    /// Edits that the registry refused for good, other than lawfully.
    pub(super) fn unlawfully_refused(&self, memory: &Memory) -> Option<String> {
        let never_ended = !memory.ended.contains(&self.staff);
        let word = |pending: &crate::replica::Pending| match &pending.state {
            PendingState::Refused { code, .. } if code == "not-entitled" && never_ended => Some(code.clone()),
            PendingState::Refused { code, .. } if !LAWFULLY_REFUSED.contains(&code.as_str()) => Some(code.clone()),
            _ => None,
        };
        self.replica.outbox().find_map(|pending| Some(format!("{} for {:?}", word(pending)?, pending.edit)))
    }
}
