//! The citizen number (公民身份号码), GB 11643-1999, and the permits that are numbered alike.
//!
//! Eighteen characters: six digits of the division, eight of the birth date, three of a sequence whose last is odd for men
//! and even for women, and a check character by ISO 7064 MOD 11-2. Residence permits of people from Hong Kong, Macao and
//! Taiwan begin with 810000, 820000 and 830000; permanent residence cards of foreigners (since 2023) begin with 9.
//!
//! This module judges the form of a number. It does not know whether the number was ever issued, whose it is, what day it
//! is today, nor when a county came to be: a county younger than the birth, as after a reform, is therefore accepted
//! without a word.
//!
//! Invariant: neither `Debug`, nor `Display`, nor an error shows more than the first and the last character.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::division_code::DivisionCode;

/// A citizen number of 18 characters with a real birth date and the right check character.
///
/// Personal data: formatting it in any way shows [`CitizenNumber::masked`]. Only [`CitizenNumber::as_str`], the
/// conversion into `String` and serialisation give the number away.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CitizenNumber {
    number: String,
    birth_date: Date,
}

/// Whom the first digits of a number say it was issued to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CitizenNumberHolder {
    /// A citizen, numbered by a division of GB/T 2260.
    Citizen,
    /// The holder of a residence permit from Hong Kong, 810000.
    HongKongResident,
    /// The holder of a residence permit from Macao, 820000.
    MacaoResident,
    /// The holder of a residence permit from Taiwan, 830000.
    TaiwanResident,
    /// The holder of a foreigner's permanent residence card, 9.
    ForeignPermanentResident,
}

/// What is odd about a number that is right in itself: to be asked about, never a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum CitizenNumberWarning {
    /// Today the holder would be older than [`OLDEST_PLAUSIBLE_AGE_YEARS`].
    #[error("by this number its holder is over {OLDEST_PLAUSIBLE_AGE_YEARS} years old: compare it with the card")]
    ImplausibleAge,
    /// The birth date is after today.
    #[error("by this number its holder is not born yet: compare it with the card")]
    BornAfterToday,
}

/// Why a text is no citizen number. No variant carries any part of the number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CitizenNumberError {
    /// Not 18 characters.
    #[error("a citizen number has 18 characters, not {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character that cannot stand where it stands.
    #[error("character {position} of the citizen number must be a digit (the last may be X)")]
    Character {
        /// Place of the character, counted from 1.
        position: usize,
    },
    /// The first six digits are neither a division of GB/T 2260 nor one of the permits.
    #[error("the first six digits of the citizen number name no division, and no residence permit")]
    UnknownDivision,
    /// Digits 7-14 are no day of the calendar, or too far away.
    #[error("digits 7-14 of the citizen number are no birth date (year, month, day) from {FIRST_YEAR} to {LAST_YEAR}")]
    BirthDate,
    /// The last character does not follow from the others.
    #[error("the last character of the citizen number does not fit the other 17: compare it with the card")]
    CheckCharacter,
}

/// The age above which a number is worth a question: hardly anybody has ever lived longer.
pub const OLDEST_PLAUSIBLE_AGE_YEARS: i16 = 120;

impl CitizenNumber {
    /// Reads a number of 18 characters; space around it is ignored and a small x is made capital.
    ///
    /// # Errors
    /// [`CitizenNumberError`], the first fault found.
    pub fn parse(text: &str) -> Result<Self, CitizenNumberError> {
        let text = text.trim();
        let found = text.chars().count();
        if found != LENGTH {
            return Err(CitizenNumberError::Length { found });
        }
        let number = text.to_ascii_uppercase();
        let allowed =
            |(index, character): (usize, char)| character.is_ascii_digit() || (index == LENGTH - 1 && character == 'X');
        if let Some(index) = number.chars().enumerate().position(|found| !allowed(found)) {
            return Err(CitizenNumberError::Character { position: index + 1 });
        }
        if holder(&number).is_none() {
            return Err(CitizenNumberError::UnknownDivision);
        }
        let birth_date = birth_date(&number[6..14]).ok_or(CitizenNumberError::BirthDate)?;
        if !number.ends_with(check_character(&number[..LENGTH - 1])) {
            return Err(CitizenNumberError::CheckCharacter);
        }
        Ok(Self { number, birth_date })
    }

    /// The whole number, for sealing and comparing; never for showing.
    pub fn as_str(&self) -> &str {
        &self.number
    }

    /// First and last character only, as it may be shown: `1****************X`.
    pub fn masked(&self) -> String {
        format!("{}{}{}", &self.number[..1], "*".repeat(LENGTH - 2), &self.number[LENGTH - 1..])
    }

    /// Whom the number was issued to, by its first digits.
    pub fn holder(&self) -> CitizenNumberHolder {
        holder(&self.number).expect("parse refuses a number without a holder")
    }

    /// The division where a citizen was first numbered, perhaps under a code no longer valid; none for permits and
    /// permanent residence cards, whose first digits are no place of residence.
    pub fn division(&self) -> Option<DivisionCode> {
        match self.holder() {
            CitizenNumberHolder::Citizen => DivisionCode::parse(&self.number[..6]).ok(),
            _ => None,
        }
    }

    /// The birth date.
    pub fn birth_date(&self) -> Date {
        self.birth_date
    }

    /// The sex as a code of GB/T 2261.1: 1 male, 2 female.
    pub fn sex(&self) -> u8 {
        if self.number.as_bytes()[16] % 2 == 1 { 1 } else { 2 }
    }

    /// What is odd about the number on the day `today`: an age over 120 years, or a birth still to come.
    pub fn warnings(&self, today: Date) -> Vec<CitizenNumberWarning> {
        let birth = self.birth_date;
        let before_birthday = (today.month(), today.day()) < (birth.month(), birth.day());
        let age_years = today.year() - birth.year() - i16::from(before_birthday);
        let mut warnings = Vec::new();
        if age_years > OLDEST_PLAUSIBLE_AGE_YEARS {
            warnings.push(CitizenNumberWarning::ImplausibleAge);
        }
        if birth > today {
            warnings.push(CitizenNumberWarning::BornAfterToday);
        }
        warnings
    }
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CitizenNumber({})", self.masked())
    }
}

impl fmt::Display for CitizenNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.masked())
    }
}

impl TryFrom<String> for CitizenNumber {
    type Error = CitizenNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CitizenNumber> for String {
    fn from(number: CitizenNumber) -> Self {
        number.number
    }
}

const LENGTH: usize = 18;

/// The years a birth date may fall in, wide enough for the standard's own example of 1880; nearer oddities are warnings.
const FIRST_YEAR: i16 = 1800;
const LAST_YEAR: i16 = 2200;

/// ISO 7064 MOD 11-2: 2^17, 2^16, … 2^1 modulo 11.
const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// The check character for each remainder modulo 11.
const CHECK_CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// Whom a number of digits was issued to, if its first six can be right at all.
fn holder(number: &str) -> Option<CitizenNumberHolder> {
    match &number[..6] {
        "810000" => Some(CitizenNumberHolder::HongKongResident),
        "820000" => Some(CitizenNumberHolder::MacaoResident),
        "830000" => Some(CitizenNumberHolder::TaiwanResident),
        digits if digits.starts_with('9') => Some(CitizenNumberHolder::ForeignPermanentResident),
        // Hong Kong and Macao have no divisions of their own in GB/T 2260, so nothing else may follow 81 and 82.
        digits if digits.starts_with("81") || digits.starts_with("82") => None,
        digits => DivisionCode::parse(digits).ok().map(|_| CitizenNumberHolder::Citizen),
    }
}

/// The day that eight digits write.
fn birth_date(digits: &str) -> Option<Date> {
    let year = digits[..4].parse().ok()?;
    let month = digits[4..6].parse().ok()?;
    let day = digits[6..].parse().ok()?;
    let in_range = (FIRST_YEAR..=LAST_YEAR).contains(&year);
    Date::new(year, month, day).ok().filter(|_| in_range)
}

/// The check character after 17 digits.
fn check_character(body: &str) -> char {
    let sum: u32 = body.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    CHECK_CHARACTERS[(sum % 11) as usize]
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StringDeserializer};

    use super::*;

    const VECTORS: &str = include_str!("code_list/citizen_number_vectors.csv");
    const EXAMPLE: &str = "11010519491231002X";
    const TODAY: Date = date(2025, 6, 1);

    fn number(text: &str) -> CitizenNumber {
        CitizenNumber::parse(text).expect("accepted")
    }

    /// A number with the check character that belongs to it.
    fn complete(body: &str) -> String {
        format!("{body}{}", check_character(body))
    }

    #[test]
    fn the_acceptance_vectors_are_judged_as_written() {
        let mut judged = 0;
        for line in VECTORS.lines().skip(1) {
            let mut fields = line.splitn(3, ',');
            let (text, accept) = (fields.next().expect("a field"), fields.next().expect("a field"));
            let read = CitizenNumber::parse(text);
            match accept {
                "yes" => assert_eq!(read.expect("accepted").as_str(), text),
                "no" => assert!(read.is_err(), "{text}"),
                other => panic!("{text}: accept is {other}"),
            }
            judged += 1;
        }
        assert_eq!(judged, 7);
    }

    #[test]
    fn a_day_that_never_was_is_refused_though_the_check_character_is_right() {
        assert_eq!(CitizenNumber::parse("110105194902300020"), Err(CitizenNumberError::BirthDate));
        for day in ["19490001", "19491301", "19490100", "19000229", "17991231", "22010101", "00000101"] {
            let text = complete(&format!("110105{day}002"));
            assert_eq!(CitizenNumber::parse(&text), Err(CitizenNumberError::BirthDate), "{day}");
        }
        assert_eq!(number(&complete("11010520000229002")).birth_date(), date(2000, 2, 29));
    }

    #[test]
    fn a_number_with_a_wrong_check_character_is_refused() {
        assert_eq!(CitizenNumber::parse("110105194912310021"), Err(CitizenNumberError::CheckCharacter));
        for wrong in '0'..='9' {
            let text = format!("{}{wrong}", &EXAMPLE[..17]);
            assert_eq!(CitizenNumber::parse(&text), Err(CitizenNumberError::CheckCharacter), "{text}");
        }
    }

    #[test]
    fn any_one_wrong_digit_and_any_two_neighbours_swapped_are_refused() {
        for position in 0..17 {
            for digit in ('0'..='9').filter(|&digit| !EXAMPLE[position..].starts_with(digit)) {
                let mut wrong = EXAMPLE.to_owned();
                wrong.replace_range(position..=position, &digit.to_string());
                assert!(CitizenNumber::parse(&wrong).is_err(), "{wrong}");
            }
        }
        for position in 0..16 {
            let mut swapped = EXAMPLE.as_bytes().to_vec();
            swapped.swap(position, position + 1);
            let swapped = String::from_utf8(swapped).expect("digits");
            assert_eq!(CitizenNumber::parse(&swapped).is_ok(), swapped == EXAMPLE, "{swapped}");
        }
    }

    #[test]
    fn a_small_x_and_space_around_are_forgiven() {
        assert_eq!(number(" 11010519491231002x\n"), number(EXAMPLE));
        assert_eq!(number("11010519491231002x").as_str(), EXAMPLE);
    }

    #[test]
    fn division_birth_date_and_sex_can_be_read() {
        let woman = number(EXAMPLE);
        assert_eq!(woman.holder(), CitizenNumberHolder::Citizen);
        assert_eq!(woman.division(), Some(DivisionCode::parse("110105").expect("a code")));
        assert_eq!(woman.birth_date(), date(1949, 12, 31));
        assert_eq!(woman.sex(), 2);
        assert_eq!(number("440524188001010014").sex(), 1);
    }

    #[test]
    fn residence_permits_and_permanent_residence_cards_are_numbers_too() {
        for (text, holder) in [
            ("810000199003078885".to_owned(), CitizenNumberHolder::HongKongResident),
            (complete("82000019900307888"), CitizenNumberHolder::MacaoResident),
            ("83000019810715006X".to_owned(), CitizenNumberHolder::TaiwanResident),
            (complete("93184019810715006"), CitizenNumberHolder::ForeignPermanentResident),
        ] {
            let permit = number(&text);
            assert_eq!(permit.holder(), holder, "{text}");
            assert_eq!(permit.division(), None, "{text}");
        }
        for body in ["81000119900307888", "82010019900307888", "83000119810715006", "16010519491231002"] {
            let text = complete(body);
            assert_eq!(CitizenNumber::parse(&text), Err(CitizenNumberError::UnknownDivision), "{text}");
        }
    }

    #[test]
    fn numbers_of_old_divisions_are_accepted() {
        // Dongguan has no districts; the counties of Hainan stood under the province until 2001.
        assert_eq!(
            number(&complete("44190019491231002")).division(),
            Some(DivisionCode::parse("4419").expect("a code"))
        );
        assert_eq!(
            number(&complete("46002519491231002")).division(),
            Some(DivisionCode::parse("460025").expect("a code"))
        );
    }

    #[test]
    fn an_implausible_age_is_a_warning_and_never_a_refusal() {
        assert_eq!(number("440524188001010014").warnings(TODAY), [CitizenNumberWarning::ImplausibleAge]);
        assert_eq!(number(EXAMPLE).warnings(TODAY), []);
        assert_eq!(number(EXAMPLE).warnings(date(1949, 12, 31)), []);
        assert_eq!(number(EXAMPLE).warnings(date(1949, 12, 30)), [CitizenNumberWarning::BornAfterToday]);
    }

    #[test]
    fn the_age_of_120_lasts_until_the_day_before_the_121st_birthday() {
        assert_eq!(number(EXAMPLE).warnings(date(2070, 12, 30)), []);
        assert_eq!(number(EXAMPLE).warnings(date(2070, 12, 31)), [CitizenNumberWarning::ImplausibleAge]);
    }

    #[test]
    fn nothing_that_formats_a_number_shows_more_than_its_ends() {
        let shown = number(EXAMPLE);
        assert_eq!(shown.masked(), "1****************X");
        assert_eq!(shown.to_string(), "1****************X");
        assert_eq!(format!("{shown:?}"), "CitizenNumber(1****************X)");
        assert_eq!(format!("{:#?}", Some(shown)), "Some(\n    CitizenNumber(1****************X),\n)");
    }

    #[test]
    fn what_is_no_citizen_number_is_refused_with_the_reason() {
        assert_eq!(CitizenNumber::parse(""), Err(CitizenNumberError::Length { found: 0 }));
        assert_eq!(CitizenNumber::parse("110105491231002"), Err(CitizenNumberError::Length { found: 15 }));
        assert_eq!(CitizenNumber::parse("1101051949123100X2"), Err(CitizenNumberError::Character { position: 17 }));
        assert_eq!(CitizenNumber::parse("11010519491231002Y"), Err(CitizenNumberError::Character { position: 18 }));
        assert_eq!(CitizenNumber::parse("１1010519491231002X"), Err(CitizenNumberError::Character { position: 1 }));
    }

    #[test]
    fn a_stored_number_is_judged_when_it_is_read_and_its_error_keeps_silent() {
        let read = |text: &str| {
            let stored: StringDeserializer<ValueError> = text.to_owned().into_deserializer();
            CitizenNumber::deserialize(stored)
        };
        assert_eq!(String::from(read(EXAMPLE).expect("accepted")), EXAMPLE);
        let refused = read("110105194912310021").expect_err("refused").to_string();
        assert!(!refused.contains("110105") && !refused.contains("1949"), "{refused}");
    }
}
