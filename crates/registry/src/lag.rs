//! How long changes of devices took from their making, by the device's clock, to the registry, by the server's.
//!
//! A device that was offline for days has a long lag and nothing is wrong; most devices with one are a network that is out,
//! or an app that does not sync. A clock that is ahead gives a negative lag, which counts as none.
//!
//! **Invariant:** each lag is in exactly one bucket.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets but the last, which has none, in seconds: from a minute to 30 days.
pub const LAG_BOUNDS_S: [u32; 12] =
    [60, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 259_200, 604_800, 1_209_600, 2_592_000];

const BUCKETS: usize = LAG_BOUNDS_S.len() + 1;

/// Lags, by bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lags {
    /// How many are in each bucket: at most its bound of [`LAG_BOUNDS_S`] and above the bound before; the last bucket has
    /// those above all bounds.
    pub counts: [u64; BUCKETS],
    /// All of them together, in milliseconds.
    pub sum_ms: u64,
}

impl Lags {
    /// Adds one, in milliseconds.
    pub(crate) fn add(&mut self, lag_ms: i64) {
        let lag_ms = u64::try_from(lag_ms).unwrap_or(0);
        let bucket = LAG_BOUNDS_S.iter().position(|bound_s| lag_ms <= u64::from(*bound_s) * 1_000);
        self.counts[bucket.unwrap_or(LAG_BOUNDS_S.len())] += 1;
        self.sum_ms = self.sum_ms.saturating_add(lag_ms);
    }
}

/// Lags that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct LagCounters {
    counts: [AtomicU64; BUCKETS],
    sum_ms: AtomicU64,
}

impl LagCounters {
    /// Adds some.
    pub(crate) fn add(&self, lags: &Lags) {
        for (counter, count) in self.counts.iter().zip(lags.counts) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        self.sum_ms.fetch_add(lags.sum_ms, Ordering::Relaxed);
    }

    /// All of them.
    pub(crate) fn read(&self) -> Lags {
        let counts = from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed));
        Lags { counts, sum_ms: self.sum_ms.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_in_the_bucket_up_to_whose_bound_it_is_and_a_negative_one_is_none() {
        let mut lags = Lags::default();
        for lag_ms in [-5_000, 0, 60_000, 60_001, 2_592_000_000, 2_592_000_001] {
            lags.add(lag_ms);
        }
        let expected: [u64; BUCKETS] = from_fn(|bucket| match bucket {
            0 => 3,
            1 | 11 | 12 => 1,
            _ => 0,
        });
        assert_eq!((lags.counts, lags.sum_ms), (expected, 2 * 60_000 + 1 + 2 * 2_592_000_000 + 1));
        let counters = LagCounters::default();
        counters.add(&lags);
        counters.add(&lags);
        assert_eq!(counters.read().counts, expected.map(|count| 2 * count));
    }
}
