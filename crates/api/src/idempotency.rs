//! Requests that are done once, however often they come: the header `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! It stands before every handler of an operation that takes the header, and knows none of them. The registry keeps the
//! answer: handlers that write in one transaction give it along ([`Attempt`] in a [`Caller`]), so that it commits with what
//! it tells of; of others it is kept here, right after.
//!
//! **Invariant:** without a caller who is let in, a key is neither looked up nor kept; a refusal is not kept, since nothing
//! was done; operations that hand out secrets do not take the header; an answer about persons who have come
//! out of the caller's reach is not given again, nor one to who has other offices now than when it was made.

use crate::body;
use crate::caller::Caller;
use crate::clock;
use crate::gate::Held;
use crate::limits::{
    IDEMPOTENT_FILE_LEASE_MS, IDEMPOTENT_LEASE_MS, LARGEST_JSON_BODY_BYTES, LONGEST_IDEMPOTENCY_KEY, RETRY_AFTER_S,
};
use crate::openapi;
use crate::problem::{Kind, Problem, Sentence};
use crate::state::State;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use gridwork_registry::{Attempt, Attempted, KeptAnswer, StoreError, Viewer};
use gridwork_roster::limits::LARGEST_FILE_BYTES;
use std::collections::BTreeSet;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Required};

/// Name of the header with the key, as the document spells it.
pub(crate) const NAME: &str = "Idempotency-Key";
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Operations of staff by POST that take no key: their answers are secrets, which are not kept, or they end what is theirs
/// to end.
const WITHOUT_KEY: [&str; 8] = [
    "beginSecondFactor",
    "confirmSecondFactor",
    "findResidentsByCitizenNumber", // it changes nothing
    "issueEnrolmentCode",
    "makeApiKey",
    "revealHousehold",
    "revealResident",
    "signOut",
];

/// Does what comes with a key once, and gives its answer again.
pub(crate) async fn wrap(
    state: web::Data<State>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let takes_key = || {
        let pattern = request.match_pattern();
        pattern.is_some_and(|pattern| openapi::takes_idempotency_key(request.method(), &pattern))
    };
    if !request.headers().contains_key(&HEADER) || !takes_key() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let (attempted, _held) = match begin(&state, &mut request).await {
        Ok(begun) => begun,
        Err(problem) => return Ok(request.error_response(problem)),
    };
    match attempted {
        Attempted::New(attempt) => {
            request.extensions_mut().insert(attempt);
            let answer = next.call(request).await.map(ServiceResponse::map_into_boxed_body);
            let kept = answer.as_ref().ok().filter(|answer| answer.status().is_success());
            if kept.is_none() {
                warn(state.registry.release(attempt).await);
            }
            match answer {
                Ok(answer) if answer.status().is_success() => Ok(keep(&state, attempt, answer).await),
                answer => answer,
            }
        }
        Attempted::Kept(answer) => match again(answer) {
            Ok(response) => Ok(request.into_response(response)),
            Err(problem) => Ok(request.error_response(problem)),
        },
        Attempted::UnderWay { retry_after_s } => {
            let detail = Sentence::FirstUnderWay;
            Ok(request.error_response(Problem::overloaded(Kind::UnderWay, detail, retry_after_s.max(RETRY_AFTER_S))))
        }
        Attempted::SeenOtherwise => Ok(request.error_response(Problem::new(Kind::Conflict, Sentence::SeenOtherwise))),
        Attempted::OutOfReach => Ok(request.error_response(Problem::not_found())),
        Attempted::OtherRequest => {
            let detail = Sentence::KeyOfAnother;
            Ok(request.error_response(Problem::new(Kind::KeyReused, detail)))
        }
    }
}

/// Whether an operation takes a key: every POST by which staff change something.
pub(crate) fn is_taken_by(method: &str, operation: &Operation) -> bool {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let of_staff = operation.security.iter().flatten().any(|one| {
        let one = serde_json::to_value(one).unwrap_or_default();
        one.get("staff").is_some()
    });
    method == "POST" && of_staff && !WITHOUT_KEY.contains(&id)
}

/// Adds the header to an operation that takes it, and what its answers say about it.
pub(crate) fn document(method: &str, operation: &mut Operation) {
    if !is_taken_by(method, operation) {
        return;
    }
    let description = "A key of this request alone, such as a random UUID. Sent again with the same key within 24 hours, \
                       the request does nothing and gets the first answer again; a refusal is not kept.";
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_IDEMPOTENCY_KEY))
        .pattern(Some("^[!-~]+$"));
    let header = ParameterBuilder::new()
        .name(NAME)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .example(Some("8e03978e-40d5-43e8-bc93-6894a57f9324".into()));
    operation.parameters.get_or_insert_default().push(RefOr::T(header.build()));
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"])).build();
            let description = "That this answer was given before, to the first request with the same key.";
            let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
            response.headers.insert("Idempotency-Replayed".to_owned(), RefOr::T(header));
        }
    }
}

impl Caller {
    /// What makes an answer of an outcome, to be kept with it; none for a request without a key.
    pub(crate) fn keep<T>(
        &self,
        answer: impl Fn(&T) -> KeptAnswer + Send + Sync + 'static,
    ) -> Option<gridwork_registry::Keep<T>> {
        self.attempt.map(|attempt| gridwork_registry::Keep::new(attempt, answer))
    }
}

/// Lets the caller in, reads the body, and claims the key. What is held for the body is held until the answer.
async fn begin(state: &State, request: &mut ServiceRequest) -> Result<(Attempted, Option<Held>), Problem> {
    let key = key(request.headers())?;
    let caller = request.extract::<Caller>().await?;
    let json = request.content_type().eq_ignore_ascii_case("application/json");
    let (most, lease_ms) = if json {
        (LARGEST_JSON_BODY_BYTES, IDEMPOTENT_LEASE_MS)
    } else {
        (LARGEST_FILE_BYTES, IDEMPOTENT_FILE_LEASE_MS)
    };
    let length = body::length(request.headers(), most)?;
    let held = if json { None } else { Some(state.import_memory.take(length.unwrap_or(most))?) };
    let body = body::read(request.take_payload(), most).await?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let header = |name: HeaderName| request.headers().get(name).map_or(&[][..], HeaderValue::as_bytes);
    let parts = [
        request.method().as_str().as_bytes(),
        target.as_bytes(),
        header(header::CONTENT_TYPE),
        header(header::IF_MATCH),
        &body,
    ];
    // Now, and not when the request came: the body may have taken minutes.
    // An answer shows what its caller may read; an operation that needs no reading is asked about itself.
    let reach = caller.reading().unwrap_or_else(|_| caller.reach());
    let viewer = Viewer { reach, rights: caller.rights() };
    let attempted = state.registry.attempt(caller.staff, &key, &parts, lease_ms, viewer, clock::now()).await?;
    request.set_payload(Payload::from(body));
    Ok((attempted, held))
}

fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(&HEADER);
    let (first, second) = (values.next(), values.next());
    let key = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
    let key = key.filter(|key| {
        (1..=LONGEST_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    key.map(str::to_owned)
        .ok_or_else(|| Problem::new(Kind::Malformed, Sentence::IdempotencyKey(LONGEST_IDEMPOTENCY_KEY)))
}

/// Keeps an answer that was not kept with what it tells of.
async fn keep(state: &State, attempt: Attempt, answer: ServiceResponse) -> ServiceResponse {
    let (request, response) = answer.into_parts();
    let (head, body) = response.into_parts();
    let text = |name: HeaderName| head.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match body.try_into_bytes() {
        Ok(body) => {
            let kept = KeptAnswer {
                status: head.status().as_u16(),
                content_type: text(header::CONTENT_TYPE),
                location: text(header::LOCATION),
                etag: text(header::ETAG),
                body: Some(body.to_vec()),
            };
            warn(state.registry.keep_answer(attempt, kept, BTreeSet::new()).await);
            ServiceResponse::new(request, head.set_body(body).map_into_boxed_body())
        }
        // A stream: no operation that takes a key answers with one.
        Err(body) => ServiceResponse::new(request, head.set_body(body)),
    }
}

/// A kept answer as it is given again.
fn again(answer: KeptAnswer) -> Result<HttpResponse, Problem> {
    if answer.body.is_none() {
        return Err(Problem::new(Kind::Conflict, Sentence::NotKept));
    }
    let mut response = response(answer)?;
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// An answer that is kept, as it is given.
///
/// # Errors
/// A problem for a status that is none.
pub(crate) fn response(answer: KeptAnswer) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    let headers =
        [(header::CONTENT_TYPE, answer.content_type), (header::LOCATION, answer.location), (header::ETAG, answer.etag)];
    for (name, value) in headers {
        if let Some(value) = value {
            response.insert_header((name, value));
        }
    }
    Ok(response.body(answer.body.unwrap_or_default()))
}

/// Of no consequence to this answer: the next attempt waits until the claim ends; or it does again what was not kept with
/// what it did, which is what changed nothing.
fn warn(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "an idempotency key stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_key_is_some_visible_characters_sent_once() {
        let read = |values: &[&str]| {
            let mut request = TestRequest::default();
            for value in values {
                request = request.append_header((HEADER, *value));
            }
            key(request.to_http_request().headers()).ok()
        };
        assert_eq!(read(&["8e03978e-40d5"]).as_deref(), Some("8e03978e-40d5"));
        assert!(read(&[&"~".repeat(LONGEST_IDEMPOTENCY_KEY)]).is_some());
        for refused in [&[""][..], &["a b"], &["网"], &["a", "a"], &[&"a".repeat(LONGEST_IDEMPOTENCY_KEY + 1)]] {
            assert_eq!(read(refused), None, "{refused:?}");
        }
    }
}
