//! CSV (RFC 4180) as spreadsheets write it: UTF-8, GB18030 or UTF-16, with commas, tabs or semicolons.
//!
//! **Invariant:** a row has the number that a spreadsheet gives it, empty lines and lines within quotes included.

use super::{Cell, FileError, Row};
use crate::limits;
use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// Hands on every row.
pub(super) fn rows(file: &[u8], each: &mut dyn FnMut(Row) -> Result<(), FileError>) -> Result<(), FileError> {
    // A line ends in one way, so that lines are counted alike, also the last.
    let mut text = Cow::from(decode(file)?.replace("\r\n", "\n"));
    if !text.ends_with('\n') {
        text.to_mut().push('\n');
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(_) => return Err(FileError::Encoding),
        }
        let lines = reader.position().line() - line;
        let within: usize = record.iter().map(|cell| cell.bytes().filter(|byte| *byte == b'\n').count()).sum();
        let empty = lines.saturating_sub(1 + within as u64);
        number += 1 + u32::try_from(empty).unwrap_or(u32::MAX / 2);
        let mut cells = Vec::new();
        for (column, text) in record.iter().enumerate() {
            let cell = Cell::of_text(text);
            if column >= limits::MOST_COLUMNS {
                if cell == Cell::Empty {
                    continue;
                }
                return Err(FileError::TooManyColumns);
            }
            cells.push(cell);
        }
        each(Row { number, cells })?;
    }
}

/// The text of a file, by its mark if it has one.
fn decode(file: &[u8]) -> Result<Cow<'_, str>, FileError> {
    let marked = encoding_rs::Encoding::for_bom(file).map(|(encoding, _)| encoding);
    let guesses = match marked {
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => vec![encoding],
        _ => vec![UTF_8, GB18030],
    };
    let decoded = guesses.into_iter().find_map(|encoding| {
        let (text, _, broken) = encoding.decode(file);
        (!broken).then_some(text)
    });
    decoded.filter(|text| !text.contains('\0')).ok_or(FileError::Encoding)
}

/// What stands between cells: what the first lines have most of.
fn delimiter(text: &str) -> u8 {
    let top: Vec<&str> = text.lines().take(limits::MOST_TITLE_ROWS).collect();
    let count =
        |delimiter: &u8| top.iter().map(|line| line.bytes().filter(|byte| byte == delimiter).count()).sum::<usize>();
    let mut best = b',';
    for other in [b'\t', b';'] {
        if count(&other) > count(&best) {
            best = other;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    fn texts(file: &[u8]) -> Vec<(u32, Vec<String>)> {
        let row = |row: Row| (row.number, row.cells.iter().map(|cell| format!("{cell:?}")).collect());
        all(file).expect("a table").into_iter().map(row).collect()
    }

    #[test]
    fn every_encoding_that_offices_write_is_read_alike() {
        let text = "姓名,地址\r\n王小明,繁荣路1号\r\n";
        let (gb, ..) = GB18030.encode(text);
        let utf_16: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let expected = all(text.as_bytes()).expect("a table");
        assert_eq!(expected.len(), 2);
        assert_eq!(all(&gb).expect("GB18030"), expected);
        assert_eq!(all(format!("\u{feff}{text}").as_bytes()).expect("a mark"), expected);
        assert_eq!(all(&utf_16).expect("UTF-16"), expected);
        assert_eq!(all(text.replace(',', "\t").as_bytes()).expect("tabs"), expected);
        assert_eq!(all(b"\xff\xff\xff"), Err(FileError::Encoding));
    }

    #[test]
    fn rows_are_numbered_as_a_spreadsheet_shows_them() {
        let file = "a,b\r\n\n\"two\nlines\",x\n\n\nc\r\n'+86,'x\nlast";
        let numbers: Vec<_> =
            texts(file.as_bytes()).into_iter().map(|(number, cells)| (number, cells[0].clone())).collect();
        let named = |number: u32, text: &str| (number, format!("Text({text:?})"));
        assert_eq!(numbers, [named(1, "a"), named(3, "two\nlines"), named(6, "c"), named(7, "+86"), named(8, "last")]);
    }

    #[test]
    fn hostile_texts_are_refused_or_read_and_never_held_without_bound() {
        assert_eq!(all(&vec![b','; limits::LARGEST_FILE_BYTES]), Ok(vec![]), "nothing stands there");
        assert_eq!(all("x,".repeat(1_000).as_bytes()), Err(FileError::TooManyColumns));
        assert_eq!(all("x\n".repeat(200_000).as_bytes()), Err(FileError::TooManyRows));
        assert_eq!(all(&vec![b'x'; limits::LARGEST_FILE_BYTES + 1]), Err(FileError::TooLarge));
        let long = all(&vec![b'x'; limits::LARGEST_CELL_BYTES + 1]).expect("a table");
        assert_eq!(long[0].cells, [Cell::TooLong]);
        assert_eq!(all(b"\xd0\xcf\x11\xe0..."), Err(FileError::OldOrLocked));
        assert!(all(&b"\"".repeat(1_001)).is_ok_and(|rows| rows.len() <= 1));
    }
}
