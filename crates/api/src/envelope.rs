//! What every request passes on its way in and every answer on its way out: the id, the span, the metrics, the headers
//! that protect, and the one form of errors. HEAD is here, too: it is answered as GET is, without the body (RFC 9110, 9.3.2).
//!
//! It does not know routes, callers or bodies.
//!
//! **Invariant:** no answer to a request that HTTP/1.1 can read leaves with an error status as anything but a problem,
//! panics included (what the parser refuses is answered by the library, with a bare status); the reason of a 5xx
//! is logged once; neither paths nor queries are logged or counted, since they hold names and ids of residents.

use crate::language;
use crate::limits;
use crate::metrics::NO_ROUTE;
use crate::origin;
use crate::problem::{self, Kind, Problem, Sentence};
use crate::request_id::{self, RequestId};
use crate::state::State;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpResponse};
use futures_util::FutureExt;
use gridwork_domain::language::Language;
use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tracing::Instrument;

/// Everything that a page of the API may do besides being shown: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// The page under `/docs` runs its own scripts and styles, and asks this server alone.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           frame-ancestors 'none'; form-action 'none'; base-uri 'none'";

/// Wraps everything else.
pub(crate) async fn wrap(
    state: web::Data<State>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let under_way = state.metrics.begin();
    let id = RequestId::of(request.headers());
    let route = request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned());
    let method = request.method().clone();
    if method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let language = language::liked(&request).unwrap_or(language::OF_PROBLEMS);
    let docs = request.path().starts_with("/docs");
    let span = tracing::info_span!("request", %id, %method, route, caller = tracing::field::Empty);
    let answered = async {
        let answer = answer(&state, request, next, &id, language).await;
        let (status, cause) = match &answer {
            Ok((answer, cause)) => (answer.status(), cause.clone()),
            Err(problem) => (problem.status(), problem.cause()),
        };
        let took_ms = started.elapsed().as_millis();
        if status.is_server_error() {
            let cause = cause.as_deref().unwrap_or("no further reason");
            tracing::error!(status = status.as_u16(), took_ms, cause, "failed");
        } else {
            tracing::info!(status = status.as_u16(), took_ms, cause, "answered");
        }
        answer
    };
    let answer = answered.instrument(span).await;
    let status = answer.as_ref().map_or_else(|problem| problem.status(), |(answer, _)| answer.status());
    state.metrics.answered(&route, &method, status, started.elapsed());
    drop(under_way);
    match answer {
        Ok((mut answer, _)) => {
            protect(answer.headers_mut(), &id, docs);
            Ok(if method == Method::HEAD { answer.map_body(|_, body| Unsent(body.size()).boxed()) } else { answer })
        }
        // The request is gone with whatever failed, so this one is rendered by the layer below.
        Err(problem) => {
            let rendered = move |_| {
                let mut response = problem.response(&id, language);
                protect(response.headers_mut(), &id, docs);
                response
            };
            let mut error = Error::from(Problem::internal("rendered by its mapper"));
            error.add_response_mapper(rendered);
            Err(error)
        }
    }
}

/// The answer, and the reason behind it if there is one; or the problem alone if the request was lost.
async fn answer(
    state: &State,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: &RequestId,
    language: Language,
) -> Result<(ServiceResponse<BoxBody>, Option<String>), Problem> {
    if let Some(problem) = too_large(&request) {
        let response = problem.response(id, language);
        return Ok((request.into_response(response), None));
    }
    let origin = match origin::of(request.headers(), state.rates.source(request.request()), id) {
        Ok(origin) => origin,
        Err(problem) => {
            let response = problem.response(id, language);
            return Ok((request.into_response(response), None));
        }
    };
    match AssertUnwindSafe(origin.scope(next.call(request))).catch_unwind().await {
        Ok(Ok(answer)) => Ok(as_problem(answer.map_into_boxed_body(), id, language)),
        Ok(Err(error)) => Err(Problem::of_status(error.as_response_error().status_code(), Some(error.to_string()))),
        Err(panic) => Err(Problem::internal(format!("a handler panicked: {}", message(&*panic)))),
    }
}

fn too_large(request: &ServiceRequest) -> Option<Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits::LONGEST_TARGET_BYTES {
        let detail = Sentence::LongTarget(limits::LONGEST_TARGET_BYTES);
        return Some(Problem::new(Kind::TargetTooLong, detail));
    }
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (headers > limits::LARGEST_HEADERS_BYTES).then(|| {
        let detail = Sentence::LargeHeaders(limits::LARGEST_HEADERS_BYTES);
        Problem::new(Kind::HeadersTooLarge, detail)
    })
}

/// Turns errors of every layer into problems that carry the id of the request.
fn as_problem(answer: ServiceResponse, id: &RequestId, language: Language) -> (ServiceResponse, Option<String>) {
    let status = answer.status();
    if status.is_success() || status.is_redirection() || status == StatusCode::SWITCHING_PROTOCOLS {
        return (answer, None);
    }
    let error = answer.response().error();
    let (response, cause): (HttpResponse, _) = match error.and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => (problem.response(id, language), problem.cause()),
        None if is_problem(answer.headers()) => return (answer, None),
        None => {
            let problem = Problem::of_status(status, error.map(ToString::to_string));
            (problem.response(id, language), problem.cause())
        }
    };
    (answer.into_response(response), cause)
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value == problem::MEDIA_TYPE)
}

fn protect(headers: &mut HeaderMap, id: &RequestId, docs: bool) {
    headers.insert(request_id::HEADER, id.header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = HeaderValue::from_static(if docs { DOCS_POLICY } else { POLICY });
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if !docs {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A body of which nothing is sent but how long it would have been: a stream is not even begun.
struct Unsent(BodySize);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
