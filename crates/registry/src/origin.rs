//! Where a request comes from and why it is made, for the audit row of whatever it does.
//!
//! It goes with the task that serves the request and with each job that the task hands to the database, so that no
//! operation, also of a later release, can forget to pass it on. It does not know HTTP.
//!
//! **Invariant:** a job runs under the origin of the request that asked for it, whichever thread runs it, and with
//! whichever other jobs it shares a transaction.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static ORIGIN: Arc<Origin>;
}

/// Where a request comes from and why it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the peer, or for whom a trusted proxy asks.
    pub source: Option<String>,
    /// The id of the request, under which the server's log has it.
    pub request: Option<String>,
    /// Why, in the words of whoever asks.
    pub reason: Option<String>,
}

impl Origin {
    /// Runs what serves a request of this origin.
    pub fn scope<F: Future>(self, serving: F) -> impl Future<Output = F::Output> {
        ORIGIN.scope(Arc::new(self), serving)
    }

    /// The origin of what runs now; an empty one outside every request.
    pub fn current() -> Arc<Self> {
        ORIGIN.try_with(Arc::clone).unwrap_or_default()
    }

    /// Runs a job of the database under this origin.
    pub(crate) fn run<T>(self: Arc<Self>, job: impl FnOnce() -> T) -> T {
        ORIGIN.sync_scope(self, job)
    }
}
