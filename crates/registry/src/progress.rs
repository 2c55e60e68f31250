//! What a transaction did to the feeds: told to who listens and counted, once it is committed.

use crate::figures::add;
use crate::lag::Lags;
use crate::registry::Registry;
use gridwork_domain::id::ScopeId;
use std::collections::BTreeSet;

/// How far a transaction brought the feeds.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Whose feeds were written to.
    pub(crate) scopes: BTreeSet<ScopeId>,
    /// Rows written to them.
    pub(crate) rows: u64,
    /// How long the devices' changes among them took to come.
    pub(crate) lags: Lags,
}

impl Registry {
    /// Counts what is committed, and hints at it.
    pub(crate) fn committed(&self, progress: Progress) {
        add(&self.counters.feed_rows, progress.rows);
        self.counters.lags.add(&progress.lags);
        self.news.committed(progress.scopes);
    }
}
