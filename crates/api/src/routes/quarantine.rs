//! The desk for what phones sent and the registry refused or holds: listed, read, released, discarded.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit;
use crate::problem::Problem;
use crate::request_parts::{Because, Filter, Ids, page};
use crate::shown::Shown;
use crate::state::State;
use crate::view::{PageBody, Person};
use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use gridwork_domain::id::{AreaId, KeptId};
use gridwork_domain::instant::Instant;
use gridwork_registry::{Decided, KeptDetail, KeptState, KeptView, Released};
use gridwork_sealing::OpenError;
use gridwork_sync::document::DocumentKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which kept changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeptQuery {
    /// Those that were refused, or with `held` those that wait for something.
    #[serde(default)]
    #[param(inline)]
    state: Kept,
    /// Only those in this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// How a change is kept: refused, or waiting.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kept {
    /// It was refused.
    #[default]
    Quarantined,
    /// It waits for something.
    Held,
}

/// A change that was refused or waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptChange)]
pub(crate) struct KeptBody {
    /// By which it is released or discarded.
    id: String,
    /// How it is kept: `quarantined`, or `held` while it waits.
    #[schema(example = "quarantined", pattern = "^(quarantined|held)$")]
    state: &'static str,
    /// The household that it is about.
    household: String,
    /// The grid whose staff decide about it.
    grid: String,
    /// About what of the household: `household` or `visits`.
    #[schema(example = "visits")]
    about: &'static str,
    /// Who sent it.
    by: Person,
    /// From which device.
    #[schema(required = true)]
    device: Option<String>,
    /// When it came: milliseconds since 1970-01-01 UTC.
    received_at_ms: i64,
    /// Why it was refused, or for what it waits: a word of the guard.
    #[schema(example = "not-entitled")]
    code: String,
    /// The same as a sentence; null for one that waits.
    #[schema(required = true, example = "the device holds no assignment that lets it write here")]
    detail: Option<String>,
    /// When it is refused if what it waits for does not come; null for one that was refused.
    #[schema(required = true)]
    expires_at_ms: Option<i64>,
    /// Bytes.
    size: u64,
    /// Kept changes that build on it: they go with it.
    dependants: u64,
}

/// A change that was refused or waits, and what it says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptChangeView)]
pub(crate) struct KeptDetailBody {
    /// The change.
    change: KeptBody,
    /// What it says; null if it is nothing that can be read safely.
    #[schema(required = true)]
    says: Option<Vec<LineBody>>,
    /// Why what it says cannot be opened: `unknown_key` while this node lacks the key that it is sealed to, or
    /// `does_not_open` if it is damaged.
    #[schema(required = true, example = "unknown_key", pattern = "^(unknown_key|does_not_open)$")]
    unreadable: Option<&'static str>,
}

/// One thing that a change says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub(crate) struct LineBody {
    /// What: the name of a field, or of a part of a visit.
    #[schema(example = "note")]
    name: String,
    /// The value, as text.
    #[schema(example = "上午在家")]
    value: String,
}

/// What a decision came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptDecision)]
pub(crate) struct DecidedBody {
    /// The change.
    id: String,
    /// What became of it: `merged`, `known` (what it says was merged before), `held` (it waits), `quarantined` (it was
    /// refused again, and stays) or `discarded`.
    #[schema(example = "merged")]
    outcome: &'static str,
    /// Why it waits or was refused again: a word of the guard.
    #[schema(required = true, example = "not-entitled")]
    code: Option<String>,
    /// The same as a sentence.
    #[schema(required = true, example = "the device holds no assignment that lets it write here")]
    detail: Option<String>,
    /// Changes that build on it and went with it.
    with_it: u64,
}

/// List refused and held changes
///
/// What phones sent in your areas and the registry refused, or with `state=held` what waits for something, by page: what
/// came first, first. What was discarded is not listed.
#[utoipa::path(
    operation_id = "listKept",
    tag = "quarantine",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("decide_kept"))),
    params(KeptQuery),
    responses((status = 200, description = "A page of changes.", body = PageBody<KeptBody>))
)]
#[get("/v1/quarantine")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<KeptQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<KeptBody>>, Problem> {
    let KeptQuery { state: kept, area, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let kept = match kept {
        Kept::Quarantined => KeptState::Quarantined,
        Kept::Held => KeptState::Held,
    };
    let found = state.registry.kept(&caller.reach(), kept, area, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, found).await?)))
}

/// Read a refused or held change
///
/// With what it says, as far as it can be read safely; never its bytes.
#[utoipa::path(
    operation_id = "readKept",
    tag = "quarantine",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("decide_kept"))),
    params(("id" = String, Path, description = "The change.")),
    responses((status = 200, description = "The change.", body = KeptDetailBody))
)]
#[get("/v1/quarantine/{id}")]
pub(crate) async fn read(
    caller: Caller,
    id: Ids<KeptId>,
    state: web::Data<State>,
) -> Result<web::Json<KeptDetailBody>, Problem> {
    let found = state.registry.kept_change(&caller.reach(), id.0).await?.ok_or_else(Problem::not_found)?;
    Ok(web::Json(Shown::to(&caller, &state, found).await?.into()))
}

/// Release a change
///
/// It is judged anew, by the same rules as if its device sent it now; with it, those that were refused because they build
/// on it. If it is refused again, the answer says why and it stays. What its author recorded anew meanwhile is not doubled.
#[utoipa::path(
    operation_id = "releaseKept",
    tag = "quarantine",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("decide_kept"))),
    params(("id" = String, Path, description = "The change.")),
    request_body = Because,
    responses(
        (status = 200, description = "What became of it.", body = DecidedBody),
        (status = 409, description = "What was kept of it is damaged: it stays where it was, and can be discarded.")
    )
)]
#[post("/v1/quarantine/{id}/release")]
pub(crate) async fn release(
    caller: Caller,
    id: Ids<KeptId>,
    body: Body<Because>,
    state: web::Data<State>,
) -> Result<web::Json<DecidedBody>, Problem> {
    let (why, reach, keep) = (body.0.reason()?, caller.reach(), keep(&caller));
    let decided = state.registry.release_kept(caller.staff, &reach, id.0, why, caller.now, keep).await?;
    Ok(web::Json(decided.into()))
}

/// Discard a change
///
/// With all that build on it. What was discarded is kept and not listed, and a device that asks again is told so.
#[utoipa::path(
    operation_id = "discardKept",
    tag = "quarantine",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("decide_kept"))),
    params(("id" = String, Path, description = "The change.")),
    request_body = Because,
    responses((status = 200, description = "It is discarded.", body = DecidedBody))
)]
#[post("/v1/quarantine/{id}/discard")]
pub(crate) async fn discard(
    caller: Caller,
    id: Ids<KeptId>,
    body: Body<Because>,
    state: web::Data<State>,
) -> Result<web::Json<DecidedBody>, Problem> {
    let (why, reach, keep) = (body.0.reason()?, caller.reach(), keep(&caller));
    let decided = state.registry.discard_kept(caller.staff, &reach, id.0, why, caller.now, keep).await?;
    Ok(web::Json(decided.into()))
}

fn keep(caller: &Caller) -> Option<gridwork_registry::Keep<Decided>> {
    caller.keep(|decided: &Decided| edit::json(StatusCode::OK, &DecidedBody::from(decided.clone())))
}

impl From<Shown<KeptView>> for KeptBody {
    fn from(view: Shown<KeptView>) -> Self {
        let view = view.into_inner();
        Self {
            id: view.id.to_string(),
            state: view.state.word(),
            household: view.household.to_string(),
            grid: view.scope.to_string(),
            about: match view.document {
                DocumentKind::Household => "household",
                DocumentKind::Visits => "visits",
            },
            by: view.by.into(),
            device: view.device.map(|device| device.to_string()),
            received_at_ms: view.received_at.ms(),
            code: view.code,
            detail: view.detail,
            expires_at_ms: view.expires_at.map(Instant::ms),
            size: view.size,
            dependants: view.dependants,
        }
    }
}

impl From<Shown<KeptDetail>> for KeptDetailBody {
    fn from(mut view: Shown<KeptDetail>) -> Self {
        let says = view.part(|view| view.says.take()).into_inner();
        let line = |line: gridwork_sync::legible::Line| LineBody { name: line.name, value: line.value };
        let says = says.map(|says| says.into_iter().map(line).collect());
        let unreadable = view.part(|view| view.unreadable.take()).into_inner().map(OpenError::word);
        Self { change: view.map(|view| view.kept).into(), says, unreadable }
    }
}

impl From<Decided> for DecidedBody {
    fn from(decided: Decided) -> Self {
        let outcome = match decided.released {
            None => "discarded",
            Some(Released::Merged) => "merged",
            Some(Released::Known) => "known",
            Some(Released::Waits) => "held",
            Some(Released::Refused) => "quarantined",
        };
        let Decided { id, code, detail, with_it, .. } = decided;
        Self { id: id.to_string(), outcome, code, detail, with_it }
    }
}
