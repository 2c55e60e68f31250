//! A line to a real Redis that can be cut or fall silent: for those at its end, Redis is gone until it is mended, or says
//! nothing.

use crate::server::free_address;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The line.
pub(crate) struct RedisLine {
    address: SocketAddr,
    /// The ends of all connections; none while it is cut.
    ends: Arc<Mutex<Option<Vec<TcpStream>>>>,
    silent: Arc<AtomicBool>,
}

impl RedisLine {
    /// A line to the Redis of that URL.
    pub(crate) fn to(redis: &str) -> Self {
        let redis = redis.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let address = free_address();
        let listener = TcpListener::bind(address).expect("a free address");
        let ends: Arc<Mutex<Option<Vec<TcpStream>>>> = Arc::new(Mutex::new(Some(Vec::new())));
        let silent = Arc::new(AtomicBool::new(false));
        let (kept, hushed) = (ends.clone(), silent.clone());
        // It goes with the process: nobody connects to it after its story.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut kept = kept.lock().expect("nobody panicked");
                let Some(ends) = kept.as_mut() else { continue };
                let far = TcpStream::connect(&redis).expect("Redis listens");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    ends.push(from.try_clone().expect("a socket"));
                    pass(from.try_clone().expect("a socket"), to.try_clone().expect("a socket"), hushed.clone());
                }
            }
        });
        Self { address, ends, silent }
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

    /// From now on nothing that is said arrives, though everybody stays connected and whoever comes is let in. What was
    /// said meanwhile is lost, and with it the connection.
    pub(crate) fn hush(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Lets whoever connects be connected and heard again.
    pub(crate) fn mend(&self) {
        if self.silent.swap(false, Ordering::SeqCst) {
            return;
        }
        *self.ends.lock().expect("nobody panicked") = Some(Vec::new());
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, silent: Arc<AtomicBool>) {
    thread::spawn(move || {
        let (mut buffer, mut lost) = ([0; 4 * 1024], false);
        // Until either is gone.
        while let Some(length) = from.read(&mut buffer).ok().filter(|length| *length > 0) {
            lost |= silent.load(Ordering::SeqCst);
            if !lost && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
