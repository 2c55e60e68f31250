//! A registry that was restored: another one, of the same town and keys, that knows nothing of what the first had merged.

use super::{COMMUNITY, District, GRIDS, LEADERS, NOW, Phone, contact_phone, register, scope, visit};
use crate::Administration;
use gridwork_domain::id::{HouseholdId, StaffId};
use gridwork_domain::staff::Role;
use gridwork_sync::message::Outcome::{Held, Known, Merged, Quarantined};
use gridwork_sync::message::{Outcome, Request};
use gridwork_sync::receipt::Receipt;

/// What leader 0 had handed in, as a phone of a colleague was sent it: a household, a visit and a correction, in the order of a
/// request.
struct Sent {
    household: HouseholdId,
    of_leader: Phone,
    request: Request,
}

/// A colleague who works in both grids.
const COLLEAGUE: StaffId = LEADERS[1];

async fn sent() -> Sent {
    let before = District::open().await;
    before.assign(COLLEAGUE, Role::Liaison, GRIDS[0]).await;
    let (mut of_leader, colleague) = (before.phone(LEADERS[0]).await, before.phone(COLLEAGUE).await);
    let new = register();
    of_leader.record(&new, scope(0));
    of_leader.record(&visit(new.household, "备份以后"), scope(0));
    of_leader.record(&contact_phone(new.household, "13900000000"), scope(0));
    let request = of_leader.request();
    of_leader.sync(&before).await;
    let answer = before.exchange(&colleague.device, colleague.request()).await.unwrap();
    let receipt = Receipt::of(&answer.scopes, &answer.authors, [], COLLEAGUE).expect("something was sent");
    let receipts = vec![Receipt { code: answer.receipt.expect("a code"), ..receipt }];
    Sent { household: new.household, of_leader, request: Request { new_actors: vec![], receipts, ..request } }
}

impl Sent {
    /// A colleague's phone hands it in.
    async fn brought_by(&self, district: &District, phone: &Phone) -> Vec<(Outcome, String)> {
        self.brought(district, phone, self.request.clone()).await
    }

    async fn brought(&self, district: &District, phone: &Phone, request: Request) -> Vec<(Outcome, String)> {
        let request = Request { device: (*phone.device.id.as_bytes()).into(), ..request };
        let answer = district.exchange(&phone.device, request).await.unwrap();
        answer.verdicts.into_iter().map(|one| (one.outcome, one.code.unwrap_or_default())).collect()
    }
}

fn all(outcome: Outcome, code: &str) -> Vec<(Outcome, String)> {
    vec![(outcome, code.to_owned()); 3]
}

#[tokio::test]
async fn a_colleagues_phone_brings_what_the_registry_lost_and_it_is_the_authors_whatever_office_that_holds_now() {
    let sent = sent().await;
    let district = District::open().await;
    district.assign(COLLEAGUE, Role::Liaison, GRIDS[0]).await;
    // Who made it has no office any more, and who brings it may not edit households.
    let (staff, area) = (LEADERS[0], GRIDS[0]);
    let end = Administration::EndAssignment { staff, role: Role::GridLeader, area, until: NOW.plus_ms(-100_000) };
    district.administer(end).await;
    let phone = district.phone(COLLEAGUE).await;
    assert_eq!(sent.brought_by(&district, &phone).await, all(Merged, ""));
    assert_eq!(sent.brought_by(&district, &phone).await, all(Known, ""));
    let reach = district.reach(super::AGENT).await;
    let visits = district.registry.visits(&reach, sent.household, None, 10).await.unwrap().expect("its visits");
    assert_eq!(visits.items[0].fact.by.name, "王大力");
    assert_eq!(district.verify().await.changes, 3);
}

#[tokio::test]
async fn whose_it_was_comes_back_and_goes_on_under_the_same_actor() {
    let sent = sent().await;
    let district = District::open().await;
    district.assign(COLLEAGUE, Role::Liaison, GRIDS[0]).await;
    district.assign(COLLEAGUE, Role::CommunityWorker, COMMUNITY).await;
    let (colleague, leader) = (district.phone(COLLEAGUE).await, district.phone(LEADERS[0]).await);
    assert_eq!(sent.brought_by(&district, &colleague).await, all(Merged, ""));
    // The colleague's phone cannot make more under that actor, whoever is told that it is theirs.
    let mut phone = Phone { device: colleague.device.clone(), ..sent.of_leader };
    phone.record(&contact_phone(sent.household, "13911111111"), scope(0));
    let next = phone.unsent.clone();
    let stolen = phone.sync(&district).await;
    assert_eq!(stolen, [(Quarantined, Some("actor-not-owned".to_owned()))]);

    phone = Phone { device: leader.device, unsent: next, ..phone };
    assert_eq!(phone.sync(&district).await, [(Merged, None)]);
    phone.record(&visit(sent.household, "后来"), scope(0));
    assert_eq!(phone.sync(&district).await, [(Merged, None)]);
    assert_eq!(district.verify().await.changes, 5);
}

#[tokio::test]
async fn without_a_receipt_or_under_a_wrong_code_it_is_somebody_elses() {
    let sent = sent().await;
    let district = District::open().await;
    district.assign(COLLEAGUE, Role::Liaison, GRIDS[0]).await;
    district.assign(COLLEAGUE, Role::CommunityWorker, COMMUNITY).await;
    let phone = district.phone(COLLEAGUE).await;
    let mut wrong = sent.request.clone();
    wrong.receipts[0].code[0] ^= 1;
    let mut longer = sent.request.clone();
    let first: Vec<u8> = longer.receipts[0].authors[..16].to_vec();
    longer.receipts[0].authors = [&first[..], COLLEAGUE.as_bytes()].concat().into();
    for request in [wrong, longer, Request { receipts: vec![], ..sent.request.clone() }] {
        let fates = sent.brought(&district, &phone, request).await;
        assert!(fates.iter().all(|(outcome, _)| *outcome != Merged), "{fates:?}");
        assert_eq!(fates[0], (Quarantined, "actor-not-owned".to_owned()));
    }
    assert_eq!(district.verify().await.changes, 0);
    // What was refused so is taken, once the receipt is there.
    let fates = sent.brought_by(&district, &phone).await;
    assert_eq!(fates, all(Merged, ""));
    assert_eq!(district.verify().await.changes, 3);
}

#[tokio::test]
async fn who_does_not_hold_the_scope_brings_nothing_into_it() {
    let sent = sent().await;
    let district = District::open().await;
    let phone = district.phone(COLLEAGUE).await;
    let fates = sent.brought_by(&district, &phone).await;
    assert!(fates.iter().all(|(outcome, _)| *outcome == Quarantined), "{fates:?}");
    assert_eq!(fates[0].1, "not-entitled");
    assert_eq!(district.verify().await.changes, 0);
}

#[tokio::test]
async fn what_is_brought_without_what_it_builds_on_is_left_with_the_phone_that_can_vouch_for_it() {
    let sent = sent().await;
    let district = District::open().await;
    district.assign(COLLEAGUE, Role::Liaison, GRIDS[0]).await;
    let phone = district.phone(COLLEAGUE).await;
    let mut part = sent.request.clone();
    part.pushes.remove(0);
    let fates = sent.brought(&district, &phone, part).await;
    assert!(fates.iter().all(|(outcome, _)| *outcome == Held), "{fates:?}");
    let kept = district.registry.database.read(|connection| {
        use crate::tables::held;
        use diesel::prelude::*;
        Ok::<i64, crate::StoreError>(held::table.count().get_result(connection)?)
    });
    assert_eq!(kept.await.unwrap(), 0);
    assert_eq!(sent.brought_by(&district, &phone).await, all(Merged, ""));
    district.verify().await;
}
