//! The registry as a call agent sees it: over REST.

use serde_json::{Value, json};
use std::time::Duration;

/// Rows of a page.
const PAGE_ROWS: u32 = 200;

/// A member of staff who is signed in.
#[derive(Clone)]
pub(crate) struct Session {
    agent: ureq::Agent,
    server: String,
    token: String,
}

/// A request that was not answered as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    /// No answer, or one that cannot be read.
    #[error("{url} gave no answer")]
    Network {
        /// The URL.
        url: String,
        /// What failed.
        #[source]
        source: Box<ureq::Error>,
    },
    /// A problem.
    #[error("{url} answered {status}: {body}")]
    Problem {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
        /// The body.
        body: Value,
    },
}

impl Session {
    /// Signs in.
    ///
    /// # Errors
    /// [`RestError`].
    pub(crate) fn sign_in(server: &str, name: &str, password: &str) -> Result<Self, RestError> {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(30))).build().new_agent();
        let mut session = Self { agent, server: server.to_owned(), token: String::new() };
        let answer = session.post("/v1/sign-in", &json!({ "sign_in": name, "password": password }))?;
        session.token = text(&answer, "access_token").to_owned();
        Ok(session)
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// [`RestError`].
    pub(crate) fn get(&self, path: &str) -> Result<Value, RestError> {
        let url = format!("{}{path}", self.server);
        let sent = self.agent.get(&url).header("authorization", format!("Bearer {}", self.token)).call();
        answer(url, sent)
    }

    /// Reads all pages of a list.
    ///
    /// # Errors
    /// [`RestError`].
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>, RestError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("{path}{separator}limit={PAGE_ROWS}{after}"))?;
            if let Some(rows) = page["items"].as_array_mut() {
                items.append(rows);
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Sends a body to a resource.
    ///
    /// # Errors
    /// [`RestError`].
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, RestError> {
        let url = format!("{}{path}", self.server);
        let request = self.agent.post(&url).header("authorization", format!("Bearer {}", self.token));
        answer(url, request.content_type("application/json").send(body.to_string()))
    }

    /// Changes fields of a resource as it was read in `version`.
    ///
    /// # Errors
    /// [`RestError`].
    pub(crate) fn patch(&self, path: &str, version: &str, body: &Value) -> Result<Value, RestError> {
        let url = format!("{}{path}", self.server);
        let request = self.agent.patch(&url).header("authorization", format!("Bearer {}", self.token));
        let request = request.header("if-match", version).content_type("application/json");
        answer(url, request.send(body.to_string()))
    }
}

/// A text in a JSON object; empty if it is not there.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn answer(url: String, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, RestError> {
    let network = |url: &str, source| RestError::Network { url: url.to_owned(), source: Box::new(source) };
    let mut response = sent.map_err(|source| network(&url, source))?;
    let body = response.body_mut().read_to_string().map_err(|source| network(&url, source))?;
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let status = response.status().as_u16();
    if response.status().is_success() { Ok(body) } else { Err(RestError::Problem { url, status, body }) }
}
