//! The demo's district: areas, staff, homes and a year of work, all made up from one seed.
//!
//! Names, addresses and telephone numbers are invented: the district's code names no place and no carrier has the
//! numbers' prefixes. This module knows neither documents nor the registry; it gives domain records and edits. It has
//! no clock and no entropy of its own.
//!
//! **Invariant:** the same seed and the same day give the same district, grid by grid; the smaller size is a selection
//! of the larger one's grids and changes nothing in them.

mod calendar;
mod chance;
mod changes;
mod city;
mod day;
mod dwellings;
mod families;
mod homes;
mod names;
mod needs;
mod notes;
mod organisation;
mod visits;
mod year;

#[cfg(test)]
mod tests;

pub(crate) use city::{City, CityGrid, MOST_HOMES};
pub(crate) use day::KnownHousehold;

use calendar::{DAY_MS, midnight};
use chance::{Chance, Stream};
use dwellings::Ground;
use gridwork_domain::area::Area;
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::{AreaId, HouseholdId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Staff};
use organisation::{Organisation, plan};

/// How much of the district is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// All 99 grids: 18,000 households, some 50,000 residents, some 110,000 visits.
    Full,
    /// Every tenth grid with its leader, some 1,800 households; all communities and all other staff.
    Tenth,
}

/// A grid: one leader's homes.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Its area, which is also the home scope of its documents.
    pub(crate) area: AreaId,
    /// Its leader.
    pub(crate) leader: StaffId,
    /// Homes at the beginning of the year, 160 to 210.
    pub(crate) households: usize,
    /// 0 to 98, the same in either size.
    number: u32,
    ground: Ground,
}

/// The district.
#[derive(Debug, Clone)]
pub(crate) struct District {
    seed: u64,
    begins: Instant,
    organisation: Organisation,
}

/// Days of work that [`District::edits`] gives, all of them before today.
const DAYS_OF_WORK: i64 = 365;

impl District {
    /// Plans the district: areas, staff and grids, but no home yet. `today` is any instant of the day, which must be
    /// on the calendar.
    pub(crate) fn new(seed: u64, size: Size, today: Instant) -> Self {
        let begins = midnight(today).plus_ms(-DAYS_OF_WORK * DAY_MS);
        let organisation = plan(&mut Chance::new(seed, Stream::District), size, begins);
        Self { seed, begins, organisation }
    }

    /// All areas, each after its parent: the district, 3 subdistricts, 10 communities and 2 villages, the grids.
    pub(crate) fn areas(&self) -> &[Area] {
        &self.organisation.areas
    }

    /// All staff with their assignments: the leaders in the order of the grids, then 74 others.
    pub(crate) fn staff(&self) -> &[(Staff, Vec<Assignment>)] {
        &self.organisation.staff
    }

    /// The grids.
    pub(crate) fn grids(&self) -> &[Grid] {
        &self.organisation.grids
    }

    /// All that the leader of a grid recorded in the year, in the order of time: the homes, their needs, then visits,
    /// notes and changes. Made grid by grid, so that nobody need hold the whole year.
    pub(crate) fn edits(&self, grid: &Grid) -> impl Iterator<Item = Edit> + use<> {
        let mut chance = Chance::new(self.seed, Stream::Year { grid: grid.number });
        year::edits(&mut chance, grid, self.begins).into_iter()
    }

    /// What one phone records of a grid on one day, in the order of time: some 30 visits, corrections, notes, needs, one
    /// new household and one new resident. The work begins at `day_start` and takes some nine hours.
    ///
    /// Phones of one grid give different numbers in `phone`, so that their days and ids differ. Only the households given
    /// are touched; with fewer than 13 of them some kinds of work are left out.
    pub(crate) fn day_of_work(
        &self,
        grid: &Grid,
        phone: u16,
        households: &[KnownHousehold],
        day_start: Instant,
    ) -> Vec<(Instant, HouseholdId, Action)> {
        let mut chance = Chance::new(self.seed, Stream::Day { grid: grid.number, phone, day_start });
        day::work(&mut chance, &grid.ground, households, day_start)
    }
}
