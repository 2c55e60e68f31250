//! Who read or wrote about a person, and what somebody did: pages of the audit log, the latest first.
//!
//! Only sealed rows are shown, in the order of the chain: what is answered is what the chain holds, within a second.
//!
//! **Invariant:** who does not oversee the whole installation is shown rows about households in their own areas alone,
//! and of such a row the persons in their own areas alone.

use super::chain::AuditRow;
use super::{Head, Subject, WHOLE_HOUSEHOLD, split_persons};
use crate::Reach;
use crate::database::{Connection, HashBlob, Id, StoreError};
use crate::precinct::Precinct;
use crate::query::{Cursor, Names, Page, Person, ReadError, page, rows_for};
use crate::registry::Registry;
use crate::tables::{audit, audit_person, resident};
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, HouseholdId, ResidentId, StaffId, spell};
use gridwork_domain::instant::Instant;

/// Which audit rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those about this resident, or about a household of theirs as a whole.
    pub resident: Option<ResidentId>,
    /// Those about this household or any of its residents.
    pub household: Option<HouseholdId>,
    /// What this member of staff did, at a desk or with a phone.
    pub staff: Option<StaffId>,
    /// Not before this instant.
    pub from: Option<Instant>,
    /// Before this instant.
    pub until: Option<Instant>,
}

/// Whose audit rows somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oversight {
    /// The whole installation, also rows about nobody.
    Whole,
    /// Rows about households in these grids.
    Within(Reach),
}

/// A sealed audit row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditView {
    /// Its place in the chain.
    pub head: Head,
    /// Its id.
    pub id: String,
    /// When.
    pub at: Instant,
    /// Who; nobody when an installation was set up.
    pub by: Option<Person>,
    /// With which device, if with one.
    pub device: Option<DeviceId>,
    /// What: one word.
    pub action: String,
    /// The id of what it was done to, if that is no person: an area or a member of staff by its spelling, all else in
    /// hexadecimal.
    pub subject: Option<String>,
    /// Whom it is about, as far as whoever asks may know.
    pub persons: Vec<Subject>,
    /// Names of fields and counts, a JSON object.
    pub detail: String,
    /// Why, in its author's words.
    pub reason: Option<String>,
    /// From which address.
    pub source: Option<String>,
    /// The id of the request, under which the server's log has it.
    pub request: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
struct SealedRow {
    position: Option<i64>,
    hash: Option<HashBlob>,
    #[diesel(embed)]
    row: AuditRow,
}

/// What is about a resident: the person, or one of these households as a whole.
macro_rules! about_resident {
    ($id:expr, $households:expr) => {
        audit_person::resident
            .eq($id)
            .or(audit_person::resident.eq(WHOLE_HOUSEHOLD).and(audit_person::household.eq_any($households)))
    };
}

impl Registry {
    /// What somebody oversees who may read the audit log in these areas, with these grids: the whole log only from
    /// around every district of the registry.
    ///
    /// # Errors
    /// As the store says.
    pub async fn oversight(&self, precinct: Precinct, reach: Reach) -> Result<Oversight, StoreError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let tree = areas.tree(connection)?;
                let mut roots = tree.all().into_iter().filter(|area| area.parent.is_none()).peekable();
                let whole = roots.peek().is_some() && roots.all(|root| precinct.contains(&tree, root.id));
                Ok(if whole { Oversight::Whole } else { Oversight::Within(reach) })
            })
            .await
    }

    /// A page of sealed audit rows, the latest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn audit(
        &self,
        oversight: Oversight,
        filter: AuditFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<AuditView>, ReadError> {
        self.database
            .read(move |connection| {
                let mut query = audit::table
                    .filter(audit::position.is_not_null())
                    .select(SealedRow::as_select())
                    .order(audit::position.desc())
                    .into_boxed();
                if let Some(after) = after {
                    query = query.filter(audit::position.lt(Some(after.number()?)));
                }
                if let Some(staff) = filter.staff {
                    query = query.filter(audit::staff.eq(Some(Id::from(staff))));
                }
                if let Some(from) = filter.from {
                    query = query.filter(audit::at.ge(from.ms()));
                }
                if let Some(until) = filter.until {
                    query = query.filter(audit::at.lt(until.ms()));
                }
                // Not one boxed subquery: it could be for one of the two databases only.
                macro_rules! about {
                    ($condition:expr) => {{
                        let about = audit_person::table.filter($condition).select(audit_person::position.nullable());
                        match &oversight {
                            Oversight::Whole => query.filter(audit::position.eq_any(about)),
                            Oversight::Within(reach) => {
                                let within = about.filter(audit_person::scope.eq_any(reach.columns()));
                                query.filter(audit::position.eq_any(within))
                            }
                        }
                    }};
                }
                let of_resident = filter.resident.map(|id| with_households(connection, id.into())).transpose()?;
                query = match (of_resident, filter.household.map(Id::from)) {
                    (None, None) if oversight == Oversight::Whole => query,
                    (None, None) => about!(audit_person::position.gt(0)),
                    (None, Some(household)) => about!(audit_person::household.eq(household)),
                    (Some((id, lived)), None) => about!(about_resident!(id, lived)),
                    (Some((id, lived)), Some(household)) => {
                        about!(about_resident!(id, lived).and(audit_person::household.eq(household)))
                    }
                };
                let rows: Vec<SealedRow> = query.limit(rows_for(limit)).load(connection)?;
                let names = Names::read(connection, rows.iter().filter_map(|sealed| sealed.row.staff))?;
                let cursor = |row: &SealedRow| Cursor::new(&[], &row.position.unwrap_or_default().to_string());
                page(rows, limit, cursor, |row| view(row, &names, &oversight))
            })
            .await
    }
}

/// A resident with the households of which the person is or was, also those that are no more.
fn with_households(connection: &mut Connection, id: Id) -> QueryResult<(Id, Vec<Id>)> {
    let lived = audit_person::table
        .filter(audit_person::resident.eq(id))
        .select(audit_person::household)
        .distinct()
        .load::<Id>(connection)?;
    let lives = resident::table.filter(resident::id.eq(id)).select(resident::household).load::<Id>(connection)?;
    Ok((id, [lived, lives].concat()))
}

fn view(sealed: SealedRow, names: &Names, oversight: &Oversight) -> Result<AuditView, ReadError> {
    let SealedRow { position: Some(position), hash: Some(hash), row } = sealed else {
        return Err(StoreError::Unreadable("an audit row is sealed without a hash".to_owned()).into());
    };
    let visible = |one: &Subject| match oversight {
        Oversight::Whole => true,
        Oversight::Within(reach) => reach.contains(one.scope),
    };
    let subject = row.subject.as_deref().map(|bytes| match <&[u8; 16]>::try_from(bytes) {
        Ok(id) => spell(id),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    Ok(AuditView {
        head: Head { position: u64::try_from(position).unwrap_or_default(), hash: hash.0 },
        id: row.name(),
        at: Instant::from_ms(row.at),
        by: row.staff.map(|staff| names.person(staff)),
        device: row.device.map(Into::into),
        action: row.action,
        subject,
        persons: split_persons(&row.persons).filter(visible).collect(),
        detail: row.detail,
        reason: row.reason,
        source: row.source,
        request: row.request,
    })
}
