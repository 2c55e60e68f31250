//! Areas 区划: listed, read with who is accountable for them, opened, renamed, closed.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit;
use crate::problem::{Problem, Sentence};
use crate::request_parts::{Filter, Ids, page};
use crate::state::State;
use crate::view::PageBody;
use crate::view::area::{AreaBody, AreaDetailBody};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, get, patch, post, web};
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::AreaId;
use gridwork_domain::instant::Instant;
use gridwork_domain::language::Bilingual;
use gridwork_registry::{AdministerError, AreaChange, AreaDetail, AreaFilter, KeptAnswer};
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

/// Which areas.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AreaQuery {
    /// Only those directly within this area.
    #[param(value_type = Option<String>)]
    parent: Option<AreaId>,
    /// Only the one of this code.
    #[param(pattern = "^[0-9]{6,15}$", max_length = 15)]
    code: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A new area.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewArea {
    /// The area that contains it.
    #[schema(value_type = String)]
    parent: AreaId,
    /// Its division code, directly within that of its parent: 9, 12 or 15 digits.
    #[schema(min_length = 9, max_length = 15)]
    code: String,
    /// Its name, 1 to 64 characters.
    #[schema(example = "三公里社区第三网格")]
    name: String,
    /// Other names under which it is known.
    #[serde(default)]
    #[schema(required = false, max_items = 16, example = json!(["三公社区第三网格"]))]
    aliases: Vec<String>,
    /// The first day on which it is there; today if it is left out.
    #[serde(default)]
    #[schema(format = Date)]
    valid_from: Option<String>,
}

/// What changes of an area; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AreaFields {
    /// Another division code.
    #[serde(default)]
    #[schema(min_length = 6, max_length = 15)]
    code: Option<String>,
    /// Another name.
    #[serde(default)]
    #[schema(example = "三公里社区第三网格")]
    name: Option<String>,
    /// Other names under which it is known, all of them.
    #[serde(default)]
    #[schema(max_items = 16, example = json!(["三公社区第三网格"]))]
    aliases: Option<Vec<String>>,
    /// The first day on which another code or name holds; today if it is left out. Before, the area keeps those that it had.
    #[serde(default)]
    #[schema(format = Date)]
    valid_from: Option<String>,
    /// The last day of the area, which closes it; null opens it again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = Date)]
    valid_until: Option<Option<String>>,
    /// The area that takes its place, one that you administer; null says that none does.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    successor: Option<Option<AreaId>>,
}

/// Other names of an area at most.
const MOST_ALIASES: usize = 16;

/// What is there, also if it is null; without this, null would read as left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// List areas
///
/// Those in which you work, and those that contain them, by page in the order of their codes; with `parent`, those directly
/// within that area: so the tree is walked.
#[utoipa::path(
    operation_id = "listAreas",
    tag = "areas",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read_areas"))),
    params(AreaQuery),
    responses((status = 200, description = "A page of areas.", body = PageBody<AreaBody>))
)]
#[get("/v1/areas")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<AreaQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<AreaBody>>, Problem> {
    let AreaQuery { parent, code, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let filter = AreaFilter { parent, code: code.as_deref().map(read_code).transpose()? };
    let found = state.registry.listed_areas(caller.precinct(), &caller.may_read(), filter, after, limit).await?;
    Ok(web::Json(PageBody::of_staff(found)))
}

/// Read an area
///
/// With who is accountable for it and since when, every term of office in it, and every code and name that it had.
#[utoipa::path(
    operation_id = "readArea",
    tag = "areas",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read_areas"))),
    params(("area" = String, Path, description = "The area.")),
    responses((status = 200, description = "The area.", body = AreaDetailBody))
)]
#[get("/v1/areas/{area}")]
pub(crate) async fn read(
    caller: Caller,
    area: Ids<AreaId>,
    state: web::Data<State>,
) -> Result<web::Json<AreaDetailBody>, Problem> {
    let found = state.registry.area(caller.precinct(), &caller.may_read(), area.0, caller.now).await?;
    Ok(web::Json(found.ok_or_else(Problem::not_found)?.into()))
}

/// Open an area
///
/// Within an area that you administer.
#[utoipa::path(
    operation_id = "openArea",
    tag = "areas",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    request_body = NewArea,
    responses((
        status = 201,
        description = "It is open.",
        body = AreaDetailBody,
        headers(("Location" = String, description = "Where it is read."))
    ))
)]
#[post("/v1/areas")]
pub(crate) async fn open(
    caller: Caller,
    body: Body<NewArea>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let NewArea { parent, code, name, aliases, valid_from } = body.0;
    let id = AreaId::new(caller.now, edit::random()?);
    let valid_from = valid_from.map_or_else(|| today(caller.now), Ok)?;
    let (parent, code) = (Some(parent), read_code(&code)?);
    let aliases = few(aliases)?;
    let new = Area { id, parent, code, name, aliases, valid_from, valid_until: None, successor: None };
    let location = format!("/v1/areas/{id}");
    let keep = caller.keep({
        let location = location.clone();
        move |view: &AreaDetail| {
            let made = edit::json(StatusCode::CREATED, &AreaDetailBody::from(view.clone()));
            KeptAnswer { location: Some(location.clone()), ..made }
        }
    });
    let opened = state.registry.open_area(caller.staff, caller.precinct(), new, caller.now, keep).await?;
    let body = AreaDetailBody::from(opened);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(body))
}

/// Change an area
///
/// Another name or code, from a day on; other names under which it is known; or its last day, which closes it, with the area
/// that takes its place. What it was called before stays known.
#[utoipa::path(
    operation_id = "changeArea",
    tag = "areas",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("area" = String, Path, description = "The area.")),
    request_body = AreaFields,
    responses(
        (status = 200, description = "It is changed.", body = AreaDetailBody),
        (status = 409, description = "Another area has this code, or an area would be open in one that is closed.")
    )
)]
#[patch("/v1/areas/{area}")]
pub(crate) async fn change(
    caller: Caller,
    area: Ids<AreaId>,
    body: Body<AreaFields>,
    state: web::Data<State>,
) -> Result<web::Json<AreaDetailBody>, Problem> {
    let AreaFields { code, name, aliases, valid_from, valid_until, successor } = body.0;
    let renamed = code.is_some() || name.is_some();
    let from = match valid_from {
        None if renamed => Some(today(caller.now)?),
        from => from,
    };
    let change = AreaChange {
        code: code.as_deref().map(read_code).transpose()?,
        name,
        aliases: aliases.map(few).transpose()?,
        from,
        until: valid_until,
        successor,
    };
    let within = (caller.precinct(), caller.may_read());
    let changed = state.registry.change_area(caller.staff, within, area.0, change, caller.now).await;
    match changed {
        Err(AdministerError::NoSuchArea(id)) if id == area.0 => Err(Problem::not_found()),
        changed => Ok(web::Json(changed?.into())),
    }
}

fn read_code(text: &str) -> Result<DivisionCode, Problem> {
    DivisionCode::parse(text).map_err(|error| Problem::field("code", Bilingual::of(|language| error.message(language))))
}

fn few(aliases: Vec<String>) -> Result<Vec<String>, Problem> {
    if aliases.len() <= MOST_ALIASES {
        return Ok(aliases);
    }
    Err(Problem::field("aliases", Sentence::FewAliases(MOST_ALIASES)))
}

fn today(now: Instant) -> Result<String, Problem> {
    let today = now.date_in_shanghai().map(|day| day.to_string());
    today.ok_or_else(|| Problem::internal("the server's clock shows no date"))
}
