//! What people meant: every edit that was recorded, what its author saw, and what they were told of it. Of documents it
//! knows what depends on what, as those say who made the changes.

use crate::document::{ChangeHash, DocumentKey};
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::fields::Value;
use gridwork_domain::household::{FieldPath, RecordPath};
use gridwork_domain::id::{EditId, FactId, StaffId};
use std::collections::{BTreeMap, BTreeSet};

/// An edit, and what its author was told.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) edit: Edit,
    /// Edits of the household that its author saw.
    pub(super) sees: BTreeSet<EditId>,
    /// Whether a person was told that it is saved.
    pub(super) saved: bool,
    /// Whether a person, or their phone, was told that the registry has it.
    pub(super) acknowledged: bool,
    /// Whether it came to nothing when it was made again: all read so already.
    pub(super) void: bool,
}

impl Meant {
    /// The fact that it records, if it records one.
    pub(super) fn fact(&self) -> Option<FactId> {
        match self.edit.action {
            Action::RecordVisit { fact, .. } | Action::WriteNote { fact, .. } | Action::CorrectVisit { fact, .. } => {
                Some(fact)
            }
            _ => None,
        }
    }

    /// The fields of the household's own record that it writes, with what it writes.
    pub(super) fn writes(&self) -> Vec<(FieldPath, Option<Value>)> {
        let own = RecordPath::household();
        match &self.edit.action {
            Action::RegisterHousehold { fields, .. } => {
                fields.iter().map(|(name, value)| (own.field(name), value.cloned())).collect()
            }
            Action::Correct { record, fields } if *record == own => {
                fields.iter().map(|(name, value)| (own.field(name), value.cloned())).collect()
            }
            Action::DecideConflict { path, value } if path.record == own => vec![(path.clone(), value.clone())],
            _ => Vec::new(),
        }
    }
}

/// All that was meant, and of which edit each change is.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) meant: BTreeMap<EditId, Meant>,
    /// Whose term of office ended at some time.
    pub(super) ended: BTreeSet<StaffId>,
    /// Phones that were set back to a backup.
    pub(super) set_back: BTreeSet<usize>,
    changes: BTreeMap<(DocumentKey, ChangeHash), (EditId, Vec<ChangeHash>)>,
}

impl Memory {
    /// Remembers an edit before it is recorded.
    pub(super) fn begin(&mut self, edit: &Edit, sees: BTreeSet<EditId>) {
        let meant = Meant { edit: edit.clone(), sees, saved: false, acknowledged: false, void: false };
        self.meant.insert(edit.id, meant);
    }

    /// Remembers of which edit a change is.
    pub(super) fn learn(&mut self, key: DocumentKey, hash: ChangeHash, dependencies: &[ChangeHash], edit: EditId) {
        self.changes.entry((key, hash)).or_insert_with(|| (edit, dependencies.to_vec()));
    }

    /// The edit of which a change is.
    pub(super) fn edit_of(&self, key: DocumentKey, hash: ChangeHash) -> Option<EditId> {
        self.changes.get(&(key, hash)).map(|(edit, _)| *edit)
    }

    /// The edits that somebody sees who sees these heads.
    pub(super) fn seen_at(&self, key: DocumentKey, heads: &[ChangeHash]) -> BTreeSet<EditId> {
        let (mut seen, mut visited, mut ahead) = (BTreeSet::new(), BTreeSet::new(), heads.to_vec());
        while let Some(hash) = ahead.pop() {
            if let Some((edit, dependencies)) = self.changes.get(&(key, hash))
                && visited.insert(hash)
            {
                seen.insert(*edit);
                ahead.extend(dependencies);
            }
        }
        seen
    }

    pub(super) fn told_saved(&mut self, edit: EditId) {
        if let Some(meant) = self.meant.get_mut(&edit) {
            meant.saved = true;
        }
    }

    pub(super) fn told_merged(&mut self, edit: EditId) {
        if let Some(meant) = self.meant.get_mut(&edit) {
            meant.acknowledged = true;
        }
    }
}
