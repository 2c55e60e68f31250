//! A form is sent again because its answer was lost: what it asks for is done once.

use crate::chance::chance;
use crate::rest::Session;
use crate::server::Server;
use crate::town::{GRID, Town, ZHOU};
use crate::waiting::until;
use crate::wire::{Reply, Sent, connect};
use rand::RngExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::mpsc::channel;
use std::thread::park_timeout;
use std::time::Duration;

/// A claim of a process that was killed ends in 10 seconds.
const DONE_WITHIN: Duration = Duration::from_secs(60);

/// The form for a household at an address, with a key.
fn form(session: &Session, key: &str, address: &str) -> Sent {
    let form = json!({ "grid": GRID.id(), "dwelling": { "address": address } });
    Sent::new("POST", "/v1/households")
        .with("authorization", &format!("Bearer {}", session.token))
        .with("content-type", "application/json")
        .with("idempotency-key", key)
        .with_body(form.to_string())
}

/// Sends it until it is done.
fn send_until_done(server: &Server, sent: &Sent) -> Value {
    until("the household is registered", DONE_WITHIN, || {
        let reply = sent.send(server.address());
        assert!([201, 409].contains(&reply.status), "{reply:?}");
        (reply.status == 201).then(|| reply.json())
    })
}

/// Addresses of the registered households.
fn addresses(session: &Session) -> Vec<String> {
    let page = session.get("/v1/households?limit=200").well();
    let items = page["items"].as_array().expect("items").iter();
    let mut addresses: Vec<String> = items.map(|one| one["dwelling"]["address"].to_string()).collect();
    addresses.sort_unstable();
    addresses
}

fn must_be_different(addresses: &[String], count: usize) {
    let different: BTreeSet<_> = addresses.iter().collect();
    assert_eq!((addresses.len(), different.len()), (count, count), "{addresses:?}");
}

#[test]
fn a_form_whose_answer_was_lost_registers_one_household() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let sent = form(&zhou, "8e03978e-40d5-43e8-bc93-6894a57f9324", "和平路1号");
    for _ in 0..5 {
        let mut link = connect(server.address());
        link.write_all(&sent.to_bytes()).expect("it listens");
        drop(link); // and nobody reads the answer
    }
    let first = send_until_done(&server, &sent);
    assert_eq!(send_until_done(&server, &sent), first);
    must_be_different(&addresses(&zhou), 1);

    let other = form(&zhou, "8e03978e-40d5-43e8-bc93-6894a57f9324", "和平路2号").send(server.address());
    other.must_be_a_problem("the key of another form");
    assert_eq!((other.status, &other.json()["type"]), (422, &json!("urn:problem-type:gridwork:key-reused")));
    must_be_different(&addresses(&zhou), 1);
}

#[test]
fn a_form_that_is_sent_by_several_at_once_registers_one_household() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let sent = form(&zhou, "at-once", "和平路1号");
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..12).map(|_| scope.spawn(|| sent.send(server.address()))).collect();
        sending.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    for reply in &replies {
        let under_way = reply.status == 409 && reply.json()["type"] == "urn:problem-type:gridwork:under-way";
        assert!(reply.status == 201 || under_way, "{reply:?}");
    }
    let done = send_until_done(&server, &sent);
    assert!(replies.iter().filter(|reply| reply.status == 201).all(|reply| reply.json() == done), "{replies:?}");
    must_be_different(&addresses(&zhou), 1);
}

#[test]
fn a_form_whose_server_was_killed_in_the_middle_registers_one_household() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let mut random = chance();
    let rounds = 6;
    for round in 0..rounds {
        let sent = form(&zhou, &format!("round-{round}"), &format!("和平路{round}号"));
        let moment = Duration::from_micros(random.random_range(0..12_000));
        let address = server.address();
        std::thread::scope(|scope| {
            let (begin, begun) = channel();
            let sent = &sent;
            scope.spawn(move || {
                let mut link = connect(address);
                link.write_all(&sent.to_bytes()).expect("it listens");
                begin.send(link).expect("somebody listens");
            });
            let link = begun.recv().expect("the form is on its way");
            park_timeout(moment);
            server.kill();
            drop(link);
        });
        server.restart();
        let done = send_until_done(&server, &sent);
        assert_eq!(send_until_done(&server, &sent), done);
    }
    must_be_different(&addresses(&zhou), rounds);
}
