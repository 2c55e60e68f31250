//! Searching: which words find a household or a resident, and what somebody who types means.
//!
//! A household gives [`Token`]s, which an index keeps in order; a typed [`Query`] says which of them to look up. The index
//! may give too many households, never too few: [`Query::found_in`] then decides who is found, and by what. Traditional
//! forms of characters are not known here, nor where tokens are kept.
//!
//! Citizen numbers are no words: they are sealed, sought sealed, and found by a keyed hash of the whole number.
//!
//! **Invariant:** whoever [`Query::found_in`] finds by a rank has every token that the [`Tier`] of that rank names.

mod address;
mod name;
mod phone;
mod query;
mod reading;
mod spelling;
#[cfg(test)]
mod tests;

pub use query::{Found, LONGEST_QUERY, MOST_WORDS, Query, QueryError, Tier, Word};

use std::collections::BTreeSet;

/// One spelling of where a household lives: its address with what building, unit and door add to it. Two with the same live
/// at one dwelling.
pub fn dwelling_key(address: &str, doors: &[Option<&str>]) -> String {
    address::text(Some(address), doors)
}

/// Tokens of a household at most, those of the best ranks first: 16 residents with two phones each have some 400.
pub const MOST_TOKENS: usize = 512;

/// By what somebody is found, best first. The byte is kept in rows: a rank keeps its byte for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rank {
    /// The whole name.
    ExactName = 10,
    /// The beginning of the name: the surname, or with some of the given name.
    NameBegins = 20,
    /// The end of the name: the given name, or some of it.
    NameEnds = 30,
    /// The pinyin of the whole name.
    Pinyin = 40,
    /// The pinyin of the surname, of the given name, or of the first syllables.
    PinyinPart = 50,
    /// The first letters of the syllables, or of the first of them.
    Initials = 60,
    /// Digits of a phone number.
    Phone = 80,
    /// A fragment of the address.
    Address = 90,
    /// The kind of a need: nobody is found by it, but what is found is narrowed by it.
    Need = 200,
}

/// A word that finds a household, and by what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// By what.
    pub rank: Rank,
    /// The word, in the spelling of [`Query`].
    pub word: String,
}

/// What of a household is searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Searched<'a> {
    /// The dwelling's address.
    pub address: Option<&'a str>,
    /// Building, unit and door, which the address may repeat.
    pub doors: [Option<&'a str>; 3],
    /// The household's own telephone.
    pub contact_phone: Option<&'a str>,
    /// Its residents.
    pub residents: Vec<SearchedResident<'a>>,
    /// Kinds of its needs and those of its residents.
    pub needs: BTreeSet<&'a str>,
}

/// What of a resident is searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchedResident<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// The phones.
    pub phones: [Option<&'a str>; 2],
}

impl Rank {
    /// All of them, best first.
    pub const ALL: [Self; 9] = [
        Self::ExactName,
        Self::NameBegins,
        Self::NameEnds,
        Self::Pinyin,
        Self::PinyinPart,
        Self::Initials,
        Self::Phone,
        Self::Address,
        Self::Need,
    ];

    /// The byte that rows keep.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The rank of a byte; none if there is no such rank.
    pub fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.byte() == byte)
    }
}

impl Token {
    /// The token by which a need narrows what is found. No typed word is spelled so.
    pub fn of_need(kind: &str) -> Self {
        Self { rank: Rank::Need, word: format!("need:{kind}") }
    }
}

impl Searched<'_> {
    /// Every token of the household, each once: what its residents share is kept once.
    pub fn tokens(&self) -> BTreeSet<Token> {
        let mut words: BTreeSet<(Rank, String)> = BTreeSet::new();
        for resident in &self.residents {
            if let Some(name) = resident.name {
                name::words(name, &mut words);
            }
        }
        let phones = self.residents.iter().flat_map(|resident| resident.phones).chain([self.contact_phone]);
        words.extend(phones.flatten().flat_map(phone::runs).map(|run| (Rank::Phone, run)));
        let address = address::text(self.address, &self.doors);
        words.extend(address::words(&address).into_iter().map(|word| (Rank::Address, word)));
        let needs = self.needs.iter().copied().map(Token::of_need);
        // Needs are few, and a filter that leaves somebody out would be worse than a word that finds nobody.
        let words = words.into_iter().take(MOST_TOKENS - self.needs.len().min(MOST_TOKENS));
        words.map(|(rank, word)| Token { rank, word }).chain(needs).collect()
    }
}
