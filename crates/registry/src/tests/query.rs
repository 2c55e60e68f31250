use super::{AGENT, COMMUNITY, DISTRICT, District, GRIDS, LEADERS, NOW, edit, fresh, register, scope, visit};
use crate::{HouseholdFilter, ReadError, ResidentFilter};
use gridwork_domain::edit::Action;
use gridwork_domain::id::FactId;
use gridwork_domain::need::{Basis, Need};
use gridwork_sync::reading::read_household;

#[tokio::test]
async fn a_household_reads_from_rows_as_from_its_document() {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    let need = Need {
        purpose: "送餐".into(),
        basis: Basis::Consent,
        sensitivity: 1,
        expires: Some("2027-01-01".into()),
        note: None,
    };
    phone.record(
        &edit(new.household, Action::AffirmNeed { resident: None, kind: "meal_service".into(), need }),
        scope(0),
    );
    phone.sync(&district).await;
    let reach = district.reach(LEADERS[0]).await;
    let view = district.registry.household(&reach, new.household).await.unwrap().expect("the household");
    let key = gridwork_sync::document::DocumentId::household(new.household).into();
    let reading = read_household(crate::registry::SCHEMA, &key, &phone.documents[&key]).unwrap();
    assert_eq!(view.household, reading.household);
}

#[tokio::test]
async fn a_leader_sees_the_own_grid_and_the_call_centre_all_of_them_page_by_page() {
    let district = District::open().await;
    let mut expected = Vec::new();
    for turn in 0..5 {
        let new = register();
        expected.push((scope(turn % 2), new.household));
        district.registry.edit(LEADERS[turn % 2], new, None, Some(scope(turn % 2)), NOW).await.unwrap();
    }
    expected.sort_unstable();
    let own = district.reach(LEADERS[0]).await;
    let all = district.reach(AGENT).await;
    let filter = HouseholdFilter::default;
    let mine = district.registry.households(&own, filter(), None, 10).await.unwrap();
    assert!(mine.items.iter().all(|one| one.scope == scope(0)) && mine.items.len() == 3);
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = district.registry.households(&all, filter(), after, 2).await.unwrap();
        listed.extend(page.items.iter().map(|one| (one.scope, one.id)));
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(listed, expected);
    let (_, foreign) = expected[4];
    assert_eq!(district.registry.household(&own, foreign).await.unwrap(), None);
    assert_eq!(district.registry.visits(&own, foreign, None, 10).await.unwrap(), None);

    let named = HouseholdFilter { resident_name: Some("张".into()), ..filter() };
    assert_eq!(district.registry.households(&own, named, None, 10).await.unwrap().items.len(), 3);
    let elsewhere = HouseholdFilter { address: Some("100%".into()), ..filter() };
    assert!(district.registry.households(&all, elsewhere, None, 10).await.unwrap().items.is_empty());
    let there = HouseholdFilter { address: Some("公里".into()), area: Some(COMMUNITY), ..filter() };
    assert_eq!(district.registry.households(&all, there, None, 10).await.unwrap().items.len(), 5);

    let residents = ResidentFilter { name: Some("张三".into()), ..ResidentFilter::default() };
    let page = district.registry.residents(&all, residents, None, 3).await.unwrap();
    assert!(page.items.len() == 3 && page.next.is_some());
    assert_eq!(page.items[0].stays[0].1.text("since"), Some("1990-01-01"));
    let wrong = district.registry.households(&all, filter(), Some("xyz".parse().unwrap()), 2).await;
    assert!(matches!(wrong, Err(ReadError::Cursor(_))));

    let areas = district.registry.areas(&own, None).await.unwrap();
    let counts: Vec<_> = areas.iter().map(|one| (one.area.code.as_str().len(), one.households)).collect();
    assert_eq!(counts, [(6, 3), (9, 3), (12, 3), (15, 3)], "the other grid is not shown");
    assert_eq!(district.registry.areas(&all, Some(COMMUNITY)).await.unwrap().len(), 2);
    assert_eq!(district.registry.areas(&all, Some(DISTRICT)).await.unwrap()[0].households, 5);
}

#[tokio::test]
async fn visits_come_latest_first_with_their_corrections() {
    let district = District::open().await;
    let new = register();
    let by = LEADERS[0];
    district.registry.edit(by, new.clone(), None, Some(scope(0)), NOW).await.unwrap();
    let mut facts = Vec::new();
    for (days, note) in [(3, "早"), (1, "晚"), (2, "中")] {
        let mut one = visit(new.household, note);
        if let Action::RecordVisit { fact, visit } = &mut one.action {
            visit.started_at = NOW.plus_ms(-days * 86_400_000);
            visit.ended_at = visit.started_at;
            facts.push((*fact, visit.clone()));
        }
        district.registry.edit(by, one, None, None, NOW).await.unwrap();
    }
    let (corrects, mut right) = facts[1].clone();
    right.note = Some("晚上".into());
    let (fact, reason) = (FactId::from_bytes(fresh()), "写错了".to_owned());
    let correction = Action::CorrectVisit { fact, corrects, year: 2026, reason, visit: right };
    district.registry.edit(by, edit(new.household, correction), None, None, NOW).await.unwrap();

    let reach = district.reach(by).await;
    let first = district.registry.visits(&reach, new.household, None, 2).await.unwrap().expect("visits");
    let ids = |page: &crate::Page<crate::VisitView>| page.items.iter().map(|one| one.fact.fact.id).collect::<Vec<_>>();
    assert_eq!(ids(&first), [facts[1].0, facts[2].0]);
    assert_eq!(first.items[0].corrections[0].fact.id, fact);
    let second = district.registry.visits(&reach, new.household, first.next, 2).await.unwrap().expect("visits");
    assert_eq!(ids(&second), [facts[0].0]);
    assert_eq!(second.next, None);

    // The same visits as one reads them of a whole area, household by household.
    let other = register();
    district.registry.edit(by, other.clone(), None, Some(scope(0)), NOW).await.unwrap();
    district.registry.edit(by, visit(other.household, "别家"), None, None, NOW).await.unwrap();
    let mut of_area: std::collections::BTreeMap<_, Vec<FactId>> = std::collections::BTreeMap::new();
    let mut after = None;
    loop {
        let page = district.registry.visits_within(&reach, Some(GRIDS[0]), after, 1).await.unwrap();
        for one in &page.items {
            of_area.entry(one.fact.fact.household).or_default().push(one.fact.fact.id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(of_area[&new.household], [facts[1].0, facts[2].0, facts[0].0]);
    assert_eq!((of_area.len(), of_area[&other.household].len()), (2, 1));
    let elsewhere = district.registry.visits_within(&reach, Some(GRIDS[1]), None, 10).await.unwrap();
    assert_eq!(elsewhere.items, []);
    district.verify().await;
}
