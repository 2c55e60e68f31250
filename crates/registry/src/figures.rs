//! Counts of what the registry did since it was opened, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What the registry did since it was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Figures {
            /// Jobs that wait for the writer right now.
            pub writer_queue: u64,
            /// Requests that read, or wait for a connection to read with, right now.
            pub waiting_reads: u64,
            /// Requests that hash a password, or wait for their turn to, right now.
            pub waiting_hashes: u64,
            $($(#[$doc])* pub $name: u64,)+
        }

        /// The counters behind [`Figures`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            /// Jobs that wait for the writer right now.
            pub(crate) writer_queue: AtomicU64,
            /// Requests that read, or wait for a connection to read with, right now.
            pub(crate) waiting_reads: AtomicU64,
            /// Requests that hash a password, or wait for their turn to, right now.
            pub(crate) waiting_hashes: AtomicU64,
            $($(#[$doc])* pub(crate) $name: AtomicU64,)+
        }

        impl Counters {
            /// All counts, each read once.
            pub(crate) fn read(&self) -> Figures {
                Figures {
                    writer_queue: self.writer_queue.load(Ordering::Relaxed),
                    waiting_reads: self.waiting_reads.load(Ordering::Relaxed),
                    waiting_hashes: self.waiting_hashes.load(Ordering::Relaxed),
                    $($name: self.$name.load(Ordering::Relaxed),)+
                }
            }
        }
    };
}

figures! {
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
    /// Changes merged.
    merged,
    /// Changes pushed that were merged already.
    known,
    /// Changes held when they were pushed.
    held,
    /// Changes quarantined.
    quarantined,
    /// Documents found unreadable: an alarm if it is not 0.
    unreadable,
    /// Audit rows sealed by this node.
    audit_sealed,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
