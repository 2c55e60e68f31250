//! Files of tables over HTTP: their media types, how they are named, and their place in the OpenAPI document.

use crate::language;
use crate::problem::{Kind, Problem, Sentence};
use actix_web::HttpRequest;
use actix_web::http::header;
use gridwork_roster::Language;
use std::borrow::Cow;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// Media type of CSV (RFC 7111).
pub(crate) const CSV: &str = "text/csv";
/// Media type of XLSX (ECMA-376).
pub(crate) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A file of a table.
pub(crate) enum TableFile {}

impl ToSchema for TableFile {
    fn name() -> Cow<'static, str> {
        "TableFile".into()
    }
}

impl PartialSchema for TableFile {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::String);
        object.format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).into()
    }
}

/// Refuses a body that is called neither; which of both it is says its content.
///
/// # Errors
/// A problem that names what is read here.
pub(crate) fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let plain = request.headers().get_all(header::CONTENT_ENCODING).all(|value| value == "identity");
    let is_table = [CSV, XLSX].iter().any(|known| crate::body::check_type(request, known).is_ok());
    if is_table && plain {
        Ok(())
    } else {
        let detail = Sentence::TableType(format!("{CSV} / {XLSX}"));
        Err(Problem::new(Kind::UnsupportedMediaType, detail))
    }
}

/// The language that a caller likes best; Chinese unless `Accept-Language` says otherwise.
pub(crate) fn language(request: &HttpRequest) -> Language {
    language::liked(request).unwrap_or(Language::Chinese)
}
