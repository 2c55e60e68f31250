//! The registry: one database with everything that it does, behind a handle that is cheap to clone.
//!
//! The other modules of this crate add what can be asked of it. It does not know who asks.

use crate::area_tree::AreaCache;
use crate::database::{Connection, Database, StoreError};
use crate::entropy::random;
use crate::figures::{Counters, Figures};
use crate::news::News;
use crate::sealing;
use crate::settings::{OpenError, Settings};
use crate::sign_in::MOST_HASHING;
use crate::tables::instance;
use crate::watcher::positions;
use diesel::prelude::*;
use gridwork_domain::schema::{SCHEMA_1, Schema};
use gridwork_sealing::Keyring;
use gridwork_sync::answer::InstanceId;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// The schema of household documents of this release.
pub(crate) const SCHEMA: &Schema = &SCHEMA_1;

/// The central registry.
#[derive(Clone)]
pub struct Registry {
    pub(crate) database: Arc<Database>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) instance: InstanceId,
    pub(crate) hashing: Arc<Semaphore>,
    pub(crate) areas: Arc<AreaCache>,
    pub(crate) news: Arc<News>,
    pub(crate) sealing: Arc<Keyring>,
}

impl Registry {
    /// Opens the registry, makes its file if there is none, and brings its tables up to date. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let counters = Arc::new(Counters::default());
        let made_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let made_at = i64::try_from(made_at).unwrap_or(i64::MAX);
        let keys = settings.sealing.clone();
        let prepare = move |connection: &mut Connection| {
            let keys = keys.as_ref().map_or(Ok(Ok(())), |keys| prepare_keys(connection, keys, made_at))?;
            Ok((find_or_make_instance(connection, made_at)?, positions(connection)?, keys))
        };
        let (database, (instance, start, keys)) = Database::open(settings, counters.clone(), prepare)?;
        keys?;
        let sealing = settings.sealing.clone().unwrap_or_else(|| Arc::new(Keyring::none()));
        let database = Arc::new(database);
        let hashing = Arc::new(Semaphore::new(MOST_HASHING));
        let news = Arc::new(News::new(start, made_at));
        let areas = Arc::new(AreaCache::new(counters.clone()));
        Ok(Self { database, counters, instance, hashing, areas, news, sealing })
    }

    /// Refuses what comes, finishes what is queued, and closes the database; on all clones of the handle.
    ///
    /// # Errors
    /// [`StoreError::Panicked`] if the thread that closes was lost.
    pub async fn close(self) -> Result<(), StoreError> {
        let database = self.database;
        tokio::task::spawn_blocking(move || database.close()).await.map_err(|_| StoreError::Panicked)
    }

    /// Whether the registry can read and write right now.
    ///
    /// # Errors
    /// [`StoreError`], which says why not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.database.read(|connection| Ok::<_, StoreError>(read_instance(connection)?)).await?;
        self.database.write(|_| Ok(())).await
    }

    /// What the registry did since it was opened.
    pub fn figures(&self) -> Figures {
        let (readers, busy_readers) = self.database.readers();
        Figures { readers, busy_readers, ..self.counters.read() }
    }
}

fn prepare_keys(connection: &mut Connection, keys: &Keyring, now: i64) -> Result<Result<(), OpenError>, StoreError> {
    match sealing::check(connection, keys)? {
        Ok(()) => Ok(Ok(sealing::note(connection, keys, now)?)),
        missing => Ok(missing),
    }
}

fn read_instance(connection: &mut Connection) -> QueryResult<Option<InstanceId>> {
    let id: Option<Vec<u8>> = instance::table.select(instance::id).get_result(connection).optional()?;
    Ok(id.and_then(|id| id.try_into().ok()).map(InstanceId))
}

fn find_or_make_instance(connection: &mut Connection, made_at: i64) -> Result<InstanceId, StoreError> {
    if let Some(found) = read_instance(connection)? {
        return Ok(found);
    }
    let id: [u8; 8] = random()?;
    let row = (instance::id.eq(id.as_slice()), instance::made_at.eq(made_at), instance::areas_version.eq(0));
    diesel::insert_into(instance::table).values(row).execute(connection)?;
    Ok(InstanceId(id))
}
