//! What each person means to record, written down before it is recorded: the demo's own memory, against which it holds
//! the registry and every phone afterwards.

use gridwork_domain::edit::Edit;
use gridwork_domain::id::ScopeId;
use gridwork_sync::document::ChangeHash;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// One thing that somebody means to record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The edit, with its id.
    pub(crate) edit: Edit,
    /// The grid of a new household.
    pub(crate) home: Option<ScopeId>,
    /// The version that the form was filled from, as hex; none for what stands when it is recorded.
    pub(crate) seen: Option<Vec<String>>,
}

impl Entry {
    /// The version that the form was filled from.
    pub(crate) fn seen_heads(&self) -> Option<Vec<ChangeHash>> {
        self.seen.as_ref().map(|heads| heads.iter().filter_map(|text| hash(text)).collect())
    }
}

/// What one person means to record, in order, and what a phone did not save, with its reason.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// In the order in which it is recorded.
    pub(crate) entries: Vec<Entry>,
    /// Edits that the phone said were not saved: position in `entries`, and the reason.
    pub(crate) not_saved: Vec<(usize, String)>,
}

impl Journal {
    /// Reads a journal; `None` if there is none yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it so that it is whole on disk, or not there at all, whenever this process is killed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(new, path)
    }

    /// What was recorded.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = &Entry> {
        let saved = |position: &usize| self.not_saved.iter().all(|(refused, _)| refused != position);
        self.entries.iter().enumerate().filter(move |(position, _)| saved(position)).map(|(_, entry)| entry)
    }
}

fn hash(text: &str) -> Option<ChangeHash> {
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    (text.len() == 64).then_some(ChangeHash(bytes))
}
