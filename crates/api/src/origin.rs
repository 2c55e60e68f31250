//! Where a request comes from and why it is made, as the audit log keeps it.
//!
//! The reason comes in the header `Audit-Reason`, percent-encoded UTF-8 (RFC 3986, 2.1), since a header carries ASCII
//! alone. The address is the one under which requests are counted ([`crate::source`]).
//!
//! **Invariant:** neither a token nor anything of a body or a query gets into the audit log by this way.

use crate::limits::LONGEST_REASON;
use crate::problem::{Kind, Problem, Sentence};
use crate::request_id::RequestId;
use actix_web::http::header::{HeaderMap, HeaderName};
use gridwork_registry::Origin;
use percent_encoding::percent_decode;
use std::net::IpAddr;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Required};

/// Name of the header with the reason.
const REASON: HeaderName = HeaderName::from_static("audit-reason");
/// Bytes of a percent-encoded character at most: four, each as `%F0`.
const LONGEST_ENCODED_CHARACTER: usize = 12;

/// The origin of a request from this address.
///
/// # Errors
/// A problem for a reason that is none.
pub(crate) fn of(headers: &HeaderMap, source: Option<IpAddr>, id: &RequestId) -> Result<Origin, Problem> {
    let source = source.map(|source| source.to_string());
    Ok(Origin { source, request: Some(id.to_string()), reason: reason(headers)? })
}

/// Adds the header to what staff may send with an operation.
pub(crate) fn document(operation: &mut Operation) {
    let of_staff = operation.security.iter().flatten().any(|one| {
        let one = serde_json::to_value(one).unwrap_or_default();
        one.get("staff").is_some()
    });
    if !of_staff {
        return;
    }
    let description =
        "Why you read or write this, percent-encoded UTF-8; the audit log keeps it. Name no person in it.";
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_REASON * LONGEST_ENCODED_CHARACTER))
        .pattern(Some(pattern()));
    let header = ParameterBuilder::new()
        .name("Audit-Reason")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .example(Some("%E5%9B%9E%E8%AE%BF".into()));
    operation.parameters.get_or_insert_default().push(RefOr::T(header.build()));
}

/// What a reason looks like: up to [`LONGEST_REASON`] characters, each visible ASCII or percent-encoded UTF-8 (RFC 3629, 4)
/// and none of them a control character. It begins with no bare space, which HTTP would take away.
fn pattern() -> String {
    let hex = "[0-9A-Fa-f]";
    let more = "%[89ABab][0-9A-Fa-f]";
    let encoded = format!(
        "%[2-6]{hex}|%7[0-9A-Ea-e]|%[Cc]2%[ABab]{hex}|%[Cc][3-9A-Fa-f]{more}|%[Dd]{hex}{more}|%[Ee]0%[ABab]{hex}{more}|\
         %[Ee][1-9A-CEFa-cef](?:{more}){{2}}|%[Ee][Dd]%[89]{hex}{more}|%[Ff]0%[9ABab]{hex}(?:{more}){{2}}|\
         %[Ff][1-3](?:{more}){{3}}|%[Ff]4%8{hex}(?:{more}){{2}}"
    );
    format!("^(?:[!-$&-~]|{encoded})(?:[ -$&-~]|{encoded}){{0,{}}}$", LONGEST_REASON - 1)
}

fn reason(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(&REASON);
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| is_encoded(text));
    let text = text.and_then(|text| percent_decode(text.as_bytes()).decode_utf8().ok()).filter(|text| {
        second.is_none() && (1..=LONGEST_REASON).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    });
    let refused = || Problem::new(Kind::Malformed, Sentence::AuditReason(LONGEST_REASON));
    let text = text.ok_or_else(refused)?;
    // Spaces alone are no reason.
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// Whether each percent sign begins the encoding of a byte: the decoder would take another one for itself.
fn is_encoded(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read(values: &[&str]) -> Result<Origin, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REASON, HeaderValue::from_str(value).expect("a header"));
        }
        of(&headers, None, &RequestId::of(&headers))
    }

    #[test]
    fn a_reason_is_one_line_in_any_script() {
        let reason = |values: &[&str]| read(values).map(|origin| origin.reason);
        assert_eq!(reason(&[]).expect("none"), None);
        assert_eq!(reason(&["%E5%9B%9E%E8%AE%BF%202026-17"]).expect("one").as_deref(), Some("回访 2026-17"));
        assert!(reason(&[&"%E7%BD%91".repeat(LONGEST_REASON)]).is_ok());
        assert_eq!(reason(&["%E7%81%AB%E8%AD%A6%EF%BC%8C%E6%80%A5"]).expect("one").as_deref(), Some("火警，急"));
        assert_eq!(reason(&["%20"]).expect("none"), None);
        for refused in
            [&[""][..], &["n%"], &["100%4x"], &["%FF"], &["a%0Ab"], &["one", "two"], &[&"a".repeat(LONGEST_REASON + 1)]]
        {
            assert!(reason(refused).is_err(), "{refused:?}");
        }
    }
}
