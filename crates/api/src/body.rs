//! Reading bodies: with a limit, in time, of the type that the route reads.
//!
//! It does not know who is asking: extractors that do stand before it in a handler's arguments, and it waits until they
//! have let the caller in, so that nobody else learns from what is wrong with a body.
//!
//! **Invariant:** no more of a body is held than its limit, whether it says its length or not.

use crate::caller;
use crate::limits;
use crate::problem::{Kind, Problem, Sentence};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A JSON body of the one shape that the route reads, of at most so many bytes.
#[derive(Debug)]
pub(crate) struct Body<T, const MOST_BYTES: usize = { limits::LARGEST_JSON_BODY_BYTES }>(pub(crate) T);

impl<T: DeserializeOwned + 'static, const MOST_BYTES: usize> FromRequest for Body<T, MOST_BYTES> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_json(request).and_then(|()| length(request.headers(), MOST_BYTES));
        let payload = payload.take();
        let admission = caller::Admission::of(request);
        Box::pin(async move {
            admission.wait().await;
            checked?;
            parse_json(&read(payload, MOST_BYTES).await?).map(Self)
        })
    }
}

/// Refuses a request whose body is not plain JSON.
pub(crate) fn check_json(request: &HttpRequest) -> Result<(), Problem> {
    check_type(request, "application/json")?;
    let plain = request.headers().get_all(header::CONTENT_ENCODING).all(|value| value == "identity");
    if plain { Ok(()) } else { Err(Problem::new(Kind::UnsupportedMediaType, Sentence::PlainJson)) }
}

/// Refuses a request whose body is not of this media type.
pub(crate) fn check_type(request: &HttpRequest, media_type: &str) -> Result<(), Problem> {
    // `content_type` takes the first of several headers, without its parameters.
    let several = request.headers().get_all(header::CONTENT_TYPE).count() > 1;
    if !several && request.content_type().eq_ignore_ascii_case(media_type) {
        Ok(())
    } else {
        Err(Problem::new(Kind::UnsupportedMediaType, Sentence::ContentType(media_type.to_owned())))
    }
}

/// Bytes that the body says to have, if it says so.
///
/// # Errors
/// A problem for a length over the limit, before anything of the body is read, and for one that is none.
pub(crate) fn length(headers: &HeaderMap, most: usize) -> Result<Option<usize>, Problem> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.parse::<u64>().ok()) {
        None => Err(Problem::new(Kind::Malformed, Sentence::ContentLength)),
        Some(length) => {
            usize::try_from(length).ok().filter(|length| *length <= most).map(Some).ok_or_else(|| over(most))
        }
    }
}

/// Reads a body of at most `most` bytes. What it claims as its length allocates nothing.
///
/// # Errors
/// A problem for a body that is longer, comes too slowly or breaks off.
pub(crate) async fn read(mut payload: Payload, most: usize) -> Result<Bytes, Problem> {
    let all = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk?;
            if body.len() + chunk.len() > most {
                return Err(over(most));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(Duration::from_secs(limits::BODY_TIMEOUT_S), all)
        .await
        .unwrap_or_else(|_| Err(Problem::new(Kind::Timeout, Sentence::SlowBody(limits::BODY_TIMEOUT_S))))
}

/// Reads a JSON object of one shape.
///
/// # Errors
/// A problem that says where it deviates.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Serde would take an array for a struct: its fields in order.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(Problem::new(Kind::Malformed, Sentence::NotAnObject));
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::new(Kind::Invalid, Sentence::Misfit(error.to_string())),
        _ => Problem::new(Kind::Malformed, Sentence::NotJson(error.to_string())),
    })
}

impl From<PayloadError> for Problem {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Overflow => Self::new(Kind::TooLarge, Sentence::TooLarge),
            _ => Self::new(Kind::Malformed, Sentence::BrokenBody),
        }
    }
}

fn over(most: usize) -> Problem {
    Problem::new(Kind::TooLarge, Sentence::LongBody(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        name: String,
    }

    async fn status(content_type: &str, body: impl Into<Bytes>) -> Result<String, (StatusCode, String)> {
        let request = TestRequest::post().insert_header((header::CONTENT_TYPE, content_type)).set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        let form = Body::<Form>::from_request(&request, &mut payload).await;
        form.map(|form| form.0.name).map_err(|problem| (problem.status(), problem.to_string()))
    }

    #[actix_web::test]
    async fn json_of_the_one_shape_is_read() {
        assert_eq!(status("application/json; charset=utf-8", r#"{"name":"王"}"#).await, Ok("王".to_owned()));
    }

    #[actix_web::test]
    async fn other_json_is_refused_with_where_it_deviates() {
        let (code, detail) = status("application/json", r#"{"name":"王","role":"x"}"#).await.expect_err("refused");
        assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(detail.contains("`role`"), "{detail}");
        for broken in ["", "{", "[\"王\"]", "null", "\u{0}", "{\"name\":\"\\ud800\"}"] {
            let (code, _) = status("application/json", broken).await.expect_err("refused");
            assert_eq!(code, StatusCode::BAD_REQUEST, "{broken:?}");
        }
        let deep = "{\"name\":".repeat(100_000);
        assert!(status("application/json", deep).await.expect_err("refused").0.is_client_error());
    }

    #[actix_web::test]
    async fn another_type_or_a_body_over_the_limit_is_refused() {
        let (code, _) = status("text/plain", r#"{"name":"王"}"#).await.expect_err("refused");
        assert_eq!(code, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let (code, _) =
            status("application/json", vec![b' '; limits::LARGEST_JSON_BODY_BYTES + 1]).await.expect_err("refused");
        assert_eq!(code, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_read() {
        let length_of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from_static(text));
            length(&headers, 10)
        };
        assert_eq!(length_of("10").expect("it fits"), Some(10));
        assert_eq!(length_of("11").expect_err("refused").status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(length_of("18446744073709551616").expect_err("refused").status(), StatusCode::BAD_REQUEST);
    }
}
