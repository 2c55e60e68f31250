//! The one exit for everything that goes wrong: a problem (RFC 9457, `application/problem+json`).
//!
//! Each family of errors becomes a problem by one exhaustive match: those of HTTP here and in [`crate::body`], those of
//! the registry in [`refusal`]. It does not know routes.
//!
//! **Invariant:** what a caller reads says what to do and nothing of the inside; the inside is kept as the cause, which
//! the envelope logs once under the id of the request.

mod chinese;
mod refusal;
mod sentence;

pub(crate) use sentence::Sentence;

use crate::request_id::RequestId;
use crate::{language, limits};
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use gridwork_domain::instant::Instant;
use gridwork_domain::language::{Bilingual, Language};
use gridwork_domain::schema::FieldError;
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt;

/// Media type of problems (RFC 9457, 3).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What every type of problem begins with.
const TYPE_PREFIX: &str = "urn:problem-type:gridwork:";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $status:literal $word:literal $chinese:literal $english:literal)+) => {
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

            const fn parts(self) -> (u16, &'static str) {
                match self { $(Self::$name => ($status, $word),)+ }
            }

            /// The title, for people.
            pub(crate) const fn title(self, language: Language) -> &'static str {
                match self { $(Self::$name => language.pick($chinese, $english),)+ }
            }
        }
    };
}

kinds! {
    /// The request cannot be read.
    Malformed 400 "malformed" "请求无法读取" "The request cannot be read"
    /// No token, or one that does not hold.
    Unauthenticated 401 "unauthenticated" "请先登录" "Sign in first"
    /// Name and password are right, and a one-time code is missing.
    CodeNeeded 401 "code-needed" "请同时发送一次性验证码" "Send the one-time code, too"
    /// The proof is not of now: the device corrects its clock by the problem's server time and tries once more.
    StaleClock 401 "stale-clock" "签名的时间太早或太晚" "The proof was made too long ago or ahead of time"
    /// The caller is known and may not do this.
    Forbidden 403 "forbidden" "您的角色不允许这样做" "Your role does not permit this"
    /// An administrator who has no second factor yet.
    SecondFactorNeeded 403 "second-factor-needed" "请先设置第二重验证" "Set up a second factor first"
    /// Nothing there for this caller.
    NotFound 404 "not-found" "这里没有您能看到的内容" "There is nothing here for you"
    /// A method that the resource does not have.
    MethodNotAllowed 405 "method-not-allowed" "这个资源没有这个方法" "This resource does not have this method"
    /// The body did not arrive in time.
    Timeout 408 "timeout" "请求体到得太慢" "The body took too long"
    /// What is asked for is there already, or is in the way.
    Conflict 409 "conflict" "与现有内容不符" "This does not fit what is there"
    /// The first request with the same idempotency key has no answer yet.
    UnderWay 409 "under-way" "同一个请求正在处理" "The same request is under way already"
    /// The version that the caller says to have seen is none.
    UnknownVersion 412 "unknown-version" "没有这个版本" "There is no such version"
    /// The body is over its limit, before or after decompression.
    TooLarge 413 "too-large" "请求体太大" "The body is too large"
    /// The path and query are over their limit.
    TargetTooLong 414 "target-too-long" "地址太长" "The address is too long"
    /// A content type or encoding that is not read here.
    UnsupportedMediaType 415 "unsupported-media-type" "这里不读取这种类型的请求体" "The body is of a type that is not read here"
    /// The request can be read, and says something that cannot be.
    Invalid 422 "invalid" "请求里有不正确的内容" "Something in the request is not right"
    /// The idempotency key came with another request.
    KeyReused 422 "key-reused" "这个键属于另一个请求" "This key belongs to another request"
    /// An edit that does not say which version the caller saw.
    VersionRequired 428 "version-required" "请说明您看到的版本" "Say which version you saw"
    /// Too much of this at once.
    TooMany 429 "too-many" "一次太多" "Too much at once"
    /// The headers are over their limit.
    HeadersTooLarge 431 "headers-too-large" "请求头太大" "The headers are too large"
    /// Our fault.
    Internal 500 "internal" "服务器出错" "Something failed here"
    /// Not now.
    Unavailable 503 "unavailable" "现在不行：请稍后再试" "Not now: try again soon"
}

impl Kind {
    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.parts().0).expect("a status of the table")
    }

    /// What a problem of this kind looks like, in the OpenAPI document.
    pub(crate) fn example(self) -> serde_json::Value {
        let (status, word) = self.parts();
        let title = self.title(Language::English);
        let mut example = serde_json::json!({
            "type": format!("{TYPE_PREFIX}{word}"), "title": title, "status": status, "detail": title,
            "instance": "kGk2zqQbQ5yZxFZ1dGFtcA"
        });
        match status {
            422 if self == Self::Invalid => {
                let detail = "is not a telephone number: a mobile number has 11 digits, not 10";
                example["detail"] = format!("household.contact_phone: {detail}").into();
                example["errors"] = serde_json::json!([{"field": "household.contact_phone", "detail": detail}]);
            }
            409 if self == Self::UnderWay => example["retry_after_s"] = limits::RETRY_AFTER_S.into(),
            429 | 503 => example["retry_after_s"] = limits::RETRY_AFTER_S.into(),
            _ => {}
        }
        example
    }
}

/// A field that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// Which field.
    pub(crate) field: Bilingual,
    /// What is wrong with it.
    pub(crate) detail: Bilingual,
}

/// A field that was refused, as it is told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FieldProblem)]
pub(crate) struct FieldBody {
    /// Which field: `container.field` for those of a household, else the name in the request's body.
    #[schema(example = "household.contact_phone")]
    field: String,
    /// What is wrong with it, and what would be right.
    #[schema(example = "is not a telephone number: a mobile number has 11 digits, not 10")]
    detail: String,
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
    errors: Vec<FieldBody>,
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
    detail: Box<Bilingual>,
    errors: Vec<FieldProblem>,
    server_time: Option<Instant>,
    retry_after_s: Option<u32>,
    allow: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Problem {
    /// A problem of this kind; the detail says what went wrong this time. Whoever is to come again is told when.
    pub(crate) fn new(kind: Kind, detail: impl Into<Bilingual>) -> Self {
        let is_for_now = matches!(kind.status().as_u16(), 429 | 503);
        Self {
            kind,
            detail: Box::new(detail.into()),
            errors: Vec::new(),
            server_time: None,
            retry_after_s: is_for_now.then_some(limits::RETRY_AFTER_S),
            allow: None,
            cause: None,
        }
    }

    /// Our fault: the caller learns nothing but the id of the request.
    pub(crate) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Kind::Internal, Sentence::Internal) }
    }

    /// The same answer for what is not there and for what this caller may not know of.
    pub(crate) fn not_found() -> Self {
        Self::new(Kind::NotFound, Sentence::NotFound)
    }

    /// Overload: the caller comes again after so many seconds.
    pub(crate) fn overloaded(kind: Kind, detail: Sentence, retry_after_s: u32) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(kind, detail) }
    }

    /// The same problem with the reason behind it, for the log.
    pub(crate) fn because(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// A proof that is not of now.
    pub(crate) fn stale_clock(now: Instant) -> Self {
        Self { server_time: Some(now), ..Self::new(Kind::StaleClock, Sentence::StaleClock) }
    }

    /// A method that the resource does not have; `allow` lists those that it has.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = Sentence::MethodNotAllowed(allow.clone());
        Self { allow: Some(allow), ..Self::new(Kind::MethodNotAllowed, detail) }
    }

    /// One field of the request's body.
    pub(crate) fn field(field: &str, detail: impl Into<Bilingual>) -> Self {
        Self::fields(vec![FieldProblem { field: same(field), detail: detail.into() }])
    }

    /// Fields of the request's body, the first few of them.
    pub(crate) fn fields(mut errors: Vec<FieldProblem>) -> Self {
        errors.truncate(limits::MOST_FIELD_ERRORS);
        let detail = Bilingual::of(|language| {
            let (colon, semicolon) = (language.pick("：", ": "), language.pick("；", "; "));
            let one = |one: &FieldProblem| format!("{}{colon}{}", one.field.pick(language), one.detail.pick(language));
            errors.iter().map(one).collect::<Vec<_>>().join(semicolon)
        });
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
        Self {
            cause: cause.map(Into::into),
            ..Self::new(kind, Bilingual::of(|language| kind.title(language).to_owned()))
        }
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

    /// The answer to the request of that id, in this language.
    pub(crate) fn response(&self, instance: &RequestId, language: Language) -> HttpResponse {
        self.render(instance.to_string(), language)
    }

    fn render(&self, instance: String, language: Language) -> HttpResponse {
        let (status, word) = self.kind.parts();
        let mut response = HttpResponse::build(self.status());
        response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
        response.insert_header((header::CONTENT_LANGUAGE, language.tag()));
        response.insert_header((header::VARY, "accept-language"));
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
            title: self.kind.title(language),
            status,
            detail: self.detail.pick(language).to_owned(),
            instance,
            errors: self.errors.iter().map(|error| error.told(language)).collect(),
            server_time_ms: self.server_time.map(Instant::ms),
            retry_after_s: self.retry_after_s,
        };
        response.body(serde_json::to_vec(&body).expect("texts and numbers are JSON"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail.english)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.render(String::new(), language::OF_PROBLEMS)
    }
}

/// Field errors of the schema, each field as `container.field`, as in the paths of conflicts.
pub(crate) fn field_problems(errors: &[FieldError]) -> Vec<FieldProblem> {
    let told = |error: &FieldError| FieldProblem {
        field: same(&error.path()),
        detail: Bilingual::of(|language| error.message(language)),
    };
    errors.iter().map(told).collect()
}

impl FieldProblem {
    fn told(&self, language: Language) -> FieldBody {
        let text = |text: &Bilingual| text.pick(language).to_owned();
        FieldBody { field: text(&self.field), detail: text(&self.detail) }
    }
}

/// What is the same in both languages: a name for programs.
fn same(text: &str) -> Bilingual {
    Bilingual::of(|_| text.to_owned())
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
    fn every_problem_and_every_sentence_is_told_in_both_languages() {
        let check = |what: String, told: Bilingual| {
            let Bilingual { chinese, english } = told;
            assert!(chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{what} in Chinese: {chinese}");
            assert!(!english.is_empty() && english.is_ascii(), "{what} in English: {english}");
        };
        for kind in Kind::ALL {
            check(format!("{kind:?}"), Bilingual::of(|language| kind.title(language).to_owned()));
        }
        for sentence in Sentence::samples() {
            check(format!("{sentence:?}"), sentence.into());
        }
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
        let again = Problem::of_status(StatusCode::SERVICE_UNAVAILABLE, None).error_response();
        assert!(again.headers().contains_key(header::RETRY_AFTER), "whoever is to come again is told when");
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
