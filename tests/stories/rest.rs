//! The registry as staff at a desk use it: over REST.

use crate::server::Server;
use crate::town::{Colleague, GRID, PASSWORD};
use gridwork_domain::id::HouseholdId;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::{Method, Request};

/// A member of staff who is signed in.
#[derive(Clone)]
pub(crate) struct Session {
    agent: ureq::Agent,
    url: String,
    pub(crate) token: String,
    /// The id of all requests from here on; each has its own if there is none.
    request: Option<String>,
}

/// An answer, good or bad.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The entity tag: the version of a household.
    pub(crate) version: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer that is good.
    pub(crate) fn well(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

impl Session {
    /// A colleague who signs in.
    pub(crate) fn of(colleague: &Colleague, server: &Server) -> Self {
        Self::sign_in(server, colleague.sign_in, PASSWORD)
    }

    /// Signs in.
    pub(crate) fn sign_in(server: &Server, name: &str, password: &str) -> Self {
        let mut session = Self::with_token(server, "");
        let form = json!({ "sign_in": name, "password": password });
        let body = session.send(Method::POST, "/v1/sign-in", None, &form).well();
        session.token = text(&body["access_token"]);
        session
    }

    /// Somebody who has a token already.
    pub(crate) fn with_token(server: &Server, token: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(30))).build().new_agent();
        Self { agent, url: server.url(), token: token.to_owned(), request: None }
    }

    /// The same person, whose requests have this id, under which the audit log has them.
    pub(crate) fn under(&self, request: &str) -> Self {
        Self { request: Some(request.to_owned()), ..self.clone() }
    }

    /// Reads something.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.answer(self.request(Method::GET, path).body(()).expect("a request"))
    }

    /// Sends something, naming the version that was seen.
    pub(crate) fn send(&self, method: Method, path: &str, seen: Option<&str>, body: &Value) -> Answer {
        let mut request = self.request(method, path).header("content-type", "application/json");
        if let Some(version) = seen {
            request = request.header("if-match", version);
        }
        self.answer(request.body(body.to_string()).expect("a request"))
    }

    /// Deletes something, naming the version that was seen.
    pub(crate) fn delete(&self, path: &str, seen: &str) -> Answer {
        self.answer(self.request(Method::DELETE, path).header("if-match", seen).body(()).expect("a request"))
    }

    /// Deletes something that has no versions.
    pub(crate) fn remove(&self, path: &str) -> Answer {
        self.answer(self.request(Method::DELETE, path).body(()).expect("a request"))
    }

    /// Registers a household in [`GRID`].
    pub(crate) fn register(&self, address: &str, contact_phone: &str) -> HouseholdId {
        let form = json!({
            "grid": GRID.id(),
            "household": { "status": "living", "contact_phone": contact_phone },
            "dwelling": { "address": address },
            "residents": [{ "resident": { "name": "陈建国", "sex": "1" }, "membership": { "relation": "02" } }],
        });
        let body = self.send(Method::POST, "/v1/households", None, &form).well();
        body["household"].as_str().and_then(|id| id.parse().ok()).expect("the id of a household")
    }

    /// A household as it stands.
    pub(crate) fn household(&self, id: HouseholdId) -> Answer {
        self.get(&format!("/v1/households/{id}"))
    }

    /// Corrects a household's own field, seen in that version.
    pub(crate) fn correct(&self, id: HouseholdId, seen: &str, field: &str, value: &str) -> Answer {
        self.send(Method::PATCH, &format!("/v1/households/{id}"), Some(seen), &json!({ field: value }))
    }

    /// Notes of the visits of a household, ascending.
    pub(crate) fn notes(&self, id: HouseholdId) -> Vec<String> {
        let mut notes = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("/v1/households/{id}/visits?limit=200{after}")).well();
            let visits = page["items"].as_array().expect("a page of visits");
            notes.extend(visits.iter().map(|visit| text(&visit["recorded"]["note"])));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        notes.sort_unstable();
        notes
    }

    fn request(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = self.request.iter().fold(request, |request, id| request.header("x-request-id", id));
        if self.token.is_empty() { request } else { request.header("authorization", format!("Bearer {}", self.token)) }
    }

    fn answer(&self, request: Request<impl ureq::AsSendBody>) -> Answer {
        let mut response = self.agent.run(request).expect("an answer");
        let version = response.headers().get("etag").map(|tag| tag.to_str().expect("ASCII").to_owned());
        let body = response.body_mut().read_to_string().expect("text");
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Answer { status: response.status().as_u16(), version, body }
    }
}

/// The text that a JSON value must be.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}
