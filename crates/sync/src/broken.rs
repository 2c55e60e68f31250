//! Rules that the simulation breaks on purpose, one at a time, to see that an oracle tells.
//!
//! Outside of the tests no rule is ever broken, and nothing of this remains.

/// A rule, named after what happens without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "what breaks the rules of a server is in the tests"))]
pub(crate) enum Broken {
    /// The guard does not ask that an actor's change depend on the actor's previous one.
    NoPreviousDependency,
    /// A change counts as merged in every document if it is merged in one.
    HashWithoutDocument,
    /// The guard takes whatever epoch a change says it is of.
    TrustedEpoch,
    /// Predecessors are held against what is visible now, not at the change's own dependencies.
    CurrentPredecessors,
    /// An answer leaves out what was made by the actors that pushed, not what was pushed.
    EchoByActor,
    /// A phone counts all as handed in that is in its outbox when an answer comes.
    MarkAllSent,
    /// What is set aside is forgotten.
    AsideForgotten,
    /// What is set aside is never made again.
    NeverMadeAgain,
    /// All households begin with the same genesis.
    SharedGenesis,
    /// What an author had not seen is overwritten.
    SeenIgnored,
    /// Cursors are read before the changes below them are committed.
    CursorBeforeCommit,
    /// Positions of a feed are drawn from a sequence, so that they appear out of order.
    PositionFromSequence,
    /// Verdicts are sent before the changes are committed.
    AcknowledgeBeforeCommit,
    /// Snapshots are saved before the changes in them.
    SnapshotBeforeLog,
    /// A phone is answered for grids that it does not hold.
    EveryScope,
    /// What waits is told to be merged, and dropped.
    HeldToldMerged,
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Broken>> = const { std::cell::Cell::new(None) };
}

/// Whether this rule is broken now, on this thread.
#[cfg(test)]
pub(crate) fn is_broken(rule: Broken) -> bool {
    BROKEN.get() == Some(rule)
}

/// No rule is broken outside of the tests.
#[cfg(not(test))]
pub(crate) const fn is_broken(_: Broken) -> bool {
    false
}

/// Does something while a rule is broken on this thread.
#[cfg(test)]
pub(crate) fn while_broken<T>(rule: Option<Broken>, work: impl FnOnce() -> T) -> T {
    struct Mended;
    impl Drop for Mended {
        fn drop(&mut self) {
            BROKEN.set(None);
        }
    }
    BROKEN.set(rule);
    let _mended = Mended;
    work()
}
