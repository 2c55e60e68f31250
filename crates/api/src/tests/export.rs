//! Lists that are read page by page, for whoever would still be let in.

use super::office::{LEADERS, Office};
use crate::caller::Caller;
use crate::clock;
use crate::routes::export::lines::{Lines, List};
use gridwork_domain::permission::Operation;
use gridwork_registry::Credential;
use gridwork_roster::Language;

#[actix_web::test]
async fn a_list_breaks_off_once_its_reader_has_signed_out() {
    let office = Office::open().await;
    office.register(0).await;
    let (leader, session) = (LEADERS[0], office.session(LEADERS[0]));
    let credential = Credential::Session(session, leader);
    let caller = Caller::admit(&office.state, credential.clone(), Ok(Operation::Read), None, clock::now()).await;
    let caller = (caller.expect("she is let in"), credential);
    let lines = Lines::new(List::Households, caller, None, Language::Chinese, office.state.clone()).await;
    let mut lines = lines.expect("a list");
    assert_eq!(lines.page(None).await.expect("a page").0.len(), 1);
    office.state.registry.end_session(leader, None, leader, session, clock::now()).await.expect("it ends");
    let broken_off = lines.page(None).await.map(|_| ()).expect_err("nobody reads on");
    assert_eq!(broken_off.status().as_u16(), 401);
}
