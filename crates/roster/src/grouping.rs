//! Which rows are one household, as a community worker would tell.
//!
//! A column with a number of the household decides. Without one, it is the place with the head's name; without that, the
//! place. A row that says nothing of any place belongs to the household above it, since offices merge those cells.
//!
//! **Invariant:** a row belongs to one household, and what rows of one household say of it agrees or is a problem.

use crate::finding::{Findings, Place, Reason};
use crate::limits;
use crate::reading::Said;
use crate::roster::{Family, Person, text};
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::fields::Fields;
use std::collections::BTreeMap;

/// Codes of the relation that the head has: 本人 and 户主 (GB/T 4761).
const HEAD: [&str; 2] = ["01", "02"];

/// Households so far.
#[derive(Default)]
pub(crate) struct Grouping {
    pub(crate) findings: Findings,
    families: Vec<Group>,
    by_key: BTreeMap<Key, usize>,
    /// Name and birth date to the row and household.
    persons: BTreeMap<(String, String), (u32, usize)>,
    /// Citizen numbers to the rows that first had them.
    numbers: BTreeMap<CitizenNumber, u32>,
}

struct Group {
    family: Family,
    head: Option<u32>,
    place: Place,
    /// The row that first said each field of the household or its dwelling.
    said_by: BTreeMap<String, u32>,
    /// Whether its place was refused, which is said there.
    address_refused: bool,
}

/// What rows of one household have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(String),
    Place(String, Option<String>),
}

impl Grouping {
    /// Adds a row.
    pub(crate) fn add(&mut self, mut said: Said) {
        let name = text(&said.resident, "name").map(str::to_owned);
        if name.is_none() && !said.is_refused("name") {
            self.findings.add(said.place("name"), Reason::NameMissing);
        }
        let is_named_head = name.is_some() && name == said.head;
        if text(&said.stay, "relation").is_none() && is_named_head {
            said.stay = said.stay.with("relation", "02");
        }
        let is_head = text(&said.stay, "relation").is_some_and(|code| HEAD.contains(&code));
        let Some(index) = self.household_of(&said, is_head) else { return };
        self.agree(index, &said);
        let group = &mut self.families[index];
        if is_head {
            match group.head {
                None => group.head = Some(said.row),
                Some(row) => self.findings.add(said.place("relation"), Reason::SecondHead(row)),
            }
        }
        self.admit(index, said, name);
    }

    /// All households, with what can be said of them only now.
    pub(crate) fn finish(mut self, has_relations: bool) -> (Vec<Family>, Findings) {
        for group in &self.families {
            let place = || group.place.clone();
            let says = |field: &str| text(&group.family.dwelling, field).is_some();
            if !(says("address") || says("building") || says("door") || group.address_refused) {
                self.findings.add(place(), Reason::AddressMissing);
            }
            if has_relations && group.head.is_none() {
                self.findings.add(place(), Reason::NoHead);
            }
        }
        self.findings.sort();
        (self.families.into_iter().map(|group| group.family).collect(), self.findings)
    }

    /// The household of a row; a new one if it is the first. None if nobody can tell, which is said.
    fn household_of(&mut self, said: &Said, is_head: bool) -> Option<usize> {
        let key = match (&said.key, place_of(&said.dwelling)) {
            (Some(number), _) => Key::Number(number.clone()),
            (None, Some(place)) => {
                let grid = said.grid.as_ref().map_or("", |grid| grid.as_str());
                Key::Place(format!("{grid}\n{place}"), said.head.clone())
            }
            (None, None) => return self.above(said, is_head),
        };
        if let Some(index) = self.by_key.get(&key) {
            let group = &self.families[*index];
            if let (Key::Place(_, None), true, Some(row)) = (&key, is_head, group.head) {
                self.findings.add(said.place("relation"), Reason::TwoHouseholds(row));
                return None;
            }
            return Some(*index);
        }
        let index = self.begin(said);
        self.by_key.insert(key, index);
        Some(index)
    }

    /// The household of the row above, for a row that says nothing of a place.
    fn above(&mut self, said: &Said, is_head: bool) -> Option<usize> {
        let refused = ["household", "address", "building", "unit", "door"].iter().any(|name| said.is_refused(name));
        match self.families.last() {
            // Whoever is a head, or has another head, lives somewhere else: where, is missing.
            Some(last) if !is_head && !refused && same_head(said, last) => {
                self.findings.add(said.place("address"), Reason::AsAbove(last.family.row));
                Some(self.families.len() - 1)
            }
            _ => Some(self.begin(said)),
        }
    }

    fn begin(&mut self, said: &Said) -> usize {
        let address_refused = ["address", "building", "door"].iter().any(|name| said.is_refused(name));
        let family = Family {
            row: said.row,
            grid: None,
            home: None,
            household: Fields::new(),
            dwelling: Fields::new(),
            persons: Vec::new(),
            registered: false,
            grid_refused: said.is_refused("grid"),
        };
        let place = said.place("address");
        self.families.push(Group { family, head: None, place, said_by: BTreeMap::new(), address_refused });
        self.families.len() - 1
    }

    /// Takes what a row says of its household, where no other row says otherwise.
    fn agree(&mut self, index: usize, said: &Said) {
        let group = &mut self.families[index];
        let columns = crate::column::COLUMNS.iter().filter(|column| column.is_of_household());
        for column in columns {
            let differs = match column.holds {
                crate::column::Holds::Field(container, field) => {
                    let (from, to) = match container {
                        gridwork_domain::schema::HOUSEHOLD => (&said.household, &mut group.family.household),
                        _ => (&said.dwelling, &mut group.family.dwelling),
                    };
                    let Some(value) = from.0.get(field) else { continue };
                    to.0.entry(field.to_owned()).or_insert_with(|| value.clone()) != value
                }
                _ => {
                    let Some(grid) = &said.grid else { continue };
                    group.family.grid.get_or_insert_with(|| grid.clone()) != grid
                }
            };
            let first = *group.said_by.entry(column.name.to_owned()).or_insert(said.row);
            if differs {
                // Offices write remarks about single persons.
                let remark = column.name == "remark";
                let reason = if remark { Reason::RemarkLeftOut(first) } else { Reason::Differs(first) };
                self.findings.add(said.place(column.name), reason);
            }
        }
    }

    /// Adds a person to a household.
    fn admit(&mut self, index: usize, said: Said, name: Option<String>) {
        let persons = &self.families[index].family.persons;
        if persons.len() >= limits::MOST_PERSONS {
            if persons.len() == limits::MOST_PERSONS {
                self.findings.add(said.place("name"), Reason::TooManyPersons);
            }
            return;
        }
        if let Some(name) = name {
            let born = text(&said.resident, "birth_date");
            let namesake = persons.iter().find(|one| {
                let other = text(&one.resident, "birth_date");
                text(&one.resident, "name") == Some(&name) && (born.is_none() || other.is_none() || born == other)
            });
            if let Some(namesake) = namesake {
                self.findings.add(said.place("name"), Reason::Twice(namesake.row));
            } else if let Some(born) = born {
                let known = self.persons.entry((name, born.to_owned())).or_insert((said.row, index));
                if known.1 != index {
                    self.findings.add(said.place("name"), Reason::ElsewhereToo(known.0));
                }
            }
        }
        if let Some(number) = &said.number {
            let first = *self.numbers.entry(number.clone()).or_insert(said.row);
            if first != said.row {
                self.findings.add(said.place("citizen_number"), Reason::NumberTwice(first));
            }
        }
        let Said { row, resident, number, stay, .. } = said;
        self.families[index].family.persons.push(Person { row, resident, number, stay });
    }
}

/// Whether a row's head is the household's, as far as either says.
fn same_head(said: &Said, group: &Group) -> bool {
    let persons = &group.family.persons;
    said.head.as_deref().is_none_or(|head| persons.iter().any(|one| text(&one.resident, "name") == Some(head)))
}

/// The place of a dwelling as it is compared: without space, none if nothing is said of it. The floor is the door's.
pub(crate) fn place_of(dwelling: &Fields) -> Option<String> {
    let part = |name: &str| -> String {
        text(dwelling, name).unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect()
    };
    let parts = ["address", "building", "unit", "door"].map(part);
    parts.iter().any(|part| !part.is_empty()).then(|| parts.join("\n"))
}
