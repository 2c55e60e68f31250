//! What a node's watcher and those who listen to it share: hints on their way in, news on their way out.
//!
//! A hint names a scope whose feed may have moved. It carries nothing else: what moved is read from the database. It does
//! not know who listens, nor how hints come from other nodes.
//!
//! **Invariant:** a hint that is lost costs time and nothing else.

use crate::registry::Registry;
use gridwork_domain::id::ScopeId;
use gridwork_domain::instant::Instant;
use gridwork_sync::document::DocumentId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, broadcast};

/// News that wait for a listener at most; one that is slower is told that it missed some. 100 bytes each.
const LONGEST_QUEUE: usize = 4_096;
/// Hints that wait to be passed on to other nodes.
const LONGEST_HINT_QUEUE: usize = 1_024;
/// Scopes that are hinted at one by one; beyond, all are looked at.
const MOST_HINTED: usize = 256;

/// A step of a scope's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The scope.
    pub scope: ScopeId,
    /// The position in its feed.
    pub position: i64,
    /// The document that changed.
    pub document: DocumentId,
    /// All that was committed before this instant, in any scope, has been told before this.
    pub told_until: Instant,
}

/// Where the watcher looks next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hinted {
    /// At these.
    Some(BTreeSet<ScopeId>),
    /// At all of them.
    All,
}

/// What they share.
pub(crate) struct News {
    /// Where the feeds stood when the registry was opened.
    pub(crate) start: BTreeMap<ScopeId, i64>,
    hinted: Mutex<Hinted>,
    bell: Notify,
    relayed: AtomicBool,
    told_until_ms: AtomicI64,
    listeners: broadcast::Sender<Moved>,
    relays: broadcast::Sender<ScopeId>,
}

impl News {
    /// Nothing new since the feeds stood like this, which was read after that instant.
    pub(crate) fn new(start: BTreeMap<ScopeId, i64>, at_ms: i64) -> Self {
        Self {
            start,
            hinted: Mutex::new(Hinted::Some(BTreeSet::new())),
            bell: Notify::new(),
            relayed: AtomicBool::new(false),
            told_until_ms: AtomicI64::new(at_ms),
            listeners: broadcast::Sender::new(LONGEST_QUEUE),
            relays: broadcast::Sender::new(LONGEST_HINT_QUEUE),
        }
    }

    /// These scopes' feeds were moved by this node, and that is committed.
    pub(crate) fn committed(&self, scopes: BTreeSet<ScopeId>) {
        for scope in &scopes {
            let _ = self.relays.send(*scope); // there may be no relay
        }
        self.hint(scopes);
    }

    /// What was hinted at since this was last asked.
    pub(crate) fn take_hinted(&self) -> Hinted {
        std::mem::replace(&mut *self.lock(), Hinted::Some(BTreeSet::new()))
    }

    /// Has all scopes looked at, now.
    pub(crate) fn hint_all(&self) {
        *self.lock() = Hinted::All;
        self.bell.notify_one();
    }

    /// Waits for a hint; returns at once if there was one since the last time.
    pub(crate) async fn hinted(&self) {
        self.bell.notified().await;
    }

    /// Whether other nodes' hints come in right now.
    pub(crate) fn is_relayed(&self) -> bool {
        self.relayed.load(Ordering::Relaxed)
    }

    /// Tells who listens.
    pub(crate) fn tell(&self, moved: Moved) {
        let _ = self.listeners.send(moved); // there may be no listener
    }

    /// Notes that all that was committed before an instant has been told.
    pub(crate) fn note_told(&self, until: Instant) {
        self.told_until_ms.fetch_max(until.ms(), Ordering::Release);
    }

    /// All that was committed before this instant has been told.
    pub(crate) fn told_until(&self) -> Instant {
        Instant::from_ms(self.told_until_ms.load(Ordering::Acquire))
    }

    fn hint(&self, scopes: BTreeSet<ScopeId>) {
        if scopes.is_empty() {
            return;
        }
        let mut hinted = self.lock();
        if let Hinted::Some(some) = &mut *hinted {
            some.extend(scopes);
            if some.len() > MOST_HINTED {
                *hinted = Hinted::All;
            }
        }
        drop(hinted);
        self.bell.notify_one();
    }

    /// Whoever panicked while holding the lock left it whole: it is changed in one step.
    fn lock(&self) -> std::sync::MutexGuard<'_, Hinted> {
        self.hinted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Listens to what moves from now on, as far as the watcher runs. Whoever lags behind by thousands of news is told
    /// that some were missed, by the channel's own error, and reads anew.
    pub fn listen(&self) -> broadcast::Receiver<Moved> {
        self.news.listeners.subscribe()
    }

    /// All that was committed before this instant, by this node's clock and in any scope, has been told to who listened.
    pub fn told_until(&self) -> Instant {
        self.news.told_until()
    }

    /// The scopes that this node moves from now on, to be passed on to other nodes. A hint may be lost.
    pub fn hints(&self) -> broadcast::Receiver<ScopeId> {
        self.news.relays.subscribe()
    }

    /// Another node says that it moved a scope.
    pub fn look_at(&self, scope: ScopeId) {
        self.news.hint(BTreeSet::from([scope]));
    }

    /// Says whether other nodes' hints come in from now on: if so, the watcher looks less often by itself. Either way it
    /// looks at everything now, as hints may have been lost before.
    pub fn rely_on_hints(&self, relayed: bool) {
        self.news.relayed.store(relayed, Ordering::Relaxed);
        self.news.hint_all();
    }
}
