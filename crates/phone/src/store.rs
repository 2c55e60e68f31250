//! The phone's store: one SQLite database in one folder, with room reserved for when the disk is full.
//!
//! It knows rows, not what they mean. One process opens it at a time.
//!
//! **Invariant:** a save is whole or not at all, and durable when it is acknowledged, also after a kill or a power cut.
//! A save that fails, for want of room above all, leaves everything as it was before.

mod reserve;
mod rows;
mod tables;

use crate::identity::{Grid, Identity};
use crate::reference::Reference;
use diesel::connection::SimpleConnection;
use diesel::{Connection as _, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use gridwork_domain::id::{DeviceId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sealing::PublicKey;
use gridwork_sync::replica::{Owner, Row, Scope};
use reserve::Reserve;
use rows::array;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tables::{grid, identity, reference};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// How the database is run.
///
/// One process alone opens it, so the index of the log stays in memory and no shared file has to grow. The log is
/// folded into the database every megabyte: that is what the reserve must have room for.
const PRAGMAS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 256;
    PRAGMA journal_size_limit = 1048576;
    PRAGMA cache_size = -512;
    PRAGMA temp_store = MEMORY;
";

/// What SQLite says of `SQLITE_FULL`.
const FULL_MESSAGE: &str = "database or disk is full";

/// What can go wrong in the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No room. Nothing was saved.
    #[error("not saved: the disk is full")]
    Full,
    /// Another process, or another part of this one, has the store open.
    #[error("the store is open elsewhere: close it there first")]
    InUse,
    /// The folder cannot be used.
    #[error("the folder of the store cannot be used")]
    Folder(#[source] Arc<io::Error>),
    /// The database refused. Nothing was saved.
    #[error("the store's database failed")]
    Database(#[source] Arc<diesel::result::Error>),
    /// The database cannot be opened or brought up to date.
    #[error("the store's database cannot be opened: {0}")]
    Open(String),
    /// A row that no release can have written.
    #[error("the table {0} of the store is damaged")]
    Unreadable(&'static str),
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        match &error {
            diesel::result::Error::DatabaseError(_, info) if info.message().contains(FULL_MESSAGE) => Self::Full,
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Self::Full,
            _ => Self::Folder(Arc::new(error)),
        }
    }
}

pub(crate) struct Store {
    // Fields are dropped in this order: the database is closed before the lock is given up.
    connection: SqliteConnection,
    reserve: Reserve,
    _lock: File,
}

impl Store {
    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open(folder: &Path, reserve_bytes: u64) -> Result<Self, StoreError> {
        // For its owner alone: in it lies the device's key.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse,
            TryLockError::Error(error) => error.into(),
        })?;
        let path: PathBuf = folder.join("store.sqlite");
        File::options().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        let path = path.to_str().ok_or_else(|| StoreError::Open("the folder's name is not Unicode".to_owned()))?;
        let mut connection = SqliteConnection::establish(path).map_err(|error| StoreError::Open(error.to_string()))?;
        connection.batch_execute(PRAGMAS)?;
        connection.run_pending_migrations(MIGRATIONS).map_err(|error| {
            let message = error.to_string();
            if message.contains(FULL_MESSAGE) { StoreError::Full } else { StoreError::Open(message) }
        })?;
        let store = Self { connection, reserve: Reserve::new(folder, reserve_bytes), _lock: lock };
        store.reserve.hold();
        Ok(store)
    }

    /// Saves all rows in one transaction, or none.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was saved.
    pub(crate) fn save(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        self.write(|connection| rows.iter().try_for_each(|row| rows::write(connection, row)))
    }

    /// All rows of the replica.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn rows(&mut self) -> Result<Vec<Row>, StoreError> {
        rows::read(&mut self.connection)
    }

    /// Whether the reserve is there; it is made again if there is room. Without it nothing new is recorded or fetched.
    pub(crate) fn hold_reserve(&self) -> bool {
        self.reserve.hold()
    }

    /// Gives up the reserve, so that what is saved already can still be handed in and settled, and folds the log into
    /// the database with the room that this gives.
    pub(crate) fn make_room(&mut self) {
        self.reserve.release();
        // If even this fails, so does the next save, and says so.
        let _ = self.connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Lets the database grow by no more pages than these, or without bound.
    #[cfg(test)]
    pub(crate) fn limit_pages(&mut self, more: Option<u32>) {
        use diesel::sql_types::Integer;
        #[derive(diesel::QueryableByName)]
        struct Pages {
            #[diesel(sql_type = Integer)]
            page_count: i32,
        }
        let pages: Pages = diesel::sql_query("PRAGMA page_count").get_result(&mut self.connection).expect("counted");
        let most = more.map_or(i32::MAX - 1, |more| pages.page_count + more as i32);
        self.connection.batch_execute(&format!("PRAGMA max_page_count = {most}")).expect("limited");
    }

    /// What the phone is, if an enrolment was begun.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn identity(&mut self) -> Result<Option<Identity>, StoreError> {
        type Bytes = Option<Vec<u8>>;
        type Found = (i32, String, Vec<u8>, Bytes, Option<String>, Bytes, Option<String>, Bytes);
        let found = identity::table.first::<Found>(&mut self.connection).optional()?;
        let Some((_, server, secret_key, device, token, staff, name, sealing_key)) = found else { return Ok(None) };
        let enrolled = match (device, token, staff, name) {
            (Some(device), Some(token), Some(staff), Some(name)) => {
                let device = DeviceId::from_bytes(array(&device, "identity")?);
                let staff = StaffId::from_bytes(array(&staff, "identity")?);
                Some((Owner { device, staff, name }, token))
            }
            _ => None,
        };
        let bad = |_| StoreError::Unreadable("identity");
        let sealing_key =
            sealing_key.map(|key| PublicKey::from_bytes(array(&key, "identity")?).map_err(bad)).transpose()?;
        Ok(Some(Identity { server, secret_key: array(&secret_key, "identity")?, enrolled, sealing_key }))
    }

    /// Saves what the phone is, and when it is enrolled also the grids for which it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn save_identity(&mut self, one: &Identity, grids: &[Grid]) -> Result<(), StoreError> {
        let owner = one.enrolled.as_ref().map(|(owner, _)| owner);
        let values = (
            identity::id.eq(1),
            identity::server.eq(&one.server),
            identity::secret_key.eq(one.secret_key.as_slice()),
            identity::device.eq(owner.map(|owner| owner.device.as_bytes().to_vec())),
            identity::token.eq(one.enrolled.as_ref().map(|(_, token)| token)),
            identity::staff.eq(owner.map(|owner| owner.staff.as_bytes().to_vec())),
            identity::staff_name.eq(owner.map(|owner| &owner.name)),
            identity::sealing_key.eq(one.sealing_key.map(|key| key.as_bytes().to_vec())),
        );
        self.write(|connection| {
            diesel::replace_into(identity::table).values(values).execute(connection)?;
            for one in grids {
                let scope = one.scope.as_bytes().as_slice();
                let values = (grid::scope.eq(scope), grid::name.eq(&one.name), grid::code.eq(&one.code));
                diesel::replace_into(grid::table).values(values).execute(connection)?;
                rows::write(connection, &Row::Scope(one.scope, Scope::default()))?;
            }
            Ok(())
        })
    }

    /// The grids for which the phone is enrolled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn grids(&mut self) -> Result<Vec<Grid>, StoreError> {
        let rows = grid::table.order(grid::code).load::<(Vec<u8>, String, String)>(&mut self.connection)?;
        let read = |(scope, name, code): (Vec<u8>, String, String)| {
            Ok(Grid { scope: ScopeId::from_bytes(array(&scope, "grid")?), name, code })
        };
        rows.into_iter().map(read).collect()
    }

    /// The lists that everybody works with, if they were fetched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn reference(&mut self) -> Result<Option<Reference>, StoreError> {
        let columns = (reference::version, reference::checked_at, reference::content);
        let found = reference::table.select(columns).first::<(String, i64, String)>(&mut self.connection).optional()?;
        Ok(found.map(|(version, checked_at, lists)| Reference {
            version,
            checked_at: Instant::from_ms(checked_at),
            lists,
        }))
    }

    /// Saves the lists in place of those that were there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn save_reference(&mut self, one: &Reference) -> Result<(), StoreError> {
        let values = (
            reference::id.eq(1),
            reference::version.eq(&one.version),
            reference::checked_at.eq(one.checked_at.ms()),
            reference::content.eq(&one.lists),
        );
        self.write(|connection| {
            diesel::replace_into(reference::table).values(values).execute(connection)?;
            Ok(())
        })
    }

    /// One transaction. The library's own is not used: SQLite ends a transaction by itself when the disk is full, and
    /// the rollback that then fails would hide the reason.
    fn write(&mut self, work: impl FnOnce(&mut SqliteConnection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.connection.batch_execute("BEGIN IMMEDIATE")?;
        let done = work(&mut self.connection).and_then(|()| Ok(self.connection.batch_execute("COMMIT")?));
        if done.is_err() {
            let _ = self.connection.batch_execute("ROLLBACK");
        }
        done
    }
}
