//! The server's clock: the one place of this crate that reads it.

use gridwork_domain::instant::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the clock of this machine; the end of the range if that clock is beyond it.
pub(crate) fn now() -> Instant {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    };
    Instant::from_ms(ms)
}
