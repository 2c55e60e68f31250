//! Who works where: areas from the list beside this module, and staff with their terms of office.
//!
//! It does not know homes, only how many each grid has.
//!
//! **Invariant:** each grid has one leader; 99 grids have [`HOUSEHOLDS`] homes together.

use super::calendar::DAY_MS;
use super::chance::Chance;
use super::dwellings::Ground;
use super::names::{Sex, given_name, surname};
use super::{Grid, Size};
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::{AreaId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};

/// Homes in all 99 grids.
const HOUSEHOLDS: usize = 18_000;
const FEWEST_IN_GRID: usize = 160;
const MOST_IN_GRID: usize = 210;
/// A leader's term of office.
const TERM_DAYS: i64 = 3 * 365;

/// One line of `areas.csv`.
struct Place {
    code: &'static str,
    name: &'static str,
    alias: &'static str,
    /// Grids of a community; 0 for what is above.
    grids: usize,
    /// Middle of a community, in 10^-6 degree.
    middle: (i32, i32),
}

fn places() -> impl Iterator<Item = Place> {
    include_str!("areas.csv").lines().skip(1).filter_map(|line| {
        let mut cells = line.split(',');
        let (code, name, alias) = (cells.next()?, cells.next()?, cells.next()?);
        let mut number = || cells.next().and_then(|cell| cell.parse::<i32>().ok()).unwrap_or(0);
        let grids = usize::try_from(number()).unwrap_or(0);
        Some(Place { code, name, alias, grids, middle: (number(), number()) })
    })
}

/// Code and name of the communities of estates, which have no village among them.
pub(super) fn estates_of() -> impl Iterator<Item = (&'static str, &'static str)> {
    places().filter(|place| place.grids > 0 && place.name.ends_with("社区")).map(|place| (place.code, place.name))
}

/// Areas, staff and grids.
#[derive(Debug, Clone)]
pub(super) struct Organisation {
    /// Each after its parent.
    pub(super) areas: Vec<Area>,
    /// The leaders in the order of the grids, then all others.
    pub(super) staff: Vec<(Staff, Vec<Assignment>)>,
    pub(super) grids: Vec<Grid>,
}

/// The organisation of this size, in which all begin to work at `begins`.
pub(super) fn plan(chance: &mut Chance, size: Size, begins: Instant) -> Organisation {
    let mut areas: Vec<Area> = Vec::new();
    let mut grids = Vec::new();
    let mut leaders = Vec::new();
    let mut address = Vec::new();
    let mut homes = homes_per_grid(chance, places().map(|place| place.grids).sum()).into_iter();
    for place in places() {
        let parent = areas.iter().rfind(|area| place.code.starts_with(area.code.as_str())).map(|area| area.id);
        let area = area(AreaId::new(begins, chance.id()), parent, place.code, place.name);
        let community = area.id;
        areas.push(Area {
            aliases: Some(place.alias.to_owned()).filter(|alias| !alias.is_empty()).into_iter().collect(),
            ..area
        });
        // An address begins with the district and the subdistrict, which stand before their communities in the list.
        address.truncate((place.code.len() - 6) / 3);
        address.push(place.name);
        for (ordinal, households) in (1..=place.grids).zip(&mut homes) {
            let number = leaders.len() as u32;
            let id = AreaId::new(begins, chance.id());
            let leader = appoint(chance, begins, Role::GridLeader, &format!("leader{:03}", number + 1), id);
            let kept = size == Size::Full || number % 10 == 2;
            if kept {
                let name = format!("{}第{ordinal}网格", place.name);
                areas.push(self::area(id, Some(community), &format!("{}{ordinal:03}", place.code), &name));
                let ground = Ground::new(address[..2].concat(), place.name, place.code, ordinal, place.middle);
                grids.push(Grid { area: id, leader: leader.0.id, households, number, ground });
            }
            leaders.push((kept, leader));
        }
    }
    let mut staff: Vec<_> = leaders.into_iter().filter_map(|(kept, leader)| kept.then_some(leader)).collect();
    staff.extend(others(chance, begins, &areas));
    Organisation { areas, staff, grids }
}

pub(super) fn area(id: AreaId, parent: Option<AreaId>, code: &str, name: &str) -> Area {
    Area {
        id,
        parent,
        code: DivisionCode::parse(code).expect("areas.csv holds division codes, and no community has 1,000 grids"),
        name: name.to_owned(),
        aliases: vec![],
        valid_from: "2020-01-01".to_owned(),
        valid_until: None,
        successor: None,
    }
}

/// So many homes in each grid that they are [`HOUSEHOLDS`] together.
fn homes_per_grid(chance: &mut Chance, grids: usize) -> Vec<usize> {
    let mut homes: Vec<_> =
        (0..grids).map(|grid| HOUSEHOLDS * (grid + 1) / grids - HOUSEHOLDS * grid / grids).collect();
    for _ in 0..grids * 100 {
        let (from, to) = (chance.within(0..grids), chance.within(0..grids));
        if from != to && homes[from] > FEWEST_IN_GRID && homes[to] < MOST_IN_GRID {
            homes[from] -= 1;
            homes[to] += 1;
        }
    }
    homes
}

/// All who are no grid leaders, by the list of posts: the places of a post are shared out among the areas of its level.
fn others(chance: &mut Chance, begins: Instant, areas: &[Area]) -> Vec<(Staff, Vec<Assignment>)> {
    let mut staff = Vec::new();
    for line in include_str!("staff.csv").lines().skip(1) {
        let [role, sign_in, count, digits] = line.split(',').collect::<Vec<_>>()[..] else { continue };
        let (Some(role), Ok(count), Ok(digits)) = (Role::from_word(role), count.parse(), digits.parse::<usize>())
        else {
            continue;
        };
        let within: Vec<_> = areas.iter().filter(|area| area.code.as_str().len() == digits).collect();
        for (place, area) in (1..=count).zip(within.iter().cycle()) {
            let sign_in = if count == 1 { sign_in.to_owned() } else { format!("{sign_in}{place:02}") };
            staff.push(appoint(chance, begins, role, &sign_in, area.id));
        }
    }
    staff
}

fn appoint(chance: &mut Chance, begins: Instant, role: Role, sign_in: &str, area: AreaId) -> (Staff, Vec<Assignment>) {
    let id = StaffId::new(begins, chance.id());
    let sex = if chance.percent(65) { Sex::Female } else { Sex::Male };
    let birth_year = chance.within(1968..=1999);
    let name = format!("{}{}", surname(chance), given_name(chance, sex, birth_year));
    let until = (role == Role::GridLeader).then(|| begins.plus_ms(TERM_DAYS * DAY_MS));
    let assignment = Assignment { staff: id, role, area, from: begins, until };
    (Staff { id, name, sign_in: sign_in.to_owned() }, vec![assignment])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_read() {
        assert_eq!(places().count(), include_str!("areas.csv").lines().count() - 1);
        assert_eq!(places().map(|place| place.grids).sum::<usize>(), 99);
        for place in places() {
            let is_community = place.code.len() == 12;
            assert_eq!(place.grids > 0 && place.middle.0 > 0 && place.middle.1 > 0, is_community, "{}", place.name);
        }
        let posts = include_str!("staff.csv").lines().skip(1).map(|line| line.split(',').nth(2).unwrap());
        assert_eq!(posts.map(|count| count.parse::<usize>().unwrap()).sum::<usize>(), 74);
    }
}
