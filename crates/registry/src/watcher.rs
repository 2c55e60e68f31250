//! The watcher of a node: reads from the database what moved, and tells who listens in this process.
//!
//! Hints make it quick, its own looking round makes it right: whichever node or process wrote, and whatever became of its
//! hint, each position of a feed is told once by each node's watcher.
//!
//! **Invariant:** of one scope, positions are told in order, each once, and only after they were committed.

use crate::Reach;
use crate::database::{Connection, DocumentBlob, Id, StoreError};
use crate::log::key;
use crate::news::{Hinted, Moved, News};
use crate::registry::Registry;
use crate::tables::{change, feed, scope};
use diesel::dsl::max;
use diesel::prelude::*;
use gridwork_domain::id::ScopeId;
use gridwork_domain::instant::Instant;
use gridwork_sync::document::DocumentId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant as Moment, sleep, sleep_until, timeout_at};

/// How often everything is looked at where no hints come from other nodes: all that they write waits for so long at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often everything is looked at while hints come in.
const LOOK_EVERY_WHILE_RELAYED: Duration = Duration::from_secs(5);
/// Rows of feeds that are read at once.
const MOST_ROWS: i64 = 1_000;
/// How long to wait after the database failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Tells what moves for as long as the node lives.
pub struct Watcher {
    registry: Registry,
    /// The last position of each scope that was told.
    told: Arc<BTreeMap<ScopeId, i64>>,
}

/// What a look at the database found.
struct Found {
    steps: Vec<(ScopeId, i64, DocumentId)>,
    /// Whether there was more than one look reads.
    more: bool,
}

impl Registry {
    /// The watcher of this node; it tells what moved since the registry was opened.
    pub fn watcher(&self) -> Watcher {
        Watcher { registry: self.clone(), told: Arc::new(self.news.start.clone()) }
    }

    /// The documents within reach of which something was received at or after an instant, each with its last position; `None`
    /// if they are more than `most`.
    ///
    /// # Errors
    /// As the store says.
    pub async fn moved_since(
        &self,
        reach: &Reach,
        since: Instant,
        most: u32,
    ) -> Result<Option<Vec<Moved>>, StoreError> {
        let scopes = reach.columns();
        let told_until = self.told_until();
        let moved = self.database.read(move |connection| {
            let rows: Vec<(Id, DocumentBlob, i64, Option<i64>)> = change::table
                .filter(change::scope.eq_any(scopes).and(change::received_at.ge(since.ms())))
                .group_by((change::scope, change::document, change::epoch))
                .select((change::scope, change::document, change::epoch, max(change::position)))
                .limit(i64::from(most) + 1)
                .load(connection)?;
            let moved = rows.into_iter().map(|(scope, document, epoch, position)| {
                let document = key(document, epoch)?.id;
                Ok(Moved { scope: scope.into(), position: position.unwrap_or_default(), document, told_until })
            });
            moved.collect::<Result<Vec<_>, StoreError>>()
        });
        let moved = moved.await?;
        Ok((moved.len() <= most as usize).then_some(moved))
    }
}

impl Watcher {
    /// Looks and tells, again and again, until the registry is closed.
    pub async fn run(mut self, clock: impl Fn() -> Instant) {
        let news = self.registry.news.clone();
        let mut looked = Moment::now();
        loop {
            let every = if news.is_relayed() { LOOK_EVERY_WHILE_RELAYED } else { LOOK_EVERY };
            let hinted = timeout_at(looked + every, news.hinted()).await;
            // However many hints come in, the time to look round comes, too.
            let due = hinted.is_err() || Moment::now() >= looked + every;
            let hinted = news.take_hinted();
            let which = if due { Hinted::All } else { hinted };
            if which == Hinted::All {
                looked = Moment::now();
            }
            match self.look(which, clock(), &news).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "news wait to be told");
                    news.hint_all();
                    sleep_until(Moment::now() + AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Tells what is new; in all scopes if there is more than one look reads.
    async fn look(&mut self, which: Hinted, now: Instant, news: &News) -> Result<(), StoreError> {
        let whole = which == Hinted::All;
        let mut which = which;
        loop {
            let (told, here) = (self.told.clone(), which.clone());
            let found = self.registry.database.read(move |connection| read(connection, &told, &here)).await?;
            let told = Arc::make_mut(&mut self.told);
            let told_until = news.told_until();
            for (scope, position, document) in found.steps {
                told.insert(scope, position);
                news.tell(Moved { scope, position, document, told_until });
            }
            if !found.more {
                break;
            }
            which = Hinted::All;
            sleep(Duration::ZERO).await;
        }
        if whole {
            news.note_told(now);
        }
        Ok(())
    }
}

/// Where all feeds stand.
pub(crate) fn positions(connection: &mut Connection) -> QueryResult<BTreeMap<ScopeId, i64>> {
    let rows: Vec<(Id, i64)> = scope::table.select((scope::id, scope::position)).load(connection)?;
    Ok(rows.into_iter().map(|(id, position)| (ScopeId::from(id), position)).collect())
}

/// What follows the positions that were told, the first of it.
fn read(connection: &mut Connection, told: &BTreeMap<ScopeId, i64>, which: &Hinted) -> Result<Found, StoreError> {
    let stand = match which {
        Hinted::All => positions(connection)?,
        Hinted::Some(scopes) => {
            let ids: Vec<Id> = scopes.iter().copied().map(Id::from).collect();
            let these = scope::table.filter(scope::id.eq_any(ids)).select((scope::id, scope::position));
            let rows: Vec<(Id, i64)> = these.load(connection)?;
            rows.into_iter().map(|(id, position)| (ScopeId::from(id), position)).collect()
        }
    };
    let mut found = Found { steps: Vec::new(), more: false };
    for (id, position) in stand {
        let after = told.get(&id).copied().unwrap_or_default();
        if position <= after {
            continue;
        }
        let room = MOST_ROWS - i64::try_from(found.steps.len()).unwrap_or(MOST_ROWS);
        if room <= 0 {
            found.more = true;
            break;
        }
        let rows: Vec<(i64, DocumentBlob, i64)> = feed::table
            .filter(feed::scope.eq(Id::from(id)).and(feed::position.gt(after)).and(feed::position.le(position)))
            .order(feed::position)
            .limit(room)
            .select((feed::position, feed::document, feed::epoch))
            .load(connection)?;
        found.more |= rows.last().is_some_and(|(last, ..)| *last < position);
        for (position, document, epoch) in rows {
            found.steps.push((id, position, key(document, epoch)?.id));
        }
    }
    Ok(found)
}
