//! Enrolling a phone with a one-time code.
//!
//! A code is issued for a member of staff, who types it into the phone. It is kept as its SHA-256 alone.
//!
//! **Invariant:** a code enrols one key. With the same key it may be used again until the device's first contact, since
//! the answer may have been lost on the way.

use crate::administration::{AdministerError, find_staff};
use crate::api_key::has_key;
use crate::area_tree::{AreaTree, Reach, grants_of};
use crate::audit::{Step, note};
use crate::database::{Blob, Connection, HashBlob, Id, StoreError, fails_as_the_store_does};
use crate::device::token_hash;
use crate::entropy::random;
use crate::nonce::{Nonce, use_nonce};
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::tables::{device, enrolment};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;
use gridwork_domain::area::Area;
use gridwork_domain::id::{AreaId, DeviceId, StaffId, spell};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Device, Operation, Staff};
use gridwork_sync::message::MOST_SCOPES;
use sha2::{Digest, Sha256};
use std::fmt;

/// How long a code can be used.
pub(crate) const CODE_MS: i64 = 24 * 60 * 60 * 1_000;
/// Digits and letters without 0 and O, 1, I and L, U (misread as V).
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 59 bits, which nobody guesses within a day.
const CODE_LENGTH: usize = 12;

/// A one-time code with which a phone is enrolled, as it is shown to a person: `XXXX-XXXX-XXXX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentCode(String);

impl EnrolmentCode {
    /// The code as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device that was enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The device.
    pub device: Device,
    /// Its token, which is kept nowhere else.
    pub token: String,
    /// Whose it is.
    pub staff: Staff,
    /// The grids that it may read, in the order of their codes.
    pub scopes: Vec<Area>,
}

/// Why a device was not enrolled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EnrolError {
    /// Unknown, used or expired.
    #[error("this code is unknown, used or expired: ask for a new one")]
    Code,
    /// Its owner holds no office in any grid.
    #[error("whoever this code is for works in no grid: assign them first")]
    NoScope,
    /// Its owner works in more grids than a phone can hold.
    #[error("whoever this code is for works in more than {MOST_SCOPES} grids: a phone does not hold so many")]
    TooManyScopes,
    /// The nonce was used before. Nothing was done.
    #[error("this request was answered before: sign a new one")]
    Replayed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fails_as_the_store_does!(EnrolError);

impl Registry {
    /// A one-time code for a phone of a member of staff in the precinct. It can be used for 24 hours. When an installation
    /// is set up, there is no precinct.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`], also outside the precinct, [`AdministerError::Oneself`],
    /// [`AdministerError::MachineClient`], and as the store says.
    pub async fn issue_enrolment_code(
        &self,
        by: Option<StaffId>,
        within: Option<Precinct>,
        staff: StaffId,
        now: Instant,
    ) -> Result<EnrolmentCode, AdministerError> {
        let code = draw()?;
        let code_hash = hash(&code);
        self.database
            .write(move |connection| {
                find_staff(connection, staff)?.ok_or(AdministerError::NoSuchStaff)?;
                if let Some(within) = &within {
                    let tree = AreaTree::read(connection)?;
                    // Without a grid there is nothing that a phone could hold.
                    let grants = grants_of(connection, &tree, staff, now)?;
                    let has_grid = grants.iter().any(|grant| !grant.grids.is_empty());
                    if !has_grid || !within.administers(connection, &tree, staff, now)? {
                        return Err(AdministerError::NoSuchStaff);
                    }
                    if by == Some(staff) {
                        return Err(AdministerError::Oneself);
                    }
                }
                if has_key(connection, staff, now)? {
                    return Err(AdministerError::MachineClient);
                }
                let row = (
                    enrolment::code_hash.eq(code_hash),
                    enrolment::staff.eq(Id::from(staff)),
                    enrolment::issued_by.eq(by.map(Id::from)),
                    enrolment::issued_at.eq(now.ms()),
                    enrolment::expires_at.eq(now.plus_ms(CODE_MS).ms()),
                );
                diesel::insert_into(enrolment::table).values(row).execute(connection)?;
                let step = Step::new(now, by, "issue-enrolment-code");
                Ok::<_, AdministerError>(note(connection, &Step { subject: Some(staff.as_bytes()), ..step })?)
            })
            .await?;
        Ok(EnrolmentCode(code))
    }

    /// Enrols a device with a code that was issued and the device's Ed25519 public key. That the device holds the
    /// private key is proved before this is called.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn enrol(
        &self,
        code: &str,
        public_key: [u8; 32],
        nonce: Nonce,
        now: Instant,
    ) -> Result<Enrolled, EnrolError> {
        let code_hash = hash(code);
        let token: [[u8; 16]; 2] = [random()?, random()?];
        let token = format!("{}{}", spell(&token[0]), spell(&token[1]));
        let new = DeviceId::new(now, random()?);
        self.database
            .write(move |connection| {
                let (owner, enrolled) = find_code(connection, code_hash, now)?;
                let staff = find_staff(connection, owner).map_err(StoreError::from)?.ok_or(EnrolError::Code)?;
                let scopes = scopes_of(connection, owner, now)?;
                let (id, enrolled_at) = match enrolled {
                    Some(id) => (id, renew(connection, id, public_key, &token)?),
                    None => {
                        insert(connection, new, owner, public_key, &token, now)?;
                        diesel::update(enrolment::table.find(code_hash))
                            .set(enrolment::device.eq(Some(Id::from(new))))
                            .execute(connection)
                            .map_err(StoreError::from)?;
                        (new, now)
                    }
                };
                // The same request again would give another token, which the phone never learns.
                if !use_nonce(connection, id, nonce, now)? {
                    return Err(EnrolError::Replayed);
                }
                note(connection, &Step { device: Some(id), ..Step::new(now, Some(owner), "enrol") })?;
                let device = Device { id, staff: owner, public_key, enrolled_at };
                Ok(Enrolled { device, token: token.clone(), staff, scopes })
            })
            .await
    }
}

/// Whether somebody has a phone, or a code with which one may be enrolled.
///
/// # Errors
/// As the store says.
pub(crate) fn has_phone(connection: &mut Connection, of: StaffId, now: Instant) -> Result<bool, StoreError> {
    let devices = device::table.filter(device::staff.eq(Id::from(of))).filter(device::revoked_at.is_null());
    let codes = enrolment::table.filter(enrolment::staff.eq(Id::from(of))).filter(enrolment::device.is_null());
    let codes = codes.filter(enrolment::expires_at.gt(now.ms()));
    Ok(select(exists(devices.select(device::id))).get_result::<bool>(connection)?
        || select(exists(codes.select(enrolment::code_hash))).get_result::<bool>(connection)?)
}

/// Draws a code, each character with the same chance.
fn draw() -> Result<String, StoreError> {
    let mut code = String::new();
    let mut drawn = 0;
    while drawn < CODE_LENGTH {
        let [byte] = random::<1>()?;
        let fair = 256 / ALPHABET.len() * ALPHABET.len();
        if usize::from(byte) < fair {
            if drawn > 0 && drawn % 4 == 0 {
                code.push('-');
            }
            code.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            drawn += 1;
        }
    }
    Ok(code)
}

/// What the registry keeps of a code, however a person typed it: hyphens, spaces and case do not count.
fn hash(code: &str) -> HashBlob {
    let typed = code.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase());
    Blob(Sha256::digest(typed.collect::<Vec<u8>>()).into())
}

/// Whose code it is, and the device that it enrolled already.
fn find_code(
    connection: &mut Connection,
    code_hash: HashBlob,
    now: Instant,
) -> Result<(StaffId, Option<DeviceId>), EnrolError> {
    let found: Option<(Id, i64, Option<Id>)> = enrolment::table
        .find(code_hash)
        .select((enrolment::staff, enrolment::expires_at, enrolment::device))
        .get_result(connection)
        .optional()
        .map_err(StoreError::from)?;
    let (staff, _, device) = found.filter(|(_, expires_at, _)| now.ms() < *expires_at).ok_or(EnrolError::Code)?;
    Ok((staff.into(), device.map(Into::into)))
}

/// The grids that the phone of a member of staff holds, in the order of their codes.
fn scopes_of(connection: &mut Connection, staff: StaffId, now: Instant) -> Result<Vec<Area>, EnrolError> {
    let tree = AreaTree::read(connection)?;
    let reach = Reach::of(&grants_of(connection, &tree, staff, now)?, Operation::Exchange);
    let grid = |scope: gridwork_domain::id::ScopeId| tree.get(AreaId::from_bytes(*scope.as_bytes())).cloned();
    let mut scopes: Vec<Area> = reach.scopes().filter_map(grid).collect();
    scopes.sort_by(|one, other| one.code.as_str().cmp(other.code.as_str()));
    match scopes.len() {
        0 => Err(EnrolError::NoScope),
        count if count > MOST_SCOPES => Err(EnrolError::TooManyScopes),
        _ => Ok(scopes),
    }
}

/// Gives a device that was enrolled with this code, and was never heard of since, another token; returns when it was
/// enrolled.
fn renew(connection: &mut Connection, id: DeviceId, public_key: [u8; 32], token: &str) -> Result<Instant, EnrolError> {
    let same = device::table
        .find(Id::from(id))
        .filter(device::public_key.eq(HashBlob::from(public_key)).and(device::last_contact.is_null()))
        .filter(device::revoked_at.is_null());
    let enrolled_at: Option<i64> =
        same.select(device::enrolled_at).get_result(connection).optional().map_err(StoreError::from)?;
    let enrolled_at = enrolled_at.ok_or(EnrolError::Code)?;
    diesel::update(device::table.find(Id::from(id)))
        .set(device::token_hash.eq(token_hash(token)))
        .execute(connection)
        .map_err(StoreError::from)?;
    Ok(Instant::from_ms(enrolled_at))
}

fn insert(
    connection: &mut Connection,
    id: DeviceId,
    owner: StaffId,
    public_key: [u8; 32],
    token: &str,
    now: Instant,
) -> Result<(), StoreError> {
    let row = (
        device::id.eq(Id::from(id)),
        device::staff.eq(Id::from(owner)),
        device::public_key.eq(HashBlob::from(public_key)),
        device::token_hash.eq(token_hash(token)),
        device::enrolled_at.eq(now.ms()),
    );
    diesel::insert_into(device::table).values(row).execute(connection)?;
    Ok(())
}
