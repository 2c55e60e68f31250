//! Server and phones are ended with SIGKILL wherever they stand; nothing is lost, nothing is there twice.

use crate::chance::chance;
use crate::people::{correction, enrol, record, sync, visit};
use crate::program;
use crate::rest::Session;
use crate::server::Server;
use crate::town::{LI, Town, ZHAO, ZHOU};
use crate::waiting::until;
use gridwork_phone::{HttpTransport, NetworkError, Phone, Post, Posted, Surroundings, Transport};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::park_timeout;
use std::time::Duration;

/// A network on which the server is killed while it has a request, and is there again for the next one.
struct DeadlyNetwork {
    http: HttpTransport,
    server: Arc<Mutex<Server>>,
    random: ChaCha8Rng,
    kills_left: u32,
    killed: Arc<AtomicU32>,
}

impl Transport for DeadlyNetwork {
    fn post(&mut self, post: &Post<'_>) -> Result<Posted, NetworkError> {
        let mut server = self.server.lock().expect("nobody panicked");
        if self.kills_left == 0 || self.random.random_bool(0.3) {
            return self.http.post(post);
        }
        self.kills_left -= 1;
        self.killed.fetch_add(1, Ordering::Relaxed);
        let moment = Duration::from_micros(self.random.random_range(0..6_000));
        let (http, post) = (&mut self.http, *post);
        let posted = std::thread::scope(|scope| {
            let (begin, begun) = channel();
            let posting = scope.spawn(move || {
                begin.send(()).expect("somebody listens");
                http.post(&post)
            });
            begun.recv().expect("the request is on its way");
            park_timeout(moment);
            server.kill();
            posting.join().expect("a transport does not panic")
        });
        server.restart();
        // The phone may have died as well before it read the answer.
        if self.random.random_bool(0.5) { posted } else { Err(NetworkError("cut".to_owned())) }
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_while_phones_sync_loses_and_doubles_nothing() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let households = ["和平路1号", "和平路2号", "和平路3号"].map(|address| zhou.register(address, "110"));
    for colleague in [&LI, &ZHAO] {
        drop(enrol(&town, &server, colleague, colleague.sign_in));
    }
    let server = Arc::new(Mutex::new(server));
    let mut random = chance();
    let killed = Arc::new(AtomicU32::new(0));
    let mut recorded = Vec::new();
    for round in 0..4 {
        for colleague in [&LI, &ZHAO] {
            let transport = Box::new(DeadlyNetwork {
                http: HttpTransport::new(),
                server: server.clone(),
                random: ChaCha8Rng::seed_from_u64(random.random()),
                kills_left: 3,
                killed: killed.clone(),
            });
            let surroundings = Surroundings { transport, ..Surroundings::default() };
            let mut phone = Phone::open_with(&town.path(colleague.sign_in), surroundings).expect("the phone opens");
            for number in 0..10 {
                let note = format!("{} {round} {number}", colleague.name);
                let household = households[random.random_range(0..households.len())];
                visit(&mut phone, household, &note);
                recorded.push((household, note));
            }
            record(&mut phone, households[0], correction("remark", &format!("{} {round}", colleague.name)));
            until("the phone has synced", Duration::from_secs(60), || {
                let report = phone.sync().expect("the phone's store works");
                report.failure.is_none().then_some(())
            });
        }
    }
    let killed = killed.load(Ordering::Relaxed);
    assert!(killed >= 4, "killed only {killed} times");
    for household in households {
        let of = recorded.iter().filter(|(there, _)| *there == household).map(|(_, note)| note.clone());
        let mut expected: Vec<_> = of.collect();
        expected.sort_unstable();
        assert_eq!(zhou.notes(household), expected);
    }
    let [li, zhao] = [&LI, &ZHAO].map(|colleague| {
        let mut phone = Phone::open(&town.path(colleague.sign_in)).expect("the phone opens");
        sync(&mut phone);
        phone.dump()
    });
    assert_eq!(li, zhao);
    assert_eq!(li.facts.len(), recorded.len());
}

/// What becomes of a request on its way to the server.
#[derive(Clone, Copy)]
enum Fate {
    /// It never arrives.
    Swallowed,
    /// It arrives, and the answer is lost.
    Unanswered,
}

/// Begins a sync that meets its fate on the way, and kills the phone's process then.
fn kill_while_syncing(folder: &str, server: SocketAddr, fate: Fate) {
    let network = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", network.local_addr().expect("an address"));
    let mut phone = program::command(&["phone", "--dir", folder, "sync", "--server", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the phone starts");
    let (mut link, _) = network.accept().expect("the phone connects");
    let request = read_message(&mut link);
    if matches!(fate, Fate::Unanswered) {
        let mut upstream = TcpStream::connect(server).expect("the server is there");
        upstream.write_all(&request).expect("it listens");
        let answer = read_message(&mut upstream);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    kill(&mut phone);
}

fn kill(process: &mut Child) {
    process.kill().expect("a process to kill");
    process.wait().expect("it ended");
}

/// Reads one message of HTTP/1.1 with its body.
fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).expect("a message");
        assert!(length > 0, "it ended early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..length]);
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|value| value.trim().parse().ok()).expect("a length");
        if bytes.len() >= head + 4 + length {
            return bytes;
        }
    }
}

#[test]
fn a_phone_that_is_killed_between_saving_and_pushing_pushes_what_it_saved_once() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    drop(enrol(&town, &server, &LI, "li"));
    let (path, id) = (town.path("li"), household.to_string());
    let folder = path.to_str().expect("a path in UTF-8");

    let mut notes = Vec::new();
    for (number, fate) in [Fate::Swallowed, Fate::Unanswered, Fate::Swallowed, Fate::Unanswered].into_iter().enumerate()
    {
        let note = format!("走访 {number}");
        program::phone(&path, &["visit", &id, "--note", &note]).well();
        notes.push(note);
        kill_while_syncing(folder, server.address(), fate);
    }
    program::phone(&path, &["sync", "--server", &server.url()]).well();
    assert_eq!(zhou.notes(household), notes);
    let status = program::phone(&path, &["status"]).well();
    assert!(status.contains("waiting to be sent 0"), "{status}");
}

#[test]
fn a_phone_that_is_killed_while_it_records_has_saved_the_visit_or_has_not_said_so() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    drop(enrol(&town, &server, &LI, "li"));
    let (path, id) = (town.path("li"), household.to_string());
    let folder = path.to_str().expect("a path in UTF-8");

    let mut random = chance();
    let mut said = Vec::new();
    for number in 0..12 {
        let note = format!("走访 {number:02}");
        let recording = program::command(&["phone", "--dir", folder, "visit", &id, "--note", &note])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut recording = recording.expect("the phone starts");
        park_timeout(Duration::from_micros(random.random_range(0..40_000)));
        kill(&mut recording);
        let mut out = String::new();
        recording.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
        if out.contains("saved") {
            said.push(note);
        }
    }
    program::phone(&path, &["sync"]).well();
    let there = zhou.notes(household);
    assert!(said.iter().all(|note| there.contains(note)), "said {said:?}, there {there:?}");
    assert!(there.windows(2).all(|pair| pair[0] != pair[1]), "{there:?}");
}
