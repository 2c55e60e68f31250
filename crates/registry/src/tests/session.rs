use super::{AGENT, DISTRICT, District, GRIDS, LEADERS, NOW};
use crate::session::{IDLE_MS, LOST_ANSWER_MS, MOST_SESSIONS, SESSION_MS};
use crate::{AdministerError, Begun, Credential, Precinct, Refreshed};
use gridwork_domain::id::SessionId;
use gridwork_domain::instant::Instant;

async fn goes_on(district: &District, token: &str, at: Instant) -> Begun {
    match district.registry.refresh(token, at).await.unwrap() {
        Refreshed::GoesOn(staff, begun) => {
            assert_eq!(staff.id, AGENT);
            begun
        }
        other => panic!("{other:?}"),
    }
}

async fn is_in(district: &District, session: SessionId, at: Instant) -> bool {
    let admitted = district.registry.admit(Credential::Session(session, AGENT), at).await.unwrap();
    admitted.is_some_and(|admitted| admitted.grants.len() == 1)
}

#[tokio::test]
async fn a_session_goes_on_while_it_is_refreshed_and_no_longer_than_a_shift() {
    let district = District::open().await;
    let begun = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    assert_eq!(begun.ends_at, NOW.plus_ms(SESSION_MS));
    assert!(is_in(&district, begun.session, NOW).await);
    let someone_else = Credential::Session(begun.session, LEADERS[0]);
    assert_eq!(district.registry.admit(someone_else, NOW).await.unwrap(), None);

    let (mut token, mut at) = (begun.refresh_token, NOW);
    while at.plus_ms(IDLE_MS - 1) < begun.ends_at {
        at = at.plus_ms(IDLE_MS - 1);
        let next = goes_on(&district, &token, at).await;
        assert_eq!((next.session, next.ends_at), (begun.session, begun.ends_at));
        assert!(is_in(&district, begun.session, at).await);
        token = next.refresh_token;
    }
    assert!(!is_in(&district, begun.session, begun.ends_at).await);
    assert_eq!(district.registry.refresh(&token, begun.ends_at).await.unwrap(), Refreshed::Ended);
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_ends() {
    let district = District::open().await;
    let begun = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    assert!(is_in(&district, begun.session, NOW.plus_ms(IDLE_MS - 1)).await);
    assert!(!is_in(&district, begun.session, NOW.plus_ms(IDLE_MS)).await);
    let late = district.registry.refresh(&begun.refresh_token, NOW.plus_ms(IDLE_MS)).await.unwrap();
    assert_eq!(late, Refreshed::Ended);
    assert_eq!(district.registry.refresh("no such token", NOW).await.unwrap(), Refreshed::Ended);
}

#[tokio::test]
async fn a_token_that_comes_again_ends_the_session_of_thief_and_owner() {
    let district = District::open().await;
    let begun = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    let other = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    let next = goes_on(&district, &begun.refresh_token, NOW).await;
    let later = NOW.plus_ms(LOST_ANSWER_MS + 1);
    assert_eq!(district.registry.refresh(&begun.refresh_token, later).await.unwrap(), Refreshed::Reused);
    assert!(!is_in(&district, begun.session, later).await);
    assert_eq!(district.registry.refresh(&next.refresh_token, later).await.unwrap(), Refreshed::Ended);
    assert!(is_in(&district, other.session, later).await, "another session of the same person goes on");
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_nobody_the_session() {
    let district = District::open().await;
    let begun = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    let lost = goes_on(&district, &begun.refresh_token, NOW).await;
    let again = goes_on(&district, &begun.refresh_token, NOW.plus_ms(LOST_ANSWER_MS)).await;
    let next = goes_on(&district, &again.refresh_token, NOW.plus_ms(LOST_ANSWER_MS)).await;
    assert!(is_in(&district, begun.session, NOW.plus_ms(LOST_ANSWER_MS)).await);

    // What was lost turns up: it was in somebody's hands.
    let found = district.registry.refresh(&lost.refresh_token, NOW.plus_ms(LOST_ANSWER_MS)).await.unwrap();
    assert_eq!(found, Refreshed::Reused);
    assert_eq!(district.registry.refresh(&next.refresh_token, NOW).await.unwrap(), Refreshed::Ended);
}

#[tokio::test]
async fn a_token_whose_successor_was_used_is_not_taken_for_one_whose_answer_was_lost() {
    let district = District::open().await;
    let begun = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    let next = goes_on(&district, &begun.refresh_token, NOW).await;
    goes_on(&district, &next.refresh_token, NOW.plus_ms(1)).await;
    assert_eq!(district.registry.refresh(&begun.refresh_token, NOW.plus_ms(2)).await.unwrap(), Refreshed::Reused);
}

#[tokio::test]
async fn of_two_who_refresh_with_one_token_at_the_same_time_only_one_goes_on() {
    let district = District::open().await;
    let begun = district.registry.begin_session(AGENT, false, NOW).await.unwrap();
    let refresh = || district.registry.refresh(&begun.refresh_token, NOW);
    let (one, other) = tokio::join!(refresh(), refresh());
    let tokens = [one.unwrap(), other.unwrap()].map(|refreshed| match refreshed {
        Refreshed::GoesOn(_, begun) => begun.refresh_token,
        other => panic!("{other:?}"),
    });
    let mut went_on = 0;
    for token in tokens {
        let refreshed = district.registry.refresh(&token, NOW).await.unwrap();
        went_on += usize::from(matches!(refreshed, Refreshed::GoesOn(..)));
    }
    assert!(went_on <= 1);
    assert!(!is_in(&district, begun.session, NOW).await, "two had it");
}

#[tokio::test]
async fn who_signs_in_too_often_loses_the_session_that_was_used_least_lately() {
    let district = District::open().await;
    let mut sessions = Vec::new();
    for number in 0..=MOST_SESSIONS {
        let at = NOW.plus_ms(i64::try_from(number).unwrap());
        sessions.push(district.registry.begin_session(AGENT, false, at).await.unwrap().session);
    }
    let at = NOW.plus_ms(1_000);
    let left = district.registry.sessions(None, AGENT, at).await.unwrap();
    assert_eq!(left.len(), MOST_SESSIONS);
    assert!(!is_in(&district, sessions[0], at).await && is_in(&district, sessions[1], at).await);
    assert_eq!(left[0].id, sessions[MOST_SESSIONS]);
}

#[tokio::test]
async fn sessions_are_ended_by_their_owner_or_from_around_all_of_the_owners_offices() {
    let district = District::open().await;
    let registry = &district.registry;
    let begin = || async { registry.begin_session(AGENT, false, NOW).await.unwrap().session };
    let (own, anothers) = (begin().await, begin().await);
    assert!(!registry.end_session(LEADERS[0], None, LEADERS[0], own, NOW).await.unwrap(), "not one's own");
    assert!(registry.end_session(AGENT, None, AGENT, own, NOW).await.unwrap());
    assert!(!is_in(&district, own, NOW).await);

    let grid: Precinct = [GRIDS[0]].into_iter().collect();
    let refused = registry.end_session(LEADERS[0], Some(grid), AGENT, anothers, NOW).await;
    assert!(matches!(refused, Err(AdministerError::NoSuchStaff)), "{refused:?}");
    assert!(is_in(&district, anothers, NOW).await);
    let whole: Precinct = [DISTRICT].into_iter().collect();
    assert!(registry.end_session(LEADERS[0], Some(whole), AGENT, anothers, NOW).await.unwrap());
    assert!(!is_in(&district, anothers, NOW).await);
}
