use super::{AGENT, COMMUNITY, DISTRICT, District, GRIDS, LEADERS, NOW, register, scope};
use crate::{
    BreakGlassError, BreakGlassView, Credential, MOST_REVEALED, Place, Reach, ResidentFilter, RevealError, Revealing,
    Subject, Verdict,
};
use gridwork_domain::id::{AreaId, HouseholdId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Role;

const HOUR_MS: i64 = 60 * 60 * 1_000;

async fn reach_of(district: &District, staff: StaffId, at: Instant) -> Reach {
    let registry = &district.registry;
    let session = registry.begin_session(staff, false, at).await.unwrap().session;
    let admitted = registry.admit(Credential::Session(session, staff), at).await.unwrap().expect("a session");
    let grids = admitted.broken.iter().flat_map(|broken| broken.grids.iter().copied());
    grids.collect::<Reach>().with_households(admitted.broken.iter().filter_map(|broken| broken.household))
}

async fn entries(district: &District, within: AreaId) -> Vec<BreakGlassView> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = district.registry.break_glasses([within].into_iter().collect(), after, 1).await.unwrap();
        entries.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return entries,
        }
    }
}

async fn break_glass(district: &District, by: StaffId, place: Place, at: Instant) -> Result<(), BreakGlassError> {
    let broken = district.registry.break_glass(by, place, "楼道冒烟".to_owned(), HOUR_MS, at).await;
    broken.map(|_| ())
}

#[tokio::test]
async fn the_glass_is_broken_for_one_household_or_one_area_and_for_an_hour() {
    let district = District::open().await;
    district.assign(LEADERS[1], Role::CommunityWorker, GRIDS[1]).await;
    let new = register();
    district.registry.edit(LEADERS[0], new.clone(), None, Some(scope(0)), NOW).await.unwrap();
    let finds = async |staff, at| {
        let reach = reach_of(&district, staff, at).await;
        let view = district.registry.household(&reach, new.household).await.unwrap();
        let filter = ResidentFilter { household: Some(new.household), ..ResidentFilter::default() };
        let residents = district.registry.residents(&reach, filter, None, 10).await.unwrap().items;
        let visits = district.registry.visits(&reach, new.household, None, 10).await.unwrap();
        assert_eq!((residents.len() == 1, visits.is_some()), (view.is_some(), view.is_some()));
        let listed = district.registry.households(&reach, Default::default(), None, 10).await.unwrap().items;
        (view.is_some(), listed.len())
    };
    assert_eq!(finds(LEADERS[1], NOW).await, (false, 0));
    break_glass(&district, LEADERS[1], Place::Household(new.household), NOW).await.unwrap();
    assert_eq!(finds(LEADERS[1], NOW).await, (true, 0), "one household is on no list");
    assert_eq!(finds(AGENT, NOW).await, (false, 0), "it is whoever broke it who reads");
    break_glass(&district, AGENT, Place::Area(COMMUNITY), NOW.plus_ms(1)).await.unwrap();
    assert_eq!(finds(AGENT, NOW.plus_ms(1)).await, (true, 1));
    assert_eq!(finds(LEADERS[1], NOW.plus_ms(HOUR_MS - 1)).await, (true, 0));
    assert_eq!(finds(LEADERS[1], NOW.plus_ms(HOUR_MS)).await, (false, 0), "it ends by itself");
    break_glass(&district, LEADERS[0], Place::Area(GRIDS[1]), NOW).await.unwrap();
    assert!(reach_of(&district, LEADERS[0], NOW).await.is_empty(), "a leader's office does not permit it");

    let nowhere = break_glass(&district, AGENT, Place::Household(HouseholdId::from_bytes([9; 16])), NOW).await;
    assert!(matches!(nowhere, Err(BreakGlassError::NoSuchHousehold)));
    let nowhere = break_glass(&district, AGENT, Place::Area(AreaId::from_bytes([9; 16])), NOW).await;
    assert!(matches!(nowhere, Err(BreakGlassError::NoSuchArea)));
    while break_glass(&district, AGENT, Place::Area(GRIDS[0]), NOW).await.is_ok() {}
    let many = entries(&district, GRIDS[0]).await.len();
    assert!((15..=17).contains(&many), "{many} are in force");
}

#[tokio::test]
async fn an_entry_is_reviewed_once_by_somebody_else_who_oversees_the_place() {
    let district = District::open().await;
    for (ms, place) in [(0, GRIDS[0]), (1, GRIDS[1]), (2, GRIDS[0])] {
        break_glass(&district, AGENT, Place::Area(place), NOW.plus_ms(ms)).await.unwrap();
    }
    let all = entries(&district, DISTRICT).await;
    assert_eq!(all.iter().map(|one| one.begun_at.ms() - NOW.ms()).collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!(entries(&district, GRIDS[1]).await, all[1..2]);
    let latest = all[0].id;
    let review = async |by, within: AreaId| {
        let within = [within].into_iter().collect();
        let verdict = (Verdict::Unjustified, Some("未见险情".to_owned()));
        district.registry.review_break_glass(by, within, latest, verdict, NOW.plus_ms(5)).await
    };
    assert!(matches!(review(LEADERS[0], GRIDS[1]).await, Err(BreakGlassError::NoSuchEntry)));
    assert!(matches!(review(AGENT, DISTRICT).await, Err(BreakGlassError::Oneself)));
    let reviewed = review(LEADERS[0], COMMUNITY).await.unwrap();
    let found = reviewed.review.as_ref().expect("a review");
    assert_eq!((found.by.name.as_str(), found.verdict), ("王大力", Verdict::Unjustified));
    assert!(matches!(review(LEADERS[0], COMMUNITY).await, Err(BreakGlassError::Reviewed)));
    let all = entries(&district, DISTRICT).await;
    assert_eq!(all.iter().map(|one| one.review.is_some()).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(all[2], reviewed, "open ones come first");
}

#[tokio::test]
async fn so_much_is_revealed_within_an_hour_and_no_more() {
    let district = District::open().await;
    let subject = Subject { scope: scope(0), household: register().household, resident: None };
    let what = Revealing { subject, fields: vec!["household.contact_phone".to_owned()], broken: Vec::new() };
    let reveal = |by, at| district.registry.note_revealed(by, what.clone(), at);
    for number in 0..MOST_REVEALED {
        reveal(AGENT, NOW.plus_ms(number * 1_000)).await.unwrap();
    }
    let now = NOW.plus_ms(HOUR_MS - 90_000);
    let refused = reveal(AGENT, now).await;
    assert!(matches!(refused, Err(RevealError::TooMany { retry_after_s: 90 })), "{refused:?}");
    reveal(LEADERS[0], now).await.unwrap();
    reveal(AGENT, NOW.plus_ms(HOUR_MS)).await.unwrap();
    assert!(reveal(AGENT, NOW.plus_ms(HOUR_MS)).await.is_err(), "one place was free");
}
