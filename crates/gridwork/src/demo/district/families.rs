//! Families: who lives together, of what age and name, and how they are related to the head of the household.
//!
//! Relations are codes of GB/T 4761. It does not know dwellings or telephones.
//!
//! **Invariant:** exactly one person is the head, the first; parents are 21 years or more older than their children.

use super::chance::Chance;
use super::names::{Sex, given_name, surname};

/// The relation of the head to the head 户主.
pub(super) const HEAD: &str = "02";
const HUSBAND: &str = "11";
const WIFE: &str = "12";
const ONLY_SON: &str = "21";
const ONLY_DAUGHTER: &str = "31";
const NOT_RELATED: &str = "99";
const YOUNGEST_PARENT: i32 = 21;
/// Age at which grown children have left their parents' home, unless they stay for good.
const LEAVES_HOME: i32 = 26;

/// Who lives together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// One person of working age.
    Alone,
    /// One person of 65 or more.
    ElderAlone,
    /// A couple of 65 or more, whose children have left.
    ElderCouple,
    /// A couple without children at home.
    Couple,
    /// A couple with one to three children.
    Family,
    /// A mother or father with children.
    SingleParent,
    /// Children, their parents and one or two grandparents.
    ThreeGenerations,
    /// One or two elders with a grown child.
    GrownChild,
    /// Grandparents with the children of parents who work elsewhere.
    Grandparents,
    /// Migrants who share a dwelling.
    Sharing,
    /// A family that came from elsewhere.
    MigrantFamily,
}

/// Shares in which structures are counted.
const SHARES: u32 = 1_000;

/// How many of 1,000 households are of each structure: in communities, in villages.
const STRUCTURES: [(Structure, u32, u32); 11] = [
    (Structure::Alone, 70, 50),
    (Structure::ElderAlone, 85, 105),
    (Structure::ElderCouple, 120, 160),
    (Structure::Couple, 90, 85),
    (Structure::Family, 360, 240),
    (Structure::SingleParent, 45, 30),
    (Structure::ThreeGenerations, 140, 190),
    (Structure::GrownChild, 40, 45),
    (Structure::Grandparents, 15, 65),
    (Structure::Sharing, 18, 5),
    (Structure::MigrantFamily, 17, 25),
];

/// A person, as a family has them.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) surname: &'static str,
    pub(super) given_name: String,
    pub(super) sex: Sex,
    pub(super) birth_year: i32,
    /// To the head: a code of GB/T 4761.
    pub(super) relation: &'static str,
}

impl Structure {
    /// One by chance, each as common as it is in communities or villages.
    pub(super) fn any(chance: &mut Chance, is_village: bool) -> Self {
        Self::at(chance.within(0..SHARES), is_village)
    }

    /// Those of `count` households in a random order. Their shares are kept to, so that no grid is unlike the others by
    /// chance alone.
    pub(super) fn several(chance: &mut Chance, is_village: bool, count: usize) -> Vec<Self> {
        let start = chance.within(0..SHARES);
        let point = |place| (place as u32 * SHARES + start) / count as u32;
        let mut structures: Vec<_> = (0..count).map(|place| Self::at(point(place), is_village)).collect();
        chance.shuffle(&mut structures);
        structures
    }

    /// The one to which this of all [`SHARES`] falls.
    fn at(share: u32, is_village: bool) -> Self {
        let mut passed = 0;
        STRUCTURES
            .into_iter()
            .find_map(|(structure, in_town, in_village)| {
                passed += if is_village { in_village } else { in_town };
                (share < passed).then_some(structure)
            })
            .expect("the list gives away all shares, which a test adds up")
    }

    /// Whether they came from elsewhere and are counted where they work.
    pub(super) fn is_floating(self) -> bool {
        matches!(self, Self::Sharing | Self::MigrantFamily)
    }
}

/// The persons of a household, the head first, with their ages counted at the end of `year`.
pub(super) fn family(chance: &mut Chance, structure: Structure, year: i32) -> Vec<Person> {
    let mut family = Family { chance, year, persons: Vec::new() };
    match structure {
        Structure::Alone => {
            let (sex, age) = (family.sex(50), family.chance.within(22..=59));
            family.add(HEAD, sex, age, None);
        }
        Structure::ElderAlone => {
            let (sex, age) = (family.sex(35), family.chance.within(66..=93));
            family.add(HEAD, sex, age, None);
        }
        Structure::ElderCouple => {
            let age = family.chance.within(67..=86);
            family.couple(age, 66);
        }
        Structure::Couple => {
            let age = family.chance.within(25..=62);
            family.couple(age, 22);
        }
        Structure::Family | Structure::MigrantFamily => {
            let age = family.chance.within(27..=54);
            let couple = family.couple(age, 23);
            family.children(couple, Line::Own);
        }
        Structure::SingleParent => {
            let (sex, age) = (family.sex(30), family.chance.within(28..=52));
            let own = family.add(HEAD, sex, age, None);
            let other = surname(family.chance);
            let surnames = if sex == Sex::Male { (own, other) } else { (other, own) };
            family.children(Couple { surnames, younger: age }, Line::Own);
        }
        Structure::ThreeGenerations => family.three_generations(),
        Structure::GrownChild => {
            let age = family.chance.within(58..=86);
            let couple = if family.chance.percent(50) { family.couple(age, 57) } else { family.lone_elder(age) };
            let child = family.chance.within(28..=couple.younger - YOUNGEST_PARENT);
            let (sex, name) = (family.sex(60), family.inherited(couple.surnames));
            family.add(if sex == Sex::Male { ONLY_SON } else { ONLY_DAUGHTER }, sex, child, Some(name));
        }
        Structure::Grandparents => {
            let age = family.chance.within(54..=74);
            let couple = if family.chance.percent(65) { family.couple(age, 52) } else { family.lone_elder(age) };
            let of_son = family.chance.percent(75);
            let father = if of_son { couple.surnames.0 } else { surname(family.chance) };
            let parents = Couple { surnames: (father, father), younger: couple.younger - YOUNGEST_PARENT - 2 };
            family.children(parents, if of_son { Line::OfSon } else { Line::OfDaughter });
        }
        Structure::Sharing => {
            for place in 0..family.chance.within(2..=5) {
                let (sex, age) = (family.sex(60), family.chance.within(19..=42));
                family.add(if place == 0 { HEAD } else { NOT_RELATED }, sex, age, None);
            }
        }
    }
    family.persons
}

/// A child born to a couple that had none: the relation and sex are the child's.
pub(super) fn newborn(chance: &mut Chance, father: &'static str, birth_year: i32) -> Person {
    let mut family = Family { chance, year: birth_year, persons: Vec::new() };
    let sex = family.sex(52);
    family.add(if sex == Sex::Male { ONLY_SON } else { ONLY_DAUGHTER }, sex, 0, Some(father));
    family.persons.remove(0)
}

/// A relative of the household who moves in.
pub(super) fn relative(chance: &mut Chance, year: i32) -> Person {
    let mut family = Family { chance, year, persons: Vec::new() };
    let (sex, age) = (family.sex(50), family.chance.within(18..=60));
    family.add("97", sex, age, None);
    family.persons.remove(0)
}

/// Father's and mother's surnames, and the age of the younger.
#[derive(Clone, Copy)]
struct Couple {
    surnames: (&'static str, &'static str),
    younger: i32,
}

/// Whose children they are, as seen from the head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Own,
    OfSon,
    OfDaughter,
}

struct Family<'a> {
    chance: &'a mut Chance,
    year: i32,
    persons: Vec<Person>,
}

impl Family<'_> {
    fn sex(&mut self, male_percent: u32) -> Sex {
        if self.chance.percent(male_percent) { Sex::Male } else { Sex::Female }
    }

    fn add(&mut self, relation: &'static str, sex: Sex, age: i32, name: Option<&'static str>) -> &'static str {
        let surname = name.unwrap_or_else(|| surname(self.chance));
        let birth_year = self.year - age;
        let given_name = given_name(self.chance, sex, birth_year);
        self.persons.push(Person { surname, given_name, sex, birth_year, relation });
        surname
    }

    /// Mostly the father's surname.
    fn inherited(&mut self, (father, mother): (&'static str, &'static str)) -> &'static str {
        if self.chance.percent(94) { father } else { mother }
    }

    /// A couple, of which either may be the head. The man has this age, the woman this one at least.
    fn couple(&mut self, age: i32, youngest_wife: i32) -> Couple {
        let wife = (age - self.chance.within(-2..=5)).max(youngest_wife);
        let surnames = if self.chance.percent(75) {
            let man = self.add(HEAD, Sex::Male, age, None);
            (man, self.add(WIFE, Sex::Female, wife, None))
        } else {
            let woman = self.add(HEAD, Sex::Female, wife, None);
            (self.add(HUSBAND, Sex::Male, age, None), woman)
        };
        Couple { surnames, younger: age.min(wife) }
    }

    /// One of a couple, the other having died.
    fn lone_elder(&mut self, age: i32) -> Couple {
        let sex = self.sex(25);
        let own = self.add(HEAD, sex, age, None);
        let other = surname(self.chance);
        Couple { surnames: if sex == Sex::Male { (own, other) } else { (other, own) }, younger: age }
    }

    /// One to three children of these parents, the eldest first.
    fn children(&mut self, parents: Couple, line: Line) {
        let count = self.chance.weighted([(1, 68), (2, 28), (3, 4)]);
        let mut ages = vec![self.chance.within(1..=(parents.younger - YOUNGEST_PARENT).clamp(1, LEAVES_HOME))];
        while ages.len() < count {
            let younger = ages[ages.len() - 1] - self.chance.within(2..=6);
            if younger < 1 {
                break;
            }
            ages.push(younger);
        }
        let is_only = ages.len() == 1;
        let (mut sons, mut daughters) = (0, 0);
        for age in ages {
            let sex = self.sex(52);
            let earlier = if sex == Sex::Male { &mut sons } else { &mut daughters };
            let relation = match (line, sex) {
                (Line::Own, Sex::Male) if is_only => ONLY_SON,
                (Line::Own, Sex::Female) if is_only => ONLY_DAUGHTER,
                (Line::Own, Sex::Male) => ["22", "23", "24"][*earlier],
                (Line::Own, Sex::Female) => ["32", "33", "34"][*earlier],
                (Line::OfSon, Sex::Male) => "41",
                (Line::OfSon, Sex::Female) => "42",
                (Line::OfDaughter, Sex::Male) => "43",
                (Line::OfDaughter, Sex::Female) => "44",
            };
            *earlier += 1;
            let name = self.inherited(parents.surnames);
            self.add(relation, sex, age, Some(name));
        }
    }

    /// A couple with children and with the parents of one of them; the head is an elder or one of the couple.
    fn three_generations(&mut self) {
        let of_husband = self.chance.percent(80);
        let stem_age = self.chance.within(28..=49);
        let spouse_age = (stem_age + self.chance.within(-4..=4)).max(24);
        let (stem_name, spouse_name) = (surname(self.chance), surname(self.chance));
        let stem_sex = if of_husband { Sex::Male } else { Sex::Female };
        let surnames = if of_husband { (stem_name, spouse_name) } else { (spouse_name, stem_name) };
        let parents = Couple { surnames, younger: stem_age.min(spouse_age) };

        let grandfather = stem_age + self.chance.within(23..=33);
        let grandmother = stem_age + self.chance.within(YOUNGEST_PARENT..=30);
        let grandmother_name = surname(self.chance);
        let elders = self.chance.weighted([
            (vec![(Sex::Male, grandfather, stem_name), (Sex::Female, grandmother, grandmother_name)], 55),
            (vec![(Sex::Female, grandmother, grandmother_name)], 33),
            (vec![(Sex::Male, grandfather, stem_name)], 12),
        ]);

        if self.chance.percent(45) {
            for (place, (sex, age, name)) in elders.into_iter().enumerate() {
                self.add(if place == 0 { HEAD } else { WIFE }, sex, age, Some(name));
            }
            let (child, in_law) = if of_husband { (ONLY_SON, "38") } else { (ONLY_DAUGHTER, "28") };
            self.add(child, stem_sex, stem_age, Some(stem_name));
            self.add(in_law, stem_sex.other(), spouse_age, Some(spouse_name));
            self.children(parents, if of_husband { Line::OfSon } else { Line::OfDaughter });
            return;
        }
        let stem_is_head = self.chance.percent(if of_husband { 85 } else { 40 });
        let partner = |sex| if sex == Sex::Male { HUSBAND } else { WIFE };
        let (father, mother) = match (stem_is_head, of_husband) {
            (true, _) => ("51", "52"),
            (false, true) => ("53", "54"),
            (false, false) => ("55", "56"),
        };
        if stem_is_head {
            self.add(HEAD, stem_sex, stem_age, Some(stem_name));
            self.add(partner(stem_sex.other()), stem_sex.other(), spouse_age, Some(spouse_name));
        } else {
            self.add(HEAD, stem_sex.other(), spouse_age, Some(spouse_name));
            self.add(partner(stem_sex), stem_sex, stem_age, Some(stem_name));
        }
        self.children(parents, Line::Own);
        for (sex, age, name) in elders {
            self.add(if sex == Sex::Male { father } else { mother }, sex, age, Some(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::Stream;
    use super::*;

    fn families(structure: Structure) -> Vec<Vec<Person>> {
        let mut chance = Chance::new(7, Stream::District);
        (0..2_000).map(|_| family(&mut chance, structure, 2026)).collect()
    }

    fn all() -> impl Iterator<Item = Vec<Person>> {
        STRUCTURES.into_iter().flat_map(|(structure, ..)| families(structure))
    }

    #[test]
    fn the_shares_of_structures_are_all_given_away() {
        assert_eq!(STRUCTURES.iter().map(|(_, town, _)| town).sum::<u32>(), SHARES);
        assert_eq!(STRUCTURES.iter().map(|(_, _, village)| village).sum::<u32>(), SHARES);
    }

    #[test]
    fn each_household_has_one_head_who_comes_first() {
        for family in all() {
            let heads: Vec<_> = (0..family.len()).filter(|place| family[*place].relation == HEAD).collect();
            assert_eq!(heads, [0], "{family:?}");
        }
    }

    #[test]
    fn a_child_is_younger_than_its_parent_and_older_than_its_own_child() {
        for family in all() {
            let head = &family[0];
            for person in &family {
                let years = person.birth_year - head.birth_year;
                let fits = match person.relation.parse().expect("a number") {
                    20..=27 | 29..=37 | 39 => years >= YOUNGEST_PARENT,
                    40..=49 => years >= 2 * YOUNGEST_PARENT,
                    51 | 52 => years <= -YOUNGEST_PARENT,
                    53..=56 => years <= 4 - YOUNGEST_PARENT,
                    11 | 12 => years.abs() <= 12,
                    _ => true,
                };
                assert!(fits && (0..=96).contains(&(2026 - person.birth_year)), "{family:?}");
            }
        }
    }

    #[test]
    fn relations_name_the_right_sex_and_a_spouse_has_the_other() {
        for family in all() {
            for person in &family {
                let male = ["11", "21", "22", "23", "24", "28", "41", "43", "51", "53", "55"];
                let either = [HEAD, NOT_RELATED];
                let fits =
                    either.contains(&person.relation) || male.contains(&person.relation) == (person.sex == Sex::Male);
                assert!(fits, "{family:?}");
                let is_spouse = [HUSBAND, WIFE].contains(&person.relation);
                assert!(!is_spouse || person.sex == family[0].sex.other(), "{family:?}");
            }
        }
    }

    #[test]
    fn children_mostly_bear_their_fathers_surname() {
        let children: Vec<_> = families(Structure::Family)
            .into_iter()
            .flat_map(|family| {
                let father = family.iter().find(|person| person.sex == Sex::Male).unwrap().surname;
                family.into_iter().skip(2).map(move |child| child.surname == father)
            })
            .collect();
        let share = children.iter().filter(|is_fathers| **is_fathers).count() * 100 / children.len();
        assert!((90..100).contains(&share), "{share}%");
    }
}
