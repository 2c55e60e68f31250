//! Verifying a registry: everything that can be rebuilt from the log is rebuilt and compared, and what differs is named.
//!
//! Each change against its hash and its columns; each actor's sequence and each scope's feed for gaps; each document's
//! heads and snapshot against its changes replayed from genesis; each projected row in every column. It reads only, in
//! one read transaction, and may run beside a server.
//!
//! What it reports names rows and columns, and never shows the value of a field about a person.
//!
//! **Invariant:** memory is bounded by the documents of some chunks, whatever the size of the registry.

mod changes;
mod chunk;
mod compare;
mod documents;
mod feed;
mod kept;
mod words;

use crate::database::{StoreError, read_existing};
use crate::sealing;
use crate::settings::{OpenError, Settings};
use gridwork_sealing::Keyring;
use gridwork_sync::document::DocumentKind;
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use words::Words;

/// Differences that are listed; all are counted.
const MOST_DIFFERENCES: usize = 1_000;

/// What was verified, and what differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Documents replayed.
    pub documents: u64,
    /// Changes checked.
    pub changes: u64,
    /// Snapshots loaded.
    pub snapshots: u64,
    /// Rows of feeds checked.
    pub feed_rows: u64,
    /// Households compared.
    pub households: u64,
    /// Residents compared.
    pub residents: u64,
    /// Facts compared.
    pub facts: u64,
    /// Words by which households are found, compared.
    pub words: u64,
    /// Changes that wait or were refused, opened and compared.
    pub kept: u64,
    /// Secrets of second factors opened.
    pub second_factors: u64,
    /// Rows that are not what the log says, at most a thousand.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub differences_found: u64,
}

impl VerifyReport {
    /// Whether nothing differs.
    pub fn is_clean(&self) -> bool {
        self.differences_found == 0
    }

    fn add(&mut self, difference: Difference) {
        self.differences_found += 1;
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(difference);
        }
    }

    /// Adds what was found in a further chunk.
    fn absorb(&mut self, of_chunk: Self) {
        self.documents += of_chunk.documents;
        self.changes += of_chunk.changes;
        self.snapshots += of_chunk.snapshots;
        self.feed_rows += of_chunk.feed_rows;
        self.households += of_chunk.households;
        self.residents += of_chunk.residents;
        self.facts += of_chunk.facts;
        self.words += of_chunk.words;
        let unlisted = of_chunk.differences_found - of_chunk.differences.len() as u64;
        of_chunk.differences.into_iter().for_each(|difference| self.add(difference));
        self.differences_found += unlisted;
    }
}

/// A row that is not what the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The document that it is about, if it is about one.
    pub document: Option<String>,
    /// Which row.
    pub row: String,
    /// Which column; none if the row as a whole is missing or too many.
    pub column: Option<String>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Difference {
    fn new(table: &str, row: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (table, row) = (table.to_owned(), row.into());
        Self { table, document: None, row, column: None, expected: expected.into(), found: found.into() }
    }

    fn of(self, document: impl fmt::Display) -> Self {
        Self { document: Some(document.to_string()), ..self }
    }

    fn column(self, column: &str) -> Self {
        Self { column: Some(column.to_owned()), ..self }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.row)?;
        if let Some(document) = &self.document {
            write!(f, " of {document}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

/// Why a registry cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Verifies a registry. Blocks; a registry of 18,000 households and 130,000 changes takes some ten seconds of one core.
///
/// # Errors
/// [`VerifyError`] if it cannot be read at all. That something differs is no error but the report.
pub fn verify(settings: &Settings) -> Result<VerifyReport, VerifyError> {
    let keys = settings.sealing.clone().unwrap_or_else(|| Arc::new(Keyring::none()));
    read_existing(settings, |connection| {
        let mut report = VerifyReport::default();
        if settings.sealing.is_some() {
            sealing::check(connection, &keys)??;
        }
        feed::check(connection, &mut report)?;
        kept::check(connection, &keys, &mut report)?;
        let words = Mutex::default();
        for kind in [DocumentKind::Household, DocumentKind::Visits] {
            documents::check(connection, kind, &keys, &words, &mut report)?;
        }
        let words: Words = words.into_inner().unwrap_or_else(PoisonError::into_inner);
        words.check(connection, &mut report)?;
        Ok::<_, VerifyError>(report)
    })?
}
