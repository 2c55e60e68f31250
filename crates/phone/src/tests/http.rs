//! The real transport against a server that says what it is told, on the loopback interface.

use crate::{HttpTransport, Post, Posted, Transport};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

/// Answers one connection after another with these bytes, and returns what was asked.
fn server(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1/sync", listener.local_addr().expect("an address"));
    let serve = move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\nbody") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            asked.push(String::from_utf8_lossy(&request).to_lowercase());
            stream.write_all(&answer).expect("sent");
        }
        asked
    };
    (url, thread::spawn(serve))
}

#[test]
fn a_request_goes_out_as_it_was_signed_and_the_answer_comes_back_as_it_was_sent() {
    let head = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Encoding: zstd\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
    let (url, server) = server(vec![[head.as_bytes(), &[1, 2, 3]].concat()]);
    let post =
        Post { url: &url, headers: &[("authorization", "Bearer x"), ("accept-encoding", "zstd")], body: b"body" };
    let posted = HttpTransport::new().post(&post).expect("an answer");
    let expected = Posted {
        status: 503,
        retry_after_s: Some(7),
        encoding: Some("zstd".into()),
        sealing_key: None,
        body: vec![1, 2, 3],
    };
    assert_eq!(posted, expected);
    let asked = server.join().expect("served").remove(0);
    assert!(asked.starts_with("post /v1/sync http/1.1\r\n"), "{asked}");
    for header in ["authorization: bearer x", "accept-encoding: zstd", "content-length: 4"] {
        assert_eq!(asked.matches(header).count(), 1, "{asked}");
    }
}

#[test]
fn an_answer_that_is_cut_or_never_comes_is_no_answer() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789";
    let answers = (0..whole.len()).map(|length| whole.as_bytes()[..length].to_vec()).collect();
    let (url, server) = server(answers);
    let mut transport = HttpTransport::new();
    for length in 0..whole.len() {
        let posted = transport.post(&Post { url: &url, headers: &[], body: b"body" });
        assert!(posted.is_err(), "{length}: {posted:?}");
    }
    server.join().expect("served");
    assert!(transport.post(&Post { url: &url, headers: &[], body: b"body" }).is_err(), "nobody is there");
}
