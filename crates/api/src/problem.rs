//! The one exit for everything that goes wrong: a problem (RFC 9457, `application/problem+json`).
//!
//! Each family of errors becomes a problem by one exhaustive match: those of HTTP here and in [`crate::body`], those of
//! the registry in [`refusal`]. It does not know routes.
//!
//! **Invariant:** what a caller reads says what to do and nothing of the inside; the inside is kept as the cause, which
//! the envelope logs once under the id of the request.

mod refusal;

use crate::limits;
use crate::request_id::RequestId;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::FieldError;
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt;

/// Media type of problems (RFC 9457, 3).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What every type of problem begins with.
const TYPE_PREFIX: &str = "urn:problem-type:gridwork:";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $status:literal $word:literal $title:literal)+) => {
        /// The kinds of problem, each with its status, its word and its title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])* $name,)+ }

        impl Kind {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name, in the OpenAPI document.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            const fn parts(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$name => ($status, $word, $title),)+ }
            }
        }
    };
}

kinds! {
    /// The request cannot be read.
    Malformed 400 "malformed" "The request cannot be read"
    /// No token, or one that does not hold.
    Unauthenticated 401 "unauthenticated" "Sign in first"
    /// Name and password are right, and a one-time code is missing.
    CodeNeeded 401 "code-needed" "Send the one-time code, too"
    /// The proof is not of now: the device corrects its clock by the problem's server time and tries once more.
    StaleClock 401 "stale-clock" "The proof was made too long ago or ahead of time"
    /// The caller is known and may not do this.
    Forbidden 403 "forbidden" "Your role does not permit this"
    /// An administrator who has no second factor yet.
    SecondFactorNeeded 403 "second-factor-needed" "Set up a second factor first"
    /// Nothing there for this caller.
    NotFound 404 "not-found" "There is nothing here for you"
    /// A method that the resource does not have.
    MethodNotAllowed 405 "method-not-allowed" "This resource does not have this method"
    /// The body did not arrive in time.
    Timeout 408 "timeout" "The body took too long"
    /// What is asked for is there already, or is in the way.
    Conflict 409 "conflict" "This does not fit what is there"
    /// The first request with the same idempotency key has no answer yet.
    UnderWay 409 "under-way" "The same request is under way already"
    /// The version that the caller says to have seen is none.
    UnknownVersion 412 "unknown-version" "There is no such version"
    /// The body is over its limit, before or after decompression.
    TooLarge 413 "too-large" "The body is too large"
    /// The path and query are over their limit.
    TargetTooLong 414 "target-too-long" "The address is too long"
    /// A content type or encoding that is not read here.
    UnsupportedMediaType 415 "unsupported-media-type" "The body is of a type that is not read here"
    /// The request can be read, and says something that cannot be.
    Invalid 422 "invalid" "Something in the request is not right"
    /// The idempotency key came with another request.
    KeyReused 422 "key-reused" "This key belongs to another request"
    /// An edit that does not say which version the caller saw.
    VersionRequired 428 "version-required" "Say which version you saw"
    /// Too much of this at once.
    TooMany 429 "too-many" "Too much at once"
    /// The headers are over their limit.
    HeadersTooLarge 431 "headers-too-large" "The headers are too large"
    /// Our fault.
    Internal 500 "internal" "Something failed here"
    /// Not now.
    Unavailable 503 "unavailable" "Not now: try again soon"
}

impl Kind {
    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.parts().0).expect("a status of the table")
    }

    /// What a problem of this kind looks like, in the OpenAPI document.
    pub(crate) fn example(self) -> serde_json::Value {
        let (status, word, title) = self.parts();
        let mut example = serde_json::json!({
            "type": format!("{TYPE_PREFIX}{word}"), "title": title, "status": status, "detail": title,
            "instance": "kGk2zqQbQ5yZxFZ1dGFtcA"
        });
        match status {
            422 if self == Self::Invalid => {
                let detail = "is not a telephone number: too short";
                example["detail"] = format!("household.contact_phone: {detail}").into();
                example["errors"] = serde_json::json!([{"field": "household.contact_phone", "detail": detail}]);
            }
            409 if self == Self::UnderWay => example["retry_after_s"] = limits::RETRY_AFTER_S.into(),
            429 | 503 => example["retry_after_s"] = limits::RETRY_AFTER_S.into(),
            _ => {}
        }
        example
    }

    /// The title, for people.
    pub(crate) const fn title(self) -> &'static str {
        self.parts().2
    }
}

/// A field that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct FieldProblem {
    /// Which field: `container.field` for those of a household, else the name in the request's body.
    #[schema(example = "household.contact_phone")]
    pub(crate) field: String,
    /// What is wrong with it, and what would be right.
    #[schema(example = "is not a telephone number: too short")]
    pub(crate) detail: String,
}

/// What went wrong and what to do (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// The kind of problem: stable, for programs.
    #[schema(example = "urn:problem-type:gridwork:invalid")]
    r#type: String,
    /// The kind of problem: short, for people.
    #[schema(example = "Something in the request is not right")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What went wrong this time, and what to do.
    detail: String,
    /// The id of the request, under which the server's log has it.
    #[schema(example = "kGk2zqQbQ5yZxFZ1dGFtcA")]
    instance: String,
    /// The fields that were refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
    /// The server's clock, milliseconds since 1970-01-01 UTC: by this a device corrects its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    server_time_ms: Option<i64>,
    /// Seconds after which to try again, as in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_s: Option<u32>,
}

/// A problem on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldProblem>,
    server_time: Option<Instant>,
    retry_after_s: Option<u32>,
    allow: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Problem {
    /// A problem of this kind; the detail says what went wrong this time.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            server_time: None,
            retry_after_s: None,
            allow: None,
            cause: None,
        }
    }

    /// Our fault: the caller learns nothing but the id of the request.
    pub(crate) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let detail = "the server's log has the reason under this request's id";
        Self { cause: Some(cause.into()), ..Self::new(Kind::Internal, detail) }
    }

    /// The same answer for what is not there and for what this caller may not know of.
    pub(crate) fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is no such resource, or it lies outside your areas")
    }

    /// Overload: the caller comes again after so many seconds.
    pub(crate) fn overloaded(kind: Kind, detail: &str, retry_after_s: u32) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(kind, detail) }
    }

    /// The same problem with the reason behind it, for the log.
    pub(crate) fn because(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// A proof that is not of now.
    pub(crate) fn stale_clock(now: Instant) -> Self {
        let detail = "correct the clock by server_time_ms, and send the request again with a new proof";
        Self { server_time: Some(now), ..Self::new(Kind::StaleClock, detail) }
    }

    /// A method that the resource does not have; `allow` lists those that it has.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this resource has: {allow}");
        Self { allow: Some(allow), ..Self::new(Kind::MethodNotAllowed, detail) }
    }

    /// One field of the request's body.
    pub(crate) fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldProblem { field: field.into(), detail: detail.into() }])
    }

    /// Fields of the request's body, the first few of them.
    pub(crate) fn fields(mut errors: Vec<FieldProblem>) -> Self {
        errors.truncate(limits::MOST_FIELD_ERRORS);
        let detail = errors.iter().map(|one| format!("{}: {}", one.field, one.detail)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(Kind::Invalid, detail) }
    }

    /// The problem of a bare status that some other layer answered.
    pub(crate) fn of_status(status: StatusCode, cause: Option<String>) -> Self {
        let kind = match status.as_u16() {
            401 => Kind::Unauthenticated,
            403 => Kind::Forbidden,
            404 => return Self::not_found(),
            405 => Kind::MethodNotAllowed,
            408 => Kind::Timeout,
            413 => Kind::TooLarge,
            414 => Kind::TargetTooLong,
            415 => Kind::UnsupportedMediaType,
            431 => Kind::HeadersTooLarge,
            503 => Kind::Unavailable,
            400..=499 => Kind::Malformed,
            _ => return Self::internal(cause.unwrap_or_else(|| format!("a bare status {status}"))),
        };
        Self { cause: cause.map(Into::into), ..Self::new(kind, kind.title()) }
    }

    #[cfg(test)]
    pub(crate) fn server_time(&self) -> Option<Instant> {
        self.server_time
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// What stands behind it, for the log.
    pub(crate) fn cause(&self) -> Option<String> {
        let mut error: &dyn StdError = self.cause.as_deref()?;
        let mut text = error.to_string();
        while let Some(source) = error.source() {
            text.push_str(": ");
            text.push_str(&source.to_string());
            error = source;
        }
        Some(text)
    }

    /// The answer to the request of that id.
    pub(crate) fn response(&self, instance: &RequestId) -> HttpResponse {
        self.render(instance.to_string())
    }

    fn render(&self, instance: String) -> HttpResponse {
        let (status, word, title) = self.kind.parts();
        let mut response = HttpResponse::build(self.status());
        response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
        if status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"gridwork\""));
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        let body = ProblemBody {
            r#type: format!("{TYPE_PREFIX}{word}"),
            title,
            status,
            detail: self.detail.clone(),
            instance,
            errors: self.errors.clone(),
            server_time_ms: self.server_time.map(Instant::ms),
            retry_after_s: self.retry_after_s,
        };
        response.body(serde_json::to_vec(&body).expect("texts and numbers are JSON"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.render(String::new())
    }
}

/// Field errors of the schema, each field as `container.field`, as in the paths of conflicts.
pub(crate) fn field_problems(errors: &[FieldError]) -> Vec<FieldProblem> {
    errors
        .iter()
        .map(|error| match error {
            FieldError::Unknown { container, field } => {
                FieldProblem { field: format!("{container}.{field}"), detail: "there is no such field".to_owned() }
            }
            FieldError::Value { container, field, reason } => {
                FieldProblem { field: format!("{container}.{field}"), detail: reason.to_string() }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_of_problem_has_a_word_of_its_own_and_a_status_of_an_error() {
        let words: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.parts().1).collect();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| (400..600).contains(&kind.parts().0)));
    }

    #[test]
    fn the_cause_is_kept_for_the_log_and_not_shown() {
        let problem = Problem::internal("disk /var/lib/registry.sqlite is full");
        assert_eq!(problem.cause().as_deref(), Some("disk /var/lib/registry.sqlite is full"));
        assert!(!problem.to_string().contains("disk"));
    }

    #[test]
    fn a_bare_status_of_another_layer_keeps_its_status() {
        for status in [400, 401, 403, 404, 405, 408, 413, 414, 415, 431, 500, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Problem::of_status(status, None).status(), status);
        }
        assert_eq!(Problem::of_status(StatusCode::IM_A_TEAPOT, None).status(), StatusCode::BAD_REQUEST);
        assert_eq!(Problem::of_status(StatusCode::BAD_GATEWAY, None).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_refused_form_names_its_fields() {
        let unknown = FieldError::Unknown { container: "household", field: "colour".into() };
        let problem = Problem::fields(field_problems(&[unknown]));
        assert_eq!(problem.to_string(), "household.colour: there is no such field");
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}
