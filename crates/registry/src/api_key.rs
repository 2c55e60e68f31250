//! API keys of machine clients: a secret that stands for a member of staff who is a program.
//!
//! A machine client is appointed like a person, without a password, and holds offices that bound it in area and in time. A
//! key narrows this further, to some operations and an expiry. The registry keeps the SHA-256 of a key alone.
//!
//! **Invariant:** a key gives nothing that its owner's offices do not give, nothing outside its scopes, and never the
//! running of the installation.

use crate::administration::{AdministerError, find_staff};
use crate::audit::{Step, note};
use crate::database::{Connection, Failure, Id, StoreError};
use crate::device::token_hash;
use crate::enrolment::has_phone;
use crate::entropy::random;
use crate::precinct::Precinct;
use crate::registry::Registry;
use crate::session::draw;
use crate::tables::api_key;
use diesel::prelude::*;
use gridwork_domain::fields::Kind;
use gridwork_domain::id::{ApiKeyId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::{Operation, Within};

/// With what every key begins, so that one that was published by mistake can be found.
pub const KEY_PREFIX: &str = "gwk_";
/// How long a key holds at most: longer than this nobody remembers what it is for.
pub const LONGEST_KEY_MS: i64 = 400 * 24 * 60 * 60 * 1_000;
/// Keys of one machine client that hold at a time: one in use and some that take its place.
pub(crate) const MOST_KEYS: usize = 8;

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Whose.
    pub staff: StaffId,
    /// What it is for, in words.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Operation>,
    /// The instant from which it is good for nothing.
    pub expires_at: Instant,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for, in words.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Operation>,
    /// When it was made.
    pub made_at: Instant,
    /// The instant from which it is good for nothing.
    pub expires_at: Instant,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Instant>,
}

/// Why there is no such key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiKeyError {
    /// A name that is none.
    #[error("a key has a name of 1 to 64 characters")]
    Name,
    /// Scopes that a key cannot have.
    #[error(
        "a key has at least one scope: none of administering, exchanging, revealing, breaking the glass and a person's account"
    )]
    Scopes,
    /// An expiry that is past or too far away.
    #[error("a key expires within 400 days")]
    Expiry,
    /// The machine client has as many as may be.
    #[error("there are {MOST_KEYS} keys already: revoke one")]
    TooMany,
    /// The owner signs in with a password: a person.
    #[error("keys are for machine clients: appoint one without a password")]
    Person,
    /// The owner has a phone, or a code to enrol one: a person.
    #[error("keys are for machine clients, and whoever this is has a phone or a code to enrol one: appoint another")]
    Phone,
    /// No such key, or it was revoked before.
    #[error("there is no such key, or it was revoked before")]
    NoSuchKey,
    /// The owner is nobody whom the caller administers.
    #[error(transparent)]
    Administer(#[from] AdministerError),
}

impl Failure for ApiKeyError {
    fn store(&self) -> Option<&StoreError> {
        if let Self::Administer(error) = self { error.store() } else { None }
    }
}

impl From<StoreError> for ApiKeyError {
    fn from(error: StoreError) -> Self {
        Self::Administer(error.into())
    }
}

impl From<diesel::result::Error> for ApiKeyError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Administer(error.into())
    }
}

impl Registry {
    /// Makes a key of a machine client in the precinct. The key itself is shown this once.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn make_api_key(
        &self,
        by: StaffId,
        within: Precinct,
        new: NewApiKey,
        now: Instant,
    ) -> Result<(ApiKeyId, String), ApiKeyError> {
        if Kind::Line(64).check(&new.name.as_str().into()).is_err() {
            return Err(ApiKeyError::Name);
        }
        if new.scopes.is_empty() || !new.scopes.iter().all(|scope| is_scope(*scope)) {
            return Err(ApiKeyError::Scopes);
        }
        if new.expires_at <= now || new.expires_at > now.plus_ms(LONGEST_KEY_MS) {
            return Err(ApiKeyError::Expiry);
        }
        let id = ApiKeyId::new(now, random()?);
        let key = format!("{KEY_PREFIX}{}", draw()?);
        let hash = token_hash(&key);
        self.database
            .write(move |connection| {
                within.must_administer(connection, new.staff, now)?;
                find_staff(connection, new.staff)?.ok_or(AdministerError::NoSuchStaff)?;
                let password: Option<String> = crate::tables::staff::table
                    .find(Id::from(new.staff))
                    .select(crate::tables::staff::password_hash)
                    .get_result(connection)?;
                if password.is_some() {
                    return Err(ApiKeyError::Person);
                }
                if has_phone(connection, new.staff, now)? {
                    return Err(ApiKeyError::Phone);
                }
                let held = keys_of(connection, new.staff)?.into_iter();
                if held.filter(|key| holds(key, now)).count() >= MOST_KEYS {
                    return Err(ApiKeyError::TooMany);
                }
                let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.word()).collect();
                let row = (
                    api_key::id.eq(Id::from(id)),
                    api_key::staff.eq(Id::from(new.staff)),
                    api_key::name.eq(&new.name),
                    api_key::hash.eq(hash),
                    api_key::scopes.eq(scopes.join(" ")),
                    (api_key::made_by.eq(Id::from(by)), api_key::made_at.eq(now.ms())),
                    api_key::expires_at.eq(new.expires_at.ms()),
                );
                diesel::insert_into(api_key::table).values(row).execute(connection)?;
                let owner = new.staff.to_string();
                let detail = serde_json::json!({ "staff": owner, "scopes": scopes }).to_string();
                let step = Step::new(now, Some(by), "make-api-key");
                note(connection, &Step { subject: Some(id.as_bytes()), detail: &detail, ..step })?;
                Ok::<_, ApiKeyError>(())
            })
            .await?;
        Ok((id, key))
    }

    /// The keys of a machine client in the precinct, also those that hold no more, the latest first.
    ///
    /// # Errors
    /// [`AdministerError::NoSuchStaff`] for anybody else.
    pub async fn api_keys(
        &self,
        within: Precinct,
        of: StaffId,
        now: Instant,
    ) -> Result<Vec<ApiKeyView>, AdministerError> {
        self.database
            .read(move |connection| {
                within.must_administer(connection, of, now)?;
                let mut keys = keys_of(connection, of)?;
                keys.sort_by_key(|key| std::cmp::Reverse((key.made_at, key.id)));
                Ok(keys)
            })
            .await
    }

    /// Revokes a key: it is good for nothing from the next request on, everywhere.
    ///
    /// # Errors
    /// [`ApiKeyError::NoSuchKey`], [`AdministerError::NoSuchStaff`].
    pub async fn revoke_api_key(
        &self,
        by: StaffId,
        within: Precinct,
        of: StaffId,
        id: ApiKeyId,
        now: Instant,
    ) -> Result<(), ApiKeyError> {
        self.database
            .write(move |connection| {
                within.must_administer(connection, of, now)?;
                let theirs = api_key::table
                    .find(Id::from(id))
                    .filter(api_key::staff.eq(Id::from(of)))
                    .filter(api_key::revoked_at.is_null());
                if diesel::update(theirs).set(api_key::revoked_at.eq(Some(now.ms()))).execute(connection)? == 0 {
                    return Err(ApiKeyError::NoSuchKey);
                }
                note(connection, &Step { subject: Some(id.as_bytes()), ..Step::new(now, Some(by), "revoke-api-key") })?;
                Ok(())
            })
            .await
    }
}

/// Whose a key is and what it may be used for; `None` if it is none or holds no more.
///
/// # Errors
/// As the store says.
pub(crate) fn find_key(
    connection: &mut Connection,
    key: &str,
    now: Instant,
) -> Result<Option<(StaffId, Vec<Operation>)>, StoreError> {
    let found: Option<(Id, String)> = api_key::table
        .filter(api_key::hash.eq(token_hash(key)))
        .filter(api_key::revoked_at.is_null())
        .filter(api_key::expires_at.gt(now.ms()))
        .select((api_key::staff, api_key::scopes))
        .get_result(connection)
        .optional()?;
    Ok(found.map(|(staff, scopes)| (staff.into(), read_scopes(&scopes))))
}

/// Whether a key can be for this.
fn is_scope(operation: Operation) -> bool {
    let of_people = [
        Operation::Administer,
        Operation::Exchange,
        Operation::Reveal,
        Operation::BreakGlass,
        Operation::ReviewBreakGlass,
    ];
    operation.permission().within == Within::Area && !of_people.contains(&operation)
}

/// A word that an earlier release knew gives nothing.
fn read_scopes(words: &str) -> Vec<Operation> {
    words.split(' ').filter_map(Operation::from_word).filter(|scope| is_scope(*scope)).collect()
}

/// Whether somebody has a key that holds: then it is a machine client, and no person.
///
/// # Errors
/// As the store says.
pub(crate) fn has_key(connection: &mut Connection, of: StaffId, now: Instant) -> Result<bool, StoreError> {
    Ok(keys_of(connection, of)?.iter().any(|key| holds(key, now)))
}

fn holds(key: &ApiKeyView, now: Instant) -> bool {
    key.revoked_at.is_none() && now < key.expires_at
}

fn keys_of(connection: &mut Connection, of: StaffId) -> Result<Vec<ApiKeyView>, StoreError> {
    let rows: Vec<(Id, String, String, i64, i64, Option<i64>)> = api_key::table
        .filter(api_key::staff.eq(Id::from(of)))
        .select((
            api_key::id,
            api_key::name,
            api_key::scopes,
            api_key::made_at,
            api_key::expires_at,
            api_key::revoked_at,
        ))
        .load(connection)?;
    let view =
        |(id, name, scopes, made_at, expires_at, revoked_at): (Id, String, String, i64, i64, Option<i64>)| ApiKeyView {
            id: id.into(),
            name,
            scopes: read_scopes(&scopes),
            made_at: Instant::from_ms(made_at),
            expires_at: Instant::from_ms(expires_at),
            revoked_at: revoked_at.map(Instant::from_ms),
        };
    Ok(rows.into_iter().map(view).collect())
}
