use super::{AGENT, District, LEADERS, NOW, scope};
use crate::{Attempt, Attempted, EditError, Edited, KEPT_MS, Keep, KeptAnswer, Reach, StoreError, Viewer};
use gridwork_domain::instant::Instant;

const LEASE_MS: i64 = 10_000;

async fn attempt(district: &District, key: &str, body: &str, at: Instant) -> Attempted {
    attempt_within(district, key, body, &Reach::from_iter([scope(0), scope(1)]), at).await
}

async fn attempt_within(district: &District, key: &str, body: &str, reach: &Reach, at: Instant) -> Attempted {
    district.registry.attempt(AGENT, key, &[body.as_bytes()], LEASE_MS, viewer(reach), at).await.unwrap()
}

fn viewer(reach: &Reach) -> Viewer {
    Viewer { reach: reach.clone(), rights: "call_agent".to_owned() }
}

async fn first(district: &District, key: &str, at: Instant) -> Attempt {
    match attempt(district, key, "body", at).await {
        Attempted::New(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

fn answer(text: &str) -> KeptAnswer {
    let (content_type, etag) = (Some("text/plain".to_owned()), Some("\"1\"".to_owned()));
    KeptAnswer { status: 201, content_type, location: None, etag, body: Some(text.into()) }
}

/// Registers a household under an attempt, and keeps its id as the answer.
async fn register(district: &District, attempt: Attempt) -> Result<Edited, EditError> {
    let edit = super::register();
    let household = edit.household;
    let keep = Keep::new(attempt, move |_: &Edited| answer(&household.to_string()));
    district.registry.edit_once(AGENT, edit, None, Some(scope(0)), NOW, Some(keep)).await
}

async fn households(district: &District) -> Vec<String> {
    let reach = Reach::from_iter([scope(0)]);
    let page = district.registry.households(&reach, Default::default(), None, 50).await.unwrap();
    page.items.into_iter().map(|one| one.id.to_string()).collect()
}

#[tokio::test]
async fn what_was_done_is_answered_again_and_another_request_with_the_key_is_told_so() {
    let district = District::open().await;
    let one = first(&district, "k", NOW).await;
    register(&district, one).await.unwrap();
    let there = households(&district).await;
    // As if the process had ended right after: nothing but the transaction of the edit kept the answer.
    let Attempted::Kept(kept) = attempt(&district, "k", "body", NOW.plus_ms(1)).await else { panic!("not kept") };
    assert_eq!(kept, answer(&there[0]));
    assert_eq!(attempt(&district, "k", "other", NOW).await, Attempted::OtherRequest);
    // Somebody else's key is another key.
    let other =
        district.registry.attempt(LEADERS[0], "k", &[b"body"], LEASE_MS, viewer(&Reach::default()), NOW).await.unwrap();
    assert!(matches!(other, Attempted::New(_)));
    // A day later it is a new one, and what else is old is forgotten.
    first(&district, "k", NOW.plus_ms(KEPT_MS)).await;
}

#[tokio::test]
async fn an_answer_is_not_given_again_to_who_no_longer_sees_the_area() {
    let district = District::open().await;
    let one = first(&district, "k", NOW).await;
    register(&district, one).await.unwrap();
    for gone in [Reach::default(), Reach::from_iter([scope(1)])] {
        assert_eq!(attempt_within(&district, "k", "body", &gone, NOW).await, Attempted::OutOfReach);
    }
    assert!(matches!(attempt(&district, "k", "body", NOW).await, Attempted::Kept(_)));
    assert_eq!(households(&district).await.len(), 1);
}

#[tokio::test]
async fn an_attempt_that_was_taken_for_lost_does_nothing_when_it_wakes_up() {
    let district = District::open().await;
    let slow = first(&district, "k", NOW).await;
    assert_eq!(attempt(&district, "k", "body", NOW).await, Attempted::UnderWay { retry_after_s: 10 });
    assert_eq!(attempt(&district, "k", "body", NOW.plus_ms(9_001)).await, Attempted::UnderWay { retry_after_s: 1 });
    let next = first(&district, "k", NOW.plus_ms(LEASE_MS)).await;
    assert!(matches!(register(&district, slow).await, Err(EditError::Store(StoreError::Contended))));
    assert_eq!(households(&district).await, Vec::<String>::new());
    register(&district, next).await.unwrap();
    assert!(matches!(register(&district, next).await, Err(EditError::Store(StoreError::Contended))));
    assert_eq!(households(&district).await.len(), 1);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_at_once_and_what_was_done_is_not_given_up() {
    let district = District::open().await;
    let registry = &district.registry;
    let one = first(&district, "k", NOW).await;
    registry.release(one).await.unwrap();
    let two = first(&district, "k", NOW).await;
    registry.keep_answer(one, answer("of the first"), Default::default()).await.unwrap();
    assert!(matches!(attempt(&district, "k", "body", NOW).await, Attempted::UnderWay { .. }));
    registry.keep_answer(two, answer("of the second"), Default::default()).await.unwrap();
    registry.release(two).await.unwrap();
    registry.keep_answer(two, answer("of nobody"), Default::default()).await.unwrap();
    assert_eq!(attempt(&district, "k", "body", NOW).await, Attempted::Kept(answer("of the second")));
}

#[tokio::test]
async fn of_many_at_once_one_is_let_in() {
    let district = District::open().await;
    let all = sixteen(&district).await;
    assert_eq!(all.iter().filter(|one| matches!(one, Attempted::New(_))).count(), 1, "{all:?}");
    assert!(all.iter().all(|one| matches!(one, Attempted::New(_) | Attempted::UnderWay { .. })), "{all:?}");
}

async fn sixteen(district: &District) -> Vec<Attempted> {
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let registry = district.registry.clone();
        asking.spawn(async move {
            registry.attempt(AGENT, "k", &[b"body"], LEASE_MS, viewer(&Reach::default()), NOW).await.unwrap()
        });
    }
    asking.join_all().await
}

#[tokio::test]
async fn an_answer_is_given_again_only_to_who_sees_as_its_author_saw() {
    let district = District::open().await;
    let one = first(&district, "k", NOW).await;
    register(&district, one).await.unwrap();
    let reach = Reach::from_iter([scope(0), scope(1)]);
    let seen = async |rights: &str| {
        let viewer = Viewer { reach: reach.clone(), rights: rights.to_owned() };
        district.registry.attempt(AGENT, "k", &[b"body"], LEASE_MS, viewer, NOW).await.unwrap()
    };
    assert_eq!(seen("handler").await, Attempted::SeenOtherwise);
    assert!(matches!(seen("call_agent").await, Attempted::Kept(_)));
    assert_eq!(households(&district).await.len(), 1);
}
