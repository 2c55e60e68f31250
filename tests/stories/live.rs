//! What changes, as it changes: who is told, who is not, and that nothing is missed, whatever is cut off or killed.

use crate::chance::chance;
use crate::redis_line::RedisLine;
use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{FAR_GRID, GRID, Place, QIAN, Town, ZHOU, now};
use crate::waiting::until;
use crate::wire::connect;
use gridwork_domain::id::HouseholdId;
use rand::RngExt;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// What is told is told within this time, or the story fails: looking round takes 5 s at most.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// An event.
#[derive(Debug, Clone)]
struct Event {
    id: Option<String>,
    word: String,
    data: Value,
}

impl Event {
    fn household(&self) -> String {
        text(&self.data["household"])
    }
}

/// Somebody who reads a stream of events.
pub(crate) struct Reader {
    lines: BufReader<TcpStream>,
    status: u16,
    last_id: Option<String>,
}

impl Reader {
    /// Opens a stream; it goes on after that id if there is one.
    fn open(session: &Session, server: &Server, after: Option<&str>) -> Self {
        let mut stream = connect(server.address());
        let after = after.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let token = &session.token;
        let head = format!("GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{after}\r\n");
        stream.write_all(head.as_bytes()).expect("it listens");
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line).expect("a status line");
        let status = line.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status");
        while line.trim() != "" {
            line.clear();
            lines.read_line(&mut line).expect("a head");
        }
        Self { lines, status, last_id: None }
    }

    /// A stream of which nothing is missed from here on.
    pub(crate) fn live(session: &Session, server: &Server) -> Self {
        let mut reader = Self::open(session, server, None);
        assert_eq!(reader.next().expect("an event").word, "live");
        reader
    }

    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<Event> {
        let deadline = Instant::now() + TOLD_WITHIN;
        let mut event = Event { id: None, word: String::new(), data: Value::Null };
        loop {
            assert!(Instant::now() < deadline, "no event within {TOLD_WITHIN:?}");
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a line in time") == 0 {
                return None;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("event", word)) => event.word = word.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON"),
                _ if line == "0\r\n" => return None, // the last chunk
                _ if line == "\n" && !event.word.is_empty() => {
                    self.last_id = event.id.clone().or(self.last_id.take());
                    return Some(event);
                }
                _ => {} // comments, other fields, and what frames the chunks
            }
        }
    }

    /// All events up to the first of that kind, without it.
    fn up_to(&mut self, word: &str) -> Vec<Event> {
        std::iter::from_fn(|| Some(self.next().expect("an event")).filter(|event| event.word != word)).collect()
    }

    /// Reads until a household's change is told.
    pub(crate) fn wait_for(&mut self, household: HouseholdId) {
        let household = household.to_string();
        while self.next().expect("an event").data["household"] != household.as_str() {}
    }
}

/// A household that somebody registers in a grid.
pub(crate) fn register(session: &Session, grid: &Place) -> HouseholdId {
    let form = json!({ "grid": grid.id(), "dwelling": { "address": "和平路1号" } });
    let body = session.send(Method::POST, "/v1/households", None, &form).well();
    text(&body["household"]).parse().expect("an id")
}

#[test]
fn a_change_is_told_to_whoever_may_read_it_and_to_nobody_else() {
    let town = Town::new();
    let server = town.serve();
    let (zhou, qian) = (Session::of(&ZHOU, &server), Session::of(&QIAN, &server));
    let mut of_zhou = Reader::live(&zhou, &server);
    let mut of_qian = Reader::live(&qian, &server);
    let household = zhou.register("和平路1号", "110");
    let far = register(&zhou, &FAR_GRID);

    let told = of_zhou.next().expect("an event");
    assert_eq!(told.word, "moved");
    assert_eq!(told.data, json!({ "grid": GRID.id(), "household": household, "kind": "household" }), "and no more");
    of_zhou.wait_for(far);
    // What was before it in the other community was not told.
    let told = of_qian.next().expect("an event");
    assert_eq!((told.household(), told.data["grid"].clone()), (far.to_string(), json!(FAR_GRID.id())));
}

#[test]
fn whoever_was_cut_off_goes_on_where_they_were_and_misses_nothing_even_if_the_server_was_killed_meanwhile() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let mut reader = Reader::live(&zhou, &server);
    reader.wait_for(register(&zhou, &GRID));
    let last = reader.last_id.clone().expect("an id");
    drop(reader);

    let missed: Vec<_> = (0..3).map(|_| register(&zhou, &GRID).to_string()).collect();
    let far = register(&zhou, &FAR_GRID).to_string();
    server.kill();
    server.restart();
    let mut reader = Reader::open(&zhou, &server, Some(&last));
    let told: Vec<_> = reader.up_to("live").iter().map(Event::household).collect();
    assert!(missed.iter().chain([&far]).all(|one| told.contains(one)), "{missed:?} {told:?}");
    reader.wait_for(register(&zhou, &GRID));

    // Who reads only there is told nothing else of the past, either.
    let qian = Session::of(&QIAN, &server);
    let told = Reader::open(&qian, &server, Some(&last)).up_to("live");
    assert_eq!(told.iter().map(Event::household).collect::<Vec<_>>(), [far]);
    let long_ago = format!("{:x}", now().plus_ms(-25 * 60 * 60 * 1_000).ms());
    for stale in [long_ago.as_str(), "-1", "not an id"] {
        let told = Reader::open(&zhou, &server, Some(stale)).up_to("live");
        assert_eq!(told.iter().map(|event| event.word.as_str()).collect::<Vec<_>>(), ["reset"], "{stale}");
    }
}

#[test]
fn a_stream_ends_with_its_session_and_one_person_has_only_so_many() {
    let town = Town::new();
    let server = town.serve();
    let (zhou, qian) = (Session::of(&ZHOU, &server), Session::of(&QIAN, &server));
    let mut readers: Vec<_> = (0..8).map(|_| Reader::live(&zhou, &server)).collect();
    assert_eq!(Reader::open(&zhou, &server, None).status, 429);
    assert_eq!(zhou.get("/v1/events?seconds=0").status, 429);
    assert_eq!(Reader::open(&qian, &server, None).status, 200);
    zhou.send(Method::POST, "/v1/sign-out", None, &json!({})).well();
    assert!(readers.pop().expect("a reader").next().is_none(), "it ends");
    assert_eq!(Reader::open(&zhou, &server, None).status, 401);
}

#[test]
fn a_server_that_is_asked_to_end_does_not_wait_for_those_who_listen() {
    let town = Town::new();
    let server = town.serve();
    let mut reader = Reader::live(&Session::of(&ZHOU, &server), &server);
    server.ask_to_end();
    assert!(reader.next().is_none());
    drop(reader);
    assert!(server.wait_for_end().success());
}

/// Waits until the nodes found Redis so many times.
fn wait_for_redis(town: &Town, times: usize) {
    let log = || std::fs::read_to_string(town.data_folder().join("server.log")).expect("a log");
    until("Redis is there for both", TOLD_WITHIN, || (log().matches("Redis is there").count() >= times).then_some(()));
}

#[test]
fn a_change_crosses_nodes_at_once_by_redis_and_a_little_later_without() {
    let redis = std::env::var("GRIDWORK_TEST_REDIS").expect("a Redis server: tests/run starts one");
    let mut random = chance();
    let town = Town::new();
    let line = RedisLine::to(&redis);
    let nodes = [(); 2].map(|()| town.serve_with(&[("REDIS_URL", &line.url())]));
    let zhou = Session::of(&ZHOU, &nodes[0]);
    let mut reader = Reader::live(&zhou, &nodes[1]);
    let relayed = |times| wait_for_redis(&town, times);
    relayed(2);
    // One after the other: by looking round, each would take a second, or five.
    let begun = Instant::now();
    for _ in 0..8 {
        reader.wait_for(register(&zhou, &GRID));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());

    line.cut();
    for _ in 0..2 {
        reader.wait_for(register(&zhou, &GRID));
    }
    line.mend();
    reader.wait_for(register(&zhou, &GRID));
    relayed(4);
    let begun = Instant::now();
    for _ in 0..8 {
        reader.wait_for(register(&zhou, &GRID));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // It is cut somewhere amid a run of changes.
    let cut_at = random.random_range(0..10);
    for turn in 0..10 {
        if turn == cut_at {
            line.cut();
        }
        reader.wait_for(register(&zhou, &GRID));
    }
}

#[test]
fn a_redis_that_says_nothing_holds_nobody_up_and_when_it_speaks_again_changes_cross_at_once() {
    let town = Town::new();
    let line = RedisLine::to(&std::env::var("GRIDWORK_TEST_REDIS").expect("a Redis server: tests/run starts one"));
    let nodes = [(); 2].map(|()| town.serve_with(&[("REDIS_URL", &line.url())]));
    let zhou = Session::of(&ZHOU, &nodes[0]);
    let mut reader = Reader::live(&zhou, &nodes[1]);
    wait_for_redis(&town, 2);
    line.hush();
    for _ in 0..3 {
        let begun = Instant::now();
        let household = register(&zhou, &GRID);
        assert!(begun.elapsed() < Duration::from_secs(3), "nobody waits for Redis: {:?}", begun.elapsed());
        reader.wait_for(household);
    }
    line.mend();
    wait_for_redis(&town, 4);
    let begun = Instant::now();
    for _ in 0..8 {
        reader.wait_for(register(&zhou, &GRID));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn whoever_was_cut_off_from_one_node_goes_on_at_another() {
    let town = Town::new();
    let mut nodes = [(); 2].map(|()| town.serve());
    let zhou = Session::of(&ZHOU, &nodes[0]);
    let mut reader = Reader::live(&zhou, &nodes[0]);
    reader.wait_for(register(&zhou, &GRID));
    let last = reader.last_id.clone().expect("an id");
    let missed = register(&zhou, &GRID).to_string();
    nodes[0].kill();
    let mut reader = Reader::open(&zhou, &nodes[1], Some(&last));
    let told: Vec<_> = reader.up_to("live").iter().map(Event::household).collect();
    assert!(told.contains(&missed), "{missed} {told:?}");
    reader.wait_for(register(&Session::with_token(&nodes[1], &zhou.token), &GRID));
}
