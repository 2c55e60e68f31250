//! A city of homes, as large as is asked for, to measure with: one subdistrict after the other on the district's grounds.
//!
//! Nobody visits there: a home is its registration and no more.
//!
//! **Invariant:** the same seed gives the same homes, grid by grid; a larger city begins with the smaller one.

use super::chance::{Chance, Stream};
use super::dwellings::Ground;
use super::families::Structure;
use super::homes::Home;
use super::organisation::{area, estates_of};
use gridwork_domain::area::Area;
use gridwork_domain::edit::Edit;
use gridwork_domain::id::{AreaId, EditId};
use gridwork_domain::instant::Instant;

/// Homes of a grid.
pub(crate) const HOMES: usize = 200;
const GRIDS_OF_COMMUNITY: usize = 10;
const COMMUNITIES_OF_SUBDISTRICT: usize = 10;
/// Homes that a city can have: its subdistricts have three digits, of which the first says what they are.
pub(crate) const MOST_HOMES: usize = 99 * COMMUNITIES_OF_SUBDISTRICT * GRIDS_OF_COMMUNITY * HOMES;
/// One home after the other is registered.
const REGISTRATION_MS: i64 = 1_000;

/// A city.
pub(crate) struct City {
    seed: u64,
    begins: Instant,
    /// Each after its parent, the city itself first.
    pub(crate) areas: Vec<Area>,
    /// Its grids, in order.
    pub(crate) grids: Vec<CityGrid>,
}

/// A grid of a city.
pub(crate) struct CityGrid {
    /// Its area.
    pub(crate) area: AreaId,
    number: u32,
    homes: usize,
    ground: Ground,
}

impl City {
    /// A city with so many homes, at most [`MOST_HOMES`], that begins to be registered at `begins`.
    pub(crate) fn new(seed: u64, homes: usize, begins: Instant) -> Self {
        let mut chance = Chance::new(seed, Stream::District);
        let mut id = || AreaId::new(begins, chance.id());
        let top = id();
        let mut areas = vec![area(top, None, "219902", "量测市")];
        let mut grids: Vec<CityGrid> = Vec::new();
        let places: Vec<_> = estates_of().collect();
        let mut left = homes.min(MOST_HOMES);
        for subdistrict in 1..=99 {
            if left == 0 {
                break;
            }
            let (of, code, name) = (id(), format!("219902{subdistrict:03}"), format!("第{subdistrict}街道"));
            areas.push(area(of, Some(top), &code, &name));
            for number in 1..=COMMUNITIES_OF_SUBDISTRICT {
                let (like, community) = (places[(number - 1) % places.len()], id());
                let (code, named) = (format!("{code}{number:03}"), format!("{name}{}", like.1));
                areas.push(area(community, Some(of), &code, &named));
                for ordinal in 1..=GRIDS_OF_COMMUNITY {
                    let grid = id();
                    let homes = left.min(HOMES);
                    left -= homes;
                    if homes == 0 {
                        break;
                    }
                    areas.push(area(
                        grid,
                        Some(community),
                        &format!("{code}{ordinal:03}"),
                        &format!("第{ordinal}网格"),
                    ));
                    let ground =
                        Ground::new(format!("量测市{name}"), like.1, like.0, ordinal, (42_000_000, 124_000_000));
                    grids.push(CityGrid { area: grid, number: grids.len() as u32, homes, ground });
                }
            }
        }
        Self { seed, begins, areas, grids }
    }

    /// How many homes it has.
    pub(crate) fn homes(&self) -> usize {
        self.grids.iter().map(|grid| grid.homes).sum()
    }

    /// The registrations of a grid's homes.
    pub(crate) fn edits(&self, grid: &CityGrid) -> Vec<Edit> {
        let mut chance = Chance::new(self.seed, Stream::Homes { grid: grid.number });
        let structures = Structure::several(&mut chance, false, grid.homes).into_iter().enumerate();
        let edits = structures.map(|(place, structure)| {
            let at = self.begins.plus_ms(place as i64 * REGISTRATION_MS);
            let dwelling = grid.ground.dwelling(place);
            let (home, action) = Home::settle(&mut chance, at, structure, &grid.ground, dwelling);
            Edit { id: EditId::new(at, chance.id()), at, household: home.id, action }
        });
        edits.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_city_has_as_many_homes_as_are_asked_for_each_of_its_own() {
        let city = City::new(7, 2_150, Instant::from_ms(1_700_000_000_000));
        let homes: BTreeSet<_> =
            city.grids.iter().flat_map(|grid| city.edits(grid)).map(|edit| edit.household).collect();
        assert_eq!((homes.len(), city.grids.len()), (2_150, 11));
        let codes: BTreeSet<_> = city.areas.iter().map(|area| area.code.as_str()).collect();
        assert_eq!(codes.len(), city.areas.len());
    }
}
