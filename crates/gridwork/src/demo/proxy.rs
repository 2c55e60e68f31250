//! A bad mobile network between phones and server: a TCP proxy that cuts at byte offsets, delays, and loses or repeats
//! whole exchanges. What it does to the n-th connection depends on the seed and n alone.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of requests that are kept in order to be repeated.
const REPEATED_BYTES: usize = 256 * 1024;
/// A repeated request is given up when its answer takes longer.
const REPEAT_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened on the bad network.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Connections that were made.
    pub(crate) connections: AtomicU64,
    /// Connections cut at some byte.
    pub(crate) cut: AtomicU64,
    /// Requests swallowed whole.
    pub(crate) lost: AtomicU64,
    /// Requests that reached the server a second time.
    pub(crate) repeated: AtomicU64,
    /// Connections that were slow.
    pub(crate) delayed: AtomicU64,
}

/// A running proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    figures: Arc<Figures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    Delay { ms: u64 },
    CutUp { after: usize },
    CutDown { after: usize },
    Lose,
    Repeat,
}

impl Fate {
    fn of(seed: u64, connection: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(connection));
        let after = 1 << random.random_range(0..17);
        let after = random.random_range(0..after);
        match random.random_range(0..10) {
            0..=3 => Self::Pass,
            4 | 5 => Self::Delay { ms: random.random_range(5..150) },
            6 => Self::CutUp { after },
            7 => Self::CutDown { after },
            8 => Self::Lose,
            _ => Self::Repeat,
        }
    }
}

impl Proxy {
    /// Listens on a free port of this machine and passes everything to `server`, well or badly.
    ///
    /// # Errors
    /// No port can be had.
    pub(crate) async fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, figures: Arc::new(Figures::default()) };
        let figures = proxy.figures.clone();
        tokio::spawn(async move {
            while let Ok((phone, _)) = listener.accept().await {
                let number = figures.connections.fetch_add(1, Ordering::Relaxed);
                let fate = Fate::of(seed, number);
                let figures = figures.clone();
                tokio::spawn(async move {
                    // A connection that breaks is what this proxy is for.
                    let _ = carry(phone, server, fate, &figures).await;
                });
            }
        });
        Ok(proxy)
    }

    /// Where phones connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened so far.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }
}

async fn carry(phone: TcpStream, server: SocketAddr, fate: Fate, figures: &Figures) -> io::Result<()> {
    let count = |figure: &AtomicU64| figure.fetch_add(1, Ordering::Relaxed);
    let (mut up_limit, mut down_limit) = (usize::MAX, usize::MAX);
    match fate {
        Fate::Pass | Fate::Repeat => {}
        Fate::Delay { ms } => {
            count(&figures.delayed);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        Fate::CutUp { after } => up_limit = after,
        Fate::CutDown { after } => down_limit = after,
        Fate::Lose => {
            count(&figures.lost);
            return swallow(phone).await;
        }
    }
    let upstream = TcpStream::connect(server).await?;
    let (mut phone_read, mut phone_write) = phone.into_split();
    let (mut server_read, mut server_write) = upstream.into_split();
    let mut request = Vec::new();
    let kept = if fate == Fate::Repeat { Some(&mut request) } else { None };
    let cut = tokio::select! {
        cut = pass(&mut phone_read, &mut server_write, up_limit, kept) => cut?,
        cut = pass(&mut server_read, &mut phone_write, down_limit, None) => cut?,
    };
    if cut {
        count(&figures.cut);
    }
    drop((phone_read, phone_write, server_read, server_write));
    if fate == Fate::Repeat && !request.is_empty() {
        count(&figures.repeated);
        repeat(server, &request).await?;
    }
    Ok(())
}

/// Passes bytes on; true if the limit cut the stream, false if it ended.
async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    limit: usize,
    mut kept: Option<&mut Vec<u8>>,
) -> io::Result<bool> {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(false);
        }
        let allowed = length.min(limit - passed);
        to.write_all(&buffer[..allowed]).await?;
        passed += allowed;
        if let Some(kept) = kept.as_deref_mut().filter(|kept| kept.len() + allowed <= REPEATED_BYTES) {
            kept.extend_from_slice(&buffer[..allowed]);
        }
        if allowed < length {
            return Ok(true);
        }
    }
}

/// Reads what the phone sends until it pauses, and closes without an answer.
async fn swallow(mut phone: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let pause = Duration::from_millis(20);
    while let Ok(Ok(1..)) = tokio::time::timeout(pause, phone.read(&mut buffer)).await {}
    Ok(())
}

/// Sends the same bytes to the server once more and reads whatever it says.
async fn repeat(server: SocketAddr, request: &[u8]) -> io::Result<()> {
    let mut again = TcpStream::connect(server).await?;
    again.write_all(request).await?;
    again.shutdown().await?;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(REPEAT_TIMEOUT, again.take(1 << 20).read_to_end(&mut answer)).await;
    Ok(())
}
