//! What a phone says of itself in the headers of an exchange: the app that it runs, and what it has and does not bring.
//!
//! `gridwork-app: NAME/VERSION`, and `gridwork-unsent: EDITS` or `gridwork-unsent: EDITS; since=MILLISECONDS` (an item with a
//! parameter, RFC 9651). It is a claim: nothing is decided by it, and what cannot be read is passed over.
//!
//! **Invariant:** what is read was spelled as it is spelled here, within bounds.

use gridwork_domain::instant::Instant;

/// Name of the header with the app.
pub const APP: &str = "gridwork-app";
/// Name of the header with what is unsent.
pub const UNSENT: &str = "gridwork-unsent";
/// Characters of an app's name and version at most.
pub const LONGEST_APP: usize = 64;
/// Edits that a phone can have: a hundred a day for ten years.
pub const MOST_UNSENT: u32 = 365_000;
/// Digits of an instant at most: beyond, it is no date of a calendar.
const LONGEST_INSTANT: usize = 15;

/// What a phone says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelfReport {
    /// The app that it runs, with its version.
    pub app: Option<String>,
    /// What it has and does not hand in with this request.
    pub unsent: Option<Unsent>,
}

/// Edits that a phone has and the registry does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsent {
    /// How many.
    pub edits: u32,
    /// When the oldest of them was made, by the phone's clock; none if there are none.
    pub since: Option<Instant>,
}

impl Unsent {
    /// As the header has it.
    pub fn spell(&self) -> String {
        match self.since {
            Some(since) if self.edits > 0 => format!("{}; since={}", self.edits, since.ms().max(0)),
            _ => self.edits.to_string(),
        }
    }

    /// What a header says; none if it says it in another way.
    pub fn parse(text: &str) -> Option<Self> {
        let (edits, since) = match text.split_once("; since=") {
            Some((edits, since)) => (edits, Some(since)),
            None => (text, None),
        };
        let edits: u32 = number(edits, 6)?.try_into().ok().filter(|edits| *edits <= MOST_UNSENT)?;
        let since = since.map(|since| number(since, LONGEST_INSTANT).map(Instant::from_ms));
        match since {
            Some(None) => None,
            since => (since.is_some() == (edits > 0)).then_some(Self { edits, since: since.flatten() }),
        }
    }
}

/// The name and version of an app; none for what can be none.
pub fn parse_app(text: &str) -> Option<&str> {
    let lawful = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+');
    ((1..=LONGEST_APP).contains(&text.len()) && text.bytes().all(lawful)).then_some(text)
}

/// A number of at most so many digits, without a sign or a needless nought.
fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_is_read_and_nothing_else_is() {
        for unsent in [
            Unsent { edits: 0, since: None },
            Unsent { edits: 12, since: Some(Instant::from_ms(1_772_415_000_000)) },
            Unsent { edits: MOST_UNSENT, since: Some(Instant::from_ms(0)) },
        ] {
            assert_eq!(Unsent::parse(&unsent.spell()), Some(unsent), "{}", unsent.spell());
        }
        for text in [
            "",
            "-1",
            "+1",
            "01",
            "1",
            "0; since=5",
            "12;since=5",
            "12; since=",
            "12; since=x",
            "365001; since=1",
            "1e3",
        ] {
            assert_eq!(Unsent::parse(text), None, "{text}");
        }
        assert_eq!(Unsent::parse("1; since=1000000000000000"), None, "no date of a calendar");
        assert_eq!(parse_app("gridwork-phone/0.1.0"), Some("gridwork-phone/0.1.0"));
        assert!(["", "a b", "网", &"a".repeat(65)].iter().all(|text| parse_app(text).is_none()));
    }
}
