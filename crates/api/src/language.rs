//! The language that a caller likes best, from `Accept-Language` (RFC 9110, 12.5.4).
//!
//! **Invariant:** a header that names neither Chinese nor English, or that cannot be read, is as none.

use actix_web::HttpMessage;
use actix_web::http::header::{AcceptLanguage, Header, Quality};
use gridwork_domain::language::Language;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Required};

/// The language in which problems are told to who asks for none.
pub(crate) const OF_PROBLEMS: Language = Language::English;

/// The language that is liked best of those that are spoken here; of equals the first.
pub(crate) fn liked(request: &impl HttpMessage) -> Option<Language> {
    let AcceptLanguage(items) = AcceptLanguage::parse(request).ok()?;
    let known = items.into_iter().filter(|one| one.quality > Quality::ZERO).filter_map(|one| {
        let language = Language::of_tag(one.item.item()?.as_str())?;
        Some((one.quality, language))
    });
    let best = known.reduce(|one, other| if other.0 > one.0 { other } else { one });
    best.map(|(_, language)| language)
}

/// Adds the header to an operation that does not say more of it.
pub(crate) fn document(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let is_there = |one: &RefOr<_>| matches!(one, RefOr::T(Parameter { name, .. }) if name == "Accept-Language");
    if parameters.iter().any(is_there) {
        return;
    }
    let description =
        "The language in which a problem is told: `zh-CN`, or `en`, which is also told to who asks for none.";
    let header = ParameterBuilder::new()
        .name("Accept-Language")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .example(Some("zh-CN".into()));
    parameters.push(RefOr::T(header.build()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    #[test]
    fn the_language_that_is_liked_best_is_taken() {
        for (accept, language) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Chinese)),
            ("en-GB, zh;q=0.4", Some(Language::English)),
            ("zh;q=0.401, en;q=0.4", Some(Language::Chinese)),
            ("en;q=0.4, zh;q=0.401", Some(Language::Chinese)),
            ("fr, en;q=0.2", Some(Language::English)),
            ("zh;q=0, en;q=0.1", Some(Language::English)),
            ("zh-Hans-CN", Some(Language::Chinese)),
            ("en ; q=0.5 , zh ;q=0.6", Some(Language::Chinese)),
            ("fr", None),
            ("*", None),
            ("", None),
            (";;;q=,en;q=x", None),
        ] {
            let request = TestRequest::default().insert_header((header::ACCEPT_LANGUAGE, accept)).to_http_request();
            assert_eq!(liked(&request), language, "{accept}");
        }
        assert_eq!(liked(&TestRequest::default().to_http_request()), None);
    }
}
