//! Visits 走访 and notes of a household.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::request_parts::{Filter, Ids, page};
use crate::routes::resident::PageQuery;
use crate::state::State;
use crate::view::PageBody;
use crate::view::visit::RecordedBody;
use actix_web::{get, web};
use gridwork_domain::id::HouseholdId;

/// List the visits of a household
///
/// Visits and notes, latest first, each with its corrections, by page.
#[utoipa::path(
    operation_id = "listVisits",
    tag = "visits",
    security(("staff" = [])),
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
    let visits = state.registry.visits(&caller.reading()?, id.0, after, limit).await?;
    Ok(web::Json(PageBody::of(visits.ok_or_else(Problem::not_found)?)))
}
