use super::{COMMUNITY, District, GRIDS, LEADERS, NOW, contact_phone, fresh, register, scope, visit};
use crate::answer_view::LeftToDo;
use crate::held::{EXPIRED, FROZEN, HELD_MS};
use crate::{Administration, ExchangeError, KeptState, Nonce, Reach, ResidentFilter};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Operation, Role};
use gridwork_sync::document::ActorId;
use gridwork_sync::message::Outcome::{Held, Known, Merged, Quarantined};

type Fates = Vec<(gridwork_sync::message::Outcome, Option<String>)>;

fn coded(fates: &Fates) -> Vec<(gridwork_sync::message::Outcome, &str)> {
    fates.iter().map(|(outcome, code)| (*outcome, code.as_deref().unwrap_or(""))).collect()
}

#[tokio::test]
async fn a_household_and_a_visit_recorded_offline_reach_the_registry_and_the_next_phone() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "一切安好"), scope(0));
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, ""), (Merged, "")]);

    let reach = district.reach(LEADERS[0]).await;
    let found = district.registry.household(&reach, new.household).await.unwrap().expect("the household");
    assert_eq!(found.scope, scope(0));
    let visits = district.registry.visits(&reach, new.household, None, 10).await.unwrap().expect("its visits");
    assert_eq!(visits.items[0].fact.by.name, "王大力");
    assert_eq!(visits.items[0].fact.received_at, NOW);

    let mut other = district.phone(LEADERS[0]).await;
    other.sync(&district).await;
    assert_eq!(other.documents.len(), 2);
    for (key, document) in &mut other.documents {
        assert_eq!(document.get_heads(), phone.documents[key].get_heads(), "{}", key.id);
    }
    let skew: Vec<_> = district.registry.devices(None).await.unwrap().iter().map(|one| one.skew_ms).collect();
    assert_eq!(skew, [Some(5_000), Some(5_000)], "the device's clock is a claim, and is recorded");
    let report = district.verify().await;
    assert_eq!((report.documents, report.changes, report.feed_rows, report.facts), (2, 2, 2, 1));
}

#[tokio::test]
async fn a_request_that_is_sent_twice_leaves_the_same_registry() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "甲"), scope(0));
    let request = phone.request();
    let first = district.exchange(&phone.device, request.clone()).await.unwrap();
    let second = district.exchange(&phone.device, request).await.unwrap();
    assert!(first.verdicts.iter().all(|verdict| verdict.outcome == Merged));
    assert!(second.verdicts.iter().all(|verdict| verdict.outcome == Known));
    let report = district.verify().await;
    assert_eq!((report.changes, report.feed_rows, report.facts), (2, 2, 1));
}

#[tokio::test]
async fn an_office_of_a_role_that_a_later_release_knows_stops_nobodys_documents() {
    let district = District::open().await;
    let (mut phone, mut other) = (district.phone(LEADERS[0]).await, district.phone(LEADERS[1]).await);
    let sql = "UPDATE assignment SET role = 'steward' WHERE staff = x'";
    district.database.damage(&format!("{sql}{}'", "02".repeat(16)));
    let new = register();
    phone.record(&new, scope(0));
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, "")]);
    // Whose office it is does nothing by it, and freezes nothing.
    other.record(&register(), scope(1));
    let fates = other.sync(&district).await;
    assert!(fates.iter().all(|(_, code)| code.as_deref() != Some(FROZEN)), "{fates:?}");
    phone.record(&visit(new.household, "还好"), scope(0));
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, "")]);
    let report = district.verify().await;
    assert_eq!(report.documents, 2);
}

#[tokio::test]
async fn a_captured_request_is_refused_also_after_a_restart() {
    let District { registry, settings, database } = District::open().await;
    let district = District { registry, settings, database };
    let phone = district.phone(LEADERS[0]).await;
    let nonce = Nonce { bytes: [9; 16], created_s: NOW.ms() / 1_000 };
    district.registry.exchange(&phone.device, nonce, phone.request(), NOW).await.unwrap();
    let again = district.registry.exchange(&phone.device, nonce, phone.request(), NOW).await;
    assert!(matches!(again, Err(ExchangeError::Replayed)));
    district.registry.clone().close().await.unwrap();
    let reopened = crate::Registry::open(&district.settings).unwrap();
    let again = reopened.exchange(&phone.device, nonce, phone.request(), NOW).await;
    assert!(matches!(again, Err(ExchangeError::Replayed)));
}

#[tokio::test]
async fn a_visit_that_arrives_before_its_household_waits_and_is_then_merged() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "一"), scope(0));
    phone.record(&visit(new.household, "二"), scope(0));
    let household = phone.unsent.remove(0);
    phone.unsent.reverse();
    let held = phone.sync(&district).await;
    assert_eq!(coded(&held), [(Held, "missing-change"), (Held, "missing-household")]);
    assert_eq!(district.registry.figures().held, 2);

    phone.unsent.push(household);
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, "")]);
    let reach = district.reach(LEADERS[0]).await;
    let visits = district.registry.visits(&reach, new.household, None, 10).await.unwrap().expect("its visits");
    assert_eq!(visits.items.len(), 2);
    assert_eq!(district.verify().await.changes, 3);
}

#[tokio::test]
async fn what_was_held_and_merged_in_one_request_is_told_as_merged() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "一"), scope(0));
    phone.unsent.reverse();
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, ""), (Merged, "")]);
    district.verify().await;
}

#[tokio::test]
async fn what_waits_in_vain_is_quarantined_after_seven_days_and_may_wait_again() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "一"), scope(0));
    phone.unsent.remove(0);
    let request = phone.request();
    phone.sync(&district).await;
    let later = NOW.plus_ms(HELD_MS);
    let at = |later: Instant| Nonce { bytes: fresh(), created_s: later.ms() / 1_000 };
    let mut quiet = phone.request();
    quiet.pushes.clear();
    district.registry.exchange(&phone.device, at(later), quiet, later).await.unwrap();
    let refused = district.registry.database.read(|connection| {
        use crate::tables::quarantine;
        use diesel::prelude::*;
        Ok::<Vec<String>, crate::StoreError>(quarantine::table.select(quarantine::code).load(connection)?)
    });
    assert_eq!(refused.await.unwrap(), [EXPIRED]);
    let answer = district.registry.exchange(&phone.device, at(later), request, later).await.unwrap();
    // It was refused for waiting alone, and nothing of what it says was judged: handed in again, it waits again.
    assert_eq!(answer.verdicts[0].outcome, Held);
    assert_eq!(answer.verdicts[0].code.as_deref(), Some("missing-household"));
}

#[tokio::test]
async fn work_outside_the_own_grid_is_quarantined_with_all_that_depends_on_it_and_stops_nobody() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let (foreign, own) = (register(), register());
    phone.record(&foreign, scope(1));
    phone.record(&contact_phone(foreign.household, "13900000000"), scope(1));
    phone.record(&own, scope(0));
    let fates = phone.sync(&district).await;
    assert_eq!(coded(&fates)[0], (Quarantined, "not-entitled"));
    assert_eq!(coded(&fates)[1].0, Quarantined);
    assert_eq!(coded(&fates)[2], (Merged, ""));
    let reach = district.reach(super::AGENT).await;
    assert_eq!(district.registry.household(&reach, foreign.household).await.unwrap(), None);
    assert_eq!(district.verify().await.households, 1);
}

#[tokio::test]
async fn a_refused_change_takes_the_held_ones_that_depend_on_it_along() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.sync(&district).await;
    let first = phone.record(&contact_phone(new.household, "13900000000"), scope(0));
    phone.record(&contact_phone(new.household, "13911111111"), scope(0));
    let mut refused = phone.unsent.remove(0);
    assert_eq!(coded(&phone.sync(&district).await), [(Held, "missing-change")]);

    // The same change, but handed in for a document of another household.
    let last = refused.2.bytes.len() - 1;
    refused.2.bytes[last] ^= 1;
    phone.unsent.push(refused.clone());
    assert_eq!(coded(&phone.sync(&district).await), [(Quarantined, "checksum")], "garbage has no dependents");

    refused.2 = first;
    phone.unsent.push(refused);
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, "")]);
    assert_eq!(district.verify().await.changes, 3);
}

#[tokio::test]
async fn an_actor_of_another_device_is_refused_and_the_owner_goes_on() {
    let district = District::open().await;
    let mut owner = district.phone(LEADERS[0]).await;
    let mut thief = district.phone(LEADERS[0]).await;
    owner.sync(&district).await;
    thief.actor = owner.actor;
    thief.record(&register(), scope(0));
    assert_eq!(coded(&thief.sync(&district).await), [(Quarantined, "actor-not-owned")]);
    owner.record(&register(), scope(0));
    assert_eq!(coded(&owner.sync(&district).await), [(Merged, "")]);
}

#[tokio::test]
async fn a_retry_of_a_refused_change_gets_the_same_verdict() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.record(&register(), scope(1));
    let request = phone.request();
    let first = district.exchange(&phone.device, request.clone()).await.unwrap();
    district.assign(LEADERS[0], Role::CommunityWorker, GRIDS[1]).await;
    let second = district.exchange(&phone.device, request).await.unwrap();
    assert_eq!(first.verdicts, second.verdicts);
}

#[tokio::test]
async fn a_phone_is_told_nothing_of_grids_that_are_not_its_own() {
    let district = District::open().await;
    let mut one = district.phone(LEADERS[0]).await;
    one.record(&register(), scope(0));
    one.sync(&district).await;
    let mut other = district.phone(LEADERS[1]).await;
    other.scopes.insert(scope(0), None);
    let answer = district.exchange(&other.device, other.request()).await.unwrap();
    assert!(answer.scopes.iter().all(|news| *news.scope != *scope(0).as_bytes()), "{:?}", answer.scopes);
}

#[tokio::test]
async fn nothing_new_is_answered_with_nothing() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.record(&register(), scope(0));
    phone.sync(&district).await;
    phone.sync(&district).await;
    let answer = district.exchange(&phone.device, phone.request()).await.unwrap();
    assert_eq!((answer.verdicts.len(), answer.scopes.len()), (0, 0));
    assert!(answer.to_bytes().len() < 100);
}

#[tokio::test]
async fn work_done_before_a_term_ended_is_taken_and_nothing_is_read_after() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.record(&register(), scope(0));
    let (staff, role, area) = (LEADERS[0], Role::GridLeader, GRIDS[0]);
    district.administer(Administration::EndAssignment { staff, role, area, until: NOW.plus_ms(1) }).await;
    let later = NOW.plus_ms(86_400_000);
    let nonce = Nonce { bytes: fresh(), created_s: later.ms() / 1_000 };
    let answer = district.registry.exchange(&phone.device, nonce, phone.request(), later).await.unwrap();
    assert_eq!(answer.verdicts[0].outcome, Merged);
    assert!(answer.scopes.is_empty());
}

#[tokio::test]
async fn who_comes_back_after_the_term_hands_in_everything_in_several_requests_and_what_waited_is_merged_later() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let mut colleague = district.phone(LEADERS[0]).await;
    let (first, second, theirs) = (register(), register(), register());
    colleague.record(&theirs, scope(0));
    let (staff, role, area) = (LEADERS[0], Role::GridLeader, GRIDS[0]);
    district.administer(Administration::EndAssignment { staff, role, area, until: NOW.plus_ms(1) }).await;
    let mut at = NOW.plus_ms(3 * 86_400_000);
    let mut outcomes = Vec::new();
    for edit in [first, second, visit(theirs.household, "一")] {
        phone.record(&edit, scope(0));
        let nonce = Nonce { bytes: fresh(), created_s: at.ms() / 1_000 };
        let answer = district.registry.exchange(&phone.device, nonce, phone.request(), at).await.unwrap();
        outcomes.extend(answer.verdicts.iter().map(|verdict| verdict.outcome));
        phone.unsent.clear();
        at = at.plus_ms(60_000);
    }
    assert_eq!(outcomes, [Merged, Merged, Held]);
    // The household arrives a day later, and what waited for it is judged by the moment when it was handed in.
    let nonce = Nonce { bytes: fresh(), created_s: at.ms() / 1_000 };
    let next_day = at.plus_ms(86_400_000);
    district.registry.exchange(&colleague.device, nonce, colleague.request(), next_day).await.unwrap();
    assert_eq!(district.verify().await.facts, 1);
}

#[tokio::test]
async fn many_phones_at_once_leave_feeds_without_a_gap() {
    let district = District::open().await;
    let mut phones = Vec::new();
    for turn in 0..12 {
        let mut phone = district.phone(LEADERS[turn % 2]).await;
        let new = register();
        phone.record(&new, scope(turn % 2));
        for note in ["一", "二", "三"] {
            phone.record(&visit(new.household, note), scope(turn % 2));
        }
        phones.push(phone);
    }
    let all = phones.iter().map(|phone| district.exchange(&phone.device, phone.request()));
    let mut tasks = tokio::task::JoinSet::new();
    for (phone, _) in phones.iter().zip(all) {
        let (registry, device, request) = (district.registry.clone(), phone.device.clone(), phone.request());
        let nonce = Nonce { bytes: fresh(), created_s: NOW.ms() / 1_000 };
        tasks.spawn(async move { registry.exchange(&device, nonce, request, NOW).await });
    }
    while let Some(answer) = tasks.join_next().await {
        assert!(answer.unwrap().unwrap().verdicts.iter().all(|verdict| verdict.outcome == Merged));
    }
    let report = district.verify().await;
    assert_eq!((report.changes, report.feed_rows), (48, 48));
}

#[tokio::test]
async fn snapshots_of_visits_catch_up_when_they_are_read() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.sync(&district).await; // later answers follow the feed and read no whole document
    let new = register();
    phone.record(&new, scope(0));
    for day in 0..20 {
        phone.record(&visit(new.household, &format!("第{day}次")), scope(0));
    }
    phone.sync(&district).await;
    assert_eq!(district.verify().await.snapshots, 1, "only the household's");
    let mut second = district.phone(LEADERS[0]).await;
    second.sync(&district).await;
    assert_eq!(district.verify().await.snapshots, 2);
    phone.record(&visit(new.household, "以后"), scope(0));
    phone.sync(&district).await;
    let mut third = district.phone(LEADERS[0]).await;
    third.sync(&district).await;
    for (key, document) in &mut third.documents {
        assert_eq!(document.get_heads(), phone.documents[key].get_heads(), "{}", key.id);
    }
    district.verify().await;
}

#[tokio::test]
async fn unlawful_actors_and_grids_bind_nothing() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.actor = ActorId([0; 16]);
    phone.record(&register(), scope(0));
    assert_eq!(coded(&phone.sync(&district).await), [(Quarantined, "genesis-actor")]);
    phone.actor = ActorId(fresh());
    phone.record(&register(), COMMUNITY.into());
    assert_eq!(coded(&phone.sync(&district).await), [(Quarantined, "not-entitled")], "a community is no grid");
    let reach = crate::Reach::of(&district.registry.grants(LEADERS[0], NOW).await.unwrap(), Operation::Read);
    let residents = district.registry.residents(&reach, ResidentFilter::default(), None, 10).await.unwrap();
    assert!(residents.items.is_empty());
}

/// SQL that flips a byte of a blob of the one household document that there is.
fn flip(table: &str) -> String {
    format!(
        "UPDATE {table} SET bytes = CAST(substr(bytes, 1, 60) || x'ff' || substr(bytes, 62) AS BLOB) \
         WHERE substr(document, 1, 1) = x'01'"
    )
}

#[tokio::test]
async fn a_damaged_snapshot_is_made_anew_from_the_log() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.sync(&district).await;
    district.damage(&flip("snapshot"));
    assert!(!crate::verify(&district.settings).unwrap().is_clean());
    phone.record(&contact_phone(new.household, "13900000000"), scope(0));
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, "")]);
    district.verify().await;
}

#[tokio::test]
async fn a_document_that_cannot_be_loaded_is_frozen_and_stops_no_other() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.sync(&district).await;
    district.damage(&flip("snapshot"));
    district.damage(&flip("change"));
    phone.record(&contact_phone(new.household, "13900000000"), scope(0));
    phone.record(&register(), scope(0));
    phone.record(&visit(new.household, "还在"), scope(0));
    let fates = phone.sync(&district).await;
    assert_eq!(coded(&fates), [(Held, FROZEN), (Merged, ""), (Merged, "")]);
    let mut other = district.phone(LEADERS[0]).await;
    other.sync(&district).await;
    assert_eq!(other.documents.len(), 2, "the other household, and the visits");
    assert_eq!(district.registry.figures().unreadable, 1);
}

#[tokio::test]
async fn only_what_was_committed_is_counted() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.record(&register(), scope(0));
    let is_file = district.settings.database_url.starts_with("sqlite:");
    district.damage(if is_file {
        "CREATE TRIGGER refused BEFORE UPDATE ON scope BEGIN SELECT RAISE(ABORT, 'refused'); END"
    } else {
        "ALTER TABLE scope ADD CONSTRAINT refused CHECK (position < 1) NOT VALID"
    });
    district.exchange(&phone.device, phone.request()).await.expect_err("nothing was written");
    assert_eq!(district.registry.figures().merged, 0);
    let again = if is_file { "DROP TRIGGER refused" } else { "ALTER TABLE scope DROP CONSTRAINT refused" };
    district.damage(again);
    assert_eq!(coded(&phone.sync(&district).await), [(Merged, "")]);
    assert_eq!(district.registry.figures().merged, 1);
}

#[tokio::test]
async fn a_document_that_was_repaired_before_it_could_be_frozen_is_not() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    phone.record(&register(), scope(0));
    phone.sync(&district).await;
    let mut left = LeftToDo::default();
    left.unreadable.extend(phone.documents.keys());
    district.registry.maintain(left, NOW);
    district.verify().await;
}

#[tokio::test]
async fn a_refused_household_that_nobody_knows_is_seen_where_its_sender_works_and_once_it_is_known_in_its_grid() {
    let district = District::open().await;
    let (mut phone, mut neighbour) = (district.phone(LEADERS[0]).await, district.phone(LEADERS[1]).await);
    let new = register();
    phone.record(&new, scope(1));
    assert_eq!(coded(&phone.sync(&district).await), [(Quarantined, "not-entitled")]);
    let listed = async |grid: usize| {
        let reach = Reach::from_iter([scope(grid)]);
        district.registry.kept(&reach, KeptState::Quarantined, None, None, 10).await.unwrap().items.len()
    };
    assert_eq!((listed(0).await, listed(1).await), (1, 0), "who named a foreign grid is answered for at home");
    neighbour.record(&new, scope(1));
    assert_eq!(coded(&neighbour.sync(&district).await), [(Merged, "")]);
    assert_eq!((listed(0).await, listed(1).await), (0, 1), "now it is known whose household that is");

    // Also one who has no office any more is answered for by those who had him last.
    let (staff, role, area) = (LEADERS[0], Role::GridLeader, GRIDS[0]);
    district.administer(Administration::EndAssignment { staff, role, area, until: NOW.plus_ms(1) }).await;
    phone.record(&register(), scope(1));
    let later = NOW.plus_ms(90 * 86_400_000);
    let nonce = Nonce { bytes: fresh(), created_s: later.ms() / 1_000 };
    district.registry.exchange(&phone.device, nonce, phone.request(), later).await.unwrap();
    assert_eq!((listed(0).await, listed(1).await), (1, 1));
}
