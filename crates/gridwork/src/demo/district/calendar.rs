//! Days in the district, which keeps the time of Shanghai.
//!
//! It does not know today. Instants beyond the calendar have no year (0) and no date.

use gridwork_domain::instant::Instant;

/// Milliseconds of a second.
pub(super) const SECOND_MS: i64 = 1_000;
/// Milliseconds of a minute.
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds of a day: Shanghai has no summer time.
pub(super) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

const SHANGHAI_OFFSET_MS: i64 = 8 * 60 * MINUTE_MS;
/// 1970-01-01 was a Thursday.
const EPOCH_WEEKDAY: i64 = 4;

/// Days from 1970-01-01 to this one.
pub(super) fn day_number(at: Instant) -> i64 {
    (at.ms() + SHANGHAI_OFFSET_MS).div_euclid(DAY_MS)
}

/// The beginning of this day.
pub(super) fn midnight(at: Instant) -> Instant {
    Instant::from_ms(day_number(at) * DAY_MS - SHANGHAI_OFFSET_MS)
}

/// Saturday or Sunday.
pub(super) fn is_weekend(at: Instant) -> bool {
    matches!((day_number(at) + EPOCH_WEEKDAY).rem_euclid(7), 0 | 6)
}

/// The date `YYYY-MM-DD`.
pub(super) fn date(at: Instant) -> String {
    at.date_in_shanghai().map(|date| date.to_string()).unwrap_or_default()
}

/// The calendar year.
pub(super) fn year(at: Instant) -> i32 {
    at.date_in_shanghai().map_or(0, |date| date.year().into())
}

/// The month, 1 to 12, and the day in it.
pub(super) fn month_and_day(at: Instant) -> (i8, i8) {
    at.date_in_shanghai().map_or((0, 0), |date| (date.month(), date.day()))
}

/// The months in which homes are heated in the north-east.
pub(super) fn is_winter(at: Instant) -> bool {
    matches!(month_and_day(at).0, 11 | 12 | 1..=3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_shanghai() {
        let new_year = Instant::from_ms(1_798_732_800_000); // 2027-01-01 00:00 in Shanghai, a Friday
        assert_eq!(midnight(new_year), new_year);
        assert_eq!(midnight(new_year.plus_ms(-1)), new_year.plus_ms(-DAY_MS));
        assert_eq!(date(new_year), "2027-01-01");
        assert!(is_winter(new_year) && !is_winter(new_year.plus_ms(180 * DAY_MS)));
        let weekend: Vec<_> = (0..7).filter(|day| is_weekend(new_year.plus_ms(day * DAY_MS))).collect();
        assert_eq!(weekend, [1, 2]);
    }
}
