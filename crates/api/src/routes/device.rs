//! The desk that watches over phones: which of them need help.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::request_parts::{Filter, page};
use crate::state::State;
use crate::view::PageBody;
use crate::view::staff::WatchedDeviceBody;
use actix_web::{get, web};
use gridwork_domain::id::AreaId;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which phones.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceQuery {
    /// Only those of staff with an office in this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Watch phones
///
/// Those of staff who have an office in your areas, or had one until lately, by page: whose they are, when they were last in
/// contact, how far their clocks are off, which app they run, and what they said then that they had and were not sending.
#[utoipa::path(
    operation_id = "watchDevices",
    tag = "devices",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("watch_devices"))),
    params(DeviceQuery),
    responses((status = 200, description = "A page of phones.", body = PageBody<WatchedDeviceBody>))
)]
#[get("/v1/devices")]
pub(crate) async fn watch(
    caller: Caller,
    query: Filter<DeviceQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<WatchedDeviceBody>>, Problem> {
    let (after, limit) = page(query.0.after.as_deref(), query.0.limit)?;
    let found = state.registry.watched_devices(caller.precinct(), query.0.area, after, limit, caller.now).await?;
    Ok(web::Json(PageBody::of_staff(found)))
}
