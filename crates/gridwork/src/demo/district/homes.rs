//! Homes: a dwelling with the people in it, and the edit that registers them.
//!
//! It does not know visits or needs.
//!
//! **Invariant:** a home is registered by one edit; ids are made at the instant of registration.

use super::calendar::{DAY_MS, date, year};
use super::chance::Chance;
use super::dwellings::{Dwelling, Ground};
use super::families::{Person, Structure, family};
use super::names::{Sex, familiar};
use gridwork_domain::edit::{Action, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::{HouseholdId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use std::sync::LazyLock;

/// Code of those without work (GB/T 2261.4).
pub(super) const WITHOUT_WORK: &str = "70";
const RETIRED: &str = "80";
/// Code of workers.
pub(super) const WORKER: &str = "24";
const FARMER: &str = "27";
const PUPIL: &str = "31";
/// From this age on people answer for their home.
const ADULT: i32 = 16;

/// What people of working age do: code of GB/T 2261.4, weight in communities, in villages.
const WORK: [(&str, u32, u32); 9] = [
    ("11", 4, 1),
    ("13", 12, 3),
    ("17", 20, 5),
    ("21", 5, 1),
    (WORKER, 28, 15),
    (FARMER, 0, 60),
    ("51", 12, 6),
    ("54", 11, 5),
    (WITHOUT_WORK, 8, 4),
];

static OCCUPATIONS: LazyLock<Vec<(&'static str, Vec<&'static str>)>> = LazyLock::new(|| {
    let lines = include_str!("occupations.csv").lines().skip(1);
    lines.filter_map(|line| line.split_once(',')).map(|(code, names)| (code, names.split(' ').collect())).collect()
});

static REMARKS: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("remarks.txt").lines().collect());

/// A resident of a home.
#[derive(Debug, Clone)]
pub(super) struct Resident {
    pub(super) id: ResidentId,
    pub(super) membership: MembershipId,
    pub(super) person: Person,
    pub(super) employment: Option<&'static str>,
    birth_date: String,
    phone: Option<String>,
    /// Since when nobody meets them here.
    pub(super) leaves_at: Option<Instant>,
}

/// A home.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) id: HouseholdId,
    pub(super) structure: Structure,
    pub(super) residents: Vec<Resident>,
    pub(super) is_floating: bool,
    pub(super) contact_phone: Option<String>,
    /// Latitude and longitude in 10^-6 degree.
    pub(super) near: (i32, i32),
    /// When the last of them left, if they did, …
    pub(super) ends_at: Option<Instant>,
    /// … and whether for another home.
    pub(super) has_moved: bool,
}

impl Home {
    /// A home at `at` in this dwelling, and the edit that registers it.
    pub(super) fn settle(
        chance: &mut Chance,
        at: Instant,
        structure: Structure,
        ground: &Ground,
        dwelling: Dwelling,
    ) -> (Self, Action) {
        let this_year = year(at);
        let is_floating = structure.is_floating() || chance.percent(4);
        let is_let = is_floating && chance.percent(85) || chance.percent(4);
        let status = if is_let { "let" } else { "occupied" };
        let longest_stay = if is_floating { 4 } else { 25 };
        let since = date(at.plus_ms(-chance.within(30..365 * longest_stay) * DAY_MS));
        let mut registered = Vec::new();
        let mut residents = Vec::new();
        let mut guardian = None;
        for person in family(chance, structure, this_year) {
            if structure == Structure::Grandparents && guardian.is_none() {
                guardian = Some(format!("{}{}", person.surname, person.given_name));
            }
            let resident = Resident::new(chance, at, person, ground.is_village());
            let kind = if is_floating {
                "floating"
            } else if chance.per_mille(1) {
                "foreign"
            } else {
                "registered"
            };
            let guardian = guardian.as_deref().filter(|_| resident.age(this_year) < 14);
            registered.push(resident.registration(chance, kind, guardian, &since));
            residents.push(resident);
        }
        let mut fields = Fields::new().with("status", "living");
        let contact_phone = residents.iter().find_map(|resident| resident.phone.clone());
        if let Some(phone) = &contact_phone {
            fields = fields.with("contact_phone", phone.as_str());
        }
        if chance.percent(14) {
            fields = fields.with("remark", remark(chance));
        }
        let home = Self {
            id: HouseholdId::new(at, chance.id()),
            structure,
            residents,
            is_floating,
            contact_phone,
            near: dwelling.near,
            ends_at: None,
            has_moved: false,
        };
        let dwelling = dwelling.fields.with("status", status);
        (home, Action::RegisterHousehold { fields, dwelling, residents: registered })
    }

    /// Those who can answer for the home at `at`.
    pub(super) fn adults(&self, at: Instant) -> impl Iterator<Item = &Resident> {
        let this_year = year(at);
        self.residents
            .iter()
            .filter(move |resident| resident.age(this_year) >= ADULT && resident.leaves_at.is_none_or(|left| at < left))
    }

    /// How a leader speaks of who answers for the home at `at`.
    pub(super) fn spoken_of(&self, at: Instant) -> String {
        let head = self.adults(at).next().unwrap_or(&self.residents[0]);
        familiar(head.person.surname, head.person.sex, head.age(year(at)))
    }
}

impl Resident {
    /// A person who gets an id, work and perhaps a telephone at `at`.
    pub(super) fn new(chance: &mut Chance, at: Instant, person: Person, is_village: bool) -> Self {
        let age = year(at) - person.birth_year;
        let has_phone = match age {
            ..10 => 0,
            10..16 => 40,
            16..76 => 94,
            _ => 70,
        };
        Self {
            id: ResidentId::new(at, chance.id()),
            membership: MembershipId::new(at, chance.id()),
            employment: employment(chance, age, person.sex, is_village),
            birth_date: format!("{}-{:02}-{:02}", person.birth_year, chance.within(1..=12), chance.within(1..=28)),
            phone: chance.percent(has_phone).then(|| chance.mobile()),
            leaves_at: None,
            person,
        }
    }

    /// A child born on the day of `born`, registered at `at`.
    pub(super) fn newborn(chance: &mut Chance, at: Instant, born: Instant, person: Person) -> Self {
        Self { birth_date: date(born), ..Self::new(chance, at, person, false) }
    }

    /// Years of age at the end of `year`.
    pub(super) fn age(&self, year: i32) -> i32 {
        year - self.person.birth_year
    }

    /// Their record and stay, which began on the date `since` or with their birth.
    pub(super) fn registration(
        &self,
        chance: &mut Chance,
        residence_kind: &str,
        guardian: Option<&str>,
        since: &str,
    ) -> NewResident {
        let person = &self.person;
        let age = self.id.made_at().map_or(0, |at| self.age(year(at)));
        let mut fields = Fields::new()
            .with("name", format!("{}{}", person.surname, person.given_name).as_str())
            .with("sex", person.sex.code())
            .with("birth_date", self.birth_date.as_str())
            .with("residence_kind", residence_kind);
        if let Some(code) = self.employment {
            fields = fields.with("employment", code);
            if let Some(occupation) = occupation(chance, code, age) {
                fields = fields.with("occupation", occupation);
            }
        }
        if let Some(phone) = &self.phone {
            fields = fields.with("phone", phone.as_str());
            if chance.percent(3) {
                fields = fields.with("second_phone", chance.mobile().as_str());
            }
        }
        // Told by consent, so that most say nothing.
        if chance.percent(22) {
            fields =
                fields.with("ethnicity", chance.weighted([("01", 86), ("11", 9), ("02", 2), ("03", 2), ("10", 1)]));
        }
        if let Some(guardian) = guardian {
            fields = fields.with("guardian", guardian);
        }
        let stay = Fields::new().with("relation", person.relation).with("since", since.max(&self.birth_date));
        NewResident { resident: self.id, membership: self.membership, fields, stay }
    }
}

/// What somebody of this age does; none for small children.
fn employment(chance: &mut Chance, age: i32, sex: Sex, is_village: bool) -> Option<&'static str> {
    let retires = if sex == Sex::Male { 60 } else { 55 };
    match age {
        ..6 => None,
        6..18 => Some(PUPIL),
        18..23 if chance.percent(60) => Some(PUPIL),
        18..23 => Some(WORKER),
        age if age >= retires => Some(if is_village && chance.percent(70) { FARMER } else { RETIRED }),
        _ => Some(chance.weighted(WORK.map(|(code, town, village)| (code, if is_village { village } else { town })))),
    }
}

/// An occupation that goes with a code, if one does.
pub(super) fn occupation(chance: &mut Chance, code: &str, age: i32) -> Option<&'static str> {
    if code == PUPIL {
        return Some(match age {
            ..12 => "小学生",
            12..15 => "初中生",
            15..18 => "高中生",
            _ => "大学生",
        });
    }
    let (_, names) = OCCUPATIONS.iter().find(|(known, _)| *known == code)?;
    Some(chance.one_of(names))
}

/// What a leader writes down about a home.
pub(super) fn remark(chance: &mut Chance) -> &'static str {
    chance.one_of(&REMARKS)
}
