//! Staff and their devices in JSON.

use super::{AreaReference, Person};
use gridwork_domain::instant::Instant;
use gridwork_registry::{AreaOffice, DeviceView, OfficeView, StaffView, WatchedDevice};
use serde::Serialize;
use utoipa::ToSchema;

/// A member of staff 人员.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Staff)]
pub(crate) struct StaffBody {
    /// Their id.
    #[schema(example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    id: String,
    /// Their name.
    #[schema(example = "王秀英")]
    name: String,
    /// The name with which they sign in.
    #[schema(example = "wang.xiuying")]
    sign_in: String,
    /// Every term of office, also those that have ended, the latest first.
    offices: Vec<OfficeBody>,
}

/// A term of office.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Office)]
pub(crate) struct OfficeBody {
    /// As what.
    #[schema(example = "call_agent")]
    role: &'static str,
    /// Where: that area and all within it.
    area: AreaReference,
    /// From this instant: milliseconds since 1970-01-01 UTC.
    from_ms: i64,
    /// Before this instant; null while it lasts.
    #[schema(required = true)]
    until_ms: Option<i64>,
}

/// A term of office in an area, with who holds it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OfficeHolder)]
pub(crate) struct OfficeHolderBody {
    /// Who.
    staff: Person,
    /// As what.
    #[schema(example = "grid_leader")]
    role: &'static str,
    /// From this instant: milliseconds since 1970-01-01 UTC.
    from_ms: i64,
    /// Before this instant; null while it lasts.
    #[schema(required = true)]
    until_ms: Option<i64>,
}

/// A device 设备.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub(crate) struct DeviceBody {
    /// Its id.
    id: String,
    /// When it was enrolled: milliseconds since 1970-01-01 UTC.
    enrolled_at_ms: i64,
    /// When it was last in contact, by the server's clock; null if it never was.
    #[schema(required = true)]
    last_contact_ms: Option<i64>,
    /// Its clock minus the server's at that contact, in milliseconds.
    #[schema(required = true)]
    skew_ms: Option<i64>,
    /// When it was revoked; null if it was not.
    #[schema(required = true)]
    revoked_at_ms: Option<i64>,
    /// The app that it runs, with its version, as it says; null if it never said.
    #[schema(required = true, example = "gridwork-phone/0.1.0")]
    app: Option<String>,
    /// Edits that it had at that contact and was not handing in, as it says; null if it never said.
    #[schema(required = true)]
    unsent_edits: Option<u32>,
    /// When the oldest of them was made, by its own clock; null if there are none.
    #[schema(required = true)]
    unsent_since_ms: Option<i64>,
}

/// A device 设备 with its owner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WatchedDevice)]
pub(crate) struct WatchedDeviceBody {
    /// Whose it is.
    owner: Person,
    /// The device.
    device: DeviceBody,
}

/// Devices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Devices)]
pub(crate) struct DevicesBody {
    /// In the order of their ids: the earliest enrolled first.
    pub(crate) items: Vec<DeviceBody>,
}

impl From<AreaOffice> for OfficeHolderBody {
    fn from(office: AreaOffice) -> Self {
        Self {
            staff: office.staff.into(),
            role: office.role.word(),
            from_ms: office.from.ms(),
            until_ms: office.until.map(Instant::ms),
        }
    }
}

impl From<StaffView> for StaffBody {
    fn from(view: StaffView) -> Self {
        let office = |office: OfficeView| OfficeBody {
            role: office.role.word(),
            area: office.area.into(),
            from_ms: office.from.ms(),
            until_ms: office.until.map(Instant::ms),
        };
        Self {
            id: view.staff.id.to_string(),
            name: view.staff.name,
            sign_in: view.staff.sign_in,
            offices: view.offices.into_iter().map(office).collect(),
        }
    }
}

impl From<WatchedDevice> for WatchedDeviceBody {
    fn from(watched: WatchedDevice) -> Self {
        Self { owner: watched.owner.into(), device: watched.device.into() }
    }
}

impl From<DeviceView> for DeviceBody {
    fn from(view: DeviceView) -> Self {
        Self {
            id: view.device.id.to_string(),
            enrolled_at_ms: view.device.enrolled_at.ms(),
            last_contact_ms: view.last_contact.map(Instant::ms),
            skew_ms: view.skew_ms,
            revoked_at_ms: view.revoked_at.map(Instant::ms),
            app: view.said.app,
            unsent_edits: view.said.unsent.map(|unsent| unsent.edits),
            unsent_since_ms: view.said.unsent.and_then(|unsent| unsent.since).map(Instant::ms),
        }
    }
}
