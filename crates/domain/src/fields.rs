//! Values of fields, and the kinds of value that a field can hold.
//!
//! A [`Fields`] is what a form holds: a value, or "cleared", for some of the fields of one record. It does not know
//! which record that is.
//!
//! **Invariant:** a value that passed [`Kind::check`] is in its one canonical form; checking it again changes nothing.

use crate::code_list::CodeList;
use crate::id::ResidentId;
use crate::phone_number::{PhoneNumber, PhoneNumberError};
use crate::sealed_number::{SealedNumber, SealedNumberError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The value of one field: text (also for codes, dates, numbers of telephones and ids) or a whole number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Text, Unicode, in the canonical form of the field's kind.
    Text(String),
}

impl Value {
    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) => None,
        }
    }

    /// The number, if this is a number.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
        }
    }
}

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of text, at most this many characters.
    Line(usize),
    /// Text of several lines, at most this many characters.
    Note(usize),
    /// A code of a national standard's list.
    Code(CodeList),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A date `YYYY-MM-DD` (ISO 8601), from 1800 to 2199.
    Date,
    /// A telephone number in the form of [`PhoneNumber`].
    Phone,
    /// A whole number, both ends included.
    Integer(i64, i64),
    /// The id of a resident of the same household.
    Resident,
    /// A citizen number (GB 11643) that is sealed: [`SealedNumber`] in its one spelling.
    SealedNumber,
}

/// Why a value does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A number where text belongs.
    #[error("expected text")]
    NotText,
    /// Text where a number belongs.
    #[error("expected a whole number")]
    NotANumber,
    /// No characters at all; a field is cleared with null.
    #[error("is empty: send null to clear it")]
    Empty,
    /// Longer than the field holds.
    #[error("has {length} characters, at most {longest} fit")]
    TooLong {
        /// Characters in the text.
        length: usize,
        /// Characters that fit.
        longest: usize,
    },
    /// A control character, or a space at an end.
    #[error("has a control character, or a space at its beginning or end: remove it")]
    Unprintable,
    /// Not in the list of codes.
    #[error("is not a code of {0}")]
    UnknownCode(&'static str),
    /// Not one of the words.
    #[error("must be one of: {0}")]
    UnknownChoice(String),
    /// Not a date.
    #[error("must be a real date YYYY-MM-DD from 1800 to 2199")]
    NotADate,
    /// Not a telephone number.
    #[error("is not a telephone number: {0}")]
    NotAPhone(PhoneNumberError),
    /// Outside the range.
    #[error("must be from {0} to {1}")]
    OutOfRange(i64, i64),
    /// Not an id.
    #[error("must be the id of a resident")]
    NotAnId,
    /// Not a sealed citizen number; perhaps one in the clear, so that nothing of it is repeated.
    #[error(transparent)]
    NotSealed(#[from] SealedNumberError),
    /// What a mask left of a value.
    #[error("is masked: leave the field out to keep its value, or reveal it first and send it in full")]
    Masked,
}

impl Kind {
    /// Checks a value and returns its canonical form (a telephone number without spaces, say).
    ///
    /// # Errors
    /// [`ValueError`], which says what would be right.
    pub fn check(&self, value: &Value) -> Result<Value, ValueError> {
        if let Self::Integer(from, to) = self {
            let number = value.as_integer().ok_or(ValueError::NotANumber)?;
            return if (*from..=*to).contains(&number) {
                Ok(Value::Integer(number))
            } else {
                Err(ValueError::OutOfRange(*from, *to))
            };
        }
        let text = value.as_text().ok_or(ValueError::NotText)?;
        if text.is_empty() {
            return Err(ValueError::Empty);
        }
        match self {
            Self::Integer(..) => unreachable!("numbers returned above"),
            Self::Line(longest) => printable(text, *longest, false)?,
            Self::Note(longest) => printable(text, *longest, true)?,
            Self::Code(list) => {
                list.find(text).ok_or(ValueError::UnknownCode(list.standard()))?;
            }
            Self::Choice(words) => {
                if !words.contains(&text) {
                    return Err(ValueError::UnknownChoice(words.join(", ")));
                }
            }
            Self::Date => {
                parse_date(text).ok_or(ValueError::NotADate)?;
            }
            Self::Phone => {
                let phone = PhoneNumber::parse(text).map_err(ValueError::NotAPhone)?;
                return Ok(Value::Text(phone.to_string()));
            }
            Self::Resident => {
                text.parse::<ResidentId>().map_err(|_| ValueError::NotAnId)?;
            }
            Self::SealedNumber => return Ok(Value::Text(text.parse::<SealedNumber>()?.to_string())),
        }
        Ok(value.clone())
    }
}

/// Reads a date in the one form `YYYY-MM-DD`, from 1800 to 2199.
pub fn parse_date(text: &str) -> Option<jiff::civil::Date> {
    let date: jiff::civil::Date = text.parse().ok()?;
    ((1800..2200).contains(&date.year()) && date.to_string() == text).then_some(date)
}

fn printable(text: &str, longest: usize, several_lines: bool) -> Result<(), ValueError> {
    let length = text.chars().count();
    if length > longest {
        return Err(ValueError::TooLong { length, longest });
    }
    let stray = |c: char| c.is_control() && !(several_lines && c == '\n');
    if text.trim() != text || text.chars().any(stray) {
        return Err(ValueError::Unprintable);
    }
    Ok(())
}

/// Some fields of one record by name: a value, or `None` for "cleared".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(pub BTreeMap<String, Option<Value>>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// These fields, with one more set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), Some(value.into()));
        self
    }

    /// These fields, with one more cleared.
    #[must_use]
    pub fn cleared(mut self, name: &str) -> Self {
        self.0.insert(name.to_owned(), None);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_ref()))
    }
}

/// The fields of one record that have a value, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(pub BTreeMap<String, Value>);

impl Record {
    /// The value of a field, if it has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The text of a field, if it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_text)
    }

    /// The number of a field, if it has one.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_integer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_accepts_its_canonical_form_unchanged() {
        let good = [
            (Kind::Line(4), Value::from("王小明")),
            (Kind::Note(9), Value::from("门锁坏了\n已报修")),
            (Kind::Code(CodeList::Sex), Value::from("2")),
            (Kind::Choice(&["let", "vacant"]), Value::from("let")),
            (Kind::Date, Value::from("1949-10-01")),
            (Kind::Phone, Value::from("13812345678")),
            (Kind::Integer(-5, 200), Value::from(-5)),
            (Kind::Resident, Value::from("AAAAAAAAAAAAAAAAAAAAAA")),
            (Kind::SealedNumber, Value::from(format!("AAAAAAAAAAAB{}", "A".repeat(88)).as_str())),
        ];
        for (kind, value) in good {
            assert_eq!(kind.check(&value), Ok(value.clone()), "{kind:?}");
        }
    }

    #[test]
    fn a_telephone_number_is_brought_into_its_canonical_form_once() {
        let checked = Kind::Phone.check(&Value::from("+86 138-1234-5678")).expect("a mobile number");
        assert_eq!(checked, Value::from("13812345678"));
        assert_eq!(Kind::Phone.check(&checked), Ok(checked.clone()));
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_would_be_right() {
        let bad = [
            (Kind::Line(2), Value::from("王小明"), "has 3 characters, at most 2 fit"),
            (
                Kind::Line(9),
                Value::from("a\u{7}b"),
                "has a control character, or a space at its beginning or end: remove it",
            ),
            (
                Kind::Line(9),
                Value::from(" a"),
                "has a control character, or a space at its beginning or end: remove it",
            ),
            (
                Kind::Line(9),
                Value::from("a\nb"),
                "has a control character, or a space at its beginning or end: remove it",
            ),
            (Kind::Line(9), Value::from(""), "is empty: send null to clear it"),
            (Kind::Line(9), Value::from(3), "expected text"),
            (Kind::Integer(0, 9), Value::from("3"), "expected a whole number"),
            (Kind::Integer(0, 9), Value::from(10), "must be from 0 to 9"),
            (Kind::Date, Value::from("2026-02-30"), "must be a real date YYYY-MM-DD from 1800 to 2199"),
            (Kind::Date, Value::from("20260228"), "must be a real date YYYY-MM-DD from 1800 to 2199"),
            (Kind::Choice(&["let"]), Value::from("sold"), "must be one of: let"),
            (Kind::Resident, Value::from("x"), "must be the id of a resident"),
        ];
        for (kind, value, message) in bad {
            assert_eq!(kind.check(&value).expect_err("refused").to_string(), message);
        }
    }
}
