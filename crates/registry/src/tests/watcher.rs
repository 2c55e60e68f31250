//! What other nodes write is told here, whatever becomes of their hints.

use super::{District, LEADERS, NOW, register, scope};
use crate::{Moved, Registry};
use gridwork_sync::document::DocumentId;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;

/// What is written is told within this time, or the test fails: looking round takes 5 s at most.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
/// Less than the 5 s that a node which relies on hints waits before it looks round by itself, by the 2 s in which a household
/// is registered.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Somebody registers a household on a node.
async fn register_on(node: &Registry) -> DocumentId {
    let new = register();
    node.edit(LEADERS[0], new.clone(), None, Some(scope(0)), NOW).await.unwrap();
    DocumentId::household(new.household)
}

/// Waits until a document is told, and returns how long that took.
async fn wait_for(news: &mut Receiver<Moved>, document: DocumentId) -> Duration {
    let begun = Instant::now();
    let told = tokio::time::timeout(TOLD_WITHIN, news.recv()).await.expect("nothing is lost").unwrap();
    assert_eq!(told.document, document, "each is told once, in order");
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_wrote_is_told_without_any_hint_and_at_once_when_hints_come_in_again() {
    let district = District::open().await;
    let here = &district.registry;
    let elsewhere = Registry::open(&district.settings).unwrap();
    let mut news = here.listen();
    let looks = Arc::new(AtomicI64::new(0));
    let (begun, opened) = (looks.clone(), here.told_until());
    let watching = tokio::spawn(here.watcher().run(move || opened.plus_ms(begun.fetch_add(1, Ordering::SeqCst) + 1)));
    wait_for(&mut news, register_on(&elsewhere).await).await;

    // Hints come in, and this one is lost: it is written after the look that they begin with.
    let looked = opened.plus_ms(looks.load(Ordering::SeqCst));
    here.rely_on_hints(true);
    tokio::time::timeout(TOLD_WITHIN, async {
        while here.told_until() <= looked {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it looks round as soon as hints come in");
    wait_for(&mut news, register_on(&elsewhere).await).await;
    // It has just looked round, and would for 5 s not do so by itself; the line to the others breaks, and is there again.
    let missed = register_on(&elsewhere).await;
    here.rely_on_hints(false);
    here.rely_on_hints(true);
    let took = wait_for(&mut news, missed).await;
    assert!(took < AT_ONCE, "what was missed waits for nothing but the line: {took:?}");
    watching.abort();
}
