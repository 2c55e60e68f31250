//! The ground of a grid: its buildings or its village group, and the doors in them.
//!
//! It does not know who lives behind a door.
//!
//! **Invariant:** in a grid each number of a door is a dwelling of its own, and grids of one estate share no building.

use gridwork_domain::division_code::{CommunityKind, DivisionCode};
use gridwork_domain::fields::Fields;

/// Doors of a grid that [`Ground::dwelling`] knows at most.
pub(super) const DOORS: usize = 280;
/// From this door on nobody lives there at the beginning of the year.
pub(super) const FREE_FROM: usize = 240;

/// Microdegrees of latitude and longitude that a metre is, at 42 degrees north.
pub(super) const METRE: (i32, i32) = (9, 12);

/// How the buildings of an estate are built.
#[derive(Debug, Clone, Copy)]
struct Shape {
    units: usize,
    floors: usize,
    doors: usize,
    /// Buildings that make up a grid.
    buildings: usize,
}

const OLD: Shape = Shape { units: 3, floors: 6, doors: 2, buildings: 8 };
const NEW: Shape = Shape { units: 2, floors: 11, doors: 2, buildings: 7 };
const TOWER: Shape = Shape { units: 1, floors: 26, doors: 4, buildings: 3 };

#[derive(Debug, Clone)]
enum Plan {
    /// A group of a village.
    Group { name: String },
    /// Buildings of an estate.
    Estate { name: &'static str, street: String, shape: Shape, first_building: usize },
}

/// The ground of a grid.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    prefix: String,
    plan: Plan,
    /// Its corner in 10^-6 degree.
    corner: (i32, i32),
    is_old: bool,
}

/// A dwelling.
#[derive(Debug, Clone)]
pub(super) struct Dwelling {
    /// Address, building, unit, floor and door, without the status.
    pub(super) fields: Fields,
    /// Latitude and longitude in 10^-6 degree.
    pub(super) near: (i32, i32),
}

impl Ground {
    /// The ground of the grid with this ordinal in a community, whose addresses begin with `prefix`.
    pub(super) fn new(prefix: String, community: &str, code: &str, ordinal: usize, middle: (i32, i32)) -> Self {
        let estates: Vec<_> = include_str!("estates.csv")
            .lines()
            .filter_map(|line| line.strip_prefix(code)?.strip_prefix(','))
            .filter_map(|line| <[&str; 4]>::try_from(line.split(',').collect::<Vec<_>>()).ok())
            .collect();
        let is_village = DivisionCode::parse(code).ok().and_then(|code| code.community_kind())
            == Some(CommunityKind::VillagersCommittee);
        let plan = if is_village {
            Plan::Group { name: format!("{community}{ordinal}组") }
        } else {
            let [name, street, number, shape] = estates[(ordinal - 1) % estates.len()];
            let shape = match shape {
                "old" => OLD,
                "new" => NEW,
                _ => TOWER,
            };
            let first_building = 1 + (ordinal - 1) / estates.len() * shape.buildings;
            Plan::Estate { name, street: format!("{street}{number}号"), shape, first_building }
        };
        let is_old = matches!(&plan, Plan::Estate { shape, .. } if shape.floors == OLD.floors);
        let (row, column) = ((ordinal as i32 - 1) / 4, (ordinal as i32 - 1) % 4);
        let corner = (middle.0 - row * 240 * METRE.0, middle.1 + column * 240 * METRE.1);
        Self { prefix, plan, corner, is_old }
    }

    /// Whether it is a village's.
    pub(super) fn is_village(&self) -> bool {
        matches!(self.plan, Plan::Group { .. })
    }

    /// Whether it is an estate of old buildings without lifts.
    pub(super) fn is_old(&self) -> bool {
        self.is_old
    }

    /// The dwelling behind a door, of which there are [`DOORS`].
    pub(super) fn dwelling(&self, door: usize) -> Dwelling {
        let prefix = &self.prefix;
        match &self.plan {
            Plan::Group { name } => {
                let number = format!("{}号", door + 1);
                let fields = Fields::new()
                    .with("address", format!("{prefix}{name}{number}").as_str())
                    .with("building", name.as_str())
                    .with("door", number.as_str());
                Dwelling { fields, near: self.near(door / 4) }
            }
            Plan::Estate { name, street, shape, first_building } => {
                let in_unit = shape.floors * shape.doors;
                let (building, in_building) = (door / (in_unit * shape.units), door % (in_unit * shape.units));
                let unit = in_building / in_unit + 1;
                let floor = in_building % in_unit / shape.doors + 1;
                let number = format!("{floor}{:02}", in_building % shape.doors + 1);
                let house = format!("{name}{}号楼", first_building + building);
                let fields = Fields::new()
                    .with("address", format!("{prefix}{street}{house}{unit}单元{number}室").as_str())
                    .with("building", house.as_str())
                    .with("unit", format!("{unit}单元").as_str())
                    .with("floor", floor as i64)
                    .with("door", number.as_str());
                Dwelling { fields, near: self.near(building * 8) }
            }
        }
    }

    /// Houses stand in rows of eight, 30 metres apart.
    fn near(&self, house: usize) -> (i32, i32) {
        let (row, column) = ((house / 8) as i32, (house % 8) as i32);
        (self.corner.0 - row * 30 * METRE.0, self.corner.1 + column * 30 * METRE.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_doors_of_a_community_have_the_same_address() {
        for (community, code) in [("繁荣社区", "219901001001"), ("苔青村", "219901101200")] {
            let addresses: BTreeSet<_> = (1..=10)
                .map(|ordinal| Ground::new("示范区".into(), community, code, ordinal, (0, 0)))
                .flat_map(|ground| (0..DOORS).map(move |door| ground.dwelling(door)))
                .map(|dwelling| dwelling.fields.0["address"].clone())
                .collect();
            assert_eq!(addresses.len(), 10 * DOORS);
        }
    }

    #[test]
    fn an_address_names_building_unit_floor_and_door() {
        let ground = Ground::new("示范区繁荣街道".into(), "繁荣社区", "219901001001", 5, (0, 0));
        let fields = ground.dwelling(36 + 12 + 5).fields;
        let shown: Vec<_> = fields.iter().filter_map(|(_, value)| Some(value?.to_string())).collect();
        assert_eq!(shown, ["示范区繁荣街道繁荣路16号繁荣小区10号楼2单元302室", "繁荣小区10号楼", "302", "3", "2单元"]);
    }
}
