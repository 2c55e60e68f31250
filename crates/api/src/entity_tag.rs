//! Versions of a household in HTTP: the heads of its document as an entity tag (RFC 9110, 8.8.3 and 13.1.1).
//!
//! A tag is `"` heads `"`: each head as 64 lowercase hexadecimal digits, ascending, joined by `.`.
//!
//! **Invariant:** a version has one tag, and a tag names one version.

use crate::limits::MOST_HEADS;
use crate::problem::{Kind, Problem, Sentence};
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use gridwork_sync::document::ChangeHash;
use std::future::{Ready, ready};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

/// Bytes of a head.
const HEAD_BYTES: usize = 32;

/// The version that a caller saw before an edit, from `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// `*`: whatever is current. The caller wants to overwrite what is there.
    Current,
    /// The heads of the version that the caller saw, ascending.
    Heads(Vec<ChangeHash>),
}

impl Seen {
    /// The heads, or none for the current ones.
    pub(crate) fn heads(self) -> Option<Vec<ChangeHash>> {
        match self {
            Self::Current => None,
            Self::Heads(heads) => Some(heads),
        }
    }
}

impl FromRequest for Seen {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let mut values = request.headers().get_all(header::IF_MATCH);
        ready(match (values.next(), values.next()) {
            (Some(one), None) => {
                one.to_str().ok().and_then(parse).ok_or_else(|| Problem::new(Kind::UnknownVersion, Sentence::NoTag))
            }
            (None, _) => Err(Problem::new(Kind::VersionRequired, Sentence::TagMissing)),
            (Some(_), Some(_)) => Err(Problem::new(Kind::Malformed, Sentence::TagTwice)),
        })
    }
}

impl IntoParams for Seen {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The `ETag` of the version that you saw, or `*` to overwrite whatever is there.";
        let header = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        vec![header.build()]
    }
}

/// The tag of a version.
pub(crate) fn spell(heads: &[ChangeHash]) -> String {
    let mut heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
    heads.sort_unstable();
    format!("\"{}\"", heads.join("."))
}

fn parse(text: &str) -> Option<Seen> {
    if text == "*" {
        return Some(Seen::Current);
    }
    let heads = text.strip_prefix('"')?.strip_suffix('"')?;
    let heads = heads.split('.').take(MOST_HEADS + 1).map(head).collect::<Option<Vec<_>>>()?;
    let ascending = heads.iter().zip(heads.iter().skip(1)).all(|(one, next)| one < next);
    (ascending && heads.len() <= MOST_HEADS).then_some(Seen::Heads(heads))
}

fn head(text: &str) -> Option<ChangeHash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * HEAD_BYTES {
        return None;
    }
    let mut hash = [0; HEAD_BYTES];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(ChangeHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;

    #[test]
    fn a_version_reads_back_from_its_tag() {
        let heads = vec![ChangeHash([0x0a; 32]), ChangeHash([0xf0; 32])];
        assert_eq!(parse(&spell(&heads)), Some(Seen::Heads(heads.clone())));
        let reversed: Vec<_> = heads.iter().rev().copied().collect();
        assert_eq!(spell(&reversed), spell(&heads));
        assert_eq!(parse("*"), Some(Seen::Current));
    }

    #[test]
    fn what_is_no_tag_of_ours_is_refused() {
        let one = "0a".repeat(32);
        let other = "f0".repeat(32);
        for text in [
            String::new(),
            "\"".to_owned(),
            "\"\"".to_owned(),
            one.clone(),
            format!("W/\"{one}\""),
            format!("\"{}\"", one.to_uppercase()),
            format!("\"{other}.{one}\""),
            format!("\"{one}.{one}\""),
            format!("\"{one}.\""),
            format!("\"{one}\", \"{other}\""),
            format!("\"{}网\"", &one[..61]),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
        let many: Vec<_> = (0..=64).map(|n| ChangeHash([n; 32])).collect();
        assert_eq!(parse(&spell(&many)), None);
    }

    #[actix_web::test]
    async fn an_edit_says_which_version_its_author_saw() {
        let none = TestRequest::patch().to_http_request();
        let refused = Seen::extract(&none).await.expect_err("refused");
        assert_eq!(refused.status(), StatusCode::PRECONDITION_REQUIRED);
        let two =
            TestRequest::patch().append_header(("if-match", "*")).append_header(("if-match", "*")).to_http_request();
        assert_eq!(Seen::extract(&two).await.expect_err("refused").status(), StatusCode::BAD_REQUEST);
    }
}
