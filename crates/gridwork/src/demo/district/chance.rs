//! Chance from a seed: every choice in the district is drawn here.
//!
//! It knows nothing of homes. ChaCha is used because its output is the same on every machine and in every release.
//!
//! **Invariant:** what is drawn for one grid or day never depends on what is drawn for another.

use super::calendar::day_number;
use gridwork_domain::instant::Instant;
use rand::distr::uniform::{SampleRange, SampleUniform};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is drawn: each has random numbers of its own.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    /// The areas and staff.
    District,
    /// A year of a grid.
    Year { grid: u32 },
    /// The homes of a city's grid.
    Homes { grid: u32 },
    /// A phone's day in a grid.
    Day { grid: u32, phone: u16, day_start: Instant },
}

/// Seeded randomness.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// The randomness of a stream.
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        let number = match stream {
            Stream::District => 0,
            Stream::Year { grid } => 1 + u64::from(grid),
            Stream::Homes { grid } => 1 << 63 | u64::from(grid),
            Stream::Day { grid, phone, day_start } => {
                let day = day_number(day_start) as u64 & 0xff_ffff;
                (1 + u64::from(grid)) << 40 | u64::from(phone) << 24 | day
            }
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        Self(random)
    }

    /// A number of the range.
    pub(super) fn within<T: SampleUniform>(&mut self, range: impl SampleRange<T>) -> T {
        self.0.random_range(range)
    }

    /// True with this probability in percent, 0 to 100.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }

    /// True with this probability in thousandths, 0 to 1,000.
    pub(super) fn per_mille(&mut self, per_mille: u32) -> bool {
        self.0.random_ratio(per_mille, 1_000)
    }

    /// One of the items, which must not be none.
    pub(super) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.within(0..items.len())]
    }

    /// One of the items, which must not be none; the earlier, the likelier.
    pub(super) fn early_one_of<T: Copy>(&mut self, items: &[T]) -> T {
        let (first, second) = (self.within(0..items.len()), self.within(0..items.len()));
        items[first.min(second)]
    }

    /// One of the items by their weights, of which one at least is not 0.
    pub(super) fn weighted<T>(&mut self, items: impl IntoIterator<Item = (T, u32), IntoIter: Clone>) -> T {
        let items = items.into_iter();
        let mut left = self.within(0..items.clone().map(|(_, weight)| weight).sum());
        items
            .into_iter()
            .find_map(|(item, weight)| {
                if left < weight {
                    return Some(item);
                }
                left -= weight;
                None
            })
            .expect("the number drawn is below the sum of the weights")
    }

    /// Brings the items into a random order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }

    /// The random bytes of an id.
    pub(super) fn id(&mut self) -> [u8; 10] {
        self.0.random()
    }

    /// A mobile number that nobody has: these prefixes were assigned to no carrier when the ministry last listed them
    /// (我国公众移动通信网网号及H0分配情况, March 2023).
    pub(super) fn mobile(&mut self) -> String {
        let prefix = self.one_of(&["154", "163", "164", "168", "179"]);
        format!("{prefix}{:08}", self.within(0..100_000_000_u32))
    }
}
