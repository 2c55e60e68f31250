//! The words by which a name is found: its characters, its pinyin, its initials.

use super::Rank;
use super::reading::readings;
use super::spelling::{Sort, runs, spelled};
use std::collections::BTreeSet;

/// Characters of a beginning or an end of a name at most: longer ones are found as whole names.
pub(super) const LONGEST_PART: usize = 8;

/// A name in its one spelling: letters, digits and characters alone.
pub(super) fn spell(name: &str) -> String {
    name.chars().map(spelled).filter(|character| Sort::of(*character).is_some()).collect()
}

/// Adds the words of a name.
///
/// 王小明 is 王 王小 王小明 小明 明, wang wangxiao wangxiaoming xiaoming, wx wxm: eleven words, fewer of those that a
/// family shares.
pub(super) fn words(name: &str, words: &mut BTreeSet<(Rank, String)>) {
    if runs(name).iter().any(|(sort, _)| *sort == Sort::Han) {
        let spelled: Vec<char> = spell(name).chars().collect();
        words.insert((Rank::ExactName, spelled.iter().collect()));
        for length in 1..spelled.len().min(LONGEST_PART + 1) {
            words.insert((Rank::NameBegins, spelled[..length].iter().collect()));
            words.insert((Rank::NameEnds, spelled[spelled.len() - length..].iter().collect()));
        }
    }
    words.extend(letters(name));
}

/// The words of a name in letters.
pub(super) fn letters(name: &str) -> BTreeSet<(Rank, String)> {
    let readings = readings(name);
    let mut words = BTreeSet::new();
    for syllables in readings.all.iter().filter(|syllables| !syllables.is_empty()) {
        let initials: String = syllables.iter().filter_map(|syllable| syllable.chars().next()).collect();
        words.insert((Rank::Pinyin, syllables.concat()));
        for count in 1..syllables.len() {
            words.insert((Rank::PinyinPart, syllables[..count].concat()));
        }
        // A single syllable or letter of a given name would find a tenth of the city.
        if syllables.len() >= readings.surname + 2 {
            words.insert((Rank::PinyinPart, syllables[readings.surname..].concat()));
        }
        let ends = initials.char_indices().map(|(start, letter)| start + letter.len_utf8()).skip(1);
        words.extend(ends.map(|end| (Rank::Initials, initials[..end].to_owned())));
    }
    words
}
