//! Traces: they come to the collector that a setting names, say nothing of a resident, and keep nobody waiting.

use crate::rest::Session;
use crate::town::{Town, ZHOU};
use crate::waiting::until;
use crate::wire::{Sent, connect};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Traces come within this time, or the story fails.
const SENT_WITHIN: Duration = Duration::from_secs(20);

/// A collector of traces by OTLP over HTTP: what was posted to it.
struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    /// One that answers.
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        let address = listener.local_addr().expect("an address");
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = bodies.clone();
        // It goes with the process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                thread::spawn(move || while take(&stream, &kept).is_some() {});
            }
        });
        Self { address, bodies }
    }

    fn has(&self, text: &str) -> bool {
        contains(&self.bodies.lock().expect("nobody panicked"), text)
    }
}

/// Takes in one request; `None` at the end of the connection.
fn take(stream: &TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    assert!(first.starts_with("POST /v1/traces "), "{first}");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().expect("a length");
        }
        if name.eq_ignore_ascii_case("content-type") {
            assert_eq!(value.trim(), "application/x-protobuf");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    kept.lock().expect("nobody panicked").extend(body);
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}

/// Whether bytes hold a text: Protocol Buffers writes texts as they are.
fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_request_is_traced_by_its_route_and_the_trace_names_nobody() {
    let town = Town::new();
    let collector = Collector::open();
    let endpoint = format!("http://{}", collector.address);
    let server = town.serve_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")]);
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "13812345678");
    zhou.household(household).well();
    let name = "%E7%8E%8B%E5%B0%8F%E6%98%8E";
    zhou.get(&format!("/v1/residents?name={name}"));
    zhou.get(&format!("/v1/no-such-place/{name}"));
    for pattern in ["/v1/households/{id}", "/v1/households", "/v1/sign-in", "gridwork"] {
        until("the trace comes", SENT_WITHIN, || collector.has(pattern).then_some(()));
    }
    // Ended in order, the server sends what is left: then nothing else can come.
    server.end();
    for secret in [&household.to_string(), name, "王小明", "13812345678", "和平路", "no-such-place", &zhou.token]
    {
        assert!(!collector.has(secret), "{secret} is in the traces");
    }
}

#[test]
fn a_collector_that_never_answers_delays_no_request() {
    let town = Town::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    // It holds every connection, and says nothing.
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let read = stream.read(&mut [0; 64]).unwrap_or(0);
            counted.fetch_add(u32::from(read > 0), Ordering::Relaxed);
            held.push(stream);
        }
    });
    let server = town.serve_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ]);
    until("the collector is asked", SENT_WITHIN, || {
        drop(connect(server.address()));
        (asked.load(Ordering::Relaxed) > 0).then_some(())
    });
    // Many more than wait in memory, all while the collector has the first.
    for _ in 0..100 {
        let reply = Sent::new("GET", "/health/live").send(server.address());
        assert_eq!(reply.status, 200);
        assert!(reply.took < Duration::from_secs(2), "{:?}", reply.took);
    }
}
