//! Randomness that can be had again: each story prints its seed, and takes the one in `GRIDWORK_SEED` if it is set.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::{SystemTime, UNIX_EPOCH};

/// Random numbers of one story.
pub(crate) fn chance() -> ChaCha8Rng {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let drawn = || u64::try_from(now.as_micros() % u128::from(u32::MAX)).expect("below 2^32");
    let seed = std::env::var("GRIDWORK_SEED").map_or_else(|_| drawn(), |text| text.parse().expect("a number"));
    println!("GRIDWORK_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// So many random bytes.
pub(crate) fn bytes(random: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.random_range(0..=255u8)).collect()
}
