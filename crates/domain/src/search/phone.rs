//! The words by which a phone number is found: every run of four digits in it. Longer runs are found by all of theirs.

/// Digits of a run that is kept, and the fewest that find a number.
pub(super) const RUN_DIGITS: usize = 4;

/// Digits of a number that are searched: those of the longest number, with its extension.
const MOST_DIGITS: usize = 21;

/// The digits of a number.
pub(super) fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).take(MOST_DIGITS).collect()
}

/// Every run of four digits of a number: eight of a mobile.
pub(super) fn runs(number: &str) -> Vec<String> {
    let digits: Vec<char> = digits(number).chars().collect();
    digits.windows(RUN_DIGITS).map(|run| run.iter().collect()).collect()
}

/// Runs of four that cover a longer run: what has the longer run has all of them.
pub(super) fn cover(run: &str) -> Vec<String> {
    let all = runs(run);
    let last = all.last().cloned();
    all.into_iter().step_by(RUN_DIGITS).chain(last).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
