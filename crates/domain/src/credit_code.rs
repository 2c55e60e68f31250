//! The unified social credit code (统一社会信用代码) of an organisation, GB 32100-2015.
//!
//! Eighteen characters: registration authority, category, six digits of the authority's division, nine characters of the
//! organisation (GB 11714), check character. This module judges the form and the check character; it does not know which
//! codes were ever issued. The organisation's own check character (GB 11714) is not tested: codes issued since 2015 do
//! not always keep it.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::division_code::DivisionCode;

/// A unified social credit code of 18 characters whose check character is right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CreditCode(String);

/// Why a text is no unified social credit code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CreditCodeError {
    /// Not 18 characters.
    #[error("a unified social credit code has 18 characters, not {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character outside the standard's 31.
    #[error("character {position} is none of the digits and capital letters allowed (I, O, S, V and Z are not used)")]
    Character {
        /// Place of the character, counted from 1.
        position: usize,
    },
    /// The first character names no registration authority.
    #[error("no registration authority has the code {authority}")]
    UnknownAuthority {
        /// The first character as written.
        authority: char,
    },
    /// Characters 3-8 are not all digits.
    #[error("characters 3-8 are the division of the registration authority: six digits")]
    DivisionDigits,
    /// The last character does not follow from the others.
    #[error("the check character does not fit the other 17: compare the code with the certificate")]
    CheckCharacter,
}

impl CreditCode {
    /// Reads a code of 18 characters; space around it is ignored and small letters are made capital.
    ///
    /// # Errors
    /// [`CreditCodeError`], the first fault found.
    pub fn parse(text: &str) -> Result<Self, CreditCodeError> {
        let text = text.trim();
        let found = text.chars().count();
        if found != LENGTH {
            return Err(CreditCodeError::Length { found });
        }
        let code = text.to_ascii_uppercase();
        if let Some(index) = code.chars().position(|character| !ALPHABET.contains(character)) {
            return Err(CreditCodeError::Character { position: index + 1 });
        }
        if !AUTHORITIES.contains(&code[..1]) {
            return Err(CreditCodeError::UnknownAuthority { authority: char::from(code.as_bytes()[0]) });
        }
        if !code[2..8].bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CreditCodeError::DivisionDigits);
        }
        if !code.ends_with(check_character(&code[..LENGTH - 1])) {
            return Err(CreditCodeError::CheckCharacter);
        }
        Ok(Self(code))
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The registration authority (登记管理部门): 1 offices of establishment 机构编制, 5 civil affairs 民政, 9 market
    /// regulation 工商, Y others; with the amendment of 2016 also 2, 3, 4, 6, 7, 8, A and N.
    pub fn registration_authority(&self) -> char {
        char::from(self.0.as_bytes()[0])
    }

    /// The division of the registration authority; none for the nation (`100000`) and for authorities that GB/T 2260
    /// does not list.
    pub fn division(&self) -> Option<DivisionCode> {
        DivisionCode::parse(&self.0[2..8]).ok()
    }

    /// The nine characters of the organisation itself (主体标识码, GB 11714).
    pub fn organisation_code(&self) -> &str {
        &self.0[8..17]
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for CreditCode {
    type Error = CreditCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CreditCode> for String {
    fn from(code: CreditCode) -> Self {
        code.0
    }
}

const LENGTH: usize = 18;

/// The standard's 31 characters, each at the index that is its value.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/// GB 32100-2015 lists 1, 5, 9 and Y; its amendment of 2016 the others.
const AUTHORITIES: &str = "123456789ANY";

/// The check character after 17 characters of the alphabet: weights 3^0, 3^1, … modulo 31.
fn check_character(body: &str) -> char {
    let mut weight = 1;
    let mut sum = 0;
    for character in body.chars() {
        sum += ALPHABET.find(character).expect("parse has judged every character before") * weight;
        weight = weight * 3 % 31;
    }
    char::from(ALPHABET.as_bytes()[(31 - sum % 31) % 31])
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StringDeserializer};

    use super::*;

    const VECTORS: &str = include_str!("code_list/credit_code_vectors.csv");

    #[test]
    fn the_acceptance_vectors_are_judged_as_written() {
        let mut judged = 0;
        for line in VECTORS.lines().skip(1) {
            let (code, accept) = line.split_once(',').expect("two fields");
            let read = CreditCode::parse(code);
            match accept {
                "yes" => assert_eq!(read.expect("accepted").as_str(), code),
                "no" => assert_eq!(read, Err(CreditCodeError::CheckCharacter), "{code}"),
                other => panic!("{code}: accept is {other}"),
            }
            judged += 1;
        }
        assert_eq!(judged, 4);
    }

    #[test]
    fn any_one_wrong_character_is_refused() {
        let right = "91110000600037341L";
        for position in 0..LENGTH {
            for character in ALPHABET.chars().filter(|&character| !right[position..].starts_with(character)) {
                let mut wrong = right.to_owned();
                wrong.replace_range(position..=position, &character.to_string());
                assert!(CreditCode::parse(&wrong).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn small_letters_and_space_around_are_forgiven() {
        assert_eq!(CreditCode::parse(" 91110000600037341l ").expect("accepted").to_string(), "91110000600037341L");
    }

    #[test]
    fn the_parts_of_a_code_can_be_read() {
        let code = CreditCode::parse("52350502MJB000000U").expect("accepted");
        assert_eq!(code.registration_authority(), '5');
        assert_eq!(code.division(), Some(DivisionCode::parse("350502").expect("a code")));
        assert_eq!(code.organisation_code(), "MJB000000");
    }

    #[test]
    fn an_organisation_registered_with_the_nation_has_no_division() {
        let body = "51100000500000000";
        let code = CreditCode::parse(&format!("{body}{}", check_character(body))).expect("accepted");
        assert_eq!(code.division(), None);
    }

    #[test]
    fn what_is_no_credit_code_is_refused_with_the_reason() {
        assert_eq!(CreditCode::parse(""), Err(CreditCodeError::Length { found: 0 }));
        assert_eq!(CreditCode::parse("91110000600037341"), Err(CreditCodeError::Length { found: 17 }));
        assert_eq!(CreditCode::parse("9111000060003734IL"), Err(CreditCodeError::Character { position: 17 }));
        assert_eq!(CreditCode::parse("9１110000600037341L"), Err(CreditCodeError::Character { position: 2 }));
        assert_eq!(CreditCode::parse("B1110000600037341L"), Err(CreditCodeError::UnknownAuthority { authority: 'B' }));
        assert_eq!(CreditCode::parse("9111A000600037341L"), Err(CreditCodeError::DivisionDigits));
    }

    #[test]
    fn a_stored_code_is_judged_when_it_is_read() {
        let read = |text: &str| {
            let stored: StringDeserializer<ValueError> = text.to_owned().into_deserializer();
            CreditCode::deserialize(stored)
        };
        assert_eq!(String::from(read("91110000600037341L").expect("accepted")), "91110000600037341L");
        assert!(read("91110000600037341K").is_err());
    }
}
