//! What was acknowledged is durable, and comes in every later pull of its grid exactly once per cursor.

use crate::device::Device;
use crate::people::{correction, enrol, record, register_household, sync, visit};
use crate::server::Server;
use crate::town::{GRID, LI, Town, ZHAO};
use gridwork_sync::message::{Request, SMALLEST_BUDGET, ScopeRequest};
use std::collections::BTreeMap;

/// All that a grid's feed has after a cursor, page by page: how often each change or document came, and the last cursor.
fn pull_after(device: &Device, server: &Server, cursor: Option<Vec<u8>>) -> (BTreeMap<Vec<u8>, u32>, Vec<u8>) {
    let mut cursor = cursor;
    let mut came = BTreeMap::new();
    for page in 0.. {
        assert!(page < 1_000, "it does not end");
        let asked = ScopeRequest { scope: (*GRID.scope().as_bytes()).into(), cursor: cursor.clone().map(Into::into) };
        let message = Request { scopes: vec![asked], budget: Some(SMALLEST_BUDGET), ..device.message() };
        let answer = device.exchange(server, &message);
        let bytes = answer.to_bytes().len();
        let Some(news) = answer.scopes.first() else { break };
        let room = SMALLEST_BUDGET as usize;
        assert!(bytes <= room || news.entries.len() == 1, "{bytes} bytes with {} entries", news.entries.len());
        for entry in &news.entries {
            let change = entry.change.as_ref().map(|bytes| bytes.to_vec());
            let bytes = change.or_else(|| entry.snapshot.as_ref().map(|whole| whole.bytes.to_vec())).expect("either");
            *came.entry([entry.document.as_slice(), &bytes].concat()).or_default() += 1;
        }
        cursor = Some(news.cursor.to_vec());
        if !news.more {
            break;
        }
    }
    (came, cursor.expect("a cursor"))
}

#[test]
fn an_acknowledged_change_comes_in_every_later_pull_of_its_grid_exactly_once_per_cursor() {
    let town = Town::new();
    let mut server = town.serve();
    let mut li = enrol(&town, &server, &LI, "li");
    let device = Device::enrol(&server, &ZHAO);
    let note = "门口堆放杂物，已劝导清理。".repeat(20);
    let households: Vec<_> = (0..12).map(|number| register_household(&mut li, &format!("和平路{number}号"))).collect();
    for household in &households {
        visit(&mut li, *household, &note);
    }
    sync(&mut li);
    let (documents, cursor) = pull_after(&device, &server, None);
    assert_eq!(documents.len(), 2 * households.len(), "a cold start brings each document");
    assert!(documents.values().all(|times| *times == 1));

    for household in &households {
        for _ in 0..4 {
            visit(&mut li, *household, &note);
        }
        record(&mut li, *household, correction("contact_phone", "110"));
    }
    assert_eq!(sync(&mut li).merged, 5 * households.len() as u64);
    // Whatever was acknowledged has survived this.
    server.kill();
    server.restart();
    let (changes, end) = pull_after(&device, &server, Some(cursor.clone()));
    assert_eq!(changes.len(), 5 * households.len());
    assert!(changes.values().all(|times| *times == 1), "{:?}", changes.values());
    assert_eq!(pull_after(&device, &server, Some(cursor)).0, changes, "as often as somebody asks");
    assert_eq!(pull_after(&device, &server, Some(end)).0.len(), 0);
    // A cursor that means nothing here is answered with everything, never with a gap.
    let (documents, _) = pull_after(&device, &server, Some(vec![0x5a; 16]));
    assert_eq!(documents.len(), 2 * households.len());
}
