//! Waiting for something to come about, with a deadline; never for time to pass.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// How often it is asked whether it has come about.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Asks until there is an answer, and fails when it takes too long.
pub(crate) fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        park_timeout(ASK_EVERY);
    }
}
