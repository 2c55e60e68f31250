//! Names of people: surnames by how common they are, given names by sex and the fashion of the year of birth.
//!
//! It does not know families. The names are put together by chance; that somebody bears one of them is chance too.

use super::chance::Chance;
use std::sync::LazyLock;

/// The sex of a made-up person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    Male,
    Female,
}

impl Sex {
    /// The code of GB/T 2261.1.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Male => Self::Female,
            Self::Female => Self::Male,
        }
    }
}

/// The names that were given from some year on.
struct Fashion {
    sex: &'static str,
    born_from: i32,
    single_percent: u32,
    whole: Vec<&'static str>,
    first: Vec<&'static str>,
    second: Vec<&'static str>,
}

static SURNAMES: LazyLock<Vec<(&'static str, u32)>> = LazyLock::new(|| {
    include_str!("surnames.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (surname, weight) = line.split_once(',')?;
            Some((surname, weight.parse().ok()?))
        })
        .collect()
});

static FASHIONS: LazyLock<Vec<Fashion>> = LazyLock::new(|| {
    let words = |cell: &'static str| cell.split(' ').collect();
    include_str!("given_names.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split(',');
            Some(Fashion {
                sex: cells.next()?,
                born_from: cells.next()?.parse().ok()?,
                single_percent: cells.next()?.parse().ok()?,
                whole: words(cells.next()?),
                first: words(cells.next()?),
                second: words(cells.next()?),
            })
        })
        .collect()
});

/// A surname, as common as in the country.
pub(super) fn surname(chance: &mut Chance) -> &'static str {
    chance.weighted(SURNAMES.iter().copied())
}

/// A given name of the fashion in the year of birth.
pub(super) fn given_name(chance: &mut Chance, sex: Sex, birth_year: i32) -> String {
    let fashion = FASHIONS
        .iter()
        .rfind(|fashion| fashion.sex == sex.code() && fashion.born_from <= birth_year)
        .expect("given_names.csv begins in 1900 for either sex, and nobody in the district is older");
    if chance.percent(fashion.single_percent) {
        let singles: Vec<_> = fashion.whole.iter().filter(|name| name.chars().count() == 1).copied().collect();
        let characters = if singles.is_empty() { &fashion.second } else { &singles };
        return chance.early_one_of(characters).to_owned();
    }
    if chance.percent(30) {
        return chance.early_one_of(&fashion.whole).to_owned();
    }
    let (first, second) = (chance.early_one_of(&fashion.first), chance.early_one_of(&fashion.second));
    format!("{first}{second}")
}

/// How a leader speaks of somebody of this age.
pub(super) fn familiar(surname: &str, sex: Sex, age: i32) -> String {
    match (sex, age) {
        (Sex::Male, 65..) => format!("{surname}大爷"),
        (Sex::Female, 65..) => format!("{surname}大娘"),
        (Sex::Male, 35..) => format!("{surname}师傅"),
        (Sex::Female, 35..) => format!("{surname}大姐"),
        _ => format!("小{surname}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::Stream;
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_read() {
        assert_eq!(SURNAMES.len(), include_str!("surnames.csv").lines().count() - 1);
        assert_eq!(FASHIONS.len(), include_str!("given_names.csv").lines().count() - 1);
    }

    #[test]
    fn the_commonest_surnames_are_commonest_and_given_names_are_one_or_two_characters() {
        let mut chance = Chance::new(1, Stream::District);
        let wang = (0..10_000).filter(|_| surname(&mut chance) == "王").count();
        assert!((600..1_200).contains(&wang), "{wang}");
        for birth_year in 1930..2030 {
            for sex in [Sex::Male, Sex::Female] {
                let name = given_name(&mut chance, sex, birth_year);
                assert!((1..=2).contains(&name.chars().count()), "{name}");
            }
        }
    }
}
