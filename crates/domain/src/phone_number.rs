//! Phone numbers as people write them, kept in one spelling.
//!
//! Known are Chinese mobiles, landlines with their area code, 400 and 800 numbers, short service numbers, and foreign
//! numbers by E.164. This module does not know which prefixes are in service, nor whether anybody answers.
//!
//! Invariant: one number has one spelling, and that spelling reads back as itself: digits only, save `+` before a foreign
//! number and `-` before the extension of a landline; a landline keeps its leading 0, and +86 is gone.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A phone number in its one spelling: `13812345678`, `04353912345-801`, `4001234567`, `12345`, `+85291234567`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber {
    number: String,
    kind: PhoneNumberKind,
}

/// What sort of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneNumberKind {
    /// 手机: 11 digits, 13 to 19 first.
    Mobile,
    /// 固定电话: area code of 3 or 4 digits with its leading 0, number of 7 or 8 digits, perhaps an extension.
    Landline,
    /// A 400 or 800 number of an organisation, 10 digits.
    NationalService,
    /// A short number that a whole place or country shares: 110, 12345, 95588.
    ShortService,
    /// A foreign number, or one from Hong Kong, Macao or Taiwan, with `+` and its country code.
    International,
}

/// Why a text is no phone number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PhoneNumberError {
    /// There is no digit at all.
    #[error("the phone number is empty")]
    Empty,
    /// More characters than any spelling of a number needs.
    #[error("a phone number is written with at most {LONGEST_TEXT_CHARACTERS} characters: write one number only")]
    TooLong,
    /// A character that has no place in a number.
    #[error("{character:?} has no place in a phone number: write one number only, an extension after '-'")]
    Character {
        /// The character as written.
        character: char,
    },
    /// It begins like a mobile and has another length.
    #[error("a mobile number has 11 digits, not {digits}")]
    MobileLength {
        /// Digits found.
        digits: usize,
    },
    /// It looks like a landline without the area code.
    #[error("a landline needs its area code, for example 0435-")]
    MissingAreaCode,
    /// It begins with 0 and is no landline.
    #[error("a landline has an area code of 3 digits (010, 02x) or 4 (03xx to 09xx) and then 7 or 8 digits")]
    Landline,
    /// The extension has no digits or too many, or follows what is no landline.
    #[error("an extension has 1 to {LONGEST_EXTENSION_DIGITS} digits and follows a landline with its area code")]
    Extension,
    /// It begins with + and is no number of E.164.
    #[error("an international number has its country code and 7 to 15 digits in all after the +")]
    International,
    /// It is none of the known kinds.
    #[error(
        "no known kind of phone number: mobile, landline with area code, 400 or 800, short number, or + and country code"
    )]
    UnknownKind,
}

/// The most characters that are read: 15 digits, an extension, and every digit with a separator after it.
pub const LONGEST_TEXT_CHARACTERS: usize = 40;

impl PhoneNumber {
    /// Reads a number with whatever spaces, dashes, parentheses and full-width characters it was written; 00 stands for
    /// +, and an extension follows a dash or 转.
    ///
    /// # Errors
    /// [`PhoneNumberError`], the first fault found.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let text = simplify(text)?;
        if !text.contains(|character: char| character.is_ascii_digit()) {
            return Err(PhoneNumberError::Empty);
        }
        let Some(abroad) = text.strip_prefix('+').or_else(|| text.strip_prefix("00")) else {
            return read_domestic(&text);
        };
        match after_country_code_of_china(abroad) {
            None => read_international(abroad),
            // From abroad the 0 of an area code is left out, so what is no number yet may be a landline.
            Some(home) => {
                read_domestic(home).or_else(|error| read_landline(&with_leading_zero(home)).map_err(|_| error))
            }
        }
    }

    /// The number in its one spelling.
    pub fn as_str(&self) -> &str {
        &self.number
    }

    /// What sort of number it is.
    pub fn kind(&self) -> PhoneNumberKind {
        self.kind
    }

    /// The number as it may be shown to who has no business with the whole of it.
    ///
    /// A mobile shows its first three and last four digits, `138****5678`; a landline hides four digits after the area
    /// code and its extension, `0435****345-***`; a foreign number shows three digits first and up to four last, and
    /// hides at least four. Numbers of services are nobody's own and are shown whole.
    pub fn masked(&self) -> String {
        let hide = |from: usize, until: usize| {
            format!("{}{}{}", &self.number[..from], "*".repeat(until - from), &self.number[until..])
        };
        match self.kind {
            PhoneNumberKind::Mobile => hide(3, 7),
            PhoneNumberKind::Landline => {
                let area = area_code_digits(&self.number);
                let shown = hide(area, area + 4);
                match shown.split_once('-') {
                    Some((number, extension)) => {
                        format!("{number}-{}", "*".repeat(extension.len()))
                    }
                    None => shown,
                }
            }
            PhoneNumberKind::NationalService | PhoneNumberKind::ShortService => self.number.clone(),
            PhoneNumberKind::International => {
                let end = self.number.len();
                hide(4, (end - 4).max(8).min(end))
            }
        }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.number)
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.number
    }
}

pub(crate) const LONGEST_EXTENSION_DIGITS: usize = 6;

/// Stands before an extension, so that no dash need be guessed at.
const EXTENSION_MARK: char = '转';

/// Leaves digits, a leading `+`, plain dashes and [`EXTENSION_MARK`] of what was written.
fn simplify(text: &str) -> Result<String, PhoneNumberError> {
    let text = text.trim();
    if text.chars().nth(LONGEST_TEXT_CHARACTERS).is_some() {
        return Err(PhoneNumberError::TooLong);
    }
    let mut simple = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' | EXTENSION_MARK => simple.push(character),
            '０'..='９' => simple.push(char::from(b'0' + (character as u32 - '０' as u32) as u8)),
            '+' | '＋' if simple.is_empty() => simple.push('+'),
            '-' | '－' | '‐'..='―' | '−' => simple.push('-'),
            '(' | ')' | '（' | '）' => {}
            space if space.is_whitespace() => {}
            _ => return Err(PhoneNumberError::Character { character }),
        }
    }
    Ok(simple)
}

/// Reads simplified text as a number dialled inside China.
fn read_domestic(text: &str) -> Result<PhoneNumber, PhoneNumberError> {
    let digits = text.replace('-', "");
    if digits.starts_with('0') {
        return read_landline(text);
    }
    if digits.contains(EXTENSION_MARK) {
        return Err(PhoneNumberError::Extension);
    }
    let kind = match (digits.as_bytes(), digits.len()) {
        ([b'1', b'3'..=b'9', ..], 11) => PhoneNumberKind::Mobile,
        ([b'4' | b'8', b'0', b'0', ..], 10) => PhoneNumberKind::NationalService,
        ([b'1', ..], 3) | ([b'1' | b'9', ..], 5..=6) => PhoneNumberKind::ShortService,
        ([b'1', b'3'..=b'9', ..], 7..) => {
            return Err(PhoneNumberError::MobileLength { digits: digits.len() });
        }
        (_, 7..=8) => return Err(PhoneNumberError::MissingAreaCode),
        _ => return Err(PhoneNumberError::UnknownKind),
    };
    Ok(PhoneNumber { number: digits, kind })
}

/// Reads simplified text as a landline with its leading 0.
fn read_landline(text: &str) -> Result<PhoneNumber, PhoneNumberError> {
    let (number, extension) = match text.split_once(EXTENSION_MARK) {
        Some((number, extension)) => (number.replace('-', ""), Some(extension.replace('-', ""))),
        None => split_at_last_dash(text),
    };
    if !is_whole_landline(&number) {
        return Err(PhoneNumberError::Landline);
    }
    let number = match extension {
        None => number,
        Some(extension) => {
            let is_digits = extension.bytes().all(|byte| byte.is_ascii_digit());
            if !is_digits || !(1..=LONGEST_EXTENSION_DIGITS).contains(&extension.len()) {
                return Err(PhoneNumberError::Extension);
            }
            format!("{number}-{extension}")
        }
    };
    Ok(PhoneNumber { number, kind: PhoneNumberKind::Landline })
}

/// Tells number and extension apart where only dashes stand: what follows the last dash is an extension if what stands
/// before is whole without it (`0435-3912345-801`), and else belongs to the number (`010-6552-9988`).
fn split_at_last_dash(text: &str) -> (String, Option<String>) {
    if let Some((before, last)) = text.rsplit_once('-') {
        let before = before.replace('-', "");
        if is_whole_landline(&before) {
            return (before, Some(last.to_owned()));
        }
    }
    (text.replace('-', ""), None)
}

/// Whether digits are an area code and 7 or 8 digits more.
fn is_whole_landline(digits: &str) -> bool {
    let begins_well = digits.starts_with("010") || matches!(digits.as_bytes(), [b'0', b'2'..=b'9', ..]);
    begins_well
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(digits.len().saturating_sub(area_code_digits(digits)), 7 | 8)
}

/// How many digits, with the leading 0, the area code of a landline has: 010 and 02x have three, all others four.
fn area_code_digits(landline: &str) -> usize {
    if landline.starts_with("01") || landline.starts_with("02") { 3 } else { 4 }
}

/// What follows the country code 86; none if the country is another. Dashes may stand anywhere.
fn after_country_code_of_china(abroad: &str) -> Option<&str> {
    let (before, home) = abroad.split_once('6')?;
    (before.replace('-', "") == "8").then_some(home)
}

/// The number as dialled inside China, where +86 was followed by an area code without its 0.
fn with_leading_zero(home: &str) -> String {
    let home = home.trim_start_matches('-');
    if home.starts_with('0') { home.to_owned() } else { format!("0{home}") }
}

/// Reads what follows the + by E.164: no country code begins with 0, and at most 15 digits. The least of 7 is that of
/// the smallest countries.
fn read_international(text: &str) -> Result<PhoneNumber, PhoneNumberError> {
    let digits = text.replace('-', "");
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits || digits.starts_with('0') || !(7..=15).contains(&digits.len()) {
        return Err(PhoneNumberError::International);
    }
    Ok(PhoneNumber { number: format!("+{digits}"), kind: PhoneNumberKind::International })
}

#[cfg(test)]
mod tests;
