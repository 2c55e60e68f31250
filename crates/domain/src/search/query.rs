//! What somebody typed: words, what to look up for each, and who is found by them.

use super::spelling::{Sort, runs, spelled};
use super::{Rank, Searched, SearchedResident, address, name, phone};
use crate::phone_number::PhoneNumber;

/// Characters of a query at most: those of the longest name.
pub const LONGEST_QUERY: usize = 64;

/// Words of a query at most: a name, two parts of an address and digits of a phone.
pub const MOST_WORDS: usize = 4;

/// What somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<Word>,
}

/// One of the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    text: String,
    /// None if sorts are mixed, as only addresses mix them.
    sort: Option<Sort>,
}

/// What to look up for a word: everybody who is found by this rank has all of these tokens of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The rank.
    pub rank: Rank,
    /// The words of the tokens, at least one.
    pub words: Vec<String>,
}

/// Whom a query finds in a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which of its residents; none if it is the household itself.
    pub resident: Option<usize>,
    /// By what, word for word; the first word ranks.
    pub ranks: Vec<Rank>,
}

/// Why nothing can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Longer than any name.
    #[error("has 1 to {LONGEST_QUERY} characters")]
    Length,
    /// More words than are looked up together.
    #[error("has {MOST_WORDS} words at most: leave out what matters least")]
    TooManyWords,
    /// Nothing by which anything is found.
    #[error(
        "is too short: a character of a name, two letters, four digits of a phone, or two characters of an address or \
         more"
    )]
    TooShort,
}

impl Query {
    /// Reads what was typed.
    ///
    /// # Errors
    /// [`QueryError`], which says what to type instead.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.trim().is_empty() || text.chars().count() > LONGEST_QUERY {
            return Err(QueryError::Length);
        }
        let mut words = match whole_number(text) {
            Some(digits) => vec![Word { text: digits, sort: Some(Sort::Digits) }],
            None => split(text),
        };
        if words.len() > MOST_WORDS {
            return Err(QueryError::TooManyWords);
        }
        // The first word that can be looked up leads; the others narrow what it finds.
        let first = words.iter().position(|word| !word.tiers().is_empty()).ok_or(QueryError::TooShort)?;
        words[..=first].rotate_right(1);
        Ok(Self { words })
    }

    /// The words. The first ranks what is found, and has a tier; another without tiers only narrows.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether one of the words is looked up among the digits of phones.
    pub fn seeks_phone(&self) -> bool {
        self.words.iter().any(Word::is_of_phone)
    }

    /// Whom it finds in a household: the household itself first, then residents in their order.
    ///
    /// A resident is found if every word is in the name or phones, or in the household's address or phone, and at least
    /// one is the resident's own; the household if all of them are its own.
    pub fn found_in(&self, searched: &Searched<'_>) -> Vec<Found> {
        let address = address::text(searched.address, &searched.doors);
        let home: Vec<Option<Rank>> =
            self.words.iter().map(|word| word.in_household(&address, searched.contact_phone)).collect();
        let mut found = Vec::new();
        if let Some(ranks) = home.iter().copied().collect::<Option<Vec<_>>>() {
            found.push(Found { resident: None, ranks });
        }
        for (place, resident) in searched.residents.iter().enumerate() {
            let own: Vec<Option<Rank>> = self.words.iter().map(|word| word.in_resident(resident)).collect();
            let ranks = own.iter().zip(&home).map(|(own, home)| own.or(*home)).collect::<Option<Vec<_>>>();
            if let Some(ranks) = ranks.filter(|_| own.iter().any(Option::is_some)) {
                found.push(Found { resident: Some(place), ranks });
            }
        }
        found
    }
}

impl Word {
    /// What to look up, best first.
    pub fn tiers(&self) -> Vec<Tier> {
        let one = |rank| Tier { rank, words: vec![self.text.clone()] };
        let mut tiers = Vec::new();
        match self.sort {
            Some(Sort::Han) => tiers.extend([Rank::ExactName, Rank::NameBegins, Rank::NameEnds].map(one)),
            Some(Sort::Letters) if self.text.chars().nth(1).is_some() => {
                tiers.extend([Rank::Pinyin, Rank::PinyinPart, Rank::Initials].map(one));
            }
            Some(Sort::Digits) if self.is_of_phone() => {
                tiers.push(Tier { rank: Rank::Phone, words: phone::cover(&self.text) });
            }
            _ => {}
        }
        let words = address::words(&self.text);
        if !words.is_empty() {
            if self.sort.is_none() {
                tiers.push(one(Rank::ExactName));
            }
            tiers.push(Tier { rank: Rank::Address, words });
        }
        tiers
    }

    fn in_resident(&self, resident: &SearchedResident<'_>) -> Option<Rank> {
        let by_name = resident.name.and_then(|name| self.in_name(name));
        by_name.or_else(|| resident.phones.iter().flatten().find_map(|number| self.in_phone(number)))
    }

    fn in_household(&self, address: &str, contact_phone: Option<&str>) -> Option<Rank> {
        let by_phone = contact_phone.and_then(|number| self.in_phone(number));
        by_phone.or_else(|| {
            // What is looked up in names alone would not be found in addresses.
            let tiers = self.tiers();
            let looks = tiers.is_empty() || tiers.iter().any(|tier| tier.rank == Rank::Address);
            (looks && address::contains(address, &self.text)).then_some(Rank::Address)
        })
    }

    fn in_name(&self, written: &str) -> Option<Rank> {
        match self.sort {
            Some(Sort::Han) | None => {
                let written = name::spell(written);
                let is_part = self.sort.is_some() && self.text.chars().count() <= name::LONGEST_PART;
                if written == self.text {
                    Some(Rank::ExactName)
                } else if is_part && written.starts_with(&self.text) {
                    Some(Rank::NameBegins)
                } else {
                    (is_part && written.ends_with(&self.text)).then_some(Rank::NameEnds)
                }
            }
            Some(Sort::Letters) => {
                name::letters(written).into_iter().find(|(_, word)| *word == self.text).map(|(rank, _)| rank)
            }
            Some(Sort::Digits) => None,
        }
    }

    fn in_phone(&self, number: &str) -> Option<Rank> {
        (self.is_of_phone() && phone::digits(number).contains(&self.text)).then_some(Rank::Phone)
    }

    fn is_of_phone(&self) -> bool {
        self.sort == Some(Sort::Digits) && self.text.len() >= phone::RUN_DIGITS
    }
}

/// The digits of what is one phone number with whatever stands between its digits.
fn whole_number(text: &str) -> Option<String> {
    let text: String = text.chars().map(spelled).collect();
    let written = |character: char| character.is_ascii_digit() || matches!(character, '+' | '-' | '(' | ')' | ' ');
    let known = text.chars().all(written).then(|| PhoneNumber::parse(&text).ok()).flatten()?;
    Some(phone::digits(known.as_str()))
}

fn split(text: &str) -> Vec<Word> {
    let text: String = text.chars().map(spelled).collect();
    let parts = text.split(|character| Sort::of(character).is_none()).filter(|part| !part.is_empty());
    let mut words: Vec<Word> = Vec::new();
    for part in parts {
        let sorts = runs(part);
        let sort = if let [(sort, _)] = sorts.as_slice() { Some(*sort) } else { None };
        match words.last_mut() {
            // Syllables that are typed apart are one name.
            Some(Word { text, sort: Some(Sort::Letters) }) if sort == Some(Sort::Letters) => text.push_str(part),
            _ => words.push(Word { text: part.to_owned(), sort }),
        }
    }
    words
}
