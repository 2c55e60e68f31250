//! XLSX (ECMA-376): the values of the first sheet that is shown, formulas by their last result.
//!
//! **Invariant:** before anything is read, all parts were unpacked once, counted and thrown away: what a part claims about
//! its size, or a sheet about its dimensions, allocates nothing.

use super::{Cell, FileError, Row};
use crate::limits;
use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use jiff::civil::Date;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Hands on every row.
pub(super) fn rows(file: &[u8], each: &mut dyn FnMut(Row) -> Result<(), FileError>) -> Result<(), FileError> {
    weigh(file, limits::LARGEST_UNPACKED_BYTES)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(file)).map_err(refused)?;
    let shown = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible;
    let sheet = workbook.sheets_metadata().iter().find(shown).map(|sheet| sheet.name.clone());
    let mut cells = workbook.worksheet_cells_reader(&sheet.ok_or(FileError::NotATable)?).map_err(refused)?;
    let mut row = Row { number: 0, cells: Vec::new() };
    while let Some(found) = cells.next_cell().map_err(refused)? {
        let (at, column) = found.get_position();
        let cell = cell(found.get_value());
        if cell == Cell::Empty {
            continue;
        }
        let number = at.saturating_add(1);
        let column = column as usize;
        if column >= limits::MOST_COLUMNS {
            return Err(FileError::TooManyColumns);
        }
        if number < row.number {
            return Err(FileError::NotATable); // rows stand in their order
        }
        if number > row.number {
            each(std::mem::replace(&mut row, Row { number, cells: Vec::new() }))?;
        }
        if row.cells.len() <= column {
            row.cells.resize(column + 1, Cell::Empty);
        }
        row.cells[column] = cell;
    }
    each(row)
}

/// Unpacks every part into nothing and refuses those that are too large to be read.
fn weigh(file: &[u8], most_bytes: u64) -> Result<(), FileError> {
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(|_| FileError::NotATable)?;
    if archive.len() > limits::MOST_PARTS {
        return Err(FileError::Unpacked);
    }
    let mut all = 0;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| FileError::NotATable)?;
        let name = part.name().map_err(|_| FileError::NotATable)?.to_ascii_lowercase().replace('\\', "/");
        let most = match name.trim_start_matches('/') {
            sheet if sheet.starts_with("xl/worksheets/") => most_bytes,
            "xl/sharedstrings.xml" => limits::LARGEST_STRINGS_BYTES,
            // Pictures are never opened.
            media if media.starts_with("xl/media/") => most_bytes,
            _ => limits::LARGEST_PART_BYTES,
        };
        let most = most.min(most_bytes - all);
        let size = std::io::copy(&mut part.take(most + 1), &mut std::io::sink()).map_err(|_| FileError::NotATable)?;
        if size > most {
            return Err(FileError::Unpacked);
        }
        all += size;
    }
    Ok(())
}

fn refused(error: XlsxError) -> FileError {
    if matches!(error, XlsxError::Password) { FileError::OldOrLocked } else { FileError::NotATable }
}

fn cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => Cell::of_text(text),
        DataRef::SharedString(text) => Cell::of_text(text),
        DataRef::Bool(true) => Cell::of_text("是"),
        DataRef::Bool(false) => Cell::of_text("否"),
        DataRef::DateTime(date) if date.is_datetime() => Cell::Date(day(date)),
        DataRef::DateTime(duration) => Cell::Number(duration.as_f64()),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::of_text(text),
        DataRef::Error(_) => Cell::Error,
    }
}

fn day(date: &ExcelDateTime) -> Option<Date> {
    let (year, month, day, ..) = date.to_ymd_hms_milli();
    // The spreadsheet counts a 29th of February 1900, which never was.
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;
    use crate::{Entry, XlsxTable};
    use rust_xlsxwriter::{ExcelDateTime as Written, Format, Formula, Workbook};
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn saved(mut workbook: Workbook) -> Vec<u8> {
        workbook.save_to_buffer().expect("a file")
    }

    #[test]
    fn values_dates_and_the_results_of_formulas_are_read() {
        let mut workbook = Workbook::new();
        let hidden = workbook.add_worksheet();
        hidden.set_hidden(true).write_string(0, 0, "不看").expect("a cell");
        let sheet = workbook.add_worksheet();
        let date = Written::from_ymd(1950, 2, 28).expect("a date");
        sheet.set_active(true).write_string(0, 0, "姓名").expect("a cell");
        sheet.write_datetime_with_format(2, 1, &date, &Format::new().set_num_format("yyyy/m/d")).expect("a cell");
        sheet.write_number(2, 2, 13_812_345_678.0).expect("a cell");
        sheet.write_formula(2, 3, Formula::new("=WEBSERVICE(\"x\")").set_result("301")).expect("a cell");
        sheet.write_blank(2, 300, &Format::new().set_bold()).expect("a cell");
        let rows = all(&saved(workbook)).expect("a table");
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 3]);
        let cells = &rows[1].cells;
        assert_eq!(
            cells[..3],
            [Cell::Empty, Cell::Date(Some(jiff::civil::date(1950, 2, 28))), Cell::Number(13_812_345_678.0)]
        );
        assert!([Cell::Number(301.0), Cell::Text("301".into())].contains(&cells[3]), "{cells:?}");
    }

    #[test]
    fn a_cell_at_the_far_corner_allocates_nothing() {
        let mut workbook = Workbook::new();
        workbook.add_worksheet().write_string(1_048_575, 0, "远").expect("a cell");
        assert_eq!(all(&saved(workbook)).expect("a table")[0].number, 1_048_576);
        let mut workbook = Workbook::new();
        workbook.add_worksheet().write_string(0, 16_383, "远").expect("a cell");
        assert_eq!(all(&saved(workbook)), Err(FileError::TooManyColumns));
    }

    /// A spreadsheet with one part in the place of its own.
    fn with_part(name: &str, content: &[u8]) -> Vec<u8> {
        let mut table = XlsxTable::new("x").expect("a table");
        table.row(&[Entry::Text("x".into())]).expect("a row");
        let mut bytes = Vec::new();
        table.finish(&mut bytes).expect("a file");
        let mut from = ZipArchive::new(Cursor::new(bytes)).expect("an archive");
        let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..from.len() {
            let mut part = from.by_index(index).expect("a part");
            let of_part = part.name().expect("a name").into_owned();
            if of_part != name {
                let mut kept = Vec::new();
                part.read_to_end(&mut kept).expect("a part");
                to.start_file(of_part, SimpleFileOptions::default()).expect("a part");
                to.write_all(&kept).expect("written");
            }
        }
        to.start_file(name, SimpleFileOptions::default()).expect("a part");
        to.write_all(content).expect("written");
        to.finish().expect("an archive").into_inner()
    }

    #[test]
    fn bombs_and_rubble_are_refused_before_they_are_unpacked_into_memory() {
        let bomb = with_part("xl/worksheets/sheet2.xml", &vec![b' '; 1024 * 1024]);
        assert!(bomb.len() < 16 * 1024, "{}", bomb.len());
        assert_eq!(weigh(&bomb, 1024 * 1024), Err(FileError::Unpacked), "all parts together");
        assert_eq!(weigh(&bomb, 2 * 1024 * 1024), Ok(()));
        let strings = vec![b' '; limits::LARGEST_STRINGS_BYTES as usize + 1];
        assert_eq!(all(&with_part("xl/sharedStrings.xml", &strings)), Err(FileError::Unpacked));
        let styles = vec![b' '; limits::LARGEST_PART_BYTES as usize + 1];
        assert_eq!(all(&with_part("xl/styles.xml", &styles)), Err(FileError::Unpacked));
        assert_eq!(
            all(&with_part("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row><c")),
            Err(FileError::NotATable)
        );
        assert_eq!(all(b"PK\x03\x04 nothing"), Err(FileError::NotATable));
        let back = br#"<worksheet><sheetData><row r="2"><c r="A2"><v>1</v></c></row><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>"#;
        assert_eq!(all(&with_part("xl/worksheets/sheet1.xml", back)), Err(FileError::NotATable));
    }
}
