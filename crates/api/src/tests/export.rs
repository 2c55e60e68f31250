//! Lists that are read page by page, for whoever would still be let in.

use super::office::{GRIDS, LEADERS, Office};
use crate::caller::Caller;
use crate::clock;
use crate::routes::export::as_text;
use crate::routes::export::lines::{Lines, List};
use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::{Method, StatusCode, header};
use gridwork_domain::permission::Operation;
use gridwork_registry::{Credential, MOST_ROWS};
use gridwork_roster::Language;
use std::future::poll_fn;
use std::pin::pin;

/// The list of households, for the first leader, who has not read any of it yet.
async fn begin(office: &Office) -> Lines {
    let credential = Credential::Session(office.session(LEADERS[0]), LEADERS[0]);
    let caller = Caller::admit(&office.state, credential.clone(), Ok(Operation::Read), None, clock::now()).await;
    let caller = (caller.expect("she is let in"), credential);
    let lines = Lines::new(List::Households, caller, None, Language::Chinese, office.state.clone()).await;
    lines.expect("a list")
}

#[actix_web::test]
async fn a_list_breaks_off_once_its_reader_has_signed_out() {
    let office = Office::open().await;
    office.register(0).await;
    let (leader, session) = (LEADERS[0], office.session(LEADERS[0]));
    let mut lines = begin(&office).await;
    assert_eq!(lines.page(None).await.expect("a page").0.len(), 1);
    office.state.registry.end_session(leader, None, leader, session, clock::now()).await.expect("it ends");
    let broken_off = lines.page(None).await.map(|_| ()).expect_err("nobody reads on");
    assert_eq!(broken_off.status().as_u16(), 401);
}

#[actix_web::test]
async fn a_long_list_is_read_a_page_at_a_time_as_its_reader_takes_it() {
    let office = Office::open().await;
    let homes = 2 * MOST_ROWS + 1;
    let rows = (0..homes).map(|number| format!("{number},居民{number},建设路{number}号\n"));
    let roster: String = std::iter::once("户编号,姓名,地址\n".to_owned()).chain(rows).collect();
    let uri = format!("/v1/imports?apply=true&grid={}", GRIDS[0]);
    let sent = office.signed_in(LEADERS[0], Method::POST, &uri).insert_header((header::CONTENT_TYPE, "text/csv"));
    let imported = office.send(sent.set_payload(roster)).await;
    let said = imported.json();
    assert_eq!((imported.status, said["households"].as_u64()), (StatusCode::OK, Some(homes.into())), "{said}");

    let lines = begin(&office).await;
    // Each page is noted in the audit log before it is shown, by one job of the writer.
    let jobs = || office.state.registry.figures().jobs;
    let before = jobs();
    let mut body = pin!(as_text(lines, HttpResponse::Ok()).await.expect("a list").into_body());
    let (mut pages, mut rows) = (0, 0);
    while let Some(piece) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let piece = String::from_utf8(piece.expect("it goes on").to_vec()).expect("UTF-8");
        let header = u32::from(pages == 0);
        let of_piece = u32::try_from(piece.lines().count()).expect("some") - header;
        assert!(of_piece <= MOST_ROWS, "{of_piece} rows at once");
        (pages, rows) = (pages + 1, rows + of_piece);
        assert_eq!(jobs() - before, pages, "no page is read before its reader has taken the one before");
    }
    assert_eq!((pages, rows), (3, homes));
}
