//! A point in time, and the calendar year that it belongs to in the district.
//!
//! Gridwork keeps instants as milliseconds since 1970-01-01 UTC. There is no clock here: `now` is always an argument.

use serde::{Deserialize, Serialize};

/// Offset of Asia/Shanghai from UTC. China has kept UTC+8 without summer time since 1991-09-15 (IANA time zone
/// database), which is before any record that Gridwork can hold.
const SHANGHAI_OFFSET_HOURS: i8 = 8;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(i64);

impl Instant {
    /// The instant `ms` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms` milliseconds; it stays at the end of the range instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The date on a calendar in Asia/Shanghai; `None` beyond the years -9999 to 9999.
    pub fn date_in_shanghai(self) -> Option<jiff::civil::Date> {
        let offset = jiff::tz::Offset::constant(SHANGHAI_OFFSET_HOURS);
        let timestamp = jiff::Timestamp::from_millisecond(self.0).ok()?;
        Some(offset.to_datetime(timestamp).date())
    }

    /// The calendar year in Asia/Shanghai; `None` outside 1 to 9999.
    pub fn year_in_shanghai(self) -> Option<u16> {
        u16::try_from(self.date_in_shanghai()?.year()).ok().filter(|year| *year > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_turns_at_midnight_in_shanghai() {
        // 2026-12-31T15:59:59.999Z and 16:00:00Z.
        assert_eq!(Instant::from_ms(1_798_732_799_999).year_in_shanghai(), Some(2026));
        assert_eq!(Instant::from_ms(1_798_732_800_000).year_in_shanghai(), Some(2027));
    }

    #[test]
    fn an_absurd_clock_has_no_year_and_does_not_panic() {
        assert_eq!(Instant::from_ms(i64::MAX).year_in_shanghai(), None);
        assert_eq!(Instant::from_ms(i64::MIN).year_in_shanghai(), None);
        assert_eq!(Instant::from_ms(i64::MAX).plus_ms(1).ms(), i64::MAX);
    }
}
