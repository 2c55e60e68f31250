//! A reader of changes who is slower than they come.

use super::office::{GRIDS, LEADERS, Office};
use crate::clock;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::Method;
use actix_web::rt::{spawn, task::yield_now};
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::{EditId, HouseholdId};
use gridwork_registry::Import;
use std::future::poll_fn;
use std::time::{Duration, Instant};

/// More changes than wait for a reader, who has 4,096.
const TOO_MANY: u16 = 4_200;
/// They are written and told within this time, or the test fails.
const TOLD_WITHIN: Duration = Duration::from_secs(240);

/// What a stream says next.
async fn next(stream: &mut BoxBody) -> String {
    let piece = poll_fn(|context| stream.as_pin_mut().poll_next(context)).await.expect("it goes on").expect("a piece");
    String::from_utf8(piece.to_vec()).expect("UTF-8")
}

/// A household without anybody in it.
fn register(number: u16) -> Import {
    let (now, [high, low]) = (clock::now(), number.to_be_bytes());
    let random = [high, low, 0, 0, 0, 0, 0, 0, 0, 0];
    let dwelling = Fields::new().with("address", format!("和平路{number}号").as_str());
    let action = Action::RegisterHousehold { fields: Fields::new(), dwelling, residents: Vec::new() };
    let edit = Edit { id: EditId::new(now, random), at: now, household: HouseholdId::new(now, random), action };
    Import { by: LEADERS[0], edit, home: Some(GRIDS[0].into()) }
}

#[actix_web::test]
async fn who_reads_slower_than_changes_come_is_told_to_read_anew_and_goes_on_from_there() {
    let office = Office::open().await;
    let registry = office.state.registry.clone();
    let mut stream = office.stream(office.signed_in(LEADERS[0], Method::GET, "/v1/events")).await;
    assert!(next(&mut stream).await.contains("event: live"));
    let watching = spawn(registry.watcher().run(clock::now));

    registry.import((0..TOO_MANY).map(register).collect(), clock::now(), None).await.expect("they are registered");
    let (written, begun) = (clock::now(), Instant::now());
    while registry.told_until() <= written {
        assert!(begun.elapsed() < TOLD_WITHIN, "they are not told");
        yield_now().await;
    }
    let told = next(&mut stream).await;
    assert!(told.contains("event: reset") && !told.contains("event: moved"), "{told}");
    assert!(told.starts_with("id: "), "whoever is cut off now goes on after it: {told}");

    let (household, _) = office.register(0).await;
    let told = next(&mut stream).await;
    assert!(told.contains("event: moved") && told.contains(&household), "{told}");
    watching.abort();
}
