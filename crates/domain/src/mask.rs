//! Masks: what of a value is shown to whoever may know that it is there, and not what it is.
//!
//! It does not know who that is: see [`crate::sight`].
//!
//! **Invariant:** what a mask leaves is no value of its field, unless the mask left the whole of it; so nothing that is
//! masked can be written over what it stands for.

use crate::fields::{Kind, Value, parse_date};
use crate::phone_number::PhoneNumber;

/// Stands for a value of which nothing is shown.
const COVERED: &str = "***";

/// What of a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All of it: without a name or an address nobody knows whom they are speaking to.
    Open,
    /// A telephone number's first three and last four digits, `138****5678`.
    Phone,
    /// A date's year.
    Year,
    /// The first and the last character.
    Ends,
    /// Nothing.
    Closed,
}

impl Mask {
    /// The mask that a field of this kind has unless the catalogue gives it another.
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Phone => Self::Phone,
            Kind::SealedNumber => Self::Ends,
            _ => Self::Open,
        }
    }

    /// What it leaves of a value.
    pub fn cover(self, value: &Value) -> Value {
        let text = value.as_text();
        let left = match self {
            Self::Open => return value.clone(),
            Self::Phone => text.and_then(|text| PhoneNumber::parse(text).ok()).map(|number| number.masked()),
            Self::Year => {
                text.filter(|text| parse_date(text).is_some()).and_then(|text| text.get(..4).map(str::to_owned))
            }
            Self::Ends => text.and_then(ends),
            Self::Closed => None,
        };
        Value::Text(left.unwrap_or_else(|| COVERED.to_owned()))
    }

    /// Whether this is what it leaves of some value, and not all of it.
    pub fn is_left_of(self, value: &Value) -> bool {
        let Some(text) = value.as_text() else { return false };
        match self {
            Self::Open => false,
            Self::Phone => text.contains('*'),
            Self::Year => text == COVERED || text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Ends => text == COVERED || ends(text).as_deref() == Some(text),
            Self::Closed => text == COVERED,
        }
    }
}

/// The first and the last character of at least three.
fn ends(text: &str) -> Option<String> {
    let mut characters = text.chars();
    let (first, last) = (characters.next()?, characters.next_back()?);
    let between = characters.count();
    (between > 0).then(|| format!("{first}{}{last}", "*".repeat(between)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::catalogue;

    #[test]
    fn a_mask_leaves_what_it_says() {
        for (mask, value, left) in [
            (Mask::Open, "张三", "张三"),
            (Mask::Phone, "13812345678", "138****5678"),
            (Mask::Phone, "02488886666", "024****6666"),
            (Mask::Phone, "110", "110"),
            (Mask::Phone, "not a number", "***"),
            (Mask::Year, "1949-10-01", "1949"),
            (Mask::Year, "long ago", "***"),
            (Mask::Ends, "210404194910010018", "2****************8"),
            (Mask::Ends, "21", "***"),
            (Mask::Closed, "01", "***"),
        ] {
            assert_eq!(mask.cover(&value.into()), left.into(), "{mask:?} {value}");
        }
    }

    #[test]
    fn what_is_left_is_known_as_that_and_a_value_is_not() {
        for (mask, value) in [
            (Mask::Phone, "13812345678"),
            (Mask::Phone, "02488886666"),
            (Mask::Year, "1949-10-01"),
            (Mask::Ends, "210404194910010018"),
            (Mask::Closed, "01"),
        ] {
            assert!(mask.is_left_of(&mask.cover(&value.into())), "{mask:?} {value}");
            assert!(!mask.is_left_of(&value.into()), "{mask:?} {value}");
        }
        // What is whole is shown as it is.
        assert!(!Mask::Phone.is_left_of(&Mask::Phone.cover(&"110".into())));
        assert!(!Mask::Open.is_left_of(&"***".into()));
    }

    #[test]
    fn no_number_is_masked_since_a_mask_leaves_text() {
        let mut fields = catalogue().into_iter().flat_map(|(_, fields)| fields);
        assert!(fields.all(|field| !matches!(field.kind, Kind::Integer(..)) || field.mask == Mask::Open));
    }
}
