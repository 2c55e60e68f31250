//! The schedule of a seed: who does what next, and what goes wrong, drawn step by step; then the network heals, all come
//! to rest, and the oracles ask.

use super::Told;
use super::hostile::Hostile;
use super::log::Log;
use super::memory::Memory;
use super::network::{Message, Network};
use super::oracle::{self, Oracle, Wrong};
use super::people::{draw_action, register};
use super::phone::{Dies, Phone};
use super::server::{self, Call, Server, Then};
use crate::document::{ChangeHash, DocumentId, DocumentKey};
use crate::testing::{NOW, Random, Registry, SCHEMA_2};
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::{EditId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const SCOPES: [ScopeId; 2] = [ScopeId::from_bytes([0x22; 16]), ScopeId::from_bytes([0x33; 16])];
/// Two households of the first grid, and one of the second.
const HOMES: [(HouseholdId, usize); 3] = [
    (HouseholdId::from_bytes([1; 16]), 0),
    (HouseholdId::from_bytes([2; 16]), 0),
    (HouseholdId::from_bytes([3; 16]), 1),
];
const CALLER: StaffId = StaffId::from_bytes([0xca; 16]);
const HOUR_MS: i64 = 3_600_000;
/// Rounds in which all must come to rest once the network is good: what is held is asked about every hour, and an edit
/// is made again three times at most.
const MOST_ROUNDS: usize = 8;
/// Messages that a phone may need in one round.
const MOST_MESSAGES: usize = 200;

/// The world.
pub(super) struct World {
    random: Random,
    now: Instant,
    log: Log<Then>,
    servers: Vec<Server>,
    phones: Vec<Phone>,
    network: Network,
    memory: Memory,
    hostile: Option<Hostile>,
    /// Forms that the caller has open: a household's heads as they were read.
    forms: Vec<(HouseholdId, Vec<ChangeHash>)>,
    /// Forms that phones have open.
    open: Vec<Option<(HouseholdId, Vec<ChangeHash>)>>,
    trace: Sha256,
    told: Told,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        // Seeds that follow each other are not to begin alike.
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| {
            random.next();
        });
        let mut registry = Registry::new(&SCHEMA_1);
        let count = 2 + random.below(3);
        let mut phones = Vec::new();
        for number in 0..count {
            let both = random.one_in(3);
            let scopes: BTreeSet<ScopeId> = SCOPES.into_iter().skip(number % 2).take(1 + usize::from(both)).collect();
            let phone = Phone::enrol(number, random.next(), scopes.clone(), NOW, &SCHEMA_1);
            registry.assignments.extend(scopes.into_iter().map(|scope| (phone.staff, scope)));
            phones.push(phone);
        }
        registry.assignments.extend(SCOPES.map(|scope| (CALLER, scope)));
        let hostile = random.one_in(2).then(|| Hostile::enrol(&mut registry, SCOPES[0]));
        let servers = (0..1 + random.below(3)).map(|_| Server::default()).collect();
        let open = vec![None; phones.len()];
        Self {
            random,
            now: NOW,
            log: Log::new(registry),
            servers,
            phones,
            network: Network::default(),
            memory: Memory::default(),
            hostile,
            forms: Vec::new(),
            open,
            trace: Sha256::new(),
            told: Told::default(),
        }
    }

    /// Runs the schedule to its end, and asks.
    pub(super) fn run(mut self) -> Result<Told, Wrong> {
        let steps = 60 + self.random.below(120);
        for _ in 0..steps {
            self.step()?;
        }
        self.heal()?;
        oracle::ask(&self.log.committed, &self.phones, &self.memory)?;
        let digest: [u8; 32] = self.trace.finalize().into();
        let merged = self.log.committed.documents.values().map(|kept| kept.log.len() as u64).sum();
        let (edits, faults) = (self.memory.meant.len() as u64, self.network.faults);
        let trace = u64::from_be_bytes(digest[..8].try_into().unwrap_or_default());
        Ok(Told { trace, edits, merged, faults, ..self.told })
    }

    fn step(&mut self) -> Result<(), Wrong> {
        self.now = self.now.plus_ms(self.random.below(60_000) as i64);
        self.log.committed.now = self.now;
        let what = self.random.below(100);
        self.trace.update([what as u8]);
        match what {
            0..=22 => self.record()?,
            25..=36 => self.sync()?,
            37..=54 => self.deliver(false)?,
            55..=62 => self.judge()?,
            63..=70 => self.commit(),
            71..=78 => self.answer()?,
            79..=84 => self.call(),
            23 | 24 | 85 => self.strike(),
            86 | 87 => self.crash_server(),
            88 | 89 => {
                let chosen = self.random.below(self.phones.len());
                self.phones[chosen].crash();
                self.told.crashes += 1;
            }
            90 | 91 => {
                let chosen = self.random.below(self.phones.len());
                let dies = self.dies();
                self.phones[chosen].give_up(&mut self.memory, dies)?;
            }
            92 => {
                let chosen = self.random.below(self.phones.len());
                let off_ms = (self.random.below(2_000) as i64 - 1_000) * HOUR_MS / 10;
                self.phones[chosen].clock = self.now.plus_ms(off_ms);
            }
            93 => self.reassign(),
            94 => self.upgrade(),
            95 | 96 => self.phones.iter_mut().for_each(Phone::back_up),
            97 => self.set_back()?,
            _ => self.open_form(),
        }
        Ok(())
    }

    fn dies(&mut self) -> Dies {
        let dies = match self.random.below(24) {
            0 => Dies::BeforeItSaves,
            1 => Dies::AfterItSaved,
            _ => Dies::No,
        };
        self.told.crashes += u64::from(dies != Dies::No);
        dies
    }

    /// A person at a phone records something.
    fn record(&mut self) -> Result<(), Wrong> {
        let chosen = self.random.below(self.phones.len());
        self.record_at(chosen)
    }

    fn record_at(&mut self, chosen: usize) -> Result<(), Wrong> {
        let (household, scope) = *self.random.pick(&HOMES);
        let home = SCOPES[scope];
        let dies = self.dies();
        let is_registered = self.is_registered(household);
        let phone = &mut self.phones[chosen];
        if !phone.scopes.contains(&home) {
            return Ok(());
        }
        phone.clock = phone.clock.plus_ms(1_000);
        let action = if !is_registered {
            register(&mut self.random)
        } else {
            let known = self.random.one_in(4).then(|| phone.replica.household(household)).flatten();
            match known.and_then(|known| known.conflicts.into_iter().next()) {
                Some(conflict) => {
                    let one = self.random.pick(&conflict.alternatives);
                    Action::DecideConflict { path: conflict.path.clone(), value: one.value.clone() }
                }
                None => draw_action(&mut self.random, phone.clock, chosen),
            }
        };
        let edit = Edit { id: EditId::from_bytes(phone.bytes()), at: phone.clock, household, action };
        let form = self.open[chosen].clone().filter(|(open, _)| *open == household && self.random.one_in(2));
        phone.record(&mut self.memory, &edit, form.map(|(_, heads)| heads), home, dies)?;
        self.trace.update(edit.id.as_bytes());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Wrong> {
        let chosen = self.random.below(self.phones.len());
        let dies = self.dies();
        if !self.phones[chosen].is_waiting() {
            self.phones[chosen].sync(&mut self.memory, dies)?;
        }
        self.send(chosen);
        Ok(())
    }

    /// Puts on its way what a phone wants to send, to any of the servers.
    fn send(&mut self, phone: usize) {
        if let Some((exchange, request)) = self.phones[phone].outgoing.take() {
            let bytes = request.to_bytes();
            self.trace.update(&bytes);
            let server = Some(self.random.below(self.servers.len()));
            self.network.send(Message { phone, exchange, server, bytes });
        }
    }

    fn deliver(&mut self, is_good: bool) -> Result<(), Wrong> {
        let Some(message) = self.network.deliver(&mut self.random, is_good) else { return Ok(()) };
        self.trace.update(&message.bytes);
        match message.server {
            Some(server) => self.servers[server].receive(&message),
            None => {
                let dies = if is_good { Dies::No } else { self.dies() };
                self.phones[message.phone].receive(&mut self.memory, message.exchange, &message.bytes, dies)?;
                self.send(message.phone);
            }
        }
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Wrong> {
        let chosen = self.random.below(self.servers.len());
        self.servers[chosen].judge(chosen, &mut self.log, &mut self.network, &self.memory)
    }

    fn commit(&mut self) {
        let chosen = self.random.below(self.servers.len());
        let under_way = self.log.of_server(chosen);
        if !under_way.is_empty() {
            let number = *self.random.pick(&under_way);
            self.commit_one(chosen, number);
        }
    }

    fn commit_one(&mut self, server: usize, number: u64) {
        match self.log.commit(number) {
            Some(Then::Answer(exchange)) => self.servers[server].committed(*exchange),
            Some(Then::Tell(edit)) => {
                self.memory.told_saved(edit);
                self.memory.told_merged(edit);
            }
            Some(Then::Nothing) | None => {}
        }
    }

    fn answer(&mut self) -> Result<(), Wrong> {
        let chosen = self.random.below(self.servers.len());
        let answered = self.servers[chosen].answer(&self.log, &mut self.network)?;
        self.told.exchanges += u64::from(answered);
        Ok(())
    }

    /// A caller's problem is entered over REST, on a version that was read earlier or on what stands.
    fn call(&mut self) {
        let (household, scope) = *self.random.pick(&HOMES);
        let key = DocumentKey::from(DocumentId::household(household));
        let server = self.random.below(self.servers.len());
        let is_known = self.log.committed.documents.contains_key(&key);
        let action = if is_known {
            draw_action(&mut self.random, self.now, 9)
        } else if self.is_registered(household) {
            return;
        } else {
            register(&mut self.random)
        };
        let form = self.forms.iter().find(|(open, _)| *open == household && is_known);
        let seen = form.map(|(_, heads)| heads.clone()).filter(|_| self.random.one_in(2));
        let edit = Edit { id: EditId::from_bytes(self.random.bytes()), at: self.now, household, action };
        let call = Call { by: CALLER, edit, seen, home: SCOPES[scope] };
        Server::edit(server, &mut self.log, &mut self.memory, &mut self.random, &call);
    }

    /// Whether somebody has registered a household, whether or not others know.
    fn is_registered(&self, household: HouseholdId) -> bool {
        self.log.knows(household) || self.phones.iter().any(|phone| phone.form(household).is_some())
    }

    fn strike(&mut self) {
        let server = self.random.below(self.servers.len());
        let (household, scope) = HOMES[self.random.below(2)];
        let is_known = self.log.committed.documents.contains_key(&DocumentId::household(household).into());
        if let Some(hostile) = self.hostile.as_ref().filter(|_| is_known) {
            let struck = hostile.strike(server, &mut self.log, &mut self.random, household, SCOPES[scope]);
            self.told.hostile += u64::from(struck);
        }
    }

    fn crash_server(&mut self) {
        let chosen = self.random.below(self.servers.len());
        self.servers[chosen].die();
        self.log.forget(chosen);
        self.told.crashes += 1;
    }

    /// Somebody's term of office in a grid ends, or begins again.
    fn reassign(&mut self) {
        let chosen = self.random.below(self.phones.len());
        let phone = &self.phones[chosen];
        let scopes: Vec<ScopeId> = phone.scopes.iter().copied().collect();
        let term = (phone.staff, *self.random.pick(&scopes));
        self.memory.ended.insert(term.0);
        if !self.log.committed.assignments.remove(&term) {
            self.log.committed.assignments.insert(term);
        }
    }

    /// The servers are upgraded first, then phones one by one.
    fn upgrade(&mut self) {
        if self.log.committed.schema.version == 1 {
            self.log.committed.schema = &SCHEMA_2;
            (0..self.servers.len()).for_each(|server| self.log.forget(server));
            self.servers.iter_mut().for_each(Server::die);
        } else {
            let chosen = self.random.below(self.phones.len());
            self.phones[chosen].start(&SCHEMA_2);
        }
    }

    /// Phones are set back to their backups, those that have nothing that nobody else has; their people go on.
    fn set_back(&mut self) -> Result<(), Wrong> {
        for chosen in 0..self.phones.len() {
            if self.random.one_in(2) && self.phones[chosen].set_back() {
                self.memory.set_back.insert(chosen);
                if self.random.one_in(2) {
                    self.phones[chosen].sync(&mut self.memory, Dies::No)?;
                    self.send(chosen);
                }
                self.record_at(chosen)?;
            }
        }
        Ok(())
    }

    fn open_form(&mut self) {
        let (household, _) = *self.random.pick(&HOMES);
        if self.random.one_in(2) {
            let key = DocumentKey::from(DocumentId::household(household));
            let heads = server::heads(&self.log.committed, &key);
            self.forms.retain(|(open, _)| *open != household);
            if !heads.is_empty() {
                self.forms.push((household, heads));
            }
        } else {
            let chosen = self.random.below(self.phones.len());
            self.open[chosen] = self.phones[chosen].form(household).map(|heads| (household, heads));
        }
    }

    /// The network is good from here on, nobody dies, everybody is in office: all must come to rest.
    fn heal(&mut self) -> Result<(), Wrong> {
        for phone in &self.phones {
            self.log.committed.assignments.extend(phone.scopes.iter().map(|scope| (phone.staff, *scope)));
        }
        for round in 0..MOST_ROUNDS {
            self.now = self.now.plus_ms(HOUR_MS + 1);
            self.log.committed.now = self.now;
            self.settle(0)?;
            self.register_what_nobody_has();
            match round {
                1 => {
                    self.phones.iter_mut().for_each(Phone::back_up);
                    (0..self.phones.len()).try_for_each(|chosen| self.record_at(chosen))?;
                }
                3 => self.set_back()?,
                _ => {}
            }
            for chosen in 0..self.phones.len() {
                self.settle(chosen)?;
                self.phones[chosen].give_up(&mut self.memory, Dies::No)?;
                self.phones[chosen].clock = self.now;
                self.phones[chosen].sync(&mut self.memory, Dies::No)?;
                self.send(chosen);
                self.settle(chosen)?;
            }
        }
        Ok(())
    }

    /// A registration may have been refused for good, when the term of office had ended; then the office enters it.
    fn register_what_nobody_has(&mut self) {
        for (household, scope) in HOMES {
            if !self.is_registered(household) {
                let id = EditId::from_bytes(self.random.bytes());
                let edit = Edit { id, at: self.now, household, action: register(&mut self.random) };
                let call = Call { by: CALLER, edit, seen: None, home: SCOPES[scope] };
                Server::edit(0, &mut self.log, &mut self.memory, &mut self.random, &call);
            }
        }
    }

    /// Lets everything that is under way arrive and be done.
    fn settle(&mut self, phone: usize) -> Result<(), Wrong> {
        for _ in 0..MOST_MESSAGES {
            let is_quiet = self.network.is_empty()
                && self.servers.iter().all(Server::is_idle)
                && (0..self.servers.len()).all(|server| self.log.of_server(server).is_empty());
            if is_quiet {
                return Ok(());
            }
            self.deliver(true)?;
            for server in 0..self.servers.len() {
                self.servers[server].judge(server, &mut self.log, &mut self.network, &self.memory)?;
                for number in self.log.of_server(server) {
                    self.commit_one(server, number);
                }
                let answered = self.servers[server].answer(&self.log, &mut self.network)?;
                self.told.exchanges += u64::from(answered);
            }
        }
        Err(Oracle::Rest.found(format!("phone {phone} does not come to rest in {MOST_MESSAGES} messages")))
    }
}
