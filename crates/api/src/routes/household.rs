//! Households 户: finding, reading, registering and correcting them.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit::{self, EditedBody};
use crate::entity_tag::{self, Seen};
use crate::limits::{LONGEST_ADDRESS, LONGEST_NAME};
use crate::problem::Problem;
use crate::record::{DwellingFields, HouseholdFields};
use crate::request_parts::{Filter, Ids, page, search};
use crate::routes::resident::NewResidentBody;
use crate::shown::Shown;
use crate::state::State;
use crate::view::{HouseholdBody, HouseholdSummaryBody, PageBody};
use actix_web::http::header;
use actix_web::{HttpResponse, get, patch, post, web};
use gridwork_domain::edit::Action;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{AreaId, HouseholdId};
use gridwork_registry::HouseholdFilter;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Which households.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HouseholdQuery {
    /// Only those within this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// Only those with a resident whose name begins so, 1 to 64 characters.
    #[param(min_length = 1, max_length = 64)]
    resident_name: Option<String>,
    /// Only those whose address has this in it, 1 to 200 characters.
    #[param(min_length = 1, max_length = 200)]
    address: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A new household.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHousehold {
    /// The grid in which it is.
    #[schema(value_type = String, example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    grid: AreaId,
    /// Its own fields.
    #[serde(default)]
    #[schema(required = false)]
    household: HouseholdFields,
    /// Its dwelling.
    #[serde(default)]
    #[schema(required = false)]
    dwelling: DwellingFields,
    /// Who lives there, at most 16; others are added afterwards.
    #[serde(default)]
    #[schema(required = false)]
    #[schema(max_items = 16)]
    residents: Vec<NewResidentBody>,
}

/// List households
///
/// Those in your areas, by page.
#[utoipa::path(
    operation_id = "listHouseholds",
    tag = "households",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(HouseholdQuery),
    responses((status = 200, description = "A page of households.", body = PageBody<HouseholdSummaryBody>))
)]
#[get("/v1/households")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<HouseholdQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<HouseholdSummaryBody>>, Problem> {
    let HouseholdQuery { area, resident_name, address, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let resident_name = search("resident_name", resident_name, LONGEST_NAME)?;
    let filter = HouseholdFilter { area, resident_name, address: search("address", address, LONGEST_ADDRESS)? };
    let found = state.registry.households(&caller.reach(), filter, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, found).await?)))
}

/// Read a household
///
/// With its residents, needs and open conflicts. The `ETag` is the version that you have seen: send it as `If-Match` with
/// an edit.
#[utoipa::path(
    operation_id = "readHousehold",
    tag = "households",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(("id" = String, Path, description = "The household.")),
    responses((
        status = 200,
        description = "The household.",
        body = HouseholdBody,
        headers(("ETag" = String, description = "The version."))
    ))
)]
#[get("/v1/households/{id}")]
pub(crate) async fn read(
    caller: Caller,
    id: Ids<HouseholdId>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let view = state.registry.household(&caller.reach(), id.0).await?.ok_or_else(Problem::not_found)?;
    let view = Shown::to(&caller, &state, view).await?;
    let tag = entity_tag::spell(&view.heads);
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).json(HouseholdBody::from(view)))
}

/// Register a household
///
/// In a grid in which you may edit, with its dwelling and residents.
#[utoipa::path(
    operation_id = "registerHousehold",
    tag = "households",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    request_body = NewHousehold,
    responses((
        status = 201,
        description = "The household is registered.",
        body = EditedBody,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Where it is read."))
    ))
)]
#[post("/v1/households")]
pub(crate) async fn register(
    caller: Caller,
    body: Body<NewHousehold>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let NewHousehold { grid, household, dwelling, residents } = body.0;
    let id = HouseholdId::new(caller.now, edit::random()?);
    let residents = residents.into_iter().map(|resident| resident.at(caller.now)).collect::<Result<_, _>>()?;
    let action = Action::RegisterHousehold { fields: household.0, dwelling: dwelling.0, residents };
    let edited = edit::register(&state, &caller, id, grid.into(), action).await?;
    Ok(edited.created(&format!("/v1/households/{id}"), &edited))
}

/// Correct a household
///
/// New values for some of its own fields. If somebody changed the household since the version that you saw, both stay: the
/// answer says so, and lists the fields on which you disagree.
#[utoipa::path(
    operation_id = "correctHousehold",
    tag = "households",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(("id" = String, Path, description = "The household."), Seen),
    request_body = HouseholdFields,
    responses((
        status = 200,
        description = "It is corrected.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that it is now."))
    ))
)]
#[patch("/v1/households/{id}")]
pub(crate) async fn correct(
    caller: Caller,
    id: Ids<HouseholdId>,
    seen: Seen,
    body: Body<HouseholdFields>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let action = Action::Correct { record: RecordPath::household(), fields: body.0.0 };
    Ok(edit::apply(&state, &caller, id.0, seen, action).await?.done())
}

/// Correct a dwelling
///
/// New values for some of the fields of the household's dwelling.
#[utoipa::path(
    operation_id = "correctDwelling",
    tag = "households",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(("id" = String, Path, description = "The household."), Seen),
    request_body = DwellingFields,
    responses((
        status = 200,
        description = "It is corrected.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that the household is now."))
    ))
)]
#[patch("/v1/households/{id}/dwelling")]
pub(crate) async fn correct_dwelling(
    caller: Caller,
    id: Ids<HouseholdId>,
    seen: Seen,
    body: Body<DwellingFields>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let action = Action::Correct { record: RecordPath::dwelling(), fields: body.0.0 };
    Ok(edit::apply(&state, &caller, id.0, seen, action).await?.done())
}
