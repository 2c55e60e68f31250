//! What is wrong with a roster, or strange: where it stands in the file, and which rule it breaks.
//!
//! **Invariant:** a finding never holds what stands in a cell of a person; lists are bounded, counts are not.

use crate::limits;
use gridwork_domain::citizen_number::CitizenNumberError;

/// Where something stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The row as the spreadsheet counts it, from 1.
    pub row: u32,
    /// The column's letters, such as `C`; empty if it is about the whole row.
    pub column: String,
    /// The column's header as the file has it, its first [`limits::LONGEST_HEADER`] characters.
    pub header: String,
}

/// Which rule is broken. Values are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A row about a person without a name.
    NameMissing,
    /// A household without any place.
    AddressMissing,
    /// A household without a grid.
    GridMissing,
    /// Not a code of 15 digits.
    NotAGrid,
    /// A grid that is none, or in which whoever imports registers nobody.
    ForeignGrid,
    /// Longer than fits.
    TooLong(usize),
    /// A line break or another character that cannot be printed.
    Unprintable,
    /// Not one of these words.
    NotOneOf(String),
    /// Not a date.
    NotADate,
    /// A year, or a year and a month, alone.
    DayMissing,
    /// After today.
    InTheFuture,
    /// Before its beginning: moved out before moving in, dead before being born.
    Reversed,
    /// Not a telephone number.
    NotAPhone,
    /// Not a citizen number, by this rule.
    NotACitizenNumber(CitizenNumberError),
    /// A citizen number that a spreadsheet took for a number, of which it keeps fifteen digits.
    DigitsLost,
    /// Another row has the same citizen number.
    NumberTwice(u32),
    /// The birth date is not the one in the citizen number.
    BirthDiffers,
    /// Not a whole number between these.
    NotANumber(i64, i64),
    /// The spreadsheet shows an error such as `#REF!`.
    Error,
    /// Another row of the household says otherwise.
    Differs(u32),
    /// A further head.
    SecondHead(u32),
    /// Two heads at one address, and nothing that says who belongs to whom.
    TwoHouseholds(u32),
    /// The same person again in one household.
    Twice(u32),
    /// Too many persons.
    TooManyPersons,
    /// The registry has this household already.
    Registered,
    /// The registry has another household at this address.
    AddressTaken,
    /// The same name and birth date in another household of the file.
    ElsewhereToo(u32),
    /// Another remark on the same household: the first one is kept.
    RemarkLeftOut(u32),
    /// No address: it was taken to belong to the household above.
    AsAbove(u32),
    /// Nobody is the head.
    NoHead,
    /// Older than anybody.
    VeryOld,
    /// A column that is not known.
    UnknownColumn,
    /// A second column for the same.
    SecondColumn,
}

impl Reason {
    /// Whether the file can be imported all the same.
    pub const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::Registered
                | Self::AddressTaken
                | Self::ElsewhereToo(_)
                | Self::RemarkLeftOut(_)
                | Self::AsAbove(_)
                | Self::NoHead
                | Self::VeryOld
                | Self::BirthDiffers
                | Self::UnknownColumn
        )
    }
}

/// One thing that is wrong or strange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// Why.
    pub reason: Reason,
}

/// All that was found: the first ones of each sort, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must be mended before the file is imported, by row.
    pub problems: Vec<Finding>,
    /// How many there are in all.
    pub problems_found: usize,
    /// What somebody should look at, by row.
    pub warnings: Vec<Finding>,
    /// How many there are in all.
    pub warnings_found: usize,
}

impl Findings {
    /// Adds one.
    pub(crate) fn add(&mut self, place: Place, reason: Reason) {
        let (listed, found) = if reason.is_warning() {
            (&mut self.warnings, &mut self.warnings_found)
        } else {
            (&mut self.problems, &mut self.problems_found)
        };
        *found += 1;
        if listed.len() < limits::MOST_LISTED {
            listed.push(Finding { place, reason });
        }
    }

    /// Puts those that are listed in the order of their rows and columns.
    pub(crate) fn sort(&mut self) {
        let order = |finding: &Finding| {
            let Place { row, column, .. } = &finding.place;
            (*row, column.len(), column.clone())
        };
        self.problems.sort_by_key(order);
        self.warnings.sort_by_key(order);
    }
}

/// The letters of a column, counted from 0: `A`, `Z`, `AA`.
pub(crate) fn letters(column: usize) -> String {
    let mut rest = column + 1;
    let mut reversed = Vec::new();
    while rest > 0 {
        rest -= 1;
        reversed.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    reversed.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_in_a_spreadsheet() {
        let lettered: Vec<_> = [0, 25, 26, 51, 52, 701, 702].map(letters).into();
        assert_eq!(lettered, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }

    #[test]
    fn more_than_can_be_mended_is_counted_and_not_listed() {
        let mut findings = Findings::default();
        for row in 0..5_000 {
            findings.add(Place { row, column: String::new(), header: String::new() }, Reason::NameMissing);
        }
        assert_eq!((findings.problems.len(), findings.problems_found), (limits::MOST_LISTED, 5_000));
    }
}
