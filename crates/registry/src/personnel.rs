//! What administrators do with staff within their areas, and everybody with their own password.
//!
//! **Invariant:** whoever administers is checked in the same transaction that changes something; and nobody gives themselves
//! an office or another's password.

use crate::administration::{AdministerError, Administration, apply, check_password};
use crate::area_tree::AreaTree;
use crate::audit::{Step, note};
use crate::database::{Connection, Id, StoreError};
use crate::idempotency::Keep;
use crate::precinct::Precinct;
use crate::query::{StaffView, view_of_staff};
use crate::registry::Registry;
use crate::session::{end_all, find_live};
use crate::sign_in::{count_failure, hash_password, is_password};
use crate::tables::{assignment, device, staff};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;
use gridwork_domain::id::{DeviceId, SessionId, StaffId};
use gridwork_domain::instant::Instant;
use std::collections::BTreeSet;

/// How long before now a term of office may begin that begins now by a clock that is slow.
const SLOW_CLOCK_MS: i64 = 5 * 60 * 1_000;

impl Registry {
    /// Administers staff of a precinct: all of it, or nothing. Somebody new is appointed together with their first office.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] and [`AdministerError::NoSuchArea`] for what lies outside the precinct,
    /// [`AdministerError::Oneself`], [`AdministerError::Past`], and as [`Registry::administer`].
    pub async fn administer_within(
        &self,
        by: StaffId,
        within: Precinct,
        all: Vec<Administration>,
        now: Instant,
    ) -> Result<(), AdministerError> {
        self.administer_once(by, within, all, now, None).await
    }

    /// As [`Registry::administer_within`], and keeps the answer in the same transaction: it shows that member of staff.
    ///
    /// # Errors
    /// As [`Registry::administer_within`].
    pub async fn administer_once(
        &self,
        by: StaffId,
        within: Precinct,
        all: Vec<Administration>,
        now: Instant,
        answer: Option<(StaffId, Keep<StaffView>)>,
    ) -> Result<(), AdministerError> {
        let mut hashed = Vec::new();
        for what in all {
            hashed.push((self.hash_of(&what).await?, what));
        }
        self.database
            .write(move |connection| {
                let tree = AreaTree::read(connection)?;
                let mut new = None;
                for (hash, what) in &hashed {
                    permit(connection, &tree, &within, by, what, &mut new, now)?;
                    apply(connection, Some(by), what, hash.clone(), now)?;
                }
                if let Some((staff, answer)) = &answer {
                    let view = view_of_staff(connection, &tree, *staff)?.ok_or(AdministerError::NoSuchStaff)?;
                    answer.keep(connection, &view, &BTreeSet::new())?;
                }
                Ok(())
            })
            .await
    }

    /// Another password for oneself, with the old one. All other sessions end.
    ///
    /// # Errors
    /// [`AdministerError::WrongPassword`], also while the name is locked, or if the password became another or the session
    /// ended meanwhile; [`AdministerError::Password`].
    pub async fn change_password(
        &self,
        of: StaffId,
        session: SessionId,
        old: String,
        new: String,
        now: Instant,
    ) -> Result<(), AdministerError> {
        check_password(&new)?;
        let found = self.database.read(move |connection| {
            let this = staff::table.find(Id::from(of)).select(staff::password_hash);
            Ok::<_, StoreError>(this.get_result::<Option<String>>(connection).optional()?)
        });
        let hash = found.await?.ok_or(AdministerError::NoSuchStaff)?;
        let tried = hash.clone();
        let (right, next) =
            self.hash(move || (tried.is_some_and(|hash| is_password(&old, &hash)), hash_password(&new))).await?;
        let next = next?;
        let changed = self.database.write(move |connection| {
            let open = staff::table
                .find(Id::from(of))
                .filter(staff::password_hash.eq(&hash))
                .filter(staff::locked_until.is_null().or(staff::locked_until.le(now.ms())));
            let is_open = select(exists(open.select(staff::id))).get_result::<bool>(connection)?;
            if !is_open || find_live(connection, session, of, now)?.is_none() {
                return Ok(false);
            }
            if !right {
                // Not an error of the write: it would take the count back.
                count_failure(connection, of, now)?;
                return Ok(false);
            }
            let fresh = (staff::password_hash.eq(Some(&next)), staff::failures.eq(0));
            diesel::update(staff::table.find(Id::from(of))).set(fresh).execute(connection)?;
            end_all(connection, of, Some(session), Some(of), now)?;
            let step = Step::new(now, Some(of), "change-own-password");
            note(connection, &Step { subject: Some(of.as_bytes()), ..step })?;
            Ok::<_, AdministerError>(true)
        });
        if changed.await? { Ok(()) } else { Err(AdministerError::WrongPassword) }
    }

    /// Revokes a device of a member of staff: its token is good for nothing from now on, whatever it did before.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] outside the precinct, [`AdministerError::NoSuchDevice`] for one that is not theirs or
    /// was revoked before.
    pub async fn revoke_device(
        &self,
        by: StaffId,
        within: Precinct,
        of: StaffId,
        id: DeviceId,
        now: Instant,
    ) -> Result<(), AdministerError> {
        self.database
            .write(move |connection| {
                within.must_administer(connection, of, now)?;
                let theirs = device::table
                    .find(Id::from(id))
                    .filter(device::staff.eq(Id::from(of)))
                    .filter(device::revoked_at.is_null());
                if diesel::update(theirs).set(device::revoked_at.eq(Some(now.ms()))).execute(connection)? == 0 {
                    return Err(AdministerError::NoSuchDevice);
                }
                let step = Step::new(now, Some(by), "revoke-device");
                Ok(note(connection, &Step { subject: Some(id.as_bytes()), device: Some(id), ..step })?)
            })
            .await
    }
}

/// Refuses what lies outside the precinct. `new` is who was appointed just before and has no office yet.
fn permit(
    connection: &mut Connection,
    tree: &AreaTree,
    within: &Precinct,
    by: StaffId,
    what: &Administration,
    new: &mut Option<StaffId>,
    now: Instant,
) -> Result<(), AdministerError> {
    let (of, area) = match what {
        Administration::OpenArea(area) => return Err(AdministerError::NoSuchArea(area.id)),
        Administration::AppointStaff { staff, .. } => {
            let known = staff::table.find(Id::from(staff.id)).select(staff::id);
            if !select(exists(known)).get_result::<bool>(connection)? {
                *new = Some(staff.id);
            }
            (staff.id, None)
        }
        Administration::SetPassword { staff, .. } => (*staff, None),
        Administration::Assign(new) => (new.staff, Some(new.area)),
        Administration::EndAssignment { staff, area, .. } => (*staff, Some(*area)),
    };
    if *new != Some(of) {
        within.must_administer(connection, of, now)?;
    }
    if of == by {
        return Err(AdministerError::Oneself);
    }
    if let Administration::Assign(new) = what {
        // A term that lasts may be given another end.
        let lasts = assignment::table
            .find((Id::from(new.staff), new.role.word(), Id::from(new.area), new.from.ms()))
            .filter(assignment::valid_until.is_null().or(assignment::valid_until.gt(now.ms())))
            .select(assignment::staff);
        let begins_before =
            new.from < now.plus_ms(-SLOW_CLOCK_MS) && !select(exists(lasts)).get_result::<bool>(connection)?;
        if begins_before || new.until.is_some_and(|until| until < now) {
            return Err(AdministerError::Past);
        }
    }
    match area.filter(|area| !within.contains(tree, *area)) {
        Some(area) => Err(AdministerError::NoSuchArea(area)),
        None => Ok(()),
    }
}
