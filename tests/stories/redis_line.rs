//! A line to a real Redis that can be cut: for those at its end, Redis is gone until it is mended.

use crate::server::free_address;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The line.
pub(crate) struct RedisLine {
    address: SocketAddr,
    /// The ends of all connections; none while it is cut.
    ends: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl RedisLine {
    /// A line to the Redis of that URL.
    pub(crate) fn to(redis: &str) -> Self {
        let redis = redis.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let address = free_address();
        let listener = TcpListener::bind(address).expect("a free address");
        let ends: Arc<Mutex<Option<Vec<TcpStream>>>> = Arc::new(Mutex::new(Some(Vec::new())));
        let kept = ends.clone();
        // It goes with the process: nobody connects to it after its story.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut kept = kept.lock().expect("nobody panicked");
                let Some(ends) = kept.as_mut() else { continue };
                let far = TcpStream::connect(&redis).expect("Redis listens");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    ends.push(from.try_clone().expect("a socket"));
                    pass(from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                }
            }
        });
        Self { address, ends }
    }

    /// The URL of its near end.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Cuts every connection, and lets nobody connect.
    pub(crate) fn cut(&self) {
        for end in self.ends.lock().expect("nobody panicked").take().into_iter().flatten() {
            let _ = end.shutdown(Shutdown::Both); // it may be gone already
        }
    }

    /// Lets whoever connects be connected again.
    pub(crate) fn mend(&self) {
        *self.ends.lock().expect("nobody panicked") = Some(Vec::new());
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to); // until either is gone
        let _ = to.shutdown(Shutdown::Both);
    });
}
