//! Gates before what is scarce: so many at once, so many waiting, and beyond that an answer at once.
//!
//! **Invariant:** who cannot be served is told so before anything of theirs is held.

use crate::limits::RETRY_AFTER_S;
use crate::problem::{Kind, Problem, Sentence};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets so many in at once, and so many wait.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    inside: Arc<Semaphore>,
    inside_or_waiting: Arc<Semaphore>,
    kind: Kind,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _inside: OwnedSemaphorePermit,
    _inside_or_waiting: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate for `at_once` inside and `waiting` before it, which refuses others with a problem of this kind.
    pub(crate) fn new(at_once: usize, waiting: usize, kind: Kind) -> Self {
        Self {
            inside: Arc::new(Semaphore::new(at_once)),
            inside_or_waiting: Arc::new(Semaphore::new(at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS))),
            kind,
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// A problem at once if too many wait already.
    pub(crate) async fn enter(&self) -> Result<Turn, Problem> {
        let refused = || Problem::overloaded(self.kind, Sentence::ManyWaiting, RETRY_AFTER_S);
        let inside_or_waiting = self.inside_or_waiting.clone().try_acquire_owned().map_err(|_| refused())?;
        let inside = self.inside.clone().acquire_owned().await.map_err(|_| refused())?;
        Ok(Turn { _inside: inside, _inside_or_waiting: inside_or_waiting })
    }
}

/// Bytes that may be held at once.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Semaphore>);

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _permit: OwnedSemaphorePermit,
}

/// Bytes that one permit stands for, so that a permit count fits into what the semaphore counts with.
const BYTES_PER_PERMIT: usize = 1024;

impl Memory {
    /// So many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / BYTES_PER_PERMIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Takes so many bytes, rounded up.
    ///
    /// # Errors
    /// A problem at once if they are not there.
    pub(crate) fn take(&self, bytes: usize) -> Result<Held, Problem> {
        let permits = u32::try_from(bytes.div_ceil(BYTES_PER_PERMIT).max(1)).unwrap_or(u32::MAX);
        let refused = |_| Problem::overloaded(Kind::Unavailable, Sentence::MuchUnderWay, RETRY_AFTER_S);
        Ok(Held { _permit: self.0.clone().try_acquire_many_owned(permits).map_err(refused)? })
    }
}

/// Does work on a thread of its own, and holds what it was let in with until it is done, also if nobody waits for it any
/// more; then gives it back.
///
/// # Errors
/// A problem if the work panics.
pub(crate) async fn holding<G: Send + 'static, T: Send + 'static>(
    guards: G,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, G), Problem> {
    tokio::task::spawn_blocking(move || (work(), guards)).await.map_err(Problem::internal)
}

/// So many at once for each of them: a device, or a member of staff.
#[derive(Debug, Clone)]
pub(crate) struct Each<K> {
    under_way: Arc<Mutex<BTreeMap<K, usize>>>,
    most: usize,
    refusal: Sentence,
}

/// One of somebody's; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot<K: Ord> {
    under_way: Arc<Mutex<BTreeMap<K, usize>>>,
    whose: K,
}

impl<K: Ord + Copy> Each<K> {
    /// So many for each; whoever asks for more reads the refusal.
    pub(crate) fn new(most: usize, refusal: Sentence) -> Self {
        Self { under_way: Arc::default(), most, refusal }
    }

    /// Takes one.
    ///
    /// # Errors
    /// A problem at once if there are as many of theirs as may be.
    pub(crate) fn take(&self, whose: K) -> Result<Slot<K>, Problem> {
        let mut under_way = lock(&self.under_way);
        let count = under_way.entry(whose).or_default();
        if *count >= self.most {
            return Err(Problem::overloaded(Kind::TooMany, self.refusal.clone(), RETRY_AFTER_S));
        }
        *count += 1;
        Ok(Slot { under_way: self.under_way.clone(), whose })
    }
}

impl<K: Ord> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.under_way);
        if let Some(count) = under_way.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.whose);
            }
        }
    }
}

/// Whoever panicked while holding the lock left the counts whole: each is changed in one step.
fn lock<K>(counts: &Mutex<BTreeMap<K, usize>>) -> MutexGuard<'_, BTreeMap<K, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use futures_util::FutureExt;
    use gridwork_domain::id::DeviceId;

    #[test]
    fn who_cannot_wait_is_told_at_once() {
        let gate = Gate::new(1, 1, Kind::TooMany);
        let first = gate.enter().now_or_never().expect("a turn at once").expect("a turn");
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none(), "the second waits");
        let third = gate.enter().now_or_never().expect("an answer at once").expect_err("refused");
        assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
        drop(first);
        assert!(second.now_or_never().expect("its turn").is_ok());
    }

    #[actix_web::test]
    async fn whoever_hangs_up_does_not_make_room_before_the_work_is_done() {
        let (gate, memory) = (Gate::new(1, 0, Kind::Unavailable), Memory::new(1024));
        let guards = (gate.enter().await.expect("a turn"), memory.take(1024).expect("memory"));
        let (go_on, told) = std::sync::mpsc::channel::<()>();
        let mut work = Box::pin(holding(guards, move || told.recv()));
        assert!(work.as_mut().now_or_never().is_none(), "it works");
        drop(work); // whoever asked has hung up
        assert!(gate.enter().now_or_never().expect("an answer at once").is_err() && memory.take(1).is_err());
        go_on.send(()).expect("it still works");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while memory.take(1).is_err() {
            assert!(std::time::Instant::now() < deadline, "it never comes back");
            actix_web::rt::task::yield_now().await;
        }
    }

    #[test]
    fn a_device_does_not_take_the_place_of_others() {
        let per_device = Each::new(2, Sentence::ManyExchanges);
        let [one, other] = [1, 2].map(|byte| DeviceId::from_bytes([byte; 16]));
        let first = per_device.take(one).expect("the first");
        let _second = per_device.take(one).expect("the second");
        assert_eq!(per_device.take(one).expect_err("refused").status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(per_device.take(other).is_ok());
        drop(first);
        assert!(per_device.take(one).is_ok());
        assert_eq!(per_device.under_way.lock().expect("counts").len(), 1, "who has none is not remembered");
    }

    #[test]
    fn memory_comes_back_when_it_is_let_go() {
        let memory = Memory::new(10 * 1024);
        let held = memory.take(9 * 1024 + 1).expect("all of it");
        assert_eq!(memory.take(1).expect_err("refused").status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(held);
        assert!(memory.take(1).is_ok());
    }
}
