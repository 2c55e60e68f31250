//! Ids in paths and filters in queries, parsed once at the edge.
//!
//! **Invariant:** a path whose ids are none names nothing (404); a query with an unknown or repeated name is refused.

use crate::limits::{DEFAULT_PAGE_ROWS, LARGEST_PAGE_ROWS, LONGEST_REASON};
use crate::problem::{Kind, Problem, Sentence};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use gridwork_registry::Cursor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};
use utoipa::ToSchema;

/// The ids of a path.
#[derive(Debug)]
pub(crate) struct Ids<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Ids<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ids = web::Path::<T>::from_request(request, &mut Payload::None).into_inner();
        ready(ids.map(|ids| Self(ids.into_inner())).map_err(|_| Problem::not_found()))
    }
}

/// The filter and page of a query.
#[derive(Debug)]
pub(crate) struct Filter<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Filter<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let filter = web::Query::<T>::from_query(request.query_string());
        let problem = |error: actix_web::error::QueryPayloadError| {
            Problem::new(Kind::Malformed, Sentence::Query(error.to_string()))
        };
        ready(filter.map(|filter| Self(filter.into_inner())).map_err(problem))
    }
}

/// Why somebody decides so.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    /// Why, in a sentence of 1 to 200 characters; the audit log keeps it. Name no person in it.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

impl Because {
    /// The reason.
    ///
    /// # Errors
    /// A problem for one that is empty, too long, or not one line.
    pub(crate) fn reason(self) -> Result<String, Problem> {
        let reason = search("reason", Some(self.reason), LONGEST_REASON)?;
        Ok(reason.unwrap_or_default().trim().to_owned())
    }
}

/// Where a page begins and how many rows it has.
///
/// # Errors
/// A problem for a cursor that is none, and for a number of rows out of bounds.
pub(crate) fn page(after: Option<&str>, limit: Option<u32>) -> Result<(Option<Cursor>, u32), Problem> {
    let refused = |_| Problem::field("after", Sentence::Cursor);
    let after = after.map(|text| text.parse::<Cursor>().map_err(refused)).transpose()?;
    match limit.unwrap_or(DEFAULT_PAGE_ROWS) {
        rows @ 1..=LARGEST_PAGE_ROWS => Ok((after, rows)),
        _ => Err(Problem::field("limit", Sentence::FromOneTo(LARGEST_PAGE_ROWS))),
    }
}

/// A text to search for.
///
/// # Errors
/// A problem for a text that is empty, is longer than what it is searched in, or has a control character, which no field
/// has, and of which PostgreSQL refuses NUL altogether.
pub(crate) fn search(name: &'static str, text: Option<String>, longest: usize) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.trim().is_empty() || text.chars().count() > longest => {
            Err(Problem::field(name, Sentence::Characters(longest)))
        }
        Some(text) if text.chars().any(char::is_control) => Err(Problem::field(name, Sentence::ControlCharacters)),
        other => Ok(other),
    }
}

/// A sentence that the audit log keeps, or a review.
///
/// # Errors
/// A problem for one that is blank, is longer than a sentence or two, or has a control character.
pub(crate) fn sentence(name: &'static str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if (1..=LONGEST_REASON).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(Problem::field(name, Sentence::OneLine(LONGEST_REASON)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;

    #[test]
    fn a_page_has_50_rows_unless_said_otherwise_and_never_more_than_200() {
        assert_eq!(page(None, None).expect("a page").1, 50);
        assert_eq!(page(None, Some(200)).expect("a page").1, 200);
        for limit in [0, 201, u32::MAX] {
            assert_eq!(page(None, Some(limit)).expect_err("refused").status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert_eq!(page(Some("不是"), None).expect_err("refused").status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn nobody_searches_for_nothing() {
        assert!(search("name", Some("  ".to_owned()), 64).is_err());
        assert!(search("name", Some("王".repeat(65)), 64).is_err());
        assert!(search("name", Some("王\0".to_owned()), 64).is_err());
        assert_eq!(search("name", Some("王".to_owned()), 64).expect("a text").as_deref(), Some("王"));
    }
}
