//! From an edit to a change in the phone's own document.
//!
//! The change passes the whole guard here, with the phone's own view, so that what the registry would refuse is not
//! saved in the first place.
//!
//! **Invariant:** an edit that is not saved leaves no trace.

use super::row::{Document, Pending, PendingState, Row};
use super::{Effect, Entropy, Person, Replica, apply, draw_actor, heads, load};
use crate::broken::{Broken, is_broken};
use crate::change::{Base, BuildError, Head, RawChange, record_fact, write_household};
use crate::document::{ActorId, ChangeHash, DocumentId, DocumentKey, DocumentKind};
use crate::genesis;
use crate::guard::scan::Limits;
use crate::guard::{self, Code, Elsewhere, LastChange, Missing, Offered, Refusal, Rules, Verdict};
use automerge::{Automerge, ROOT, ReadDoc, Value as Stored};
use gridwork_domain::edit::{Action, Edit, EditError, Outcome, Write};
use gridwork_domain::id::{FactId, HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::Fact;
use std::convert::Infallible;

/// Why an edit is not saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSaved {
    /// What was entered does not fit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// It cannot be made of the household as it is.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The household is not on this phone.
    #[error("the household {0} is not on this phone: sync, or register it first")]
    NoSuchHousehold(HouseholdId),
    /// The document cannot be read.
    #[error("{0} cannot be read on this phone: sync, then record again")]
    Damaged(DocumentId),
    /// The fact is there already.
    #[error("this is recorded already")]
    Recorded,
    /// The guard refuses the change.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl NotSaved {
    /// A word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Edit(_) => "edit",
            Self::Build(BuildError::Nothing) => "nothing-to-do",
            Self::Build(BuildError::Exists(_)) => "exists",
            Self::Build(_) => "not-there",
            Self::NoSuchHousehold(_) => "no-such-household",
            Self::Damaged(_) => "damaged",
            Self::Recorded => "recorded",
            Self::Refused(refusal) => refusal.code.word(),
        }
    }
}

/// A change that was made of an edit, and the document with it.
pub(super) struct Draft {
    key: DocumentKey,
    change: RawChange,
    document: Document,
    single_use: bool,
}

impl Draft {
    /// Its change's hash.
    pub(super) fn hash(&self) -> ChangeHash {
        self.change.hash
    }
}

/// By whom a change is made: the phone's actor, or one for this change alone if it is built on an earlier version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hands {
    usual: ActorId,
    single_use: ActorId,
}

impl Replica {
    pub(super) fn recorded(
        &mut self,
        now: Instant,
        entropy: &mut dyn Entropy,
        edit: Edit,
        seen: Option<&[ChangeHash]>,
        home: ScopeId,
    ) -> Vec<Effect> {
        let id = edit.id;
        if self.numbers.contains_key(&id) {
            return vec![Effect::Saved(id)];
        }
        let hands = self.hands(entropy);
        match self.draft(now, &edit, hands, seen, home) {
            Ok(draft) => {
                self.commit(draft, edit, home, 0);
                self.save().into_iter().chain([Effect::Saved(id)]).collect()
            }
            Err(NotSaved::Recorded) => vec![Effect::Saved(id)],
            Err(reason) => vec![Effect::NotSaved(id, reason)],
        }
    }

    pub(super) fn hands(&self, entropy: &mut dyn Entropy) -> Hands {
        let usual = self.standing.actor.unwrap_or_else(|| draw_actor(entropy));
        Hands { usual, single_use: draw_actor(entropy) }
    }

    /// Makes a change of an edit and tries it; nothing is kept yet.
    pub(super) fn draft(
        &self,
        now: Instant,
        edit: &Edit,
        hands: Hands,
        seen: Option<&[ChangeHash]>,
        home: ScopeId,
    ) -> Result<Draft, NotSaved> {
        match edit.check(self.schema)? {
            Outcome::Fact(year, fact) => self.draft_fact(now, edit, hands.usual, year, &fact, home),
            Outcome::Household(writes) => self.draft_household(now, edit, hands, seen, &writes, home),
        }
    }

    /// Keeps a draft: its document, its edit in the outbox, and the actor if it is new.
    pub(super) fn commit(&mut self, draft: Draft, edit: Edit, home: ScopeId, replays: u8) {
        let actor = draft.change.actor;
        if !self.is_own(actor) {
            self.put(Row::Actor(actor));
            let person = Person { staff: Some(self.owner.staff), name: Some(self.owner.name.clone()) };
            self.put(Row::Author(actor, person));
        }
        if !draft.single_use && self.standing.actor != Some(actor) {
            let standing = super::Standing { actor: Some(actor), ..self.standing.clone() };
            self.put(Row::Standing(standing));
        }
        self.put(Row::Document(draft.key, draft.document));
        let number = self.outbox.last_key_value().map_or(1, |(last, _)| last + 1);
        let (document, change, state) = (draft.key, draft.change, PendingState::Waiting);
        self.put(Row::Pending(Box::new(Pending { number, edit, home, document, change, state, replays })));
    }

    fn draft_fact(
        &self,
        now: Instant,
        edit: &Edit,
        actor: ActorId,
        year: u16,
        fact: &Fact,
        home: ScopeId,
    ) -> Result<Draft, NotSaved> {
        let key = DocumentKey::from(DocumentId::visits(edit.household, year));
        let mut document = match self.documents.get(&key) {
            Some(stored) => load(&stored.bytes).ok_or(NotSaved::Damaged(key.id))?,
            None => genesis::empty(),
        };
        if fact_bytes(&document, fact.id).is_some_and(|bytes| bytes == crate::fact::encode(fact, &key)) {
            return Err(NotSaved::Recorded);
        }
        let home = self.home_of(edit.household, &key).unwrap_or(home);
        let change = record_fact(&Base::current(&document, actor), &key, fact, edit.at);
        let view = Own { replica: self, key, document: &document, actor };
        let Ok(verdict) = guard::judge(&view, &self.rules(now), &Offered { key, scope: home, bytes: &change.bytes });
        match verdict {
            // The household may be on its way from another phone: the registry waits for it too.
            Verdict::Merge(_) | Verdict::Hold(_, Missing::Household(_)) => {}
            other => return Err(refusal(other)),
        }
        let library_change = guard::decode(&change.bytes, &Limits::DEFAULT)?;
        apply(&mut document, library_change).map_err(|error| Refusal::new(Code::Trial, error))?;
        let damage = self.documents.get(&key).and_then(|stored| stored.damage.clone());
        let bytes = document.save_nocompress().into();
        let document = Document { home, heads: heads(&document), bytes, damage };
        Ok(Draft { key, change, document, single_use: false })
    }

    fn draft_household(
        &self,
        now: Instant,
        edit: &Edit,
        hands: Hands,
        seen: Option<&[ChangeHash]>,
        writes: &[Write],
        home: ScopeId,
    ) -> Result<Draft, NotSaved> {
        let key = DocumentKey::from(DocumentId::household(edit.household));
        let stored = self.documents.get(&key);
        let mut document = match stored {
            Some(stored) => load(&stored.bytes).ok_or(NotSaved::Damaged(key.id))?,
            None if matches!(edit.action, Action::RegisterHousehold { .. }) => genesis::begin(self.schema, &key),
            None => return Err(NotSaved::NoSuchHousehold(edit.household)),
        };
        let seen = seen.filter(|_| !is_broken(Broken::SeenIgnored));
        let stale = seen.filter(|seen| stored.is_some_and(|stored| sorted(seen) != stored.heads));
        genesis::add_missing(self.schema, &key, &mut document);
        let base = match stale {
            None => Base::current(&document, hands.usual),
            Some(seen) => {
                let seen = self.with_containers(&key, seen);
                Base::seen(&document, hands.single_use, &seen).ok_or(BuildError::UnknownHeads)?
            }
        };
        let home = self.home_of(edit.household, &key).unwrap_or(home);
        let change = write_household(self.schema, &document, &base, (edit.id, edit.at), writes)?;
        let view = Own { replica: self, key, document: &document, actor: change.actor };
        let Ok(verdict) = guard::judge(&view, &self.rules(now), &Offered { key, scope: home, bytes: &change.bytes });
        let Verdict::Merge(merge) = verdict else { return Err(refusal(verdict)) };
        let guard::Effect::Household { snapshot, mut heads, .. } = merge.effect else {
            unreachable!("the judge reads a household where one is offered");
        };
        heads.sort_unstable();
        let damage = stored.and_then(|stored| stored.damage.clone());
        let document = Document { home, heads, bytes: snapshot.into(), damage };
        Ok(Draft { key, change, document, single_use: stale.is_some() })
    }

    /// What an author saw, with the containers that this release has and that version did not.
    fn with_containers(&self, key: &DocumentKey, seen: &[ChangeHash]) -> Vec<automerge::ChangeHash> {
        let genesis = genesis::genesis(self.schema, key);
        let mut hashes: Vec<automerge::ChangeHash> = seen.iter().map(|hash| (*hash).into()).collect();
        if hashes.is_empty() || genesis.len() > 1 {
            hashes.extend(genesis.last().map(automerge::Change::hash));
        }
        hashes
    }

    fn home_of(&self, household: HouseholdId, key: &DocumentKey) -> Option<ScopeId> {
        let household = DocumentKey::from(DocumentId::household(household));
        self.documents.get(key).or_else(|| self.documents.get(&household)).map(|document| document.home)
    }

    fn rules(&self, now: Instant) -> Rules<'static> {
        Rules::new(self.schema, self.corrected(now))
    }
}

fn sorted(hashes: &[ChangeHash]) -> Vec<ChangeHash> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn refusal(verdict: Verdict) -> NotSaved {
    NotSaved::Refused(match verdict {
        Verdict::Quarantine(refusal) => refusal,
        // Built on the document's own heads, a change misses nothing and is known to nobody.
        other => Refusal::new(Code::Trial, format!("the change cannot be judged on this phone: {other:?}")),
    })
}

pub(super) fn fact_bytes(document: &Automerge, id: FactId) -> Option<Vec<u8>> {
    match document.get(ROOT, id.to_string()) {
        Ok(Some((Stored::Scalar(value), _))) => value.as_bytes().map(<[u8]>::to_vec),
        _ => None,
    }
}

/// What the judge may know on a phone: the one document at hand.
struct Own<'a> {
    replica: &'a Replica,
    key: DocumentKey,
    document: &'a Automerge,
    actor: ActorId,
}

impl guard::View for Own<'_> {
    type Error = Infallible;

    fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, Infallible> {
        Ok(self.replica.documents.get(key).map(|document| document.home))
    }

    fn may_write(&self, scope: ScopeId, _: DocumentKind) -> Result<bool, Infallible> {
        Ok(self.replica.scopes.contains_key(&scope))
    }

    fn owns(&self, actor: ActorId) -> Result<bool, Infallible> {
        Ok(actor == self.actor)
    }

    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, Infallible> {
        let meta = self.document.get_change_meta_by_hash(&hash.into()).filter(|_| *key == self.key);
        Ok(meta.map(|meta| Head { hash, largest_op: meta.max_op }))
    }

    fn elsewhere(&self, _: &DocumentKey, _: ChangeHash) -> Result<Option<Elsewhere>, Infallible> {
        Ok(None)
    }

    fn last(&self, _: &DocumentKey, actor: ActorId) -> Result<Option<LastChange>, Infallible> {
        let previous = Base::current(self.document, actor).previous;
        Ok(previous.map(|(head, sequence)| LastChange { hash: head.hash, sequence }))
    }

    fn fact(&self, _: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(fact_bytes(self.document, id))
    }

    fn fact_count(&self, _: &DocumentKey) -> Result<usize, Infallible> {
        Ok(self.document.length(automerge::ROOT))
    }

    fn document(&self, _: &DocumentKey) -> Result<Option<Automerge>, Infallible> {
        Ok(Some(self.document.clone()))
    }
}
