//! What comes from the registry into the phone's documents.
//!
//! Pulled changes pass the guard's scan and canonical check, and are applied one by one where their dependencies are;
//! pulled documents are held against the hash and the size that was announced.
//!
//! **Invariant:** a document that cannot take what came is marked damaged, and every other document goes on. Own
//! changes without a verdict survive every pull.

use super::exchange::{Run, is_cursor};
use super::row::{Damage, Document, PendingState, Row, Scope};
use super::{Exchanged, Person, Replica, apply, heads, holds, load, loads_again};
use crate::document::{ActorId, ChangeHash, DocumentKey, DocumentKind, FIRST_EPOCH};
use crate::genesis;
use crate::guard::LARGEST_DOCUMENT;
use crate::guard::{self, scan::Limits};
use crate::message::{Author, Entry, ScopeAnswer, Snapshot};
use crate::reading::{read_facts, read_household};
use automerge::{Automerge, Change};
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of the name of a member of staff at most: 64 characters.
const LONGEST_NAME_BYTES: usize = 256;
/// Whole documents of a scope are fetched again at most so often: a scope that is damaged at its source would
/// otherwise be fetched for ever.
const REFETCH_MS: u64 = 86_400_000;

impl Replica {
    pub(super) fn learn_authors(&mut self, authors: &[Author]) {
        for author in authors.iter().filter(|author| author.name.len() <= LONGEST_NAME_BYTES) {
            let actor = ActorId(*author.actor);
            let person = Person { staff: Some(StaffId::from_bytes(*author.staff)), name: Some(author.name.clone()) };
            if self.authors.get(&actor) != Some(&person) {
                self.put(Row::Author(actor, person));
            }
        }
    }

    /// Takes in the news of all scopes; whether there is more to be fetched at once.
    pub(super) fn take_news(
        &mut self,
        now: Instant,
        scopes: Vec<ScopeAnswer>,
        run: &mut Run,
        report: &mut Exchanged,
    ) -> bool {
        let mut more = false;
        for news in scopes {
            let id = ScopeId::from_bytes(*news.scope);
            let Some(before) = self.scopes.get(&id).cloned().filter(|_| is_cursor(&news.cursor)) else { continue };
            let cursor = Some(news.cursor.to_vec());
            let moved = before.cursor != cursor;
            let mut scope = Scope { cursor, ..before.clone() };
            if news.anew {
                self.begin_comparing(id);
                scope.comparing = true;
            }
            let damaged = self.take_entries(&news.entries, id, &scope, run, report);
            if damaged && !scope.refetching && scope.may_refetch(now) {
                scope = Scope { cursor: None, refetching: true, refetched_at: Some(now), ..scope };
                more = true;
            } else if !news.more {
                if scope.refetching {
                    self.clear_damage(id);
                }
                if scope.comparing {
                    self.find_lost(id);
                }
                scope = Scope { refetching: false, comparing: false, ..scope };
            }
            more |= news.more && moved;
            if scope != before {
                self.put(Row::Scope(id, scope));
            }
        }
        more
    }

    fn take_entries(
        &mut self,
        entries: &[Entry],
        scope: ScopeId,
        as_it_is: &Scope,
        run: &mut Run,
        report: &mut Exchanged,
    ) -> bool {
        let mut by_document: BTreeMap<DocumentKey, Vec<&Entry>> = BTreeMap::new();
        // Documents of a kind or epoch that this release does not know wait for a release that does.
        for entry in entries {
            if let Ok(key) = entry.key()
                && key.epoch == FIRST_EPOCH
            {
                by_document.entry(key).or_default().push(entry);
            }
        }
        let mut damaged = false;
        for (key, entries) in by_document {
            report.received += entries.len() as u64;
            let mut incoming = Incoming::new(self, key, report);
            let taken = entries.into_iter().try_for_each(|entry| incoming.take(entry));
            let sound = incoming.must_load();
            let problem = taken.and(sound).err();
            let Incoming { document, whole, news, came, .. } = incoming;
            report.damaged += u64::from(problem.is_some());
            damaged |= problem.is_some();
            let damage = problem.map(|reason| Damage { reason, again: as_it_is.refetching });
            self.keep_document(key, scope, document, whole, damage);
            if as_it_is.comparing {
                self.note_came(key, came);
            }
            if news {
                self.ask_again(run, |held| held.id.subject() == key.id.subject());
            }
        }
        damaged
    }

    fn keep_document(
        &mut self,
        key: DocumentKey,
        home: ScopeId,
        document: Option<Automerge>,
        whole: bool,
        mut damage: Option<Damage>,
    ) {
        let stored = self.documents.get(&key);
        if damage.is_none() && !whole {
            damage = stored.and_then(|stored| stored.damage.clone());
        }
        let kept = match (document, stored) {
            (Some(document), _) => {
                let bytes = document.save_nocompress().into();
                Document { home, heads: heads(&document), bytes, damage }
            }
            (None, Some(stored)) => Document { home, damage, ..stored.clone() },
            (None, None) => {
                let document = genesis::begin(self.schema, &key);
                Document { home, heads: heads(&document), bytes: document.save_nocompress().into(), damage }
            }
        };
        if stored != Some(&kept) {
            self.put(Row::Document(key, kept));
        }
    }

    /// Whole documents have been fetched: what was damaged before and did not come damaged again is whole.
    fn clear_damage(&mut self, scope: ScopeId) {
        let healed = |document: &Document| {
            document.home == scope && document.damage.as_ref().is_some_and(|damage| !damage.again)
        };
        let healed: Vec<_> =
            self.documents.iter().filter(|(_, document)| healed(document)).map(|(key, _)| *key).collect();
        for key in healed {
            if let Some(document) = self.documents.get(&key).cloned() {
                self.put(Row::Document(key, Document { damage: None, ..document }));
            }
        }
    }
}

impl Scope {
    fn may_refetch(&self, now: Instant) -> bool {
        self.refetched_at.is_none_or(|at| now.ms().abs_diff(at.ms()) >= REFETCH_MS)
    }
}

/// One document that takes in what came for it.
struct Incoming<'a> {
    replica: &'a mut Replica,
    key: DocumentKey,
    report: &'a mut Exchanged,
    /// The document so far; none before its first entry, or if it cannot be kept.
    document: Option<Automerge>,
    /// Whether its saved bytes cannot be read.
    unreadable: bool,
    /// Whether it came as a whole.
    whole: bool,
    /// Whether anything came that was not there.
    news: bool,
    /// Whether changes were applied to it here.
    changed: bool,
    /// The heads of what came.
    came: BTreeSet<ChangeHash>,
}

impl<'a> Incoming<'a> {
    fn new(replica: &'a mut Replica, key: DocumentKey, report: &'a mut Exchanged) -> Self {
        let stored = replica.documents.get(&key);
        let document = stored.and_then(|stored| load(&stored.bytes));
        let unreadable = stored.is_some() && document.is_none();
        let came = BTreeSet::new();
        Self { replica, key, report, document, unreadable, whole: false, news: false, changed: false, came }
    }

    /// Takes in one entry. After an error nothing more of this answer is taken in, and the document is kept as far as
    /// it is sound.
    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        match (&entry.snapshot, &entry.change) {
            (Some(snapshot), None) => self.take_snapshot(snapshot)?,
            (None, Some(change)) => {
                let change = guard::decode(change, &Limits::DEFAULT).map_err(|refusal| refusal.to_string())?;
                self.take_change(change)?;
            }
            _ => return Err("an entry is either a change or a whole document".to_owned()),
        }
        let read = self.document.as_ref().map_or(Ok(()), |document| match self.key.id.kind() {
            DocumentKind::Household => read_household(self.replica.schema, &self.key, document).map(drop),
            DocumentKind::Visits => read_facts(document).map(drop),
        });
        read.map_err(|unreadable| {
            self.document = None;
            unreadable.to_string()
        })
    }

    fn take_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), String> {
        if snapshot.bytes.len() > LARGEST_DOCUMENT {
            return Err(format!("the document has more than {LARGEST_DOCUMENT} bytes"));
        }
        if Sha256::digest(&**snapshot.bytes)[..] != snapshot.hash[..] {
            return Err("the document is not the one that was announced".to_owned());
        }
        let whole = load(&snapshot.bytes).ok_or("the document does not load")?;
        self.came = heads(&whole).into_iter().collect();
        if self.document.is_some() {
            for change in whole.get_changes(&[]) {
                self.take_change(change)?;
            }
        } else {
            self.news = true;
            self.settle(|hash| holds(&whole, hash));
            self.document = Some(whole);
            if self.unreadable {
                self.unreadable = false;
                self.add_unsent();
            }
        }
        self.whole = true;
        Ok(())
    }

    fn take_change(&mut self, change: Change) -> Result<(), String> {
        if self.unreadable {
            return Err("the document's saved bytes cannot be read".to_owned());
        }
        let hash = ChangeHash::from(change.hash());
        self.came.insert(hash);
        self.settle(|settled| settled == hash);
        let mut document = match self.document.take() {
            Some(document) => document,
            None => genesis::begin(self.replica.schema, &self.key),
        };
        if holds(&document, hash) {
            self.document = Some(document);
            return Ok(());
        }
        let missing = change.deps().iter().find(|hash| !holds(&document, ChangeHash::from(**hash))).copied();
        if let Some(missing) = missing {
            self.document = Some(document);
            return Err(format!("a change came without {missing}, on which it depends"));
        }
        if let Some(actor) = ActorId::from_library(change.actor_id()) {
            self.replica.give_way(&self.key, actor, change.seq(), &mut document);
        }
        apply(&mut document, change)?;
        self.document = Some(document);
        (self.news, self.changed) = (true, true);
        Ok(())
    }

    /// The library applies changes with which it never loads the document again; then nothing of this answer is kept.
    fn must_load(&mut self) -> Result<(), String> {
        let changed = self.document.as_ref().filter(|_| self.changed);
        if changed.is_some_and(|document| !loads_again(document)) {
            self.document = None;
            return Err("with what came the document could not be read again".to_owned());
        }
        Ok(())
    }

    /// The registry has these changes: their edits are merged.
    fn settle(&mut self, has: impl Fn(ChangeHash) -> bool) {
        let merged = |pending: &&super::Pending| pending.document == self.key && has(pending.change.hash);
        let merged: Vec<_> = self.replica.outbox.values().filter(merged).map(|pending| pending.edit.id).collect();
        for edit in merged {
            self.report.merged += 1;
            self.replica.put(Row::Settled(edit));
        }
        self.replica.find(&self.key, has);
    }

    /// Adds own changes without a verdict to a document that came in place of one that could not be read.
    fn add_unsent(&mut self) {
        let unsent = |pending: &&super::Pending| pending.document == self.key && pending.is_in_document();
        let unsent: Vec<_> = self.replica.outbox.values().filter(unsent).cloned().collect();
        for mut pending in unsent {
            let Some(document) = &mut self.document else { return };
            let there = pending.change.dependencies.iter().all(|hash| holds(document, *hash));
            let change = guard::decode(&pending.change.bytes, &Limits::DEFAULT).ok().filter(|_| there);
            let mut tried = document.clone();
            if change.is_some_and(|change| apply(&mut tried, change).is_ok()) {
                *document = tried;
            } else {
                pending.state = PendingState::Aside;
                self.replica.put(Row::Pending(Box::new(pending)));
            }
        }
    }
}
