//! Open conflicts: listed, and decided.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit::{self, EditedBody};
use crate::entity_tag::Seen;
use crate::problem::Problem;
use crate::record::FieldValue;
use crate::request_parts::{Filter, Ids, page};
use crate::shown::Shown;
use crate::state::State;
use crate::view::{ConflictSummaryBody, PageBody};
use actix_web::{HttpResponse, get, post, web};
use gridwork_domain::edit::Action;
use gridwork_domain::household::FieldPath;
use gridwork_domain::id::{AreaId, HouseholdId};
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

/// Which conflicts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictQuery {
    /// Only those in this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A decision: this is the value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// Which field: `container.field` or `container.id.field`.
    #[schema(value_type = String, example = "household.contact_phone")]
    path: FieldPath,
    /// The value; null clears the field. It must be there, since leaving it out could mean either.
    #[serde(deserialize_with = "given")]
    #[schema(required = true)]
    value: Option<FieldValue>,
}

/// Without this, a value that is left out would be read as null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FieldValue>, D::Error> {
    Option::deserialize(deserializer)
}

/// List conflicts
///
/// Fields in your areas to which people gave different values without knowing of each other, by page.
#[utoipa::path(
    operation_id = "listConflicts",
    tag = "conflicts",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(ConflictQuery),
    responses((status = 200, description = "A page of conflicts.", body = PageBody<ConflictSummaryBody>))
)]
#[get("/v1/conflicts")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<ConflictQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<ConflictSummaryBody>>, Problem> {
    let ConflictQuery { area, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let conflicts = state.registry.conflicts(&caller.reach(), area, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, conflicts).await?)))
}

/// Decide a conflict
///
/// This is the value, also if it is shown already. Values that came in since the version that you saw stay in conflict
/// with it.
#[utoipa::path(
    operation_id = "decideConflict",
    tag = "conflicts",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(("id" = String, Path, description = "The household."), Seen),
    request_body = Decision,
    responses((
        status = 200,
        description = "It is decided.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that the household is now."))
    ))
)]
#[post("/v1/households/{id}/decisions")]
pub(crate) async fn decide(
    caller: Caller,
    id: Ids<HouseholdId>,
    seen: Seen,
    body: Body<Decision>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let Decision { path, value } = body.0;
    let action = Action::DecideConflict { path, value: value.map(|value| value.0) };
    Ok(edit::apply(&state, &caller, id.0, seen, action).await?.done())
}
