//! The guard: whether a change is let into a document. Pure: `judge(view, change) -> verdict`.
//!
//! The library is not safe on hostile bytes, so they reach one decoder only, after a scan of our own, and each thing
//! that is wrong is refused by a step that has a number and a word:
//!
//! 1. [`scan`]: the raw bytes are one change of bounded size;
//! 2. canonical: they are what the library's encoder makes of them;
//! 3. identity and order: who made it, where it stands among that actor's changes, what it depends on;
//! 4. operations: the grammar of the document's kind;
//! 5. trial: it applies, saves, loads and reads; facts are compared with those that are known.
//!
//! Step 0 is that nothing else is ever decoded; step 6, quarantine, is the caller's.
//!
//! **Invariant:** a change that is merged can be merged by every replica, and every document that holds it can be loaded.

pub mod scan;

mod grammar;
mod order;
mod refusal;
mod trial;

pub use refusal::{Code, Refusal};

use crate::broken::{Broken, is_broken};
use crate::change::{Head, RawChange};
use crate::document::{ActorId, ChangeHash, DocumentKey, DocumentKind, FIRST_EPOCH};
use crate::reading::Reading;
use automerge::{Automerge, Change};
use gridwork_domain::id::{FactId, HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::Schema;
use gridwork_domain::visit::Fact;
use scan::{Limits, Scanned};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A change that somebody hands in.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// The document for which it is offered.
    pub key: DocumentKey,
    /// The scope that becomes the document's home if it is new.
    pub scope: ScopeId,
    /// The chunk.
    pub bytes: &'a [u8],
}

/// What a judge goes by, besides the view.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The schema of household documents.
    pub schema: &'a Schema,
    /// The server's clock.
    pub now: Instant,
    /// The first calendar year whose facts are still kept.
    pub earliest_year: u16,
    /// Bounds of one change.
    pub limits: Limits,
    /// Bytes of one saved household document at most.
    pub document_bytes: usize,
    /// Facts of one visits document at most.
    pub facts: usize,
}

/// Bytes of one saved document at most: a household of a hundred residents with a century of corrections.
pub const LARGEST_DOCUMENT: usize = 1024 * 1024;

/// Facts of one household and year at most: ten a day. With each as large as it may be, the document has 32 MB.
pub const MOST_FACTS: usize = 4_000;

/// Years before now whose facts are taken unless a setting says otherwise.
pub const KEPT_YEARS: u16 = 10;

impl<'a> Rules<'a> {
    /// The rules of this release.
    pub fn new(schema: &'a Schema, now: Instant) -> Self {
        let year = now.year_in_shanghai().unwrap_or(u16::MAX);
        Self {
            schema,
            now,
            earliest_year: year.saturating_sub(KEPT_YEARS),
            limits: Limits::DEFAULT,
            document_bytes: LARGEST_DOCUMENT,
            facts: MOST_FACTS,
        }
    }
}

/// The last change of an actor in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its number among the actor's changes.
    pub sequence: u64,
}

/// What is known of a change that is not merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// It waits for something.
    Held,
    /// It was refused.
    Quarantined,
}

/// What the judge must know of the registry, or of a phone. It asks only what the change makes it ask.
pub trait View {
    /// What can go wrong in asking.
    type Error;

    /// Where a document's home is; `None` if there is no such document.
    ///
    /// # Errors
    /// As the store says.
    fn home(&self, key: &DocumentKey) -> Result<Option<ScopeId>, Self::Error>;

    /// Whether who hands in the change may write documents of this kind in this scope.
    ///
    /// # Errors
    /// As the store says.
    fn may_write(&self, scope: ScopeId, kind: DocumentKind) -> Result<bool, Self::Error>;

    /// Whether the actor belongs to who hands in the change.
    ///
    /// # Errors
    /// As the store says.
    fn owns(&self, actor: ActorId) -> Result<bool, Self::Error>;

    /// A merged change of the document, with its largest operation.
    ///
    /// # Errors
    /// As the store says.
    fn merged(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Head>, Self::Error>;

    /// What became of a change of the document that is not merged.
    ///
    /// # Errors
    /// As the store says.
    fn elsewhere(&self, key: &DocumentKey, hash: ChangeHash) -> Result<Option<Elsewhere>, Self::Error>;

    /// The actor's last merged change of the document.
    ///
    /// # Errors
    /// As the store says.
    fn last(&self, key: &DocumentKey, actor: ActorId) -> Result<Option<LastChange>, Self::Error>;

    /// The bytes of a fact of the document.
    ///
    /// # Errors
    /// As the store says.
    fn fact(&self, key: &DocumentKey, id: FactId) -> Result<Option<Vec<u8>>, Self::Error>;

    /// How many facts the document holds.
    ///
    /// # Errors
    /// As the store says.
    fn fact_count(&self, key: &DocumentKey) -> Result<usize, Self::Error>;

    /// The document as it stands; `None` if there is no such document.
    ///
    /// # Errors
    /// As the store says.
    fn document(&self, key: &DocumentKey) -> Result<Option<Automerge>, Self::Error>;
}

/// What is to become of a change.
#[derive(Debug)]
pub enum Verdict {
    /// It is merged already.
    Known(ChangeHash),
    /// It is to be merged.
    Merge(Box<Merge>),
    /// It waits for something that has not arrived.
    Hold(Box<Scanned>, Missing),
    /// It is kept for staff to decide.
    Quarantine(Refusal),
}

/// What a held change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A change of the same document.
    Change(ChangeHash),
    /// An earlier change of the same actor, whose hash is not known.
    Previous(ActorId),
    /// The household.
    Household(HouseholdId),
}

impl Missing {
    /// The word that a device is told.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Change(_) => "missing-change",
            Self::Previous(_) => "missing-previous",
            Self::Household(_) => "missing-household",
        }
    }
}

/// A change to be merged, and what it does.
#[derive(Debug)]
pub struct Merge {
    /// The change.
    pub change: RawChange,
    /// Where its document's home is.
    pub home: ScopeId,
    /// Whether the document begins with it.
    pub new_document: bool,
    /// Genesis changes beyond the first that the document lacked; they come before it.
    pub genesis: Vec<RawChange>,
    /// What it does.
    pub effect: Effect,
}

/// What a change does to its document.
#[derive(Debug)]
pub enum Effect {
    /// Facts that were not known; none if all were.
    Facts(Vec<NewFact>),
    /// The household as it now stands.
    Household {
        /// The saved document.
        snapshot: Vec<u8>,
        /// Its heads, ascending.
        heads: Vec<ChangeHash>,
        /// What it says.
        reading: Box<Reading>,
    },
}

/// A fact that was not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFact {
    /// What it says.
    pub fact: Fact,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Judges one change.
///
/// # Errors
/// Only what the view reports; everything that is wrong with the change is a verdict.
pub fn judge<V: View>(view: &V, rules: &Rules<'_>, offered: &Offered<'_>) -> Result<Verdict, V::Error> {
    let scanned = match scan::scan(offered.bytes, &rules.limits) {
        Ok(scanned) => scanned,
        Err(error) => return Ok(Verdict::Quarantine(Refusal::new(Code::Scan(error), error.to_string()))),
    };
    let hash = ChangeHash(scanned.hash);
    if view.merged(&offered.key, hash)?.is_some() {
        return Ok(Verdict::Known(hash));
    }
    let change = match canonical(offered.bytes) {
        Ok(change) => change,
        Err(refusal) => return Ok(Verdict::Quarantine(refusal.about(&scanned))),
    };
    let verdict = judge_canonical(view, rules, offered, &scanned, &change)?;
    Ok(match verdict {
        Verdict::Quarantine(refusal) => Verdict::Quarantine(refusal.about(&scanned)),
        other => other,
    })
}

/// Steps 1 and 2 alone: what a phone asks of a change that its server sends.
///
/// # Errors
/// The refusal.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Change, Refusal> {
    scan::scan(bytes, limits).map_err(|error| Refusal::new(Code::Scan(error), error.to_string()))?;
    canonical(bytes)
}

fn canonical(bytes: &[u8]) -> Result<Change, Refusal> {
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let change = Change::from_bytes(bytes.to_vec()).map_err(|error| error.to_string())?;
        let again = Change::from(change.decode());
        Ok::<_, String>((again.raw_bytes() == bytes).then_some(change))
    }));
    match decoded {
        Ok(Ok(Some(change))) => Ok(change),
        Ok(Ok(None)) => Err(Refusal::new(Code::NotCanonical, "the bytes are not the one encoding of their change")),
        Ok(Err(reason)) => Err(Refusal::new(Code::Undecodable, reason)),
        Err(_) => Err(Refusal::new(Code::Undecodable, "the decoder gave up on these bytes")),
    }
}

fn judge_canonical<V: View>(
    view: &V,
    rules: &Rules<'_>,
    offered: &Offered<'_>,
    scanned: &Scanned,
    change: &Change,
) -> Result<Verdict, V::Error> {
    let key = &offered.key;
    if key.epoch != FIRST_EPOCH && !is_broken(Broken::TrustedEpoch) {
        return refuse(Code::Epoch, "the document has no such epoch");
    }
    let known_home = view.home(key)?;
    let home = known_home.unwrap_or(offered.scope);
    if !view.may_write(home, key.id.kind())? {
        return refuse(Code::NotEntitled, "the device holds no assignment that lets it write here");
    }
    if let Err(verdict) = order::check(view, rules, key, scanned)? {
        return Ok(*verdict);
    }
    let merge = |genesis, effect| Merge {
        change: RawChange::of(change).expect("the scan found 16-byte actors"),
        home,
        new_document: known_home.is_none(),
        genesis,
        effect,
    };
    match key.id.kind() {
        DocumentKind::Visits => {
            let household = crate::document::DocumentId::household(key.id.subject());
            match view.home(&household.into())? {
                None => return hold(scanned, Missing::Household(key.id.subject())),
                Some(scope) if scope != home => {
                    return refuse(Code::WrongHome, "the household belongs to another scope");
                }
                Some(_) => {}
            }
            match trial::facts(view, rules, key, change)? {
                Ok(facts) => Ok(Verdict::Merge(Box::new(merge(Vec::new(), Effect::Facts(facts))))),
                Err(refusal) => Ok(Verdict::Quarantine(refusal)),
            }
        }
        DocumentKind::Household => {
            let document = view.document(key)?;
            match trial::household(rules, key, document, change) {
                Ok((genesis, effect)) => Ok(Verdict::Merge(Box::new(merge(genesis, effect)))),
                Err(refusal) => Ok(Verdict::Quarantine(refusal)),
            }
        }
    }
}

fn refuse<E>(code: Code, detail: &str) -> Result<Verdict, E> {
    Ok(Verdict::Quarantine(Refusal::new(code, detail)))
}

fn hold<E>(scanned: &Scanned, missing: Missing) -> Result<Verdict, E> {
    Ok(Verdict::Hold(Box::new(scanned.clone()), missing))
}

#[cfg(test)]
mod tests;
