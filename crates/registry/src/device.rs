//! Phones of members of staff: by their tokens, with their clocks.
//!
//! A token is 32 random bytes; the registry keeps its SHA-256 alone. It lives as long as an assignment of its owner.

use crate::area_tree::{Reach, grants_of};
use crate::database::{Blob, Connection, HashBlob, Id, StoreError};
use crate::entitlement::{CONTACT_MS, assignments_of, counts};
use crate::exchange::ExchangeError;
use crate::log::Sender;
use crate::nonce::{Nonce, use_nonce};
use crate::registry::Registry;
use crate::tables::device;
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Device, Operation};
use gridwork_sync::self_report::{SelfReport, Unsent};
use sha2::{Digest, Sha256};

/// A device with what is known of its last contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// The device.
    pub device: Device,
    /// When it was last in contact, by the server's clock.
    pub last_contact: Option<Instant>,
    /// The device's clock minus the server's at that contact, in milliseconds.
    pub skew_ms: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Instant>,
    /// What it said of itself at that contact.
    pub said: SelfReport,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = device)]
pub(crate) struct DeviceRow {
    pub(crate) id: Id,
    pub(crate) staff: Id,
    public_key: HashBlob,
    enrolled_at: i64,
    last_contact: Option<i64>,
    contact_before: Option<i64>,
    skew_ms: Option<i64>,
    revoked_at: Option<i64>,
    app: Option<String>,
    unsent: Option<i64>,
    unsent_since: Option<i64>,
}

impl Registry {
    /// The device with this token; `None` if there is none, it was revoked, or its owner holds no office any
    /// more for which devices exchange.
    ///
    /// # Errors
    /// As the store says.
    pub async fn device_by_token(&self, token: &str, now: Instant) -> Result<Option<Device>, StoreError> {
        let hash = token_hash(token);
        self.database
            .read(move |connection| {
                let found: Option<DeviceRow> = device::table
                    .filter(device::token_hash.eq(hash))
                    .filter(device::revoked_at.is_null())
                    .select(DeviceRow::as_select())
                    .get_result(connection)
                    .optional()?;
                let Some(row) = found else { return Ok(None) };
                let last_contact = contact_before(row.enrolled_at, row.last_contact, row.contact_before, now);
                let device = row.view().device;
                let sender = Sender { staff: device.staff, device: Some(device.id), at: now, last_contact };
                let held = assignments_of(connection, device.staff)?;
                let may_exchange = |one: &Assignment| one.role.may(Operation::Exchange) && counts(one, &sender);
                Ok(held.iter().any(may_exchange).then_some(device))
            })
            .await
    }

    /// The grids of which a device is told that something changed, now that it begins to follow them. `nonce` is that of the
    /// signed request, and is used up.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn begin_to_follow(&self, device: &Device, nonce: Nonce, now: Instant) -> Result<Reach, ExchangeError> {
        let id = device.id;
        let is_new = self.database.write(move |connection| use_nonce(connection, id, nonce, now)).await?;
        if !is_new {
            return Err(ExchangeError::Replayed);
        }
        self.device_reach(id, now).await?.ok_or(ExchangeError::Revoked)
    }

    /// The grids of which a device is told that something changed: those that its owner may read, as in an exchange; `None`
    /// if it was revoked, or its owner holds no office any more for which devices exchange.
    ///
    /// # Errors
    /// As the store says.
    pub async fn device_reach(&self, of: DeviceId, now: Instant) -> Result<Option<Reach>, StoreError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let active = device::table.find(Id::from(of)).filter(device::revoked_at.is_null());
                let owner: Option<Id> = active.select(device::staff).get_result(connection).optional()?;
                let Some(owner) = owner else { return Ok(None) };
                let tree = areas.tree(connection)?;
                let grants = grants_of(connection, &tree, owner.into(), now)?;
                let may_exchange = grants.iter().any(|grant| grant.role.may(Operation::Exchange));
                Ok(may_exchange.then(|| Reach::of(&grants, Operation::Exchange)))
            })
            .await
    }

    /// The devices of a member of staff, or of all, with their clocks.
    ///
    /// # Errors
    /// As the store says.
    pub async fn devices(&self, staff: Option<StaffId>) -> Result<Vec<DeviceView>, StoreError> {
        self.database.read(move |connection| Ok::<_, StoreError>(devices_of(connection, staff)?)).await
    }
}

/// The devices of a member of staff, or of all.
///
/// # Errors
/// As the store says.
pub(crate) fn devices_of(connection: &mut Connection, staff: Option<StaffId>) -> QueryResult<Vec<DeviceView>> {
    let mut query = device::table.select(DeviceRow::as_select()).order(device::id).into_boxed();
    if let Some(staff) = staff {
        query = query.filter(device::staff.eq(Id::from(staff)));
    }
    let rows: Vec<DeviceRow> = query.load(connection)?;
    Ok(rows.into_iter().map(DeviceRow::view).collect())
}

/// When the contact ended that came before the present one, in which the device may have sent requests already; its
/// enrolment if there was none.
pub(crate) fn contact_before(enrolled_at: i64, last: Option<i64>, before: Option<i64>, now: Instant) -> Instant {
    let goes_on = last.is_some_and(|last| now.ms().saturating_sub(last) <= CONTACT_MS);
    Instant::from_ms(if goes_on { before } else { last }.unwrap_or(enrolled_at))
}

/// What the registry keeps of a token.
pub(crate) fn token_hash(token: &str) -> HashBlob {
    Blob(Sha256::digest(token.as_bytes()).into())
}

impl DeviceRow {
    pub(crate) fn view(self) -> DeviceView {
        DeviceView {
            device: Device {
                id: self.id.into(),
                staff: self.staff.into(),
                public_key: self.public_key.0,
                enrolled_at: Instant::from_ms(self.enrolled_at),
            },
            last_contact: self.last_contact.map(Instant::from_ms),
            skew_ms: self.skew_ms,
            revoked_at: self.revoked_at.map(Instant::from_ms),
            said: SelfReport {
                app: self.app,
                unsent: self.unsent.map(|edits| Unsent {
                    edits: u32::try_from(edits).unwrap_or(u32::MAX),
                    since: self.unsent_since.map(Instant::from_ms),
                }),
            },
        }
    }
}
