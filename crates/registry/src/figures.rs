//! Counts of what the registry did since it was opened, for whoever watches it.
//!
//! It knows numbers alone: no name, no id, nothing of a resident.
//!
//! **Invariant:** what a transaction did is counted after it was committed, and once, however often it was attempted.

use crate::lag::{LagCounters, Lags};
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What the registry did since it was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Figures {
            $($(#[$doc])* pub $name: u64,)+
            /// Connections for reading, right now.
            pub readers: u64,
            /// Those of them that somebody reads with.
            pub busy_readers: u64,
            /// How long changes of devices took from their making to the registry.
            pub lags: Lags,
        }

        /// The counters behind [`Figures`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)+
            /// How long changes of devices took from their making to the registry.
            pub(crate) lags: LagCounters,
        }

        impl Counters {
            /// All counts, each read once.
            pub(crate) fn read(&self) -> Figures {
                Figures {
                    $($name: self.$name.load(Ordering::Relaxed),)+
                    readers: 0,
                    busy_readers: 0,
                    lags: self.lags.read(),
                }
            }
        }
    };
}

figures! {
    /// Jobs that wait for the writer right now.
    writer_queue,
    /// Requests that read, or wait for a connection to read with, right now.
    waiting_reads,
    /// Requests that hash a password, or wait for their turn to, right now.
    waiting_hashes,
    /// Connections for writing, right now.
    writers,
    /// Those of them that somebody writes with.
    busy_writers,
    /// Transactions committed by the writer: each a group of jobs.
    commits,
    /// Jobs that the writer ran.
    jobs,
    /// Jobs in the largest group so far.
    largest_group,
    /// Further attempts at jobs that were in each other's way.
    attempts_again,
    /// Requests refused because the registry was overloaded.
    overloaded,
    /// Exchanges answered.
    exchanges,
    /// Changes that devices pushed and that were merged, also those that had waited.
    merged,
    /// Changes pushed that were merged already.
    known,
    /// Changes held when they were pushed.
    held,
    /// Changes quarantined when they were pushed.
    quarantined,
    /// Edits merged at desks and by imports.
    edits,
    /// Changes merged because somebody released them.
    released,
    /// Rows committed to the feeds.
    feed_rows,
    /// Documents found unreadable: an alarm if it is not 0.
    unreadable,
    /// Audit rows sealed by this node.
    audit_sealed,
    /// Times that the areas were asked for and were in memory.
    area_cache_hits,
    /// Times that the areas were asked for and were read from the database.
    area_cache_misses,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
