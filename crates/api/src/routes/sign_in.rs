//! Signing in: a name and a password for a session, with an access token and a refresh token.

use crate::body::Body;
use crate::clock;
use crate::limits::{ACCESS_TOKEN_S, LARGEST_SIGN_IN_BODY_BYTES};
use crate::problem::{Kind, Problem, Sentence};
use crate::rate::WithinRate;
use crate::state::State;
use crate::view::{AreaReference, Person};
use actix_web::{post, web};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Staff;
use gridwork_registry::{Begun, Grant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The name with which you sign in.
    #[schema(example = "call.agent")]
    sign_in: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
    /// The one-time code that your authenticator app shows now, if you have a second factor.
    #[serde(default)]
    #[schema(example = "287082")]
    code: Option<String>,
}

/// The tokens of a session, and what they are good for.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    /// Sent with each request as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds for which the access token holds.
    expires_in_s: u64,
    /// For which, once, `POST /v1/sign-in/refresh` gives the next tokens of the session.
    refresh_token: String,
    /// The session's id.
    session: String,
    /// When the session ends, whatever is done meanwhile: milliseconds since 1970-01-01 UTC. One that is not refreshed for
    /// an hour ends before.
    session_ends_at_ms: i64,
    /// Who you are.
    staff: Person,
    /// What you are, and where: the assignments that hold now.
    roles: Vec<RoleBody>,
}

/// A role in an area and all within it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub(crate) struct RoleBody {
    /// The role.
    #[schema(example = "call_agent")]
    role: &'static str,
    /// The area.
    area: AreaReference,
}

impl From<Grant> for RoleBody {
    fn from(grant: Grant) -> Self {
        Self { role: grant.role.word(), area: grant.area.into() }
    }
}

/// Sign in
///
/// Begins a session and gives an access token for a quarter of an hour, and a refresh token for the next. What a token
/// permits is looked up anew at each request, so that an assignment or a session that ends, ends at once.
#[utoipa::path(
    operation_id = "signIn",
    tag = "sign-in",
    request_body = SignIn,
    responses(
        (status = 200, description = "You are signed in.", body = SignedIn),
        (status = 401, description = "Name, password and code do not go together, the name is locked for a while, or a code is needed, too.")
    )
)]
#[post("/v1/sign-in")]
pub(crate) async fn sign_in(
    _: WithinRate,
    body: Body<SignIn, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<web::Json<SignedIn>, Problem> {
    let now = clock::now();
    let SignIn { sign_in: name, password, code } = body.0;
    let with = gridwork_registry::SignIn { name, password, code };
    let (staff, begun) = match state.registry.sign_in(with, now).await? {
        gridwork_registry::SignedIn::Proven(staff, begun) => (staff, begun),
        gridwork_registry::SignedIn::CodeNeeded => {
            return Err(Problem::new(Kind::CodeNeeded, Sentence::CodeToo));
        }
        gridwork_registry::SignedIn::Refused => {
            return Err(Problem::new(Kind::Unauthenticated, Sentence::SignInRefused));
        }
    };
    SignedIn::answer(&state, staff, begun, now).await
}

impl SignedIn {
    /// The tokens of a session that begins or goes on.
    ///
    /// # Errors
    /// As the registry says.
    pub(crate) async fn answer(
        state: &State,
        staff: Staff,
        begun: Begun,
        now: Instant,
    ) -> Result<web::Json<Self>, Problem> {
        tracing::Span::current().record("caller", tracing::field::display(staff.id));
        let roles = state.registry.grants(staff.id, now).await?.into_iter().map(Into::into).collect();
        Ok(web::Json(Self {
            access_token: state.tokens.issue(staff.id, begun.session, now).map_err(Problem::internal)?,
            token_type: "Bearer",
            expires_in_s: ACCESS_TOKEN_S,
            refresh_token: begun.refresh_token,
            session: begun.session.to_string(),
            session_ends_at_ms: begun.ends_at.ms(),
            staff: staff.into(),
            roles,
        }))
    }
}
