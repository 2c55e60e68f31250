//! The sealer: gives audit rows their positions and their hashes, and their persons an index.
//!
//! Each node has one, and one of them at a time holds the lease in the row of `audit_chain`. It is taken in the very
//! transaction that seals: a node that dies leaves nothing half done, and another takes over when the lease has run out.
//! The lease only spares the others the work. That row itself is what keeps two from sealing at once, however their
//! clocks differ; and if they did, the second would fail on a position that is taken, and undo all that it did.
//!
//! **Invariant:** positions begin at 1 and have no gap; a row that is sealed is never written again.

use super::chain::AuditRow;
use super::{Subject, WHOLE_HOUSEHOLD, split_persons};
use crate::database::{Blob, Connection, HashBlob, Id, StoreError};
use crate::entropy::random;
use crate::figures::add;
use crate::registry::Registry;
use crate::tables::{audit, audit_chain, audit_person};
use diesel::dsl::{exists, min};
use diesel::prelude::*;
use diesel::select;
use diesel::sql_types::{Array, BigInt, Binary};
use gridwork_domain::instant::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it is looked whether there is something to seal: well within the second in which a row is sealed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a lease lasts. Whoever holds it renews it with everything that is sealed; after a node died, rows wait for so
/// long at most.
pub(super) const LEASE_MS: i64 = 2_000;
/// Rows that one transaction seals at most.
const MOST_ROWS: i64 = 256;
/// Persons that one transaction puts into the index, and those of one row more: some 20 ms of the writer.
const MOST_PERSONS: usize = 1_024;

/// Persons of one statement: four values each, far below what SQLite takes.
const PERSONS_PER_INSERT: usize = 500;

/// Seals audit rows for as long as the node lives.
pub struct Sealer {
    registry: Registry,
    id: Id,
}

impl Registry {
    /// The sealer of this node.
    ///
    /// # Errors
    /// [`StoreError::Entropy`] if there is no id for it.
    pub fn sealer(&self) -> Result<Sealer, StoreError> {
        Ok(Sealer { registry: self.clone(), id: Blob(random()?) })
    }

    /// For how many milliseconds the oldest audit row has been waiting to be sealed; 0 if none waits.
    ///
    /// # Errors
    /// As the store says.
    pub async fn audit_lag_ms(&self, now: Instant) -> Result<u64, StoreError> {
        self.database
            .read(move |connection| {
                let unsealed = audit::table.filter(audit::position.is_null());
                let oldest: Option<i64> = unsealed.select(min(audit::at)).get_result(connection)?;
                Ok(oldest.map_or(0, |at| u64::try_from(now.ms().saturating_sub(at)).unwrap_or(0)))
            })
            .await
    }
}

impl Sealer {
    /// Seals what there is, again and again, until the registry is closed.
    pub async fn run(&self, clock: impl Fn() -> Instant) {
        loop {
            match self.seal(clock()).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "audit rows wait to be sealed"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Seals what is there now, unless another node does.
    ///
    /// # Errors
    /// As the store says.
    pub async fn seal(&self, now: Instant) -> Result<(), StoreError> {
        loop {
            let unsealed = audit::table.filter(audit::position.is_null()).select(audit::id);
            let any = self
                .registry
                .database
                .read(move |connection| Ok::<bool, StoreError>(select(exists(unsealed)).get_result(connection)?));
            if !any.await? {
                return Ok(());
            }
            let id = self.id;
            // It locks the chain first. Serializable, it would be refused for every row that is noted meanwhile.
            let sealed = self.registry.database.write_locking(move |connection| seal_some(connection, id, now)).await?;
            add(&self.registry.counters.audit_sealed, sealed);
            if sealed == 0 {
                return Ok(()); // another node holds the lease
            }
        }
    }
}

/// Seals some rows and returns how many; none if another holds the lease.
pub(super) fn seal_some(connection: &mut Connection, holder: Id, now: Instant) -> Result<u64, StoreError> {
    // A lease that ends later than any that begins now was taken by a clock that is ahead.
    let over = audit_chain::lease_until.le(now.ms()).or(audit_chain::lease_until.gt(now.plus_ms(2 * LEASE_MS).ms()));
    let free = audit_chain::holder.is_null().or(audit_chain::holder.eq(holder)).or(over);
    let lease = (audit_chain::holder.eq(Some(holder)), audit_chain::lease_until.eq(now.plus_ms(LEASE_MS).ms()));
    if diesel::update(audit_chain::table.find(1)).filter(free).set(lease).execute(connection)? == 0 {
        return Ok(0);
    }
    // From here on the row is this transaction's: nobody else's chain is read.
    let this = audit_chain::table.find(1).select((audit_chain::position, audit_chain::hash));
    let (mut position, mut hash): (i64, HashBlob) = this.get_result(connection)?;
    let rows: Vec<AuditRow> = audit::table
        .filter(audit::position.is_null())
        .order((audit::at, audit::id))
        .limit(MOST_ROWS)
        .select(AuditRow::as_select())
        .load(connection)?;
    let (mut sealed, mut persons) = (Vec::new(), Vec::new());
    for row in rows {
        position += 1;
        hash = row.hash_after(&hash);
        sealed.push((row.id, position, hash));
        persons.extend(index_of(&row.persons).into_iter().map(|person| (position, person)));
        if persons.len() >= MOST_PERSONS {
            break;
        }
    }
    write_places(connection, &sealed)?;
    index(connection, &persons)?;
    let reached = (audit_chain::position.eq(position), audit_chain::hash.eq(hash));
    diesel::update(audit_chain::table.find(1)).set(reached).execute(connection)?;
    Ok(sealed.len() as u64)
}

/// Gives rows their positions and hashes.
fn write_places(connection: &mut Connection, sealed: &[(Id, i64, HashBlob)]) -> Result<(), StoreError> {
    match connection {
        Connection::Sqlite(one) => {
            for (id, position, hash) in sealed {
                let columns = (audit::position.eq(Some(position)), audit::hash.eq(Some(hash)));
                diesel::update(audit::table.find(id)).set(columns).execute(one)?;
            }
        }
        // Each statement is a way to the server and back, and an update is parsed and planned anew each time.
        Connection::Postgres(one) => {
            let ids: Vec<Id> = sealed.iter().map(|row| row.0).collect();
            let positions: Vec<i64> = sealed.iter().map(|row| row.1).collect();
            let hashes: Vec<HashBlob> = sealed.iter().map(|row| row.2).collect();
            diesel::sql_query(
                "UPDATE audit SET position = place.position, hash = place.hash \
                 FROM unnest($1, $2, $3) AS place(id, position, hash) WHERE audit.id = place.id",
            )
            .bind::<Array<Binary>, _>(ids)
            .bind::<Array<BigInt>, _>(positions)
            .bind::<Array<Binary>, _>(hashes)
            .execute(one)?;
        }
    }
    Ok(())
}

/// Household and resident, with the grid.
type Person = ((Id, Id), Id);

fn index(connection: &mut Connection, persons: &[(i64, Person)]) -> Result<(), StoreError> {
    match connection {
        Connection::Sqlite(one) => {
            for some in persons.chunks(PERSONS_PER_INSERT) {
                let row = |(position, ((household, resident), scope)): &(i64, Person)| {
                    (
                        audit_person::position.eq(*position),
                        audit_person::household.eq(*household),
                        audit_person::resident.eq(*resident),
                        audit_person::scope.eq(*scope),
                    )
                };
                let rows: Vec<_> = some.iter().map(row).collect();
                diesel::insert_into(audit_person::table).values(rows).execute(one)?;
            }
        }
        Connection::Postgres(one) => {
            let ids = |which: fn(&Person) -> Id| persons.iter().map(|(_, person)| which(person)).collect::<Vec<Id>>();
            diesel::sql_query(
                "INSERT INTO audit_person (position, household, resident, scope) SELECT * FROM unnest($1, $2, $3, $4)",
            )
            .bind::<Array<BigInt>, _>(persons.iter().map(|(position, _)| *position).collect::<Vec<i64>>())
            .bind::<Array<Binary>, _>(ids(|person| person.0.0))
            .bind::<Array<Binary>, _>(ids(|person| person.0.1))
            .bind::<Array<Binary>, _>(ids(|person| person.1))
            .execute(one)?;
        }
    }
    Ok(())
}

/// The index of the persons of a row: household and resident, each once, with the grid.
pub(super) fn index_of(persons: &[u8]) -> BTreeMap<(Id, Id), Id> {
    let entry = |one: Subject| {
        let resident = one.resident.map_or(WHOLE_HOUSEHOLD, Id::from);
        ((Id::from(one.household), resident), Id::from(one.scope))
    };
    split_persons(persons).map(entry).collect()
}
