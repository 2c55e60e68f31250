//! From the rows of a file to a roster: finds the headers, reads each cell by its column, and groups rows to households.
//!
//! **Invariant:** every cell of a column that is imported is in the roster or in a finding.

use crate::column::{Column, Holds};
use crate::finding::{Findings, Place, Reason, letters};
use crate::grouping::Grouping;
use crate::limits;
use crate::mapping::Mapping;
use crate::roster::Roster;
use crate::table::{Cell, FileError, Row, rows};
use crate::value;
use gridwork_domain::citizen_number::{CitizenNumber, CitizenNumberWarning};
use gridwork_domain::division_code::{DivisionCode, DivisionLevel};
use gridwork_domain::fields::Fields;
use gridwork_domain::schema::{DWELLING, HOUSEHOLD, MEMBERSHIPS, RESIDENTS};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Headers that a row must have to be the row of headers, one of them the name.
const FEWEST_HEADERS: usize = 2;
/// Years that nobody lives.
const OLDEST_YEARS: i16 = 120;

/// Reads a file. `today` is the date in the district; `secret` goes into the ids, so that they tell nothing of what stands
/// in the file to whoever does not have it, and is the same for one registry for ever.
///
/// # Errors
/// [`FileError`] for a file that is refused as a whole. Whatever is wrong with its rows is in the roster's findings.
pub fn read(file: &[u8], mapping: &Mapping, today: Date, secret: &[u8; 32]) -> Result<Roster, FileError> {
    let mut reading = Reading { mapping, today, headers: None, grouping: Grouping::default(), rows: 0 };
    let mut titles = 0;
    rows(file, &mut |row| {
        if reading.headers.is_some() {
            return reading.row(&row);
        }
        titles += 1;
        reading.headers(&row);
        if reading.headers.is_none() && titles >= limits::MOST_TITLE_ROWS { Err(FileError::NoHeader) } else { Ok(()) }
    })?;
    let headers = reading.headers.ok_or(FileError::NoHeader)?;
    let grid_column = headers.0.values().find(|one| one.column.holds == Holds::Grid);
    let grid_column = grid_column.map(|one| (one.letters.clone(), one.text.clone()));
    let (families, findings) = reading.grouping.finish(headers.has("relation"));
    let digest = Sha256::new().chain_update(secret).chain_update(file).finalize().into();
    Roster { families, findings, digest, grid_column }.or_empty()
}

struct Reading<'m> {
    mapping: &'m Mapping,
    today: Date,
    headers: Option<Headers>,
    grouping: Grouping,
    rows: usize,
}

/// The columns of the file, by where they stand.
struct Headers(BTreeMap<usize, Header>);

struct Header {
    column: &'static Column,
    letters: String,
    text: String,
}

/// What a row says.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) row: u32,
    pub(crate) key: Option<String>,
    pub(crate) grid: Option<DivisionCode>,
    pub(crate) head: Option<String>,
    pub(crate) household: Fields,
    pub(crate) dwelling: Fields,
    pub(crate) resident: Fields,
    pub(crate) stay: Fields,
    pub(crate) number: Option<CitizenNumber>,
    /// Where each column stands.
    places: BTreeMap<&'static str, Place>,
    /// Columns whose cells were refused.
    refused: Vec<&'static str>,
}

impl Said {
    /// Where a column's cell of this row stands; the row itself if the file has no such column.
    pub(crate) fn place(&self, column: &str) -> Place {
        let row = Place { row: self.row, column: String::new(), header: String::new() };
        self.places.get(column).cloned().unwrap_or(row)
    }

    /// Whether a column's cell was refused, so that nothing more is to be said about it.
    pub(crate) fn is_refused(&self, column: &str) -> bool {
        self.refused.contains(&column)
    }
}

impl Headers {
    fn has(&self, name: &str) -> bool {
        self.0.values().any(|header| header.column.name == name)
    }
}

impl Reading<'_> {
    /// Takes a row for the headers, if it has what headers have.
    fn headers(&mut self, row: &Row) {
        let mut findings = Findings::default();
        let mut known: BTreeMap<usize, Header> = BTreeMap::new();
        for (at, cell) in row.cells.iter().enumerate() {
            let text = value::text(cell);
            if text.is_empty() {
                continue;
            }
            let shown: String = text.chars().take(limits::LONGEST_HEADER).collect();
            let place = Place { row: row.number, column: letters(at), header: shown.clone() };
            match self.mapping.column(&text) {
                None => findings.add(place, Reason::UnknownColumn),
                Some(None) => {}
                Some(Some(column)) => match column.holds {
                    Holds::Nothing => {}
                    _ if known.values().any(|one| one.column == column) => findings.add(place, Reason::SecondColumn),
                    _ => {
                        known.insert(at, Header { column, letters: letters(at), text: shown });
                    }
                },
            }
        }
        let headers = Headers(known);
        if headers.has("name") && headers.0.len() >= FEWEST_HEADERS {
            self.headers = Some(headers);
            self.grouping.findings = findings;
        }
    }

    fn row(&mut self, row: &Row) -> Result<(), FileError> {
        self.rows += 1;
        if self.rows > limits::MOST_ROWS {
            return Err(FileError::TooManyRows);
        }
        let Some(headers) = &self.headers else { return Ok(()) };
        let mut said = Said { row: row.number, ..Said::default() };
        for (at, header) in &headers.0 {
            let (column, header) = (header.letters.clone(), header.text.clone());
            let name = headers.0[at].column.name;
            said.places.insert(name, Place { row: row.number, column, header });
        }
        let mut anything = false;
        for (at, header) in &headers.0 {
            let cell = row.cells.get(*at).unwrap_or(&Cell::Empty);
            anything |= *cell != Cell::Empty;
            if let Err(reason) = take(&mut said, header.column, cell) {
                said.refused.push(header.column.name);
                let place = said.place(header.column.name);
                self.grouping.findings.add(place, reason);
            }
        }
        if anything {
            check_dates(&said, self.today, &mut self.grouping.findings);
            self.grouping.add(said);
        }
        Ok(())
    }
}

/// Takes what a cell says.
fn take(said: &mut Said, column: &Column, cell: &Cell) -> Result<(), Reason> {
    match column.holds {
        Holds::HouseholdKey | Holds::Head => {
            let kind = gridwork_domain::fields::Kind::Line(64);
            let value = value::value(kind, &value::name(cell))?.map(|value| value.to_string());
            if column.holds == Holds::Head { said.head = value } else { said.key = value }
        }
        Holds::Grid => {
            let text = value::text(cell);
            if matches!(cell, Cell::Error | Cell::TooLong) {
                return Err(Reason::NotAGrid);
            }
            if !text.is_empty() {
                let code = DivisionCode::parse(&text).ok().filter(|code| code.level() == DivisionLevel::Grid);
                said.grid = Some(code.ok_or(Reason::NotAGrid)?);
            }
        }
        Holds::Field(container, field) => {
            let Some(kind) = column.kind() else { return Ok(()) };
            let is_name = matches!(field, "name" | "guardian");
            let read = if is_name { value::value(kind, &value::name(cell))? } else { value::value(kind, cell)? };
            let Some(value) = read else { return Ok(()) };
            let fields = match container {
                HOUSEHOLD => &mut said.household,
                DWELLING => &mut said.dwelling,
                RESIDENTS => &mut said.resident,
                MEMBERSHIPS => &mut said.stay,
                _ => return Ok(()),
            };
            fields.0.insert(field.to_owned(), Some(value));
        }
        Holds::CitizenNumber => said.number = value::citizen_number(cell)?,
        Holds::Nothing => {}
    }
    Ok(())
}

/// What no single cell says: dates after today, and ends before their beginnings.
fn check_dates(said: &Said, today: Date, findings: &mut Findings) {
    let date = |fields: &Fields, name: &str| {
        let text = crate::roster::text(fields, name)?;
        text.parse::<Date>().ok()
    };
    let born = date(&said.resident, "birth_date");
    let died = date(&said.resident, "died_on");
    let (since, until) = (date(&said.stay, "since"), date(&said.stay, "until"));
    for (column, day) in [("birth_date", born), ("died_on", died), ("since", since), ("until", until)] {
        if day.is_some_and(|day| day > today) {
            findings.add(said.place(column), Reason::InTheFuture);
        }
    }
    if born.is_some_and(|born| born.year() + OLDEST_YEARS < today.year()) && died.is_none() {
        findings.add(said.place("birth_date"), Reason::VeryOld);
    }
    if let Some(number) = &said.number {
        let column = "citizen_number";
        for warning in number.warnings(today) {
            match warning {
                CitizenNumberWarning::BornAfterToday => findings.add(said.place(column), Reason::InTheFuture),
                CitizenNumberWarning::ImplausibleAge if died.is_none() => {
                    findings.add(said.place(column), Reason::VeryOld);
                }
                CitizenNumberWarning::ImplausibleAge => {}
            }
        }
        if born.is_some_and(|born| born != number.birth_date()) {
            findings.add(said.place("birth_date"), Reason::BirthDiffers);
        }
    }
    for (column, from, to) in [("died_on", born, died), ("until", since, until)] {
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            findings.add(said.place(column), Reason::Reversed);
        }
    }
}
