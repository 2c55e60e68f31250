//! What a phone finds around itself: a clock, random bytes, a network, and room on the disk.

use crate::transport::{HttpTransport, Transport};
use gridwork_domain::instant::Instant;
use gridwork_sync::replica::Entropy;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that are kept free in the store's folder: room to fold a full log into the database and to settle what was
/// handed in.
pub const RESERVE_BYTES: u64 = 2 * 1024 * 1024;

/// What a phone finds around itself. The default is the real thing.
pub struct Surroundings {
    /// The network.
    pub transport: Box<dyn Transport + Send>,
    /// The device's clock, right or wrong.
    pub clock: Box<dyn Fn() -> Instant + Send>,
    /// Where random bytes come from.
    pub entropy: Box<dyn Entropy + Send>,
    /// Bytes that are kept free in the store's folder.
    pub reserve_bytes: u64,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            transport: Box::new(HttpTransport::new()),
            clock: Box::new(system_clock),
            entropy: Box::new(SystemEntropy),
            reserve_bytes: RESERVE_BYTES,
        }
    }
}

/// The operating system's clock.
pub fn system_clock() -> Instant {
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let now = SystemTime::now();
    Instant::from_ms(match now.duration_since(UNIX_EPOCH) {
        Ok(after) => ms(after),
        Err(before) => -ms(before.duration()),
    })
}

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("no phone runs on a system that has no random bytes");
    }
}
