//! The words by which an address is found: pairs of neighbouring characters, and numbers and letters as a whole.
//!
//! **Invariant:** an address that contains a fragment has every word of the fragment.

use super::spelling::{Sort, runs, spelled};

/// Words of an address at most: beyond, an address is found by its beginning.
pub(super) const MOST_WORDS_OF_ADDRESS: usize = 40;

/// Letters or digits of a word at least: doors 1 to 9 are everywhere.
const SHORTEST_WORD: usize = 2;

/// An address with what building, unit and door add to it, in one spelling.
pub(super) fn text(address: Option<&str>, doors: &[Option<&str>]) -> String {
    let mut text = address.map(spell).unwrap_or_default();
    for part in doors.iter().flatten().map(|part| spell(part)) {
        if !contains(&text, &part) {
            join(&mut text, &part);
        }
    }
    text
}

/// The words of an address or of a fragment of one.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (sort, run) in runs(text) {
        let characters: Vec<char> = run.chars().collect();
        match sort {
            Sort::Han => words.extend(characters.windows(2).map(|pair| pair.iter().collect())),
            Sort::Letters | Sort::Digits if characters.len() >= SHORTEST_WORD => words.push(run),
            Sort::Letters | Sort::Digits => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    words.retain(|word| seen.insert(word.clone()));
    words.truncate(MOST_WORDS_OF_ADDRESS);
    words
}

/// Whether an address has a fragment in it, both in one spelling; a number only as a whole.
pub(super) fn contains(text: &str, fragment: &str) -> bool {
    let cut = |one: Option<char>, other: Option<char>| match (one.and_then(Sort::of), other.and_then(Sort::of)) {
        (Some(Sort::Han), _) => false,
        (one, other) => one.is_some() && one == other,
    };
    text.match_indices(fragment).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + fragment.len()..]);
        !cut(before.chars().next_back(), fragment.chars().next())
            && !cut(fragment.chars().next_back(), after.chars().next())
    })
}

/// Letters, digits and characters; what stood between two that would run together is a dash.
pub(super) fn spell(text: &str) -> String {
    let mut spelled_text = String::with_capacity(text.len());
    let mut apart = false;
    for character in text.chars().map(spelled) {
        match Sort::of(character) {
            None => apart = true,
            Some(_) if apart => {
                join(&mut spelled_text, &String::from(character));
                apart = false;
            }
            Some(_) => spelled_text.push(character),
        }
    }
    spelled_text
}

fn join(text: &mut String, part: &str) {
    let sort = |character: Option<char>| character.and_then(Sort::of);
    let (last, first) = (sort(text.chars().next_back()), sort(part.chars().next()));
    if last == first && !matches!(last, None | Some(Sort::Han)) {
        text.push('-');
    }
    text.push_str(part);
}
