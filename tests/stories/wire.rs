//! HTTP/1.1 by hand: whatever bytes somebody cares to send, and what comes back.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer is there within this time, or none is.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    /// All but `host`, `connection` and `content-length`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes that the body is said to have; those that it has if none.
    pub(crate) claimed_length: Option<u64>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) content_type: String,
    pub(crate) content_encoding: String,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Sent {
    /// A request without a body.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: Vec::new(), claimed_length: None }
    }

    /// The same with a further header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with that body.
    pub(crate) fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The head and the body as they go over the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: gridwork\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.claimed_length.unwrap_or(self.body.len() as u64);
        head.push_str(&format!("content-length: {length}\r\n\r\n"));
        [head.into_bytes(), self.body.clone()].concat()
    }

    /// Sends it and reads the answer.
    pub(crate) fn send(&self, server: SocketAddr) -> Reply {
        let begun = Instant::now();
        let mut stream = connect(server);
        // A server that has read enough answers and hangs up while the rest is still on its way.
        let _ = stream.write_all(&self.to_bytes());
        read_reply(stream, begun)
    }
}

impl Reply {
    /// The value of a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> String {
        header(&self.head, name)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Fails unless this is a problem of RFC 9457 whose status is one of a caller's making.
    pub(crate) fn must_be_a_problem(&self, what: &str) {
        assert!((400..500).contains(&self.status), "{what}: {self:?}");
        assert_eq!(self.content_type, "application/problem+json", "{what}: {self:?}");
        assert_eq!(self.json()["status"], self.status, "{what}");
    }
}

/// A connection on which nothing waits for ever.
pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(ANSWERED_WITHIN)).expect("a timeout");
    stream.set_write_timeout(Some(ANSWERED_WITHIN)).expect("a timeout");
    stream
}

/// Reads an answer until the server hangs up.
pub(crate) fn read_reply(mut stream: TcpStream, begun: Instant) -> Reply {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever sent more than was wanted is reset after the answer.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => break,
            Err(error) => panic!("no answer: {error}"),
        }
        if is_whole(&bytes) {
            break;
        }
    }
    let took = begun.elapsed();
    let (head, body) = split(&bytes).unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(&bytes)));
    Reply {
        status: head.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status"),
        head: head.to_owned(),
        content_type: header(head, "content-type"),
        content_encoding: header(head, "content-encoding"),
        body: body.to_vec(),
        took,
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(head, body)| {
        header(head, "content-length").parse::<usize>().is_ok_and(|length| body.len() >= length)
    })
}

fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]))
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned());
    values.next().unwrap_or_default()
}
