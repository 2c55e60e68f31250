//! How a name is read: its syllables in pinyin, surnames as surnames are read.
//!
//! Readings are those of the `pinyin` crate (Unihan); how surnames differ is the data file beside this module, which also
//! lists the surnames of two characters.
//!
//! **Invariant:** the first reading is the most likely one, and there are at most [`MOST_READINGS`].

use super::spelling::{Sort, runs, spelled};
use pinyin::{Pinyin, ToPinyin, ToPinyinMulti};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Readings of one name at most. Beside the likely reading of all characters, one character at a time is read otherwise:
/// all combinations of a name of four could be 81.
pub(super) const MOST_READINGS: usize = 5;

/// Readings of a character of a given name: the common one and two others. Beyond, dictionaries list what is archaic.
const MOST_READINGS_OF_CHARACTER: usize = 3;

/// Characters or foreign words of a name that are read: longer names are found by their beginning.
const MOST_SYLLABLES: usize = 12;

/// Surname to its syllables.
static SURNAMES: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let rows = include_str!("surname_readings.csv").lines().skip(1).filter_map(|line| line.split_once(','));
    rows.map(|(surname, reading)| (surname, reading.split('-').collect())).collect()
});

/// A name as it is read.
pub(super) struct Readings {
    /// Syllables of the surname.
    pub(super) surname: usize,
    /// The readings, each of as many syllables.
    pub(super) all: Vec<Vec<String>>,
}

/// The readings of a name; without syllables if it has none.
pub(super) fn readings(name: &str) -> Readings {
    let mut parts: Vec<String> = Vec::new();
    for (sort, run) in runs(name) {
        match sort {
            Sort::Han => parts.extend(run.chars().map(String::from)),
            Sort::Letters | Sort::Digits => parts.push(run),
        }
    }
    parts.truncate(MOST_SYLLABLES);
    let compound =
        parts.get(..2).map(|two| two.concat()).filter(|two| parts.len() > 2 && SURNAMES.contains_key(&**two));
    let surname = if compound.is_some() { 2 } else { 1 };
    let mut choices: Vec<Vec<String>> = parts.iter().map(|part| syllables(part)).collect();
    for choice in choices.iter_mut().take(surname) {
        choice.truncate(1); // in a surname, what no table lists is archaic
    }
    let as_surname = compound.as_deref().or(parts.first().map(String::as_str)).and_then(|name| SURNAMES.get(name));
    for (choice, syllable) in choices.iter_mut().zip(as_surname.into_iter().flatten()) {
        choice.retain(|other| other != syllable);
        choice.insert(0, (*syllable).to_owned());
    }
    let likely: Vec<String> = choices.iter().filter_map(|choice| choice.first().cloned()).collect();
    let others =
        choices.iter().enumerate().flat_map(|(place, choice)| choice.iter().skip(1).map(move |one| (place, one)));
    let otherwise = others.map(|(place, syllable)| {
        let mut reading = likely.clone();
        reading[place].clone_from(syllable);
        reading
    });
    let all = std::iter::once(likely.clone()).chain(otherwise).take(MOST_READINGS).collect();
    Readings { surname, all }
}

/// The readings of a character, the common one first; of a foreign word, itself.
fn syllables(part: &str) -> Vec<String> {
    let mut characters = part.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else { return vec![part.to_owned()] };
    let plain = |pinyin: Pinyin| pinyin.plain().chars().map(spelled).collect::<String>();
    let Some(common) = character.to_pinyin().map(plain) else { return vec![part.to_owned()] };
    let mut syllables = vec![common];
    for other in character.to_pinyin_multi().into_iter().flatten().map(plain) {
        if syllables.len() < MOST_READINGS_OF_CHARACTER && !syllables.contains(&other) {
            syllables.push(other);
        }
    }
    syllables
}
