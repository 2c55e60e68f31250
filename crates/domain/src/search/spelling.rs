//! One spelling of what is searched and of what is typed: half-width, lower case, `v` for `ü`.

/// A character in its one spelling.
pub(super) fn spelled(character: char) -> char {
    let character = match character {
        '！'..='～' => char::from_u32(character as u32 - 0xfee0).unwrap_or(character),
        '\u{3000}' => ' ',
        other => other,
    };
    match character.to_lowercase().next().unwrap_or(character) {
        'ü' | 'ǖ' | 'ǘ' | 'ǚ' | 'ǜ' => 'v',
        lower => lower,
    }
}

/// Whether it is a Chinese character: the blocks of unified ideographs, and 〇.
pub(super) fn is_han(character: char) -> bool {
    matches!(character, '〇' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
}

/// The letters, digits and characters of a text, in runs of one sort.
pub(super) fn runs(text: &str) -> Vec<(Sort, String)> {
    let mut runs: Vec<(Sort, String)> = Vec::new();
    let mut before = None;
    for character in text.chars().map(spelled) {
        let sort = Sort::of(character);
        if let Some(sort) = sort {
            match runs.last_mut() {
                Some((_, run)) if before == Some(sort) => run.push(character),
                _ => runs.push((sort, character.into())),
            }
        }
        before = sort;
    }
    runs
}

/// Sorts of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Chinese characters.
    Han,
    /// Letters of an alphabet.
    Letters,
    /// ASCII digits.
    Digits,
}

impl Sort {
    /// The sort of a character in its one spelling; none for what only separates.
    pub(super) fn of(character: char) -> Option<Self> {
        match character {
            '0'..='9' => Some(Self::Digits),
            character if is_han(character) => Some(Self::Han),
            character if character.is_alphabetic() => Some(Self::Letters),
            _ => None,
        }
    }
}
