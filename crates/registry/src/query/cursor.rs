//! Where a page begins: the key of the last record of the page before.

use gridwork_domain::id::{ID_TEXT_LENGTH, read, spell};
use std::fmt;
use std::str::FromStr;

/// Bytes of a cursor at most: two ids and the longest path of a field.
const LONGEST_CURSOR: usize = 256;

/// Where a page begins. Its text is for the query that gave it, and means nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

/// A text that is no cursor of this query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of this list: begin without one")]
pub struct NotACursor;

impl Cursor {
    /// The cursor of these ids, with some text after them.
    pub(crate) fn new(ids: &[[u8; 16]], rest: &str) -> Self {
        Self(ids.iter().map(spell).chain([rest.to_owned()]).collect())
    }

    /// The cursor of an instant, in milliseconds, and an id.
    pub(super) fn at(ms: i64, id: [u8; 16]) -> Self {
        Self::new(&[id], &ms.to_string())
    }

    /// The instant and the id of a cursor of both.
    pub(super) fn time_and_id(&self) -> Result<(i64, [u8; 16]), NotACursor> {
        let ([id], ms) = self.ids::<1>()?;
        Ok((ms.parse().map_err(|_| NotACursor)?, id))
    }

    /// The number that a cursor without ids is.
    pub(crate) fn number(&self) -> Result<i64, NotACursor> {
        self.0.parse().map_err(|_| NotACursor)
    }

    /// The ids of a cursor, and the text after them.
    pub(crate) fn ids<const N: usize>(&self) -> Result<([[u8; 16]; N], &str), NotACursor> {
        let mut ids = [[0; 16]; N];
        let mut rest = self.0.as_str();
        for id in &mut ids {
            let (text, after) = rest.split_at_checked(ID_TEXT_LENGTH).ok_or(NotACursor)?;
            *id = read(text).map_err(|_| NotACursor)?;
            rest = after;
        }
        Ok((ids, rest))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let lawful = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=LONGEST_CURSOR).contains(&text.len()) && text.bytes().all(lawful) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotACursor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_other_texts_are_none() {
        let cursor = Cursor::new(&[[1; 16], [2; 16]], "household.remark");
        let again: Cursor = cursor.to_string().parse().expect("a cursor");
        assert_eq!(again.ids::<2>(), Ok(([[1; 16], [2; 16]], "household.remark")));
        assert_eq!(again.ids::<3>(), Err(NotACursor));
        for text in ["", "a b", "网", &"a".repeat(257)] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor));
        }
    }
}
