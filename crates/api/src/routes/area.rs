//! Areas 区划.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::request_parts::Filter;
use crate::state::State;
use crate::view::AreaBody;
use actix_web::{get, web};
use gridwork_domain::id::AreaId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which areas.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AreaFilter {
    /// Only those directly within this area.
    #[param(value_type = Option<String>)]
    parent: Option<AreaId>,
}

/// Areas.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Areas)]
pub(crate) struct AreasBody {
    /// In the order of their codes.
    items: Vec<AreaBody>,
}

/// List areas
///
/// The areas in which you may read, and those that contain them; with `parent`, those directly within that area.
#[utoipa::path(
    operation_id = "listAreas",
    tag = "areas",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(AreaFilter),
    responses((status = 200, description = "The areas.", body = AreasBody))
)]
#[get("/v1/areas")]
pub(crate) async fn list(
    caller: Caller,
    filter: Filter<AreaFilter>,
    state: web::Data<State>,
) -> Result<web::Json<AreasBody>, Problem> {
    let areas = state.registry.areas(&caller.reach(), filter.0.parent).await?;
    Ok(web::Json(AreasBody { items: areas.into_iter().map(Into::into).collect() }))
}
