//! What a decision about one of many changes costs, and that none is lost by it.

use super::*;
use crate::database::Opener;
use crate::held::{HELD_MS, TOO_MANY_HELD};
use crate::tests::database::Database;
use crate::tests::{AGENT, District, LEADERS, NOW, Phone, fresh, register, scope, visit};
use crate::{Nonce, Page};
use diesel::Connection as _;
use diesel::connection::InstrumentationEvent;
use gridwork_sync::message::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Changes of one document, each of which builds on the one before.
const CHAIN: usize = 30;

async fn kept(district: &District, state: KeptState) -> Vec<crate::KeptView> {
    let reach = Reach::from_iter([scope(0), scope(1)]);
    let page: Page<_> = district.registry.kept(&reach, state, None, None, 200).await.unwrap();
    page.items
}

/// A phone of another grid, with visits that were refused.
async fn refused_chain(district: &District) -> Phone {
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.sync(district).await;
    let mut other = district.phone(LEADERS[1]).await;
    for day in 0..CHAIN {
        other.record(&visit(new.household, &format!("第{day}次")), scope(0));
    }
    let fates = other.sync(district).await;
    assert!(fates.iter().all(|(outcome, _)| *outcome == Outcome::Quarantined), "{fates:?}");
    other
}

#[tokio::test]
async fn what_builds_on_a_change_is_read_once_to_discard_it() {
    let district = District::open().await;
    refused_chain(&district).await;
    let all = kept(&district, KeptState::Quarantined).await;
    assert_eq!(all.len(), CHAIN);
    let first = all.iter().max_by_key(|one| one.dependants).unwrap();
    assert_eq!(first.dependants, CHAIN as u64 - 1);

    let reads = Arc::new(AtomicUsize::new(0));
    let mut connection = Opener::new(&district.settings).unwrap().writer().unwrap();
    let counted = reads.clone();
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let query = query.to_string();
            let reads_many = query.contains("quarantine") && query.contains("ORDER BY");
            counted.fetch_add(usize::from(reads_many), Ordering::Relaxed);
        }
    });
    let row = find(&mut connection, first.id).unwrap().unwrap();
    let ledger = Ledger::new(&mut connection, NOW, district.registry.sealing.clone(), [scope(0)].into()).unwrap();
    let decided = ledger.discard_kept(first.id, row, AGENT, "不是他的网格").unwrap();
    drop(ledger);
    assert_eq!((decided.with_it, reads.load(Ordering::Relaxed)), (CHAIN as u64 - 1, 1));
    assert!(kept(&district, KeptState::Quarantined).await.is_empty());
}

#[tokio::test]
async fn what_is_discarded_is_kept_as_it_came_with_who_decided_and_why() {
    let district = District::open().await;
    refused_chain(&district).await;
    let all = kept(&district, KeptState::Quarantined).await;
    let first = all.iter().max_by_key(|one| one.dependants).unwrap();
    type Row = (HashBlob, Vec<u8>, Option<Id>, Option<String>);
    let rows = async || -> Vec<Row> {
        let columns = (quarantine::digest, quarantine::sealed, quarantine::decided_by, quarantine::decided_why);
        let query = quarantine::table.order(quarantine::digest).select(columns);
        district.registry.database.read(move |connection| Ok::<_, StoreError>(query.load(connection)?)).await.unwrap()
    };
    let before = rows().await;
    let (reach, why) = (Reach::from_iter([scope(0)]), "不是他的网格");
    district.registry.discard_kept(AGENT, &reach, first.id, why.to_owned(), NOW, None).await.unwrap();
    let decided = |(digest, sealed, ..): Row| (digest, sealed, Some(Id::from(AGENT)), Some(why.to_owned()));
    assert_eq!(rows().await, before.into_iter().map(decided).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_change_that_may_not_wait_again_stays_where_it_was_and_the_answer_says_so() {
    let district = District::open_in(Database::file()).await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "一"), scope(0));
    phone.unsent.remove(0);
    phone.sync(&district).await;
    let [waits] = kept(&district, KeptState::Held).await.try_into().unwrap();
    // As many of the device's wait as may, and as many were refused as are kept.
    let many = |count: usize| {
        format!("(WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)")
    };
    let columns = "document, epoch, scope, staff, device, received_at, last_contact, sealed, home, depends_on, size";
    district.damage(&format!(
        "INSERT INTO quarantine (digest, id, code, step, detail, {columns}) \
         SELECT randomblob(32), randomblob(16), 'x', 6, 'x', {columns} FROM held, {}",
        many(2_000)
    ));
    district.damage(&format!(
        "INSERT INTO held (hash, id, digest, waits_for, code, expires_at, {columns}) \
         SELECT randomblob(32), randomblob(16), randomblob(32), zeroblob(32), code, expires_at * 2, {columns} FROM held, {}",
        many(1_000)
    ));
    // It waited in vain, and is refused: whatever the cap, it is not lost.
    let later = NOW.plus_ms(HELD_MS);
    let nonce = Nonce { bytes: fresh(), created_s: later.ms() / 1_000 };
    phone.unsent.clear();
    phone.record(&register(), scope(0));
    district.registry.exchange(&phone.device, nonce, phone.request(), later).await.unwrap();
    let reach = Reach::from_iter([scope(0)]);
    let found = district.registry.kept_change(&reach, waits.id).await.unwrap().expect("it is kept");
    assert_eq!((found.kept.state, found.kept.code.as_str()), (KeptState::Quarantined, "expired"));
    // And when it is released, there is no room for it to wait.
    let decided = district.registry.release_kept(AGENT, &reach, waits.id, "再试".into(), later, None).await.unwrap();
    assert_eq!((decided.released, decided.code.as_deref()), (Some(Released::Refused), Some(TOO_MANY_HELD)));
    let still = district.registry.kept_change(&reach, waits.id).await.unwrap().expect("it is kept");
    assert_eq!((still.kept.state, still.kept.received_at), (KeptState::Quarantined, found.kept.received_at));
}

/// What befalls sealed bytes: their end is lost, or they name a key to which nothing was ever sealed.
const DAMAGES: [&str; 2] = ["substr(sealed, 1, length(sealed) - 1)", "CAST(x'00' || substr(sealed, 2) AS BLOB)"];

#[tokio::test]
async fn what_is_damaged_is_not_released_but_named_and_can_be_discarded() {
    for damage in DAMAGES {
        let district = District::open().await;
        let mut phone = district.phone(LEADERS[0]).await;
        let new = register();
        phone.record(&new, scope(0));
        phone.record(&visit(new.household, "一"), scope(0));
        phone.unsent.remove(0);
        assert_eq!(phone.sync(&district).await[0].0, Outcome::Held);
        let mut stranger = district.phone(LEADERS[1]).await;
        stranger.record(&register(), scope(0));
        assert_eq!(stranger.sync(&district).await[0].0, Outcome::Quarantined);
        for table in ["held", "quarantine"] {
            district.damage(&format!("UPDATE {table} SET sealed = {damage}"));
        }

        let reach = Reach::from_iter([scope(0), scope(1)]);
        for state in [KeptState::Held, KeptState::Quarantined] {
            let [one] = kept(&district, state).await.try_into().unwrap();
            let released = district.registry.release_kept(AGENT, &reach, one.id, "再试".into(), NOW, None).await;
            assert!(matches!(released, Err(DecisionError::Damaged)), "{damage}: {released:?}");
            assert_eq!(kept(&district, state).await, std::slice::from_ref(&one), "it stays as it was");
            let discarded = district.registry.discard_kept(AGENT, &reach, one.id, "已重录".into(), NOW, None).await;
            assert_eq!(discarded.unwrap().code.as_deref(), Some(DISCARDED));
            assert!(kept(&district, state).await.is_empty());
        }
    }
}

#[tokio::test]
async fn what_is_damaged_stays_and_keeps_nobody_elses_change_from_being_merged() {
    for damage in DAMAGES {
        let district = District::open().await;
        let mut phone = district.phone(LEADERS[0]).await;
        let new = register();
        phone.record(&new, scope(0));
        let household = phone.unsent.remove(0);
        phone.record(&visit(new.household, "一"), scope(0));
        assert_eq!(phone.sync(&district).await[0].0, Outcome::Held);
        district.damage(&format!("UPDATE held SET sealed = {damage}"));
        let [damaged] = kept(&district, KeptState::Held).await.try_into().unwrap();

        // For this household it waits.
        phone.unsent.push(household);
        assert_eq!(phone.sync(&district).await[0].0, Outcome::Merged, "{damage}");
        assert_eq!(kept(&district, KeptState::Held).await, [damaged], "{damage}");
    }
}
