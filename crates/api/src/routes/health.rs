//! Whether the server lives, and whether it can serve.

use crate::problem::{Kind, Problem, Sentence};
use crate::state::State;
use actix_web::{get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether the process lives
///
/// Answers as long as the process can answer at all. A supervisor restarts it if this fails.
#[utoipa::path(
    operation_id = "isLive",
    tag = "health",
    responses((status = 200, description = "It lives.", body = HealthBody))
)]
#[get("/health/live")]
pub(crate) async fn live() -> web::Json<HealthBody> {
    web::Json(HealthBody { status: "live" })
}

/// Whether the server can serve
///
/// Asks the database. A load balancer sends no requests while this fails.
#[utoipa::path(
    operation_id = "isReady",
    tag = "health",
    responses((status = 200, description = "It can serve.", body = HealthBody))
)]
#[get("/health/ready")]
pub(crate) async fn ready(state: web::Data<State>) -> Result<web::Json<HealthBody>, Problem> {
    state.registry.ready().await.map_err(|error| {
        Problem::overloaded(Kind::Unavailable, Sentence::DatabaseSilent, crate::limits::RETRY_AFTER_S).because(error)
    })?;
    Ok(web::Json(HealthBody { status: "ready" }))
}
