//! Areas in JSON.

use super::Person;
use super::staff::OfficeHolderBody;
use gridwork_domain::area::Area;
use gridwork_registry::{AreaDetail, AreaView};
use serde::Serialize;
use utoipa::ToSchema;

/// An area 区划.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Area)]
pub(crate) struct AreaBody {
    /// Its id, which never changes.
    id: String,
    /// The area that contains it; none for the district.
    #[schema(required = true)]
    parent: Option<String>,
    /// Its division code: 6, 9, 12 or 15 digits.
    #[schema(example = "210404001005003")]
    code: String,
    /// Its name.
    #[schema(example = "三公里社区第三网格")]
    name: String,
    /// Other names under which it is known.
    #[schema(example = json!(["三公社区第三网格"]))]
    aliases: Vec<String>,
    /// First day on which code and name hold.
    #[schema(format = Date)]
    valid_from: String,
    /// Its last day; null while it is open.
    #[schema(required = true, format = Date)]
    valid_until: Option<String>,
    /// The area that took its place; null if none did.
    #[schema(required = true, example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    successor: Option<String>,
    /// Households within it, as far as you may read.
    households: u64,
}

/// An area 区划 with who works there and what it was called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AreaDetail)]
pub(crate) struct AreaDetailBody {
    /// The area.
    area: AreaBody,
    /// Who is accountable for it now; null if nobody leads it, or it is no grid.
    #[schema(required = true)]
    leader: Option<LeaderBody>,
    /// Terms of office in this very area, the latest first; also those that ended or are to come. The latest 200.
    offices: Vec<OfficeHolderBody>,
    /// Codes and names that it has and had, the latest first.
    namings: Vec<NamingBody>,
}

/// Who is accountable for a grid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leader)]
pub(crate) struct LeaderBody {
    /// The grid leader 网格长.
    staff: Person,
    /// From this instant: milliseconds since 1970-01-01 UTC.
    from_ms: i64,
}

/// What an area is or was called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AreaNaming)]
pub(crate) struct NamingBody {
    /// The division code.
    #[schema(example = "210404001005003")]
    code: String,
    /// The name.
    #[schema(example = "三公里社区第三网格")]
    name: String,
    /// Other names.
    #[schema(example = json!(["三公社区第三网格"]))]
    aliases: Vec<String>,
    /// The first day.
    #[schema(format = Date)]
    valid_from: String,
    /// The last day; null while it holds.
    #[schema(required = true, format = Date)]
    valid_until: Option<String>,
}

impl From<AreaView> for AreaBody {
    fn from(AreaView { area, households }: AreaView) -> Self {
        Self {
            id: area.id.to_string(),
            parent: area.parent.map(|parent| parent.to_string()),
            code: area.code.to_string(),
            name: area.name,
            aliases: area.aliases,
            valid_from: area.valid_from,
            valid_until: area.valid_until,
            successor: area.successor.map(|successor| successor.to_string()),
            households,
        }
    }
}

impl From<Area> for NamingBody {
    fn from(area: Area) -> Self {
        let Area { code, name, aliases, valid_from, valid_until, .. } = area;
        Self { code: code.to_string(), name, aliases, valid_from, valid_until }
    }
}

impl From<AreaDetail> for AreaDetailBody {
    fn from(view: AreaDetail) -> Self {
        let leader = view.leader.map(|one| LeaderBody { staff: one.staff.into(), from_ms: one.from.ms() });
        Self {
            area: view.area.into(),
            leader,
            offices: view.offices.into_iter().map(Into::into).collect(),
            namings: view.namings.into_iter().map(Into::into).collect(),
        }
    }
}
