//! The rows of a file, XLSX or CSV, one at a time.
//!
//! Which of both it is says its content, whatever it is called. It does not know what columns mean.
//!
//! **Invariant:** a row is handed on with its number as a spreadsheet shows it; no more than one row is held, and no more
//! is read than [`crate::limits`] allow.

mod text;
mod workbook;

use crate::limits;
use jiff::civil::Date;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing.
    Empty,
    /// Text, without the space around it.
    Text(String),
    /// A number of a spreadsheet.
    Number(f64),
    /// A date of a spreadsheet; none if it is no day of a calendar.
    Date(Option<Date>),
    /// An error of a formula.
    Error,
    /// More text than a cell may have.
    TooLong,
}

/// A row with something in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// Its cells, from column `A` on.
    pub(crate) cells: Vec<Cell>,
}

/// Why a file is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Too many bytes.
    #[error("the file has more than {} MB: split it", limits::LARGEST_FILE_BYTES >> 20)]
    TooLarge,
    /// Too many bytes after unpacking.
    #[error("the file is too large after unpacking: copy the data into a new spreadsheet and try that")]
    Unpacked,
    /// Too much text in all cells together.
    #[error("the file has too much text: split it")]
    Text,
    /// Too many rows.
    #[error("the file has more than {} rows: split it", limits::MOST_ROWS)]
    TooManyRows,
    /// Too many columns.
    #[error("the file has more than {} columns: delete those that are not needed", limits::MOST_COLUMNS)]
    TooManyColumns,
    /// An `.xls`, or a locked file.
    #[error("this is an old .xls or a file with a password: save it as .xlsx without one")]
    OldOrLocked,
    /// Neither.
    #[error("this is no XLSX file that can be read: open it in a spreadsheet program and save it as .xlsx")]
    NotATable,
    /// Bytes in no known encoding.
    #[error("the text is neither UTF-8 nor GB18030: save it as CSV UTF-8")]
    Encoding,
    /// No row of headers.
    #[error("none of the first {} rows has headers: one must read name, and others", limits::MOST_TITLE_ROWS)]
    NoHeader,
    /// Headers alone.
    #[error("there is nothing below the headers")]
    NoRows,
}

/// Hands on every row that has something in it, from the top.
///
/// # Errors
/// [`FileError`], also the one that `each` gives.
pub(crate) fn rows(file: &[u8], each: &mut dyn FnMut(Row) -> Result<(), FileError>) -> Result<(), FileError> {
    if file.len() > limits::LARGEST_FILE_BYTES {
        return Err(FileError::TooLarge);
    }
    let mut rows = 0;
    let mut text = 0;
    let mut each = |row: Row| {
        if row.cells.iter().all(|cell| *cell == Cell::Empty) {
            return Ok(());
        }
        rows += 1;
        text += row.cells.iter().map(Cell::text_bytes).sum::<usize>();
        if rows > limits::MOST_ROWS + limits::MOST_TITLE_ROWS {
            return Err(FileError::TooManyRows);
        }
        if text > limits::LARGEST_TEXT_BYTES { Err(FileError::Text) } else { each(row) }
    };
    if file.starts_with(b"\xd0\xcf\x11\xe0") {
        Err(FileError::OldOrLocked)
    } else if file.starts_with(b"PK") {
        // What a library does not survive is no spreadsheet.
        catch_unwind(AssertUnwindSafe(|| workbook::rows(file, &mut each))).unwrap_or(Err(FileError::NotATable))
    } else {
        text::rows(file, &mut each)
    }
}

impl Cell {
    /// The cell of a text.
    fn of_text(text: &str) -> Self {
        if text.len() > limits::LARGEST_CELL_BYTES {
            return Self::TooLong;
        }
        let text = text.trim();
        // The apostrophe that keeps a spreadsheet from taking a text for a formula is no part of it.
        let text = text.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(text);
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }

    fn text_bytes(&self) -> usize {
        if let Self::Text(text) = self { text.len() } else { 0 }
    }
}

#[cfg(test)]
pub(crate) fn all(file: &[u8]) -> Result<Vec<Row>, FileError> {
    let mut all = Vec::new();
    rows(file, &mut |row| {
        all.push(row);
        Ok(())
    })?;
    Ok(all)
}
