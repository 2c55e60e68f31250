//! Areas, staff and terms of office: rows that are administered, each change with its audit row.
//!
//! It does not know who may administer: the caller asks that before.
//!
//! **Invariant:** a name or code that an area had is never lost: a new one is a further row of its naming.

use crate::audit::{Step, note};
use crate::database::{Connection, Id, StoreError, fails_as_the_store_does, on_each};
use crate::registry::Registry;
use crate::session::end_all;
use crate::sign_in::{LONGEST_PASSWORD, hash_password};
use crate::tables::{area, area_naming, assignment, instance, staff};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::select;
use gridwork_domain::area::{Area, AreaError};
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::fields::{Kind, parse_date};
use gridwork_domain::id::{AreaId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff, is_sign_in_name};

/// Characters of a password at least.
pub const SHORTEST_PASSWORD: usize = 10;

/// Something to administer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Administration {
    /// A new area, or another code or name of one that is there, from its `valid_from` on.
    OpenArea(Area),
    /// A new member of staff, or another name of one who is there. Without a password an earlier one stays; who never
    /// had one cannot sign in.
    AppointStaff {
        /// Who.
        staff: Staff,
        /// With which they sign in, [`SHORTEST_PASSWORD`] characters at least.
        password: Option<String>,
    },
    /// Another password; all sessions of that person end.
    SetPassword {
        /// Whose.
        staff: StaffId,
        /// With which they sign in from now on.
        password: String,
    },
    /// A term of office.
    Assign(Assignment),
    /// The end of the terms of office that somebody holds, or will hold, in a role and area.
    EndAssignment {
        /// Who.
        staff: StaffId,
        /// As what.
        role: Role,
        /// Where.
        area: AreaId,
        /// The instant at which they end.
        until: Instant,
    },
}

/// Why something cannot be administered so. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdministerError {
    /// The area is not as an area must be.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// Not a new registry.
    #[error("the registry has areas or staff already: set up a new one, in another folder")]
    NotNew,
    /// No such area.
    #[error("there is no area {0}: open it first")]
    NoSuchArea(AreaId),
    /// No such member of staff.
    #[error("there is no such member of staff: appoint them first")]
    NoSuchStaff,
    /// A name that is none.
    #[error("a member of staff has a name of 1 to 64 characters")]
    StaffName,
    /// A name that cannot be a sign-in.
    #[error("a sign-in has 1 to 64 of a-z, 0-9, full stop, hyphen and underscore")]
    SignInName,
    /// Somebody else's sign-in.
    #[error("this sign-in belongs to somebody else: choose another")]
    SignInTaken,
    /// A password that is too short or too long.
    #[error("a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")]
    Password,
    /// Another area has this code.
    #[error("another area has this code: close that one first, or give it another code")]
    CodeTaken,
    /// An area in which others are open.
    #[error("there are open areas within this one: close them first")]
    AreasWithin,
    /// An area that would be open in one that is closed.
    #[error("the area around this one is closed: open that one first")]
    AreaClosed,
    /// A grid that somebody leads already.
    #[error("somebody else leads this grid in that time: end that office first, a grid has one accountable leader")]
    LedAlready,
    /// A term of office that ends before it begins.
    #[error("a term of office ends after it begins")]
    Term,
    /// A term of office in the past.
    #[error("a term of office neither begins nor ends in the past: nobody can have held it then")]
    Past,
    /// Not the password that one has.
    #[error("this is not your password; after several failures wait a while")]
    WrongPassword,
    /// Something that one does not do to oneself.
    #[error("another administrator does this for you")]
    Oneself,
    /// An owner of API keys.
    #[error("whoever this is has API keys: a machine client has no phone, so revoke the keys or appoint somebody else")]
    MachineClient,
    /// No such device, or it was revoked.
    #[error("there is no such device, or it was revoked before")]
    NoSuchDevice,
    /// No such term of office, or it has ended.
    #[error("nobody holds this office")]
    NoSuchAssignment,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DieselError> for AdministerError {
    fn from(error: DieselError) -> Self {
        Self::Store(error.into())
    }
}

fails_as_the_store_does!(AdministerError);

impl Registry {
    /// Administers areas, staff and terms of office. `by` is who does it; nobody when an installation is set up.
    ///
    /// # Errors
    /// [`AdministerError`], which says what to do.
    pub async fn administer(
        &self,
        by: Option<StaffId>,
        what: Administration,
        now: Instant,
    ) -> Result<(), AdministerError> {
        let hash = self.hash_of(&what).await?;
        self.database.write(move |connection| apply(connection, by, &what, hash.clone(), now)).await
    }

    /// The first areas and staff of a new registry: all of it, or nothing.
    ///
    /// # Errors
    /// [`AdministerError::NotNew`] if there is any area or member of staff already; else as [`Registry::administer`].
    pub async fn set_up(&self, all: Vec<Administration>, now: Instant) -> Result<(), AdministerError> {
        let mut hashed = Vec::new();
        for what in all {
            hashed.push((self.hash_of(&what).await?, what));
        }
        self.database
            .write(move |connection| {
                let any_area = select(exists(area::table.select(area::id))).get_result::<bool>(connection)?;
                let any_staff = select(exists(staff::table.select(staff::id))).get_result::<bool>(connection)?;
                if any_area || any_staff {
                    return Err(AdministerError::NotNew);
                }
                hashed.iter().try_for_each(|(hash, what)| apply(connection, None, what, hash.clone(), now))
            })
            .await
    }

    /// The hash of the password that comes with an appointment, if one does.
    pub(crate) async fn hash_of(&self, what: &Administration) -> Result<Option<String>, AdministerError> {
        let (Administration::AppointStaff { password: Some(password), .. }
        | Administration::SetPassword { password, .. }) = what
        else {
            return Ok(None);
        };
        check_password(password)?;
        let password = password.clone();
        Ok(Some(self.hash(move || hash_password(&password)).await??))
    }
}

/// Refuses a password that is too short or too long.
///
/// # Errors
/// [`AdministerError::Password`].
pub(crate) fn check_password(password: &str) -> Result<(), AdministerError> {
    let fits = (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&password.chars().count());
    if fits { Ok(()) } else { Err(AdministerError::Password) }
}

/// Does one thing, with its audit row. `hash` is that of the password that comes with it.
///
/// # Errors
/// [`AdministerError`].
pub(crate) fn apply(
    connection: &mut Connection,
    by: Option<StaffId>,
    what: &Administration,
    hash: Option<String>,
    now: Instant,
) -> Result<(), AdministerError> {
    let (action, subject) = match what {
        Administration::OpenArea(new) => {
            open_area(connection, new)?;
            ("open-area", *new.id.as_bytes())
        }
        Administration::AppointStaff { staff, .. } => {
            appoint(connection, staff)?;
            if let Some(hash) = hash {
                set_password(connection, staff.id, by, hash, now)?;
            }
            ("appoint", *staff.id.as_bytes())
        }
        Administration::SetPassword { staff, .. } => {
            set_password(connection, *staff, by, hash.ok_or(AdministerError::Password)?, now)?;
            ("set-password", *staff.as_bytes())
        }
        Administration::Assign(new) => {
            assign(connection, new)?;
            ("assign", *new.staff.as_bytes())
        }
        Administration::EndAssignment { staff, role, area, until } => {
            end_assignment(connection, *staff, *role, *area, *until)?;
            ("end-assignment", *staff.as_bytes())
        }
    };
    let detail = detail_of(what);
    Ok(note(connection, &Step { subject: Some(&subject), detail: &detail, ..Step::new(now, by, action) })?)
}

/// What the audit row of a term of office says of it, so that what was granted stays known when the term is another.
fn detail_of(what: &Administration) -> String {
    match what {
        Administration::Assign(new) => serde_json::json!({
            "role": new.role.word(),
            "area": new.area.to_string(),
            "from": new.from.ms(),
            "until": new.until.map(Instant::ms),
        })
        .to_string(),
        Administration::EndAssignment { role, area, until, .. } => {
            serde_json::json!({ "role": role.word(), "area": area.to_string(), "until": until.ms() }).to_string()
        }
        Administration::OpenArea(new) => serde_json::json!({
            "code": new.code.as_str(),
            "from": new.valid_from,
            "until": new.valid_until,
        })
        .to_string(),
        _ => "{}".to_owned(),
    }
}

/// A member of staff.
///
/// # Errors
/// As the store says.
pub(crate) fn find_staff(connection: &mut Connection, id: StaffId) -> QueryResult<Option<Staff>> {
    let found: Option<(String, String)> =
        staff::table.find(Id::from(id)).select((staff::name, staff::sign_in)).get_result(connection).optional()?;
    Ok(found.map(|(name, sign_in)| Staff { id, name, sign_in }))
}

fn open_area(connection: &mut Connection, new: &Area) -> Result<(), AdministerError> {
    let parent = new.parent.map(|parent| parent_of(connection, parent)).transpose()?;
    new.check(parent.as_ref())?;
    let id = Id::from(new.id);
    let aliases = serde_json::to_string(&new.aliases).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let named = (
        area::parent.eq(new.parent.map(Id::from)),
        area::code.eq(new.code.as_str()),
        area::name.eq(&new.name),
        area::aliases.eq(&aliases),
        area::valid_from.eq(&new.valid_from),
        area::valid_until.eq(&new.valid_until),
        area::successor.eq(new.successor.map(Id::from)),
    );
    let known = diesel::update(area::table.find(id)).set(named).execute(connection)?;
    if known == 0 {
        diesel::insert_into(area::table).values((area::id.eq(id), named)).execute(connection)?;
    }
    diesel::update(instance::table).set(instance::areas_version.eq(instance::areas_version + 1)).execute(connection)?;
    let naming = (
        area_naming::valid_until.eq(&new.valid_until),
        area_naming::code.eq(new.code.as_str()),
        area_naming::name.eq(&new.name),
        area_naming::aliases.eq(&aliases),
    );
    let this = area_naming::table.find((id, &new.valid_from));
    if diesel::update(this).set(naming).execute(connection)? == 0 {
        let day_before = parse_date(&new.valid_from).and_then(|day| day.yesterday().ok()).map(|day| day.to_string());
        let before = area_naming::area.eq(id).and(area_naming::valid_until.is_null());
        diesel::update(area_naming::table.filter(before))
            .set(area_naming::valid_until.eq(day_before))
            .execute(connection)?;
        diesel::insert_into(area_naming::table)
            .values((area_naming::area.eq(id), area_naming::valid_from.eq(&new.valid_from), naming))
            .execute(connection)?;
    }
    Ok(())
}

/// The parent of a new area, as far as the area is checked against it.
fn parent_of(connection: &mut Connection, parent: AreaId) -> Result<Area, AdministerError> {
    let found: Option<(String, String, String)> = area::table
        .find(Id::from(parent))
        .select((area::code, area::name, area::valid_from))
        .get_result(connection)
        .optional()?;
    let (code, name, valid_from) = found.ok_or(AdministerError::NoSuchArea(parent))?;
    let code = DivisionCode::parse(&code).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let aliases = Vec::new();
    Ok(Area { id: parent, parent: None, code, name, aliases, valid_from, valid_until: None, successor: None })
}

fn appoint(connection: &mut Connection, new: &Staff) -> Result<(), AdministerError> {
    if Kind::Line(64).check(&new.name.as_str().into()).is_err() {
        return Err(AdministerError::StaffName);
    }
    if !is_sign_in_name(&new.sign_in) {
        return Err(AdministerError::SignInName);
    }
    let taken = |error| match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => AdministerError::SignInTaken,
        error => error.into(),
    };
    let id = Id::from(new.id);
    let named = (staff::name.eq(&new.name), staff::sign_in.eq(&new.sign_in));
    let known = diesel::update(staff::table.find(id)).set(named).execute(connection).map_err(taken)?;
    if known == 0 {
        let row = (staff::id.eq(id), named, staff::failures.eq(0));
        diesel::insert_into(staff::table).values(row).execute(connection).map_err(taken)?;
    }
    Ok(())
}

/// A password that somebody else gave: whoever is signed in with the one before no longer is.
fn set_password(
    connection: &mut Connection,
    of: StaffId,
    by: Option<StaffId>,
    hash: String,
    now: Instant,
) -> Result<(), AdministerError> {
    let fresh = (staff::password_hash.eq(Some(hash)), staff::failures.eq(0), staff::locked_until.eq(None::<i64>));
    if diesel::update(staff::table.find(Id::from(of))).set(fresh).execute(connection)? == 0 {
        return Err(AdministerError::NoSuchStaff);
    }
    Ok(end_all(connection, of, None, by, now)?)
}

fn assign(connection: &mut Connection, new: &Assignment) -> Result<(), AdministerError> {
    if new.until.is_some_and(|until| until <= new.from) {
        return Err(AdministerError::Term);
    }
    if !select(exists(staff::table.find(Id::from(new.staff)))).get_result::<bool>(connection)? {
        return Err(AdministerError::NoSuchStaff);
    }
    if !select(exists(area::table.find(Id::from(new.area)))).get_result::<bool>(connection)? {
        return Err(AdministerError::NoSuchArea(new.area));
    }
    if new.role == Role::GridLeader && is_led(connection, new)? {
        return Err(AdministerError::LedAlready);
    }
    let row = (
        assignment::staff.eq(Id::from(new.staff)),
        assignment::role.eq(new.role.word()),
        assignment::area.eq(Id::from(new.area)),
        assignment::valid_from.eq(new.from.ms()),
        assignment::valid_until.eq(new.until.map(Instant::ms)),
    );
    let key = (assignment::staff, assignment::role, assignment::area, assignment::valid_from);
    let until = assignment::valid_until.eq(new.until.map(Instant::ms));
    let insert = diesel::insert_into(assignment::table).values(row).on_conflict(key).do_update().set(until);
    on_each!(connection, |one| insert.execute(one))?;
    Ok(())
}

/// Whether somebody else leads the grid of a term of office in some of its time.
fn is_led(connection: &mut Connection, new: &Assignment) -> Result<bool, AdministerError> {
    let others = assignment::table
        .filter(assignment::area.eq(Id::from(new.area)).and(assignment::role.eq(new.role.word())))
        .filter(assignment::staff.ne(Id::from(new.staff)))
        .select((assignment::valid_from, assignment::valid_until));
    let others: Vec<(i64, Option<i64>)> = others.load(connection)?;
    let (from, until) = (new.from.ms(), new.until.map(Instant::ms));
    // A term that ends as it begins never held.
    Ok(others.into_iter().any(|(begins, ends)| {
        until.is_none_or(|until| begins < until) && ends.is_none_or(|ends| from < ends && begins < ends)
    }))
}

fn end_assignment(
    connection: &mut Connection,
    of: StaffId,
    role: Role,
    area: AreaId,
    until: Instant,
) -> Result<(), AdministerError> {
    let this = assignment::staff
        .eq(Id::from(of))
        .and(assignment::role.eq(role.word()))
        .and(assignment::area.eq(Id::from(area)));
    let begun = assignment::table.filter(this).filter(assignment::valid_from.lt(until.ms()));
    let lasts = assignment::valid_until.is_null().or(assignment::valid_until.gt(until.ms()));
    let ended =
        diesel::update(begun.filter(lasts)).set(assignment::valid_until.eq(Some(until.ms()))).execute(connection)?;
    // What is to come ends as it begins: it never holds, and who was to hold it is administered from there still.
    let to_come = assignment::table.filter(this).filter(assignment::valid_from.ge(until.ms()));
    let lasts = assignment::valid_until.is_null().or(assignment::valid_until.gt(assignment::valid_from.nullable()));
    let cancelled = diesel::update(to_come.filter(lasts))
        .set(assignment::valid_until.eq(assignment::valid_from.nullable()))
        .execute(connection)?;
    if ended + cancelled == 0 { Err(AdministerError::NoSuchAssignment) } else { Ok(()) }
}
