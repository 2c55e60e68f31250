//! Needs of ordinary sensitivity: which homes have them, and what is recorded of each.
//!
//! It does not know visits. What a need is kept for stands in the list beside this module.

use super::calendar::{DAY_MS, date, year};
use super::chance::Chance;
use super::dwellings::Ground;
use super::families::Structure;
use super::homes::{Home, WITHOUT_WORK};
use gridwork_domain::edit::Action;
use gridwork_domain::id::ResidentId;
use gridwork_domain::instant::Instant;
use gridwork_domain::need::{Basis, Need};
use std::sync::LazyLock;

/// Need of a person without work, which ends when they find some.
pub(super) const UNEMPLOYED: &str = "unemployed";
/// Need of a home that wants repair.
pub(super) const HOME_REPAIR: &str = "home_repair";
/// Need of an elder who wants meals brought.
const MEAL_SERVICE: &str = "meal_service";
const ELDER_ALONE: &str = "elder_alone";
const LOW_INCOME: &str = "low_income";
const FLOATING: &str = "floating";
const LEFT_BEHIND: &str = "left_behind";

/// One line of `needs.csv`.
struct Reason {
    kind: &'static str,
    basis: Basis,
    purpose: &'static str,
    note: &'static str,
}

static REASONS: LazyLock<Vec<Reason>> = LazyLock::new(|| {
    include_str!("needs.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let [kind, basis, purpose, note] = line.split(',').collect::<Vec<_>>()[..] else { return None };
            let basis = [Basis::StatutoryDuty, Basis::Consent].into_iter().find(|known| known.word() == basis)?;
            Some(Reason { kind, basis, purpose, note })
        })
        .collect()
});

/// A need: whose it is, none for the household's, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) resident: Option<ResidentId>,
    pub(super) kind: &'static str,
}

impl Held {
    /// Whether such a home is visited monthly, by the rules for visits.
    pub(super) fn is_monthly(self) -> bool {
        [ELDER_ALONE, LOW_INCOME, FLOATING, LEFT_BEHIND].contains(&self.kind)
    }

    /// The edit that affirms it at `at`; most hold for one to two years.
    pub(super) fn affirmation(self, chance: &mut Chance, at: Instant) -> Action {
        let reason = REASONS.iter().find(|reason| reason.kind == self.kind).expect("needs.csv has each kind used here");
        let has_note = !reason.note.is_empty() && chance.percent(60);
        let expires = chance.percent(92).then(|| date(at.plus_ms(chance.within(395..=760) * DAY_MS)));
        let need = Need {
            purpose: reason.purpose.to_owned(),
            basis: reason.basis,
            sensitivity: 1,
            expires,
            note: has_note.then(|| reason.note.to_owned()),
        };
        Action::AffirmNeed { resident: self.resident, kind: self.kind.to_owned(), need }
    }

    /// The edit that withdraws it.
    pub(super) fn withdrawal(self) -> Action {
        Action::WithdrawNeed { resident: self.resident, kind: self.kind.to_owned() }
    }
}

/// The needs of a home at `at`.
pub(super) fn needs(chance: &mut Chance, home: &Home, ground: &Ground, at: Instant) -> Vec<Held> {
    let mut needs = Vec::new();
    let mut of_home = |kind| needs.push(Held { resident: None, kind });
    let low_income_percent = if home.structure == Structure::ElderAlone { 7 } else { 3 };
    if chance.percent(low_income_percent) {
        of_home(LOW_INCOME);
    }
    if home.structure == Structure::ElderCouple && chance.percent(85) {
        of_home("empty_nest");
    }
    if home.is_floating && chance.percent(70) {
        of_home(FLOATING);
    }
    if (ground.is_old() || ground.is_village()) && chance.percent(2) {
        of_home(HOME_REPAIR);
    }
    let age = |place: usize| home.residents[place].age(year(at));
    if (0..home.residents.len()).filter(|place| age(*place) < 18).count() > 1 && chance.percent(45) {
        of_home("large_family");
    }
    for (place, resident) in home.residents.iter().enumerate() {
        let mut of_resident = |kind| needs.push(Held { resident: Some(resident.id), kind });
        match home.structure {
            Structure::ElderAlone => {
                of_resident(ELDER_ALONE);
                if chance.percent(22) {
                    of_resident(MEAL_SERVICE);
                }
            }
            Structure::Grandparents if age(place) < 16 => of_resident(LEFT_BEHIND),
            _ if resident.employment == Some(WITHOUT_WORK) && chance.percent(55) => of_resident(UNEMPLOYED),
            _ => {}
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_kind_of_ordinary_need() {
        assert_eq!(REASONS.len(), include_str!("needs.csv").lines().count() - 1);
        for reason in REASONS.iter() {
            let kind = gridwork_domain::need::kinds().iter().find(|kind| kind.code == reason.kind);
            assert_eq!(kind.map(|kind| kind.least_sensitivity), Some(1), "{}", reason.kind);
        }
    }
}
