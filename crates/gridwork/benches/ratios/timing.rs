//! Times of two ways to do a thing, taken in turns so that whatever else the machine does falls on both.

use std::time::{Duration, Instant};

/// Turns of each way; the median is what counts.
const TURNS: usize = 31;

/// The medians of several ways, in their order. Each way is given the number of the turn.
pub(crate) fn medians<const N: usize>(mut ways: [&mut dyn FnMut(usize); N]) -> [Duration; N] {
    let mut times = [(); N].map(|()| Vec::with_capacity(TURNS));
    for turn in 0..TURNS {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            way(turn);
            times.push(begun.elapsed());
        }
    }
    times.map(|mut times| median(&mut times))
}

/// Turns that [`medians`] takes.
pub(crate) const fn turns() -> usize {
    TURNS
}

/// The median of some times.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Prints a time, and how many times as long as another it is.
pub(crate) fn line(what: &str, time: Duration, against: Option<Duration>) {
    let us = time.as_secs_f64() * 1e6;
    match against {
        Some(other) => println!("  {what:62} {us:11.1} µs   ratio {:.2}", time.as_secs_f64() / other.as_secs_f64()),
        None => println!("  {what:62} {us:11.1} µs"),
    }
}
