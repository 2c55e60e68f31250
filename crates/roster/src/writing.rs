//! Lists as files: CSV in pieces, XLSX through temporary files without a name.
//!
//! **Invariant:** no cell is taken for a formula by a spreadsheet, and memory does not grow with the rows.

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use std::io::{self, Write};

/// Rows of a sheet (Excel's limit); what comes after goes on in a further one.
const MOST_SHEET_ROWS: u32 = 1_048_576;
/// Characters of a cell (Excel's limit).
const LONGEST_CELL: usize = 32_767;
/// What UTF-8 begins with so that Excel knows it.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What is written into a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
}

/// Why a list cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A temporary file, or whoever takes the bytes.
    #[error("the list cannot be written: is the disk of temporary files full?")]
    Io(#[from] io::Error),
    /// The spreadsheet.
    #[error("the spreadsheet cannot be written: is the disk of temporary files full?")]
    Spreadsheet(#[from] XlsxError),
}

/// CSV (RFC 4180) in UTF-8 with a mark, piece by piece.
pub struct CsvTable {
    begun: bool,
}

impl CsvTable {
    /// A table without rows.
    pub fn new() -> Self {
        Self { begun: false }
    }

    /// The bytes of these rows, to go after those before them.
    ///
    /// # Errors
    /// [`WriteError`]; never for rows in memory.
    pub fn rows<'r>(&mut self, rows: impl IntoIterator<Item = &'r Vec<Entry>>) -> Result<Vec<u8>, WriteError> {
        let mut bytes = Vec::new();
        if !self.begun {
            self.begun = true;
            bytes.extend_from_slice(MARK);
        }
        let mut writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(bytes);
        for row in rows {
            let cells = row.iter().map(|entry| match entry {
                Entry::Empty => String::new(),
                Entry::Text(text) => harmless(text),
                Entry::Integer(number) => number.to_string(),
            });
            writer.write_record(cells).map_err(io::Error::from)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

impl Default for CsvTable {
    fn default() -> Self {
        Self::new()
    }
}

/// A text that no spreadsheet runs: one that begins like a formula gets an apostrophe before it.
fn harmless(text: &str) -> String {
    let formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

/// A spreadsheet whose rows lie in temporary files until it is finished. Its texts are texts, whatever they begin with.
pub struct XlsxTable {
    workbook: Workbook,
    name: String,
    sheet: usize,
    row: u32,
    header: Vec<Entry>,
}

impl XlsxTable {
    /// A table without rows, on a sheet of this name.
    ///
    /// # Errors
    /// [`WriteError`] if there is no place for temporary files.
    pub fn new(name: &str) -> Result<Self, WriteError> {
        let mut table = Self { workbook: Workbook::new(), name: name.to_owned(), sheet: 0, row: 0, header: Vec::new() };
        table.begin_sheet()?;
        Ok(table)
    }

    /// Adds a row. The first is the header of every sheet.
    ///
    /// # Errors
    /// [`WriteError`] if there is no place for temporary files.
    pub fn row(&mut self, entries: &[Entry]) -> Result<(), WriteError> {
        if self.header.is_empty() {
            self.header = entries.to_vec();
        }
        if self.row == MOST_SHEET_ROWS {
            self.begin_sheet()?;
            let header = self.header.clone();
            self.write(&header)?;
        }
        self.write(entries)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(mut self, to: impl Write + Send) -> Result<(), WriteError> {
        // The library seeks nowhere but within what it wrote.
        Ok(self.workbook.save_to_writer(to)?)
    }

    fn begin_sheet(&mut self) -> Result<(), WriteError> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        self.sheet += 1;
        let name = if self.sheet == 1 { self.name.clone() } else { format!("{} {}", self.name, self.sheet) };
        sheet.set_name(name)?.set_freeze_panes(1, 0)?;
        self.row = 0;
        Ok(())
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), WriteError> {
        let bold = Format::new().set_bold();
        let is_header = self.row == 0;
        let row = self.row;
        let sheet = self.workbook.worksheet_from_index(self.sheet - 1)?;
        for (column, entry) in (0..).zip(entries) {
            match entry {
                Entry::Empty => {}
                Entry::Text(text) => {
                    let text: String = text.chars().take(LONGEST_CELL).collect();
                    if is_header {
                        sheet.write_string_with_format(row, column, text, &bold)?;
                    } else {
                        sheet.write_string(row, column, text)?;
                    }
                }
                Entry::Integer(number) => {
                    sheet.write_number(row, column, *number as f64)?;
                }
            }
        }
        self.row += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_a_list_is_a_formula() {
        let cells = ["=1+1", "+86", "-x", "@SUM(A1)", " =1", "\t=1", "＝1", "王小明", "1-2"];
        let row: Vec<Entry> =
            cells.iter().map(|text| Entry::Text((*text).into())).chain([Entry::Integer(-1)]).collect();
        let mut table = CsvTable::new();
        let first = String::from_utf8(table.rows([&row]).expect("bytes")).expect("UTF-8");
        assert_eq!(first, "\u{feff}'=1+1,'+86,'-x,'@SUM(A1),' =1,'\t=1,'＝1,王小明,1-2,-1\r\n");
        let second = table.rows([&vec![Entry::Text("甲,\"乙\"".into()), Entry::Empty]]).expect("bytes");
        assert_eq!(String::from_utf8(second).expect("UTF-8"), "\"甲,\"\"乙\"\"\",\r\n");
    }

    #[test]
    fn a_spreadsheet_reads_back_as_it_was_written() {
        let mut table = XlsxTable::new("居民").expect("a table");
        table.row(&[Entry::Text("姓名".into()), Entry::Text("楼层".into())]).expect("a row");
        table.row(&[Entry::Text("=HYPERLINK(\"x\")".into()), Entry::Integer(-1)]).expect("a row");
        let mut bytes = Vec::new();
        table.finish(&mut bytes).expect("a file");
        let rows = crate::table::all(&bytes).expect("a table");
        let formula = crate::table::Cell::Text("=HYPERLINK(\"x\")".into());
        assert_eq!(rows[1].cells, [formula, crate::table::Cell::Number(-1.0)]);
    }
}
