//! Hints between nodes, by way of Redis: each node publishes which scopes it moved, and looks at those that others did.
//!
//! Redis may be stopped, slow or started anew at any moment: whoever publishes waits for nobody, and what was not heard is
//! found when the watcher looks round. The connection is made again here and not by the client, whose own renewed
//! subscription was seen to stay deaf.
//!
//! **Invariant:** nothing but latency tells whether there is a Redis.

use futures_util::StreamExt;
use gridwork_domain::id::{ScopeId, spell};
use gridwork_registry::Registry;
use redis::aio::MultiplexedConnection;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

/// The channel of all nodes on one database.
const CHANNEL: &str = "gridwork:moved";
/// What stands for a scope where hints were lost: all of them.
const ALL: &str = "*";
/// How a certificate begins (RFC 7468, 5.1).
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// How long Redis has for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// How long a subscription is silent before Redis is asked whether it is there.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// How long to wait after Redis failed at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Where Redis is. It does not show itself, as it may hold a password.
#[derive(Clone)]
pub struct RedisUrl(redis::Client);

/// Why no Redis can be reached by what was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongRedis {
    /// It is no such URL. It is not repeated, as it may hold a password.
    #[error("it reads redis://HOST:PORT/ or redis://USER:PASSWORD@HOST:PORT/, and with TLS rediss://HOST:PORT/")]
    Url,
    /// Some clients take this as leave to trust anybody.
    #[error("a rediss:// URL has no # part: the certificate of Redis is always checked")]
    Unchecked,
    /// Authorities are named for a connection without certificates.
    #[error("it is for rediss:// URLs alone: with redis:// nothing is encrypted, and no certificate is checked")]
    NoTls,
    /// No authority can be read.
    #[error("it holds no certificate of an authority in PEM")]
    Authorities,
}

impl RedisUrl {
    /// Reads `redis://USER:PASSWORD@HOST:PORT/`, or the same with `rediss://` for TLS: then Redis must show a certificate
    /// for HOST from one of the authorities in `authorities` (PEM), or if there are none, from one that the machine trusts.
    ///
    /// # Errors
    /// [`WrongRedis`], which says what would be right.
    pub fn parse(url: &str, authorities: Option<Vec<u8>>) -> Result<Self, WrongRedis> {
        let client = match url.split_once("://") {
            Some(("redis", _)) if authorities.is_some() => return Err(WrongRedis::NoTls),
            Some(("redis", _)) => redis::Client::open(url).map_err(|_| WrongRedis::Url)?,
            Some(("rediss", rest)) if rest.contains('#') => return Err(WrongRedis::Unchecked),
            Some(("rediss", _)) => encrypted(url, authorities)?,
            _ => return Err(WrongRedis::Url),
        };
        Ok(Self(client))
    }

    /// A client of it, which is not connected yet.
    pub(crate) fn client(&self) -> redis::Client {
        self.0.clone()
    }
}

fn encrypted(url: &str, authorities: Option<Vec<u8>>) -> Result<redis::Client, WrongRedis> {
    // rustls takes the only cryptography that is built in; another crate may bring a second, and then it would not know.
    let _ = rustls::crypto::ring::default_provider().install_default(); // or somebody chose before
    let client = redis::Client::open(url).map_err(|_| WrongRedis::Url)?;
    let Some(authorities) = authorities else { return Ok(client) };
    if !authorities.windows(PEM.len()).any(|window| window == PEM) {
        return Err(WrongRedis::Authorities);
    }
    let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(authorities) };
    redis::Client::build_with_tls(url, certificates).map_err(|_| WrongRedis::Authorities)
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

/// Passes hints on and takes them in.
pub(crate) struct Relay {
    redis: redis::Client,
    registry: Registry,
    /// By this a node knows its own hints.
    node: String,
}

impl Relay {
    /// The relay of a node.
    pub(crate) fn new(redis: &RedisUrl, registry: Registry) -> Self {
        let mut name = [0; 16];
        // Without entropy nodes take each other's hints for their own, which costs time and nothing else.
        let _ = getrandom::fill(&mut name);
        Self { redis: redis.0.clone(), registry, node: spell(&name) }
    }

    /// Does so for as long as the registry is there.
    pub(crate) async fn run(self) {
        tokio::join!(self.publish(), self.subscribe());
    }

    async fn publish(&self) {
        let mut hints = self.registry.hints();
        let mut connection: Option<MultiplexedConnection> = None;
        let mut lost = false;
        let mut backoff = BACKOFF.0;
        loop {
            let scope = match hints.recv().await {
                Ok(scope) => scope,
                Err(RecvError::Lagged(_)) => {
                    lost = true;
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            let hint = if lost { ALL.to_owned() } else { scope.to_string() };
            match self.send(connection.take(), &format!("{} {hint}", self.node)).await {
                Some(kept) => {
                    (connection, lost, backoff) = (Some(kept), false, BACKOFF.0);
                }
                None => {
                    lost = true;
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Publishes a hint; returns the connection if Redis took it.
    async fn send(&self, connection: Option<MultiplexedConnection>, hint: &str) -> Option<MultiplexedConnection> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(CHANNEL).arg(hint);
        if let Some(mut kept) = connection
            && in_time(publish.exec_async(&mut kept)).await.is_ok()
        {
            return Some(kept);
        }
        // There was none, or Redis was started anew since.
        let mut connection = in_time(self.redis.get_multiplexed_async_connection()).await.ok()?;
        in_time(publish.exec_async(&mut connection)).await.ok()?;
        Some(connection)
    }

    async fn subscribe(&self) {
        let mut backoff = BACKOFF.0;
        let mut told = false;
        loop {
            match self.listen().await {
                Ok(()) => {
                    (backoff, told) = (BACKOFF.0, false);
                    tracing::warn!("Redis is gone: news of other nodes come a little later");
                }
                Err(reason) if !told => {
                    told = true;
                    tracing::warn!(reason, "Redis cannot be reached: news of other nodes come a little later");
                }
                Err(_) => {}
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// Listens for as long as Redis is there; or says why it was not.
    async fn listen(&self) -> Result<(), String> {
        let mut subscription = in_time(self.redis.get_async_pubsub()).await?;
        in_time(subscription.subscribe(CHANNEL)).await?;
        let (mut sink, mut messages) = subscription.split();
        tracing::info!("Redis is there: news of other nodes come at once");
        self.registry.rely_on_hints(true);
        loop {
            match timeout(SILENT_FOR, messages.next()).await {
                Ok(Some(message)) => self.hear(message.get_payload_bytes()),
                Ok(None) => break,
                Err(_) => {
                    if in_time(sink.ping::<redis::Value>()).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.registry.rely_on_hints(false);
        Ok(())
    }

    fn hear(&self, hint: &[u8]) {
        let Some((node, scope)) = std::str::from_utf8(hint).ok().and_then(|hint| hint.split_once(' ')) else { return };
        if node == self.node {
            return;
        }
        match scope.parse::<ScopeId>() {
            Ok(scope) => self.registry.look_at(scope),
            // Some were lost, or a later release says what this one does not know.
            Err(_) => self.registry.rely_on_hints(true),
        }
    }
}

/// What Redis answers; or why it does not, in time.
async fn in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, String> {
    let answer = timeout(ANSWERED_WITHIN, answer).await.map_err(|_| "no answer in time".to_owned())?;
    answer.map_err(|error| error.to_string()).inspect_err(|error| tracing::debug!(error, "Redis"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_redis_is_read_and_does_not_show_its_password() {
        for right in ["redis://:geheim@127.0.0.1:6379/", "rediss://:geheim@127.0.0.1:6379/"] {
            let url = RedisUrl::parse(right, None).expect("a URL");
            assert!(!format!("{url:?}").contains("geheim"));
        }
        for wrong in ["", "127.0.0.1:6379", "http://127.0.0.1/", "redis://", "rediss://", "rediss:127.0.0.1"] {
            assert_eq!(RedisUrl::parse(wrong, None).err(), Some(WrongRedis::Url), "{wrong}");
        }
    }

    #[test]
    fn what_would_leave_a_certificate_unchecked_is_refused() {
        let refused = |url: &str, authorities: Option<&str>| {
            RedisUrl::parse(url, authorities.map(|text| text.as_bytes().to_vec())).err()
        };
        assert_eq!(refused("rediss://127.0.0.1/#insecure", None), Some(WrongRedis::Unchecked));
        assert_eq!(refused("redis://127.0.0.1/", Some("a file")), Some(WrongRedis::NoTls));
        let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        for wrong in ["", "a file", broken] {
            assert_eq!(refused("rediss://127.0.0.1/", Some(wrong)), Some(WrongRedis::Authorities), "{wrong}");
        }
    }
}
