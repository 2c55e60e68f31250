//! Visits 走访 and notes of a household.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::request_parts::{Filter, Ids, page};
use crate::routes::resident::PageQuery;
use crate::shown::Shown;
use crate::state::State;
use crate::view::PageBody;
use crate::view::visit::RecordedBody;
use actix_web::{get, web};
use gridwork_domain::id::{AreaId, HouseholdId};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which visits.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VisitQuery {
    /// Only those within this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// List the visits of an area
///
/// Visits and notes in your areas, household by household, the latest first of each, with their corrections, by page.
#[utoipa::path(
    operation_id = "listVisitsOfArea",
    tag = "visits",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(VisitQuery),
    responses((status = 200, description = "A page of visits and notes.", body = PageBody<RecordedBody>))
)]
#[get("/v1/visits")]
pub(crate) async fn list_all(
    caller: Caller,
    query: Filter<VisitQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<RecordedBody>>, Problem> {
    let VisitQuery { area, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let visits = state.registry.visits_within(&caller.reach(), area, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, visits).await?)))
}

/// List the visits of a household
///
/// Visits and notes, latest first, each with its corrections, by page.
#[utoipa::path(
    operation_id = "listVisits",
    tag = "visits",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(("id" = String, Path, description = "The household."), PageQuery),
    responses((status = 200, description = "A page of visits and notes.", body = PageBody<RecordedBody>))
)]
#[get("/v1/households/{id}/visits")]
pub(crate) async fn list(
    caller: Caller,
    id: Ids<HouseholdId>,
    query: Filter<PageQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<RecordedBody>>, Problem> {
    let (after, limit) = page(query.0.after.as_deref(), query.0.limit)?;
    let visits = state.registry.visits(&caller.reach(), id.0, after, limit).await?;
    let visits = Shown::to(&caller, &state, visits.ok_or_else(Problem::not_found)?).await?;
    Ok(web::Json(PageBody::of(visits)))
}
