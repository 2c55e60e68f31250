//! Where the database cannot keep up, whoever comes is told so at once and when to come again; nobody queues without end.

use crate::rest::Session;
use crate::store;
use crate::town::{GRID, Town, ZHOU, database};
use crate::wire::{Reply, Sent};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use serde_json::json;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Those who write at the same time.
const WRITERS: usize = 8;
/// One writes, and one waits for it; the sealer of the audit log may be either of them.
const MOST_WAITING: usize = 2;
/// All others are told within this time, or the story fails.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Keeps everybody from writing until it is dropped: a backup that holds a lock, or a disk that has stopped.
fn hold_up(town: &Town) -> Box<dyn Send> {
    match store::url(&town.data_folder()) {
        Some(url) => {
            let mut held = PgConnection::establish(&url).expect("the database");
            held.batch_execute("BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE").expect("the lock");
            Box::new(held)
        }
        None => {
            let file = database(&town.data_folder());
            let mut held = SqliteConnection::establish(file.to_str().expect("UTF-8")).expect("the database");
            held.batch_execute("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE").expect("the lock");
            Box::new(held)
        }
    }
}

/// The next answer, which must come in time.
fn next(answers: &Receiver<Reply>) -> Reply {
    answers.recv_timeout(TOLD_WITHIN).expect("an answer at once: nobody waits for a writer that is busy")
}

#[test]
fn who_writes_while_the_database_is_held_up_is_told_when_to_come_again_and_what_was_taken_in_is_done() {
    let town = Town::new();
    let few =
        [("GRIDWORK_WRITER_QUEUE", "1"), ("GRIDWORK_DATABASE_WRITERS", "1"), ("GRIDWORK_BUSY_TIMEOUT_MS", "60000")];
    let server = town.serve_with(&few);
    let zhou = Session::of(&ZHOU, &server);
    let form = json!({ "grid": GRID.id(), "dwelling": { "address": "和平路1号" } }).to_string();
    let register = Sent::new("POST", "/v1/households")
        .with("authorization", &format!("Bearer {}", zhou.token))
        .with("content-type", "application/json")
        .with_body(form);

    let held = hold_up(&town);
    let (tell, answers) = channel();
    for _ in 0..WRITERS {
        let (tell, register, address) = (tell.clone(), register.clone(), server.address());
        std::thread::spawn(move || tell.send(register.send(address)));
    }
    for _ in MOST_WAITING..WRITERS {
        let refused = next(&answers);
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{refused:?}");
        assert_eq!(refused.json()["retry_after_s"].to_string(), refused.header("retry-after"));
    }
    drop(held);
    let taken_in = (0..MOST_WAITING).filter(|_| next(&answers).status == 201).count();
    let there = crate::waiting::until("it writes again", TOLD_WITHIN, || {
        let listed = zhou.get("/v1/households");
        (listed.status == 200).then(|| listed.body["items"].as_array().map(Vec::len))
    });
    assert_eq!(there, Some(taken_in), "what was refused was not done, and what was taken in was");
}
