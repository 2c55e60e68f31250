//! The id under which a request is found in the log, in the answer's header and in a problem.
//!
//! **Invariant:** an id that a caller brought along is taken only if it can be quoted in a header, a log line and JSON as
//! it is.

use crate::limits;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Name of the header, in requests and in answers.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// 8 to 64 of `A-Z a-z 0-9 - _ .`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The id that the caller brought along, or a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut brought = headers.get_all(&HEADER);
        match (brought.next().and_then(|value| value.to_str().ok()), brought.next()) {
            (Some(text), None) if is_quotable(text) => Self(text.to_owned()),
            _ => Self::random(),
        }
    }

    /// The value of the header in the answer.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("the characters of an id are those of a header")
    }

    fn random() -> Self {
        let mut bytes = [0; 16];
        // Without entropy the id is all zero: it serves to find a request in the log, and protects nothing.
        let _ = getrandom::fill(&mut bytes);
        Self(gridwork_domain::id::spell(&bytes))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_quotable(text: &str) -> bool {
    (8..=limits::LONGEST_REQUEST_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn an_id_that_the_caller_brings_along_is_kept() {
        assert_eq!(of(&["0b4f-call.17_a"]), "0b4f-call.17_a");
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        for values in
            [&["short"][..], &["has a space in it"], &["<script>alert(1)</script>"], &["aaaaaaaa", "bbbbbbbb"]]
        {
            let id = of(values);
            assert_eq!(id.len(), gridwork_domain::id::ID_TEXT_LENGTH, "{values:?}");
        }
        assert_ne!(of(&[]), of(&[]));
    }
}
