//! The entrance before several nodes, as a reverse proxy is in production: each connection goes to the next node that is
//! ready, and past one that is dead.
//!
//! It knows nothing of what is said on a connection.
//!
//! **Invariant:** as long as one node listens, whoever comes is let in.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// How often a node is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// A node that does not answer for so long is not ready.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// What a node is asked.
const QUESTION: &[u8] = b"GET /health/ready HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n";
/// How the answer of one that is ready begins.
const READY: &[u8] = b"HTTP/1.1 200";

struct Node {
    address: SocketAddr,
    is_ready: AtomicBool,
}

struct Nodes {
    all: Vec<Node>,
    turn: AtomicUsize,
}

/// Where people and phones come in.
pub(crate) struct Entrance {
    address: SocketAddr,
}

impl Entrance {
    /// Opens an entrance to these nodes, on `port` or on a free one, for as long as the runtime is there.
    ///
    /// # Errors
    /// The port cannot be had.
    pub(crate) async fn open(nodes: &[SocketAddr], port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let all = nodes.iter().map(|address| Node { address: *address, is_ready: AtomicBool::new(true) });
        let nodes = Arc::new(Nodes { all: all.collect(), turn: AtomicUsize::new(0) });
        for number in 0..nodes.all.len() {
            let nodes = nodes.clone();
            tokio::spawn(async move {
                loop {
                    let node = &nodes.all[number];
                    let is_ready = timeout(ANSWERED_WITHIN, is_ready(node.address)).await;
                    node.is_ready.store(matches!(is_ready, Ok(Ok(true))), Ordering::Relaxed);
                    sleep(ASK_EVERY).await;
                }
            });
        }
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let nodes = nodes.clone();
                tokio::spawn(async move {
                    // Without a node the connection is closed, and whoever came tries again.
                    if let Some(mut far) = nodes.connect().await {
                        let _ = near.set_nodelay(true);
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(Self { address })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Nodes {
    /// A connection to the node whose turn it is, or to the first after it: those that are ready before the others.
    async fn connect(&self) -> Option<TcpStream> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..self.all.len()).map(|after| &self.all[(turn + after) % self.all.len()]);
        let is_ready = |node: &&Node| node.is_ready.load(Ordering::Relaxed);
        let (ready, others): (Vec<_>, Vec<_>) = in_turn().partition(is_ready);
        for node in ready.into_iter().chain(others) {
            match timeout(ANSWERED_WITHIN, TcpStream::connect(node.address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Some(stream);
                }
                _ => node.is_ready.store(false, Ordering::Relaxed),
            }
        }
        None
    }
}

async fn is_ready(node: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(node).await?;
    stream.write_all(QUESTION).await?;
    let mut begin = [0; READY.len()];
    stream.read_exact(&mut begin).await?;
    Ok(begin == READY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that says its name to whoever connects.
    async fn node(name: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(name).await;
            }
        });
        (address, serving)
    }

    async fn who_answers(entrance: &Entrance) -> Vec<u8> {
        let mut said = Vec::new();
        let mut stream = TcpStream::connect(entrance.address()).await.expect("it listens");
        stream.read_to_end(&mut said).await.expect("it is closed in order");
        said
    }

    #[tokio::test]
    async fn connections_go_round_and_past_a_node_that_is_dead() {
        let (first, _serving) = node(b"one").await;
        let (second, dies) = node(b"two").await;
        let entrance = Entrance::open(&[first, second], 0).await.expect("an entrance");
        let mut said = [who_answers(&entrance).await, who_answers(&entrance).await];
        said.sort();
        assert_eq!(said, [b"one".to_vec(), b"two".to_vec()]);
        dies.abort();
        let _ = dies.await;
        for _ in 0..4 {
            assert_eq!(who_answers(&entrance).await, b"one");
        }
    }
}
