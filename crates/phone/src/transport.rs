//! The network as the phone sees it: a body goes out, a status and a body come back, or nothing does.
//!
//! It knows HTTP and nothing of what is sent.
//!
//! **Invariant:** no answer takes more memory than its limit, and no request hangs for ever.

use std::io::Read;
use std::time::Duration;

/// How long until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the whole exchange may take: a quarter of a megabyte over a bad mobile link.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long until the head of an answer without end is there.
const FIRST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long such an answer may be silent: the server says something every 15 seconds.
const LONGEST_SILENCE: Duration = Duration::from_secs(40);
/// Media type of server-sent events.
const EVENTS: &str = "text/event-stream";
/// Bytes of an answer that says why there is no stream.
const LARGEST_REFUSAL_BYTES: u64 = 64 * 1024;
/// Bytes of an answer as transferred.
const LARGEST_BODY_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of each connection's buffers; bodies stream through them.
const BUFFER_BYTES: usize = 16 * 1024;

/// A request to be posted.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// Scheme, authority and path.
    pub url: &'a str,
    /// Headers, lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body as it goes over the wire.
    pub body: &'a [u8],
}

/// A request to be read.
#[derive(Debug, Clone, Copy)]
pub struct Get<'a> {
    /// Scheme, authority and path.
    pub url: &'a str,
    /// Headers, lower case.
    pub headers: &'a [(&'a str, &'a str)],
}

/// An answer, of whatever status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds (RFC 9110, 10.2.3), if it was given so.
    pub retry_after_s: Option<u64>,
    /// `Content-Encoding`, if there is one.
    pub encoding: Option<String>,
    /// `Gridwork-Sealing-Key`, if the phone lacks the server's current one.
    pub sealing_key: Option<String>,
    /// The body as it came over the wire.
    pub body: Vec<u8>,
}

/// Nothing came back, or only part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(pub String);

/// A way to post requests. A network that cannot be reached is an error, and so is an answer that was cut.
pub trait Transport {
    /// Posts a request once and waits for the answer.
    ///
    /// # Errors
    /// [`NetworkError`].
    fn post(&mut self, post: &Post<'_>) -> Result<Posted, NetworkError>;

    /// Asks for something once and waits for the answer. A network that only posts has none.
    ///
    /// # Errors
    /// [`NetworkError`].
    fn get(&mut self, get: &Get<'_>) -> Result<Posted, NetworkError> {
        Err(NetworkError(format!("{} cannot be asked for here", get.url)))
    }
}

/// HTTP/1.1, with TLS for `https`, over a connection that is kept between requests.
pub struct HttpTransport {
    agent: ureq::Agent,
}

impl HttpTransport {
    /// Ready to post; nothing is connected yet.
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(EXCHANGE_TIMEOUT))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .build();
        Self { agent: config.into() }
    }
}

impl Default for HttpTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for HttpTransport {
    fn post(&mut self, post: &Post<'_>) -> Result<Posted, NetworkError> {
        let mut request = self.agent.post(post.url);
        for (name, value) in post.headers {
            request = request.header(*name, *value);
        }
        let posted = read(request.send(post.body).map_err(failed)?)?;
        if posted.status == 503 {
            // Another connection may lead to another node, which is less busy.
            *self = Self::new();
        }
        Ok(posted)
    }

    fn get(&mut self, get: &Get<'_>) -> Result<Posted, NetworkError> {
        let mut request = self.agent.get(get.url);
        for (name, value) in get.headers {
            request = request.header(*name, *value);
        }
        read(request.call().map_err(failed)?)
    }
}

/// HTTP answers without an end that is known: each is on a connection of its own, with TLS for `https`.
pub(crate) struct Streaming {
    agent: ureq::Agent,
}

impl Streaming {
    /// Ready to ask; nothing is connected yet.
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(FIRST_TIMEOUT))
            .timeout_per_read(Some(LONGEST_SILENCE))
            .max_idle_connections(0)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .build();
        Self { agent: config.into() }
    }

    /// Asks for a stream of events; the inner error is an answer that is none.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub(crate) fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Result<impl Read + use<>, Posted>, NetworkError> {
        let mut request = self.agent.get(url).header("accept", EVENTS).header("accept-encoding", "identity");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.call().map_err(|error| NetworkError(error.to_string()))?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let status = answer.status().as_u16();
        if status == 200 && header("content-type").is_some_and(|kind| kind.starts_with(EVENTS)) {
            return Ok(Ok(answer.into_body().into_reader()));
        }
        let mut refused = Posted {
            status,
            retry_after_s: header("retry-after").and_then(|value| value.parse().ok()),
            encoding: header("content-encoding").map(str::to_owned),
            sealing_key: None,
            body: Vec::new(),
        };
        let read = answer.into_body().into_reader().take(LARGEST_REFUSAL_BYTES).read_to_end(&mut refused.body);
        read.map_err(|error| NetworkError(error.to_string()))?;
        Ok(Err(refused))
    }
}

fn read(answer: ureq::http::Response<ureq::Body>) -> Result<Posted, NetworkError> {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let mut posted = Posted {
        status: answer.status().as_u16(),
        retry_after_s: header("retry-after").and_then(|value| value.parse().ok()),
        encoding: header("content-encoding").map(str::to_owned),
        sealing_key: header("gridwork-sealing-key").map(str::to_owned),
        body: Vec::new(),
    };
    let reader = answer.into_body().into_reader();
    let read = reader.take(LARGEST_BODY_BYTES + 1).read_to_end(&mut posted.body);
    read.map_err(|error| NetworkError(error.to_string()))?;
    if posted.body.len() as u64 > LARGEST_BODY_BYTES {
        return Err(NetworkError(format!("the answer has more than {LARGEST_BODY_BYTES} bytes")));
    }
    Ok(posted)
}

fn failed(error: ureq::Error) -> NetworkError {
    NetworkError(error.to_string())
}
