//! Sessions: going on with one, ending it, and seeing which there are.

use crate::body::Body;
use crate::caller::Caller;
use crate::clock;
use crate::limits::LARGEST_SIGN_IN_BODY_BYTES;
use crate::problem::{Kind, Problem, Sentence};
use crate::rate::WithinRate;
use crate::request_parts::Ids;
use crate::routes::sign_in::SignedIn;
use crate::state::State;
use actix_web::{HttpResponse, delete, get, post, web};
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_registry::{Refreshed, SessionView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// The refresh token that the session gave last.
    refresh_token: String,
}

/// A session that has not ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// Its id.
    id: String,
    /// Whether it is the one of this very request.
    current: bool,
    /// When somebody signed in: milliseconds since 1970-01-01 UTC.
    begun_at_ms: i64,
    /// When it was last refreshed.
    used_at_ms: i64,
    /// When it ends, whatever is done meanwhile.
    ends_at_ms: i64,
}

/// Sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(crate) struct SessionsBody {
    /// The latest first.
    items: Vec<SessionBody>,
}

impl SessionsBody {
    fn new(caller: &Caller, sessions: Vec<SessionView>) -> web::Json<Self> {
        let body = |view: SessionView| SessionBody {
            id: view.id.to_string(),
            current: caller.session().is_ok_and(|session| session == view.id),
            begun_at_ms: view.begun_at.ms(),
            used_at_ms: view.used_at.ms(),
            ends_at_ms: view.ends_at.ms(),
        };
        web::Json(Self { items: sessions.into_iter().map(body).collect() })
    }
}

/// Refresh a session
///
/// The next access token and the next refresh token of a session. Each refresh token is good once: one that was used before
/// ends the session, since somebody else has it too. Whose answer was lost on the way sends the same token again within
/// half a minute.
#[utoipa::path(
    operation_id = "refreshSession",
    tag = "sign-in",
    request_body = Refresh,
    responses(
        (status = 200, description = "The session goes on.", body = SignedIn),
        (status = 401, description = "The token is none, was used before, or its session has ended: sign in again.")
    )
)]
#[post("/v1/sign-in/refresh")]
pub(crate) async fn refresh(
    _: WithinRate,
    body: Body<Refresh, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<web::Json<SignedIn>, Problem> {
    let now = clock::now();
    let refused = |detail| Problem::new(Kind::Unauthenticated, detail);
    match state.registry.refresh(&body.0.refresh_token, now).await? {
        Refreshed::GoesOn(staff, begun) => SignedIn::answer(&state, staff, begun, now).await,
        Refreshed::Ended => Err(refused(Sentence::NoRefreshToken)),
        Refreshed::Reused => Err(refused(Sentence::RefreshReused)),
    }
}

/// Sign out
///
/// Ends the session of this request, at once and everywhere.
#[utoipa::path(
    operation_id = "signOut",
    tag = "sign-in",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("set_up_second_factor"))),
    responses((status = 204, description = "The session has ended."))
)]
#[post("/v1/sign-out")]
pub(crate) async fn sign_out(caller: Caller, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.registry.end_session(caller.staff, None, caller.staff, caller.session()?, caller.now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List your sessions
///
/// Those that have not ended, the latest first.
#[utoipa::path(
    operation_id = "listOwnSessions",
    tag = "sign-in",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("own_account"))),
    responses((status = 200, description = "Your sessions.", body = SessionsBody))
)]
#[get("/v1/sessions")]
pub(crate) async fn list(caller: Caller, state: web::Data<State>) -> Result<web::Json<SessionsBody>, Problem> {
    let sessions = state.registry.sessions(None, caller.staff, caller.now).await?;
    Ok(SessionsBody::new(&caller, sessions))
}

/// End a session of yours
///
/// At once and everywhere.
#[utoipa::path(
    operation_id = "endOwnSession",
    tag = "sign-in",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("own_account"))),
    params(("session" = String, Path, description = "The session.")),
    responses((status = 204, description = "It has ended."))
)]
#[delete("/v1/sessions/{session}")]
pub(crate) async fn end(
    caller: Caller,
    session: Ids<SessionId>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    ended(state.registry.end_session(caller.staff, None, caller.staff, session.0, caller.now).await?)
}

/// List the sessions of a member of staff
///
/// For those who administer all areas in which that person works.
#[utoipa::path(
    operation_id = "listSessionsOfStaff",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The member of staff.")),
    responses((status = 200, description = "Their sessions.", body = SessionsBody))
)]
#[get("/v1/staff/{staff}/sessions")]
pub(crate) async fn list_of(
    caller: Caller,
    staff: Ids<StaffId>,
    state: web::Data<State>,
) -> Result<web::Json<SessionsBody>, Problem> {
    let sessions = state.registry.sessions(Some(caller.precinct()), staff.0, caller.now).await;
    Ok(SessionsBody::new(&caller, sessions.map_err(Problem::of_administered)?))
}

/// End a session of a member of staff
///
/// At once and everywhere; for those who administer all areas in which that person works.
#[utoipa::path(
    operation_id = "endSessionOfStaff",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(
        ("staff" = String, Path, description = "The member of staff."),
        ("session" = String, Path, description = "The session.")
    ),
    responses((status = 204, description = "It has ended."))
)]
#[delete("/v1/staff/{staff}/sessions/{session}")]
pub(crate) async fn end_of(
    caller: Caller,
    ids: Ids<(StaffId, SessionId)>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (staff, session) = ids.0;
    let within = Some(caller.precinct());
    let outcome = state.registry.end_session(caller.staff, within, staff, session, caller.now).await;
    ended(outcome.map_err(Problem::of_administered)?)
}

fn ended(was_there: bool) -> Result<HttpResponse, Problem> {
    if was_there { Ok(HttpResponse::NoContent().finish()) } else { Err(Problem::not_found()) }
}
