//! Most syncs bring nothing; they cost next to nothing.

use crate::people::{enrol, register_household, sync, visit};
use crate::town::{LI, Town};

#[test]
fn a_sync_when_nothing_is_new_is_one_request_with_bodies_under_a_hundred_bytes() {
    let town = Town::new();
    let server = town.serve();
    let mut li = enrol(&town, &server, &LI, "li");
    let household = register_household(&mut li, "和平路8号");
    visit(&mut li, household, "例行走访");
    let busy = sync(&mut li);
    assert!(busy.pushed == 2 && busy.request_body_bytes > 100, "{busy:?}");
    for _ in 0..3 {
        let quiet = sync(&mut li);
        assert_eq!((quiet.requests, quiet.pushed, quiet.received), (1, 0, 0), "{quiet:?}");
        assert!((1..100).contains(&quiet.request_body_bytes), "{quiet:?}");
        assert!((1..100).contains(&quiet.response_body_bytes), "{quiet:?}");
    }
}
