//! The rows of lists as they are written: headers and values in people's words.
//!
//! **Invariant:** what the list of residents says of a household and its people is read back by an import as the same.

use crate::code_words::{shown_choice, shown_code};
use crate::column::{Column, Holds};
use crate::writing::Entry;
use gridwork_domain::fields::{Kind, Record, Value};
use gridwork_domain::id::{HouseholdId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::language::Language;
use gridwork_domain::schema::{DWELLING, HOUSEHOLD, MEMBERSHIPS, RESIDENTS};
use gridwork_domain::visit::{Fact, FactBody, Mode, Outcome, Visit, observation_kinds, purposes};

/// The place of a household, as every list shows it.
#[derive(Debug, Clone, Copy)]
pub struct Home<'r> {
    /// The code of its grid.
    pub grid: &'r str,
    /// The name of its grid.
    pub grid_name: &'r str,
    /// The household's id.
    pub household: HouseholdId,
    /// The record of its dwelling.
    pub dwelling: &'r Record,
}

const HOUSEHOLDS: &[&str] = &[
    "grid",
    "grid_name",
    "household_id",
    "household_status",
    "contact_phone",
    "address",
    "building",
    "unit",
    "floor",
    "door",
    "dwelling_status",
    "remark",
    "open_conflicts",
];

const PEOPLE: &[&str] = &[
    "grid",
    "grid_name",
    "household",
    "address",
    "building",
    "unit",
    "floor",
    "door",
    "name",
    "relation",
    "sex",
    "birth_date",
    "phone",
    "second_phone",
    "occupation",
    "employment",
    "residence_kind",
    "ethnicity",
    "guardian",
    "since",
    "until",
    "died_on",
    "resident_id",
];

/// What the list of visits shows besides the place: Chinese and English.
const VISITS: &[(&str, &str)] = &[
    ("类型", "sort"),
    ("开始时间", "started at"),
    ("结束时间", "ended at"),
    ("走访方式", "mode"),
    ("走访结果", "outcome"),
    ("走访目的", "purposes"),
    ("接访人数", "persons spoken to"),
    ("生活状态", "observations"),
    ("走访记录", "note"),
    ("更正原因", "reason of correction"),
    ("记录人", "recorded by"),
    ("收到时间", "received at"),
];

const PLACE: &[&str] = &["grid", "grid_name", "household_id", "address", "building", "unit", "floor", "door"];

/// The headers of the list of households.
pub fn household_headers(language: Language) -> Vec<Entry> {
    headers(HOUSEHOLDS, language)
}

/// The headers of the list of residents.
pub fn resident_headers(language: Language) -> Vec<Entry> {
    headers(PEOPLE, language)
}

/// The headers of the list of visits.
pub fn visit_headers(language: Language) -> Vec<Entry> {
    let own = VISITS.iter().map(|(chinese, english)| words(language.pick(chinese, english)));
    headers(PLACE, language).into_iter().chain(own).collect()
}

/// A household.
pub fn household(home: &Home<'_>, household: &Record, open_conflicts: u32, language: Language) -> Vec<Entry> {
    let row = Shown { home, household: Some(household), person: None, open_conflicts, language };
    HOUSEHOLDS.iter().map(|name| row.entry(name)).collect()
}

/// A resident with the stay that counts.
pub fn resident(
    home: &Home<'_>,
    id: ResidentId,
    resident: &Record,
    stay: Option<&Record>,
    language: Language,
) -> Vec<Entry> {
    let row = Shown { home, household: None, person: Some((id, resident, stay)), open_conflicts: 0, language };
    PEOPLE.iter().map(|name| row.entry(name)).collect()
}

/// A visit or a note, and what corrected it last; with who recorded it, and when it was received.
pub fn visit(
    home: &Home<'_>,
    fact: &Fact,
    correction: Option<&Fact>,
    (by, received_at): (&str, Instant),
    language: Language,
) -> Vec<Entry> {
    let row = Shown { home, household: None, person: None, open_conflicts: 0, language };
    let mut entries: Vec<Entry> = PLACE.iter().map(|name| row.entry(name)).collect();
    let (read, reason) = match correction.map(|correction| &correction.body) {
        Some(FactBody::Correction { visit, reason, .. }) => (Some(visit), Some(reason.as_str())),
        _ => (None, None),
    };
    match (&fact.body, read) {
        (_, Some(visit)) | (FactBody::Visit(visit) | FactBody::Correction { visit, .. }, None) => {
            entries.push(words(language.pick("走访", "visit")));
            entries.extend(visit_entries(visit, language));
        }
        (FactBody::Note { text, written_at }, None) => {
            entries.extend([words(language.pick("记录", "note")), words(&moment(*written_at))]);
            entries.extend(std::iter::repeat_n(Entry::Empty, 6));
            entries.push(words(text));
        }
    }
    entries.extend([reason.map_or(Entry::Empty, words), words(by), words(&moment(received_at))]);
    entries
}

fn visit_entries(visit: &Visit, language: Language) -> Vec<Entry> {
    let mode = match visit.mode {
        Mode::Door => ("入户看", "door"),
        Mode::Phone => ("电话问", "phone"),
        Mode::Neighbour => ("邻居访", "neighbour"),
    };
    let outcome = match visit.outcome {
        Outcome::Met => ("见到本户", "met"),
        Outcome::Proxy => ("他人代答", "proxy"),
        Outcome::NoAnswer => ("无人应答", "no answer"),
        Outcome::Refused => ("拒绝", "refused"),
        Outcome::MovedAway => ("已搬走", "moved away"),
        Outcome::Vacant => ("空置", "vacant"),
    };
    let purpose = |code: &String| {
        let term = purposes().iter().find(|one| one.code == code).map(|one| one.term);
        term.filter(|_| language == Language::Chinese).unwrap_or(code).to_owned()
    };
    let observation = |one: &gridwork_domain::visit::Observation| {
        let term = observation_kinds().iter().find(|kind| kind.code == one.kind).map(|kind| kind.term);
        format!("{}: {}", term.filter(|_| language == Language::Chinese).unwrap_or(&one.kind), one.value)
    };
    let join = |texts: Vec<String>| if texts.is_empty() { Entry::Empty } else { Entry::Text(texts.join("; ")) };
    vec![
        words(&moment(visit.started_at)),
        words(&moment(visit.ended_at)),
        words(language.pick(mode.0, mode.1)),
        words(language.pick(outcome.0, outcome.1)),
        join(visit.purposes.iter().map(purpose).collect()),
        i64::try_from(visit.spoken_to.len()).map_or(Entry::Empty, Entry::Integer),
        join(visit.observations.iter().map(observation).collect()),
        visit.note.as_deref().map_or(Entry::Empty, words),
    ]
}

/// One row's records.
struct Shown<'r> {
    home: &'r Home<'r>,
    household: Option<&'r Record>,
    person: Option<(ResidentId, &'r Record, Option<&'r Record>)>,
    open_conflicts: u32,
    language: Language,
}

impl Shown<'_> {
    fn entry(&self, name: &str) -> Entry {
        match name {
            "grid" => words(self.home.grid),
            "grid_name" => words(self.home.grid_name),
            "household" | "household_id" => words(&self.home.household.to_string()),
            "resident_id" => self.person.map_or(Entry::Empty, |(id, ..)| words(&id.to_string())),
            "open_conflicts" => Entry::Integer(self.open_conflicts.into()),
            _ => self.field(name).unwrap_or(Entry::Empty),
        }
    }

    fn field(&self, name: &str) -> Option<Entry> {
        let column = Column::named(name)?;
        let Holds::Field(container, field) = column.holds else { return None };
        let record = match container {
            HOUSEHOLD => self.household,
            DWELLING => Some(self.home.dwelling),
            RESIDENTS => self.person.map(|(_, resident, _)| resident),
            MEMBERSHIPS => self.person.and_then(|(_, _, stay)| stay),
            _ => None,
        };
        let value = record?.get(field)?;
        Some(match (column.kind()?, value) {
            (_, Value::Integer(number)) => Entry::Integer(*number),
            (Kind::Code(list), Value::Text(code)) => words(shown_code(list, code).unwrap_or(code)),
            (Kind::Choice(_), Value::Text(word)) => words(shown_choice(word, self.language)),
            (_, Value::Text(text)) => words(text),
        })
    }
}

fn headers(names: &[&str], language: Language) -> Vec<Entry> {
    let header = |name: &&str| Column::named(name).map_or(Entry::Empty, |column| words(column.header(language)));
    names.iter().map(header).collect()
}

fn words(text: &str) -> Entry {
    if text.is_empty() { Entry::Empty } else { Entry::Text(text.to_owned()) }
}

/// An instant on the clocks of the district, to the minute.
fn moment(at: Instant) -> String {
    let shanghai = jiff::tz::Offset::constant(8);
    let time = jiff::Timestamp::from_millisecond(at.ms()).ok().map(|at| shanghai.to_datetime(at));
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_has_a_header_for_every_column() {
        for language in [Language::Chinese, Language::English] {
            for headers in [household_headers(language), resident_headers(language), visit_headers(language)] {
                assert!(headers.iter().all(|header| *header != Entry::Empty), "{headers:?}");
            }
        }
    }

    #[test]
    fn a_note_takes_as_many_cells_as_a_visit() {
        let household = HouseholdId::from_bytes([1; 16]);
        let home = Home { grid: "x", grid_name: "y", household, dwelling: &Record::default() };
        let body = FactBody::Note { text: "门锁坏了".into(), written_at: Instant::from_ms(1_790_000_000_000) };
        let fact = Fact { id: gridwork_domain::id::FactId::from_bytes([2; 16]), household, body };
        let row = visit(&home, &fact, None, ("李娜", Instant::from_ms(1_790_000_000_000)), Language::Chinese);
        assert_eq!(row.len(), visit_headers(Language::Chinese).len());
        assert_eq!(row[PLACE.len() + 1], Entry::Text("2026-09-21 22:13".into()));
        assert_eq!(row[PLACE.len() + 8], Entry::Text("门锁坏了".into()));
    }
}
