//! Edits by members of staff over REST, and in bulk: the same judge and the same merge as for what phones push.
//!
//! An edit is built on the heads that its author saw. If those are not the current ones it gets an actor of its own, so
//! that it merges as concurrent and shows as a conflict what it would else overwrite.
//!
//! **Invariant:** an edit that is refused leaves nothing behind.

use crate::audit::{Step, Subject, Written, note, resident_of};
use crate::database::{Blob, Connection, DocumentBlob, Failure, Id, StoreError, fails_as_the_store_does};
use crate::figures::add;
use crate::idempotency::Keep;
use crate::judge_view::operation;
use crate::ledger::Ledger;
use crate::log::Sender;
use crate::progress::Progress;
use crate::query::{Person, conflicts_of};
use crate::registry::{Registry, SCHEMA};
use crate::tables::document;
use diesel::prelude::*;
use gridwork_domain::edit::{Action, Edit, Outcome, Write};
use gridwork_domain::household::Conflict;
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Operation;
use gridwork_domain::visit::Fact;
use gridwork_sealing::Keyring;
use gridwork_sync::change::{Base, BuildError, Head, RawChange, record_fact, write_household};
use gridwork_sync::document::{ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::genesis;
use gridwork_sync::guard::{Offered, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an edit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The change that was merged.
    pub change: ChangeHash,
    /// The heads of the document afterwards.
    pub heads: Vec<ChangeHash>,
    /// Whether its author had not seen the current heads.
    pub concurrent: bool,
    /// All open conflicts of the household afterwards.
    pub conflicts: Vec<Conflict<Person>>,
}

/// Why an edit was refused. Nothing was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// What it says cannot be.
    #[error(transparent)]
    Invalid(gridwork_domain::edit::EditError),
    /// There is no such household, or its editor has no business with it.
    #[error("there is no such household")]
    NoSuchHousehold,
    /// Its editor may read there, but not do this.
    #[error("your role does not allow this here")]
    NotEntitled,
    /// A new household without a grid.
    #[error("name the grid in which the household lives")]
    NoHome,
    /// A new household under an id that is known.
    #[error("the household is registered already")]
    Exists,
    /// It makes no change of the household as it is.
    #[error(transparent)]
    Build(BuildError),
    /// The guard refused the change.
    #[error(transparent)]
    Refused(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An edit of a bulk import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Whose edit it is.
    pub by: StaffId,
    /// The edit.
    pub edit: Edit,
    /// The grid of a new household.
    pub home: Option<ScopeId>,
}

/// What a bulk import came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Edits that were merged.
    pub merged: u64,
    /// Edits that changed nothing, since the household read so already.
    pub nothing_to_do: u64,
}

/// The first edit of a bulk import that was refused. None of them was kept.
#[derive(Debug, Clone, thiserror::Error)]
#[error("edit {index} of the import was refused")]
pub struct ImportError {
    /// Which edit, counted from 0.
    pub index: usize,
    /// Why.
    #[source]
    pub source: EditError,
}

impl Failure for ImportError {
    fn store(&self) -> Option<&StoreError> {
        self.source.store()
    }
}

impl From<StoreError> for ImportError {
    /// The store failed before the first edit, or when all were done.
    fn from(error: StoreError) -> Self {
        Self { index: 0, source: error.into() }
    }
}

fails_as_the_store_does!(EditError);

impl Registry {
    /// Merges an edit of a member of staff. `seen` are the heads that they saw, none for the current ones; `new_home` is
    /// the grid of a household that the edit registers.
    ///
    /// # Errors
    /// [`EditError`]; nothing was kept.
    pub async fn edit(
        &self,
        by: StaffId,
        edit: Edit,
        seen: Option<Vec<ChangeHash>>,
        new_home: Option<ScopeId>,
        now: Instant,
    ) -> Result<Edited, EditError> {
        self.edit_once(by, edit, seen, new_home, now, None).await
    }

    /// As [`Registry::edit`], and keeps the answer in the same transaction.
    ///
    /// # Errors
    /// [`EditError`]; nothing was kept.
    pub async fn edit_once(
        &self,
        by: StaffId,
        edit: Edit,
        seen: Option<Vec<ChangeHash>>,
        new_home: Option<ScopeId>,
        now: Instant,
        answer: Option<Keep<Edited>>,
    ) -> Result<Edited, EditError> {
        let keys = self.sealing.clone();
        let edited = self.database.write_locking(move |connection| {
            let sender = Sender { staff: by, device: None, at: now, last_contact: now };
            let ledger = Ledger::of_sender(connection, &sender, keys.clone(), new_home.into_iter().collect())?;
            let applied = apply(&ledger, by, &edit, seen.clone(), new_home)?;
            let heads = heads_of(&ledger, &applied.key)?;
            let conflicts = ledger.query(|connection| conflicts_of(connection, edit.household))?;
            let moved = ledger.finish()?;
            let (detail, mut persons) = (applied.written.detail(), applied.written.persons);
            // The answer shows all open conflicts, not of those alone who were written about.
            persons.extend(conflicts.iter().filter_map(|open| {
                let resident = Some(resident_of(&open.path.record)?);
                Some(Subject { scope: applied.home, household: edit.household, resident })
            }));
            let edited = Edited { change: applied.change, heads, concurrent: applied.concurrent, conflicts };
            if let Some(answer) = &answer {
                answer.keep(connection, &edited, &persons)?;
            }
            let subject = Some(applied.change.0.as_slice());
            note(connection, &Step { subject, detail: &detail, persons, ..Step::new(now, Some(by), "edit") })?;
            Ok::<_, EditError>((edited, moved))
        });
        let (edited, moved) = edited.await?;
        self.committed(moved);
        add(&self.counters.edits, 1);
        Ok(edited)
    }

    /// Merges many edits at once, all or none. Blocks the thread; a thousand edits at a time keep the writer free enough
    /// for others.
    ///
    /// # Errors
    /// [`ImportError`], the first edit that was refused.
    pub fn import_edits(&self, edits: Vec<Import>, now: Instant) -> Result<Imported, ImportError> {
        let keys = self.sealing.clone();
        let importing = move |connection: &mut Connection| import(connection, &edits, &keys, now);
        let (imported, moved) = self.database.write_locking_blocking(importing)?;
        self.committed(moved);
        add(&self.counters.edits, imported.merged);
        Ok(imported)
    }

    /// As [`Registry::import_edits`], without a thread that waits, and keeps the answer in the same transaction. It shows
    /// nobody.
    ///
    /// # Errors
    /// [`ImportError`], the first edit that was refused.
    pub async fn import(
        &self,
        edits: Vec<Import>,
        now: Instant,
        answer: Option<Keep<Imported>>,
    ) -> Result<Imported, ImportError> {
        let keys = self.sealing.clone();
        let importing = self.database.write_locking(move |connection| {
            let (imported, moved) = import(connection, &edits, &keys, now)?;
            if let Some(answer) = &answer {
                answer.keep(connection, &imported, &BTreeSet::new())?;
            }
            Ok::<_, ImportError>((imported, moved))
        });
        let (imported, moved) = importing.await?;
        self.committed(moved);
        add(&self.counters.edits, imported.merged);
        Ok(imported)
    }
}

/// Merges many edits, all or none, and notes in the audit log whom they wrote about.
///
/// # Errors
/// [`ImportError`]; the transaction must then be rolled back.
pub(crate) fn import(
    connection: &mut Connection,
    edits: &[Import],
    keys: &Arc<Keyring>,
    now: Instant,
) -> Result<(Imported, Progress), ImportError> {
    let scopes = scopes_of(connection, edits)?;
    let ledger = Ledger::new(connection, now, keys.clone(), scopes)?;
    let new = edits.iter().filter(|one| matches!(one.edit.action, Action::RegisterHousehold { .. }));
    let new: Vec<DocumentKey> = new.map(|one| DocumentId::household(one.edit.household).into()).collect();
    ledger.look_for(&new)?;
    let mut imported = Imported::default();
    let mut written: BTreeMap<StaffId, Written> = BTreeMap::new();
    for (index, one) in edits.iter().enumerate() {
        match apply(&ledger, one.by, &one.edit, None, one.home) {
            Ok(applied) => {
                imported.merged += 1;
                written.entry(one.by).or_default().absorb(applied.written);
            }
            Err(EditError::Build(BuildError::Nothing)) => imported.nothing_to_do += 1,
            Err(source) => return Err(ImportError { index, source }),
        }
    }
    let moved = ledger.finish()?;
    for (by, written) in written {
        let (detail, persons) = (written.detail(), written.persons);
        note(connection, &Step { detail: &detail, persons, ..Step::new(now, Some(by), "import") })?;
    }
    Ok((imported, moved))
}

/// The scopes of the households that are edited, and of those that are new.
fn scopes_of(connection: &mut Connection, edits: &[Import]) -> Result<BTreeSet<ScopeId>, StoreError> {
    let documents: BTreeSet<DocumentBlob> =
        edits.iter().map(|one| Blob(*DocumentId::household(one.edit.household).as_bytes())).collect();
    let documents: Vec<_> = documents.into_iter().collect();
    let mut scopes: BTreeSet<ScopeId> = edits.iter().filter_map(|one| one.home).collect();
    for some in documents.chunks(1_000) {
        let homes: Vec<Id> =
            document::table.filter(document::id.eq_any(some)).select(document::home).distinct().load(connection)?;
        scopes.extend(homes.into_iter().map(ScopeId::from));
    }
    Ok(scopes)
}

pub(crate) struct Applied {
    key: DocumentKey,
    change: ChangeHash,
    concurrent: bool,
    home: ScopeId,
    pub(crate) written: Written,
}

/// Builds an edit's change, has it judged, and merges it.
pub(crate) fn apply(
    ledger: &Ledger<'_>,
    by: StaffId,
    edit: &Edit,
    seen: Option<Vec<ChangeHash>>,
    new_home: Option<ScopeId>,
) -> Result<Applied, EditError> {
    let outcome = edit.check(SCHEMA).map_err(EditError::Invalid)?;
    let sender = Sender { staff: by, device: None, at: ledger.now, last_contact: ledger.now };
    let household = DocumentKey::from(DocumentId::household(edit.household));
    let registers = matches!(edit.action, Action::RegisterHousehold { .. });
    let home = match (ledger.home(&household)?, registers) {
        (Some(home), false) => home,
        (Some(_), true) => return Err(EditError::Exists),
        (None, true) => new_home.ok_or(EditError::NoHome)?,
        (None, false) => return Err(EditError::NoSuchHousehold),
    };
    let key = match &outcome {
        Outcome::Household(_) => household,
        Outcome::Fact(year, _) => DocumentId::visits(edit.household, *year).into(),
    };
    if !ledger.may(&sender, home, operation(key.id.kind()))? {
        let may_read = registers || ledger.may(&sender, home, Operation::Read)?;
        return Err(if may_read { EditError::NotEntitled } else { EditError::NoSuchHousehold });
    }
    if ledger.document(&household)?.is_some_and(|known| known.home != home) {
        return Err(StoreError::Contended.into()); // it has moved before its feed was locked
    }
    let (change, concurrent) = match &outcome {
        Outcome::Household(writes) => build(ledger, &key, edit, by, writes, seen)?,
        Outcome::Fact(_, fact) => (build_fact(ledger, &key, edit, &sender, fact)?, false),
    };
    let offered = Offered { key, scope: home, bytes: &change.bytes };
    match ledger.insist(&sender, &offered)? {
        Ok(change) => {
            Ok(Applied { key, change, concurrent, home, written: Written::of(home, edit.household, &outcome) })
        }
        Err(refusal) => Err(EditError::Refused(refusal)),
    }
}

/// The change of an edit of a household, and whether its author had not seen the current heads.
fn build(
    ledger: &Ledger<'_>,
    key: &DocumentKey,
    edit: &Edit,
    by: StaffId,
    writes: &[Write],
    seen: Option<Vec<ChangeHash>>,
) -> Result<(RawChange, bool), EditError> {
    let found = ledger.load(key)?;
    let is_new = found.is_none();
    let document = found.unwrap_or_else(|| genesis::begin(SCHEMA, key));
    let current = document.get_heads();
    let seen = seen.map(|mut seen| {
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().map(Into::into).collect::<Vec<_>>()
    });
    let (base, concurrent) = match seen.filter(|seen| *seen != current) {
        None => (Base::current(&document, ledger.server_actor(by)?), false),
        Some(seen) if seen.is_empty() => return Err(EditError::Build(BuildError::UnknownHeads)),
        Some(seen) => {
            let base = Base::seen(&document, ledger.single_use_actor(by)?, &seen);
            (base.ok_or(EditError::Build(BuildError::UnknownHeads))?, true)
        }
    };
    let change = write_household(SCHEMA, &document, &base, (edit.id, edit.at), writes).map_err(EditError::Build)?;
    if !is_new {
        ledger.keep_loaded(*key, document);
    }
    Ok((change, concurrent))
}

/// A document's heads; none if there is no such document.
pub(crate) fn heads_of(ledger: &Ledger<'_>, key: &DocumentKey) -> Result<Vec<ChangeHash>, StoreError> {
    Ok(ledger.document(key)?.map_or_else(Vec::new, |known| known.heads))
}

/// The change of a fact, made without loading the document.
fn build_fact(
    ledger: &Ledger<'_>,
    key: &DocumentKey,
    edit: &Edit,
    sender: &Sender,
    fact: &Fact,
) -> Result<RawChange, EditError> {
    let missing = |hash| StoreError::Unreadable(format!("{} has a head {hash} that is not in the log", key.id));
    let heads = heads_of(ledger, key)?.into_iter();
    let heads: Vec<Head> =
        heads.map(|hash| ledger.merged(key, hash)?.ok_or_else(|| missing(hash))).collect::<Result<_, _>>()?;
    let actor = ledger.server_actor(sender.staff)?;
    let base = Base { actor, heads, previous: ledger.last(key, actor)? };
    Ok(record_fact(&base, key, fact, edit.at))
}
