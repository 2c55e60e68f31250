//! The keys of sealed citizen numbers, and the registry that they belong to.
//!
//! The registry notes the ids of the keys to which it may ever have sealed, so that a node without one of them is told at
//! its start, and not by numbers that cannot be read. Keys that only open are not among them: while they come to one node
//! after the other, those without them may still start. It does not know where keys are kept.
//!
//! **Invariant:** a registry that was opened with keys that seal is never opened without them.

pub(crate) mod at_rest;

use crate::database::{Blob, Connection, Id, StoreError};
use crate::projection::{household_rows, write_household};
use crate::registry::{Registry, SCHEMA};
use crate::settings::OpenError;
use crate::snapshot;
use crate::tables::{actor, conflict, document, resident, sealing_key};
use diesel::prelude::*;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{HouseholdId, ScopeId};
use gridwork_domain::schema::CITIZEN_NUMBER;
use gridwork_domain::sealed_number::{KeyId, SealedNumber};
use gridwork_sealing::{Keyring, OpenError as Unreadable, PublicKey};
use gridwork_sync::document::{DocumentId, DocumentKey};
use gridwork_sync::reading::read_household;
use std::collections::BTreeSet;

impl Registry {
    /// The key to which citizen numbers are sealed now; none if the registry was opened without keys.
    pub fn sealing_key(&self) -> Option<PublicKey> {
        self.sealing.current()
    }

    /// Seals a citizen number to that key.
    ///
    /// # Errors
    /// [`StoreError::NoKeys`], [`StoreError::Entropy`].
    pub fn seal_number(&self, number: &CitizenNumber) -> Result<SealedNumber, StoreError> {
        at_rest::seal_number(&self.sealing, number)
    }

    /// What is mixed into the ids of a roster's households.
    ///
    /// # Errors
    /// [`StoreError::NoKeys`].
    pub fn roster_secret(&self) -> Result<[u8; 32], StoreError> {
        self.sealing.roster_secret().ok_or(StoreError::NoKeys)
    }
}

/// Looks whether these are all keys that the registry was ever opened with. The inner error says which one is missing.
///
/// # Errors
/// As the store says.
pub(crate) fn check(connection: &mut Connection, keys: &Keyring) -> Result<Result<(), OpenError>, StoreError> {
    let noted: Vec<(Blob<8>, bool)> =
        sealing_key::table.select((sealing_key::id, sealing_key::finds)).load(connection)?;
    let held: BTreeSet<KeyId> = keys.public_keys().map(|key| key.id()).collect();
    for (id, finds) in noted {
        let id = KeyId(id.0);
        let is_there = if finds { keys.lookup_id() == Some(id) } else { held.contains(&id) };
        if !is_there {
            return Ok(Err(if finds { OpenError::LookupKey(id) } else { OpenError::SealingKey(id) }));
        }
    }
    Ok(Ok(()))
}

/// Whether the registry may ever have sealed to a key: before it does, the key is noted.
///
/// # Errors
/// As the store says.
pub(crate) fn ever_sealed_to(connection: &mut Connection, key: KeyId) -> Result<bool, StoreError> {
    let noted = sealing_key::table.filter(sealing_key::id.eq(Blob(key.0)).and(sealing_key::finds.eq(false)));
    Ok(noted.count().get_result::<i64>(connection)? > 0)
}

/// Notes these keys, and reads again what was sealed to one of them before it was here.
///
/// # Errors
/// As the store says.
pub(crate) fn note(connection: &mut Connection, keys: &Keyring, now: i64) -> Result<(), StoreError> {
    let noted: Vec<Blob<8>> = sealing_key::table.select(sealing_key::id).load(connection)?;
    let sealing = keys.keys_that_sealed().map(|key| (key.id(), false));
    let all = sealing.chain(keys.lookup_id().map(|id| (id, true)));
    for (id, finds) in all.filter(|(id, _)| !noted.contains(&Blob(id.0))) {
        let row = (sealing_key::id.eq(Blob(id.0)), sealing_key::finds.eq(finds), sealing_key::noted_at.eq(now));
        diesel::insert_into(sealing_key::table).values(row).execute(connection)?;
    }
    for household in unread(connection, keys)? {
        read_again(connection, keys, household)?;
    }
    Ok(())
}

/// Households with a number that could not be read for want of a key and now may be.
fn unread(connection: &mut Connection, keys: &Keyring) -> Result<BTreeSet<Id>, StoreError> {
    let waiting: Vec<(Id, Option<String>)> = resident::table
        .filter(resident::citizen_number_unreadable.eq(Unreadable::UnknownKey.word()))
        .select((resident::household, resident::citizen_number))
        .load(connection)?;
    let held: BTreeSet<KeyId> = keys.public_keys().map(|key| key.id()).collect();
    let opens = |text: &String| text.parse::<SealedNumber>().is_ok_and(|sealed| held.contains(&sealed.key()));
    let waiting = waiting.into_iter().filter(|(_, text)| text.as_ref().is_some_and(opens));
    let mut households: BTreeSet<Id> = waiting.map(|(household, _)| household).collect();
    // Which key the values of a conflict are sealed to stands in the document alone; there are few.
    let of_number = conflict::table.filter(conflict::path.like(format!("%.{CITIZEN_NUMBER}")));
    households.extend(of_number.select(conflict::household).distinct().load::<Id>(connection)?);
    Ok(households)
}

fn read_again(connection: &mut Connection, keys: &Keyring, household: Id) -> Result<(), StoreError> {
    let key = DocumentKey::from(DocumentId::household(HouseholdId::from(household)));
    let home: Option<Id> = document::table
        .filter(document::id.eq(Blob(*key.id.as_bytes())))
        .select(document::home)
        .get_result(connection)
        .optional()?;
    let (Some(home), Some(found)) = (home, snapshot::load(connection, &key)?) else { return Ok(()) };
    let reading = read_household(SCHEMA, &key, &found).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let mut owners = std::collections::BTreeMap::new();
    for by in reading.conflicts.iter().flat_map(|open| &open.alternatives).map(|one| one.by) {
        let staff: Id = actor::table.find(Id::from(by)).select(actor::staff).get_result(connection)?;
        owners.insert(by, staff.into());
    }
    let rows = household_rows(&reading, ScopeId::from(home), keys, |actor| {
        let unknown = || StoreError::Unreadable(format!("nobody is behind the actor {actor}"));
        owners.get(&actor).copied().ok_or_else(unknown)
    })?;
    Ok(write_household(connection, &rows)?)
}

/// Whether a path is that of a citizen number.
pub(crate) fn is_citizen_number(record: &RecordPath, field: &str) -> bool {
    record.container == gridwork_domain::schema::RESIDENTS && field == CITIZEN_NUMBER
}
