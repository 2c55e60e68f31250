//! The lists that everybody works with, as one bundle with a version.

use crate::caller::Caller;
use crate::device_reader::DeviceReader;
use crate::problem::Problem;
use crate::state::State;
use crate::view::reference::ReferenceBody;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, get, web};
use gridwork_registry::Precinct;

/// Kept by whoever read it, and asked for again with its version each time.
const CACHE_CONTROL: &str = "private, no-cache";

/// Read the reference data
///
/// The lists that everybody works with, with names in Chinese and English: national code lists, kinds of needs, words of
/// fields, modes and outcomes of visits, the catalogue of fields, and the areas in which you work. With `If-None-Match` and
/// the version that you have, the answer is 304 as long as it is the newest. A phone reads it with its token, and signs the
/// request as it signs an exchange, the body being empty.
#[utoipa::path(
    operation_id = "readReference",
    tag = "areas",
    security(("staff" = []), ("device" = [])),
    extensions(("x-gridwork-permission" = json!("read_areas"))),
    params(
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the bundle that you have.",
         example = "\"3f0a9c1e5b7d42860fe1d2c3b4a5968778695a4b3c2d1e0f9081726354453627\"")
    ),
    responses(
        (status = 200, description = "The bundle.", body = ReferenceBody, headers(
            ("ETag" = String, description = "Its version."),
            ("Cache-Control" = String, description = "Keep it, and ask with its version before you use it again.")
        )),
        (status = 304, description = "You have the newest.", headers(
            ("ETag" = String, description = "Its version."),
            ("Cache-Control" = String, description = "Keep it, and ask with its version before you use it again.")
        )),
        (status = 429, description = "The device has too many requests under way.")
    )
)]
#[get("/v1/reference")]
pub(crate) async fn read(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let precinct = if DeviceReader::is_meant(&request) {
        let reader = DeviceReader::of(&request).await?;
        let grants = state.registry.grants(reader.device.staff, reader.now).await?;
        grants.iter().map(|grant| grant.area.id).collect::<Precinct>()
    } else {
        Caller::from_request(&request, &mut Payload::None).await?.precinct()
    };
    let bundle = ReferenceBody::new(state.registry.areas_around(precinct).await?)?;
    let tag = bundle.version().to_owned();
    let known = request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|tags| tags.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    });
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, CACHE_CONTROL));
    response.insert_header((header::VARY, "authorization"));
    Ok(if known { response.finish() } else { response.json(bundle) })
}
