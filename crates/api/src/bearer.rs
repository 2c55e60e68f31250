//! The token of a request: `Authorization: Bearer …` (RFC 6750, 2.1), once.

use crate::limits::LONGEST_TOKEN_BYTES;
use crate::problem::{Kind, Problem, Sentence};
use actix_web::http::header::{self, HeaderMap};

/// The token.
///
/// # Errors
/// A problem if there is none, or several, or one that is too long.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let token = match (values.next(), values.next()) {
        (Some(one), None) => one.to_str().ok().and_then(strip_scheme),
        _ => None,
    };
    let refused = || Problem::new(Kind::Unauthenticated, Sentence::OneToken);
    token.filter(|token| (1..=LONGEST_TOKEN_BYTES).contains(&token.len())).ok_or_else(refused)
}

fn strip_scheme(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        }
        token(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn a_token_is_read_once_and_only_as_a_bearer_token() {
        assert_eq!(read(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(read(&["bearer abc"]).as_deref(), Some("abc"));
        let long = format!("Bearer {}", "a".repeat(LONGEST_TOKEN_BYTES + 1));
        for values in [&[][..], &["abc"], &["Basic abc"], &["Bearer "], &["Bearer a", "Bearer b"], &[long.as_str()]] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
