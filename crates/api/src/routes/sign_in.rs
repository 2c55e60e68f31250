//! Signing in: a name and a password for an access token.

use crate::body::Body;
use crate::clock;
use crate::limits::{ACCESS_TOKEN_S, LARGEST_SIGN_IN_BODY_BYTES};
use crate::problem::{Kind, Problem};
use crate::state::State;
use crate::view::{AreaReference, Person};
use actix_web::{post, web};
use gridwork_registry::Grant;
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
}

/// An access token, and what it is good for.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    /// Sent with each request as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds for which the token holds.
    expires_in_s: u64,
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
/// Gives an access token for a quarter of an hour. What the token permits is looked up anew at each request, so that an
/// assignment that ends, ends at once.
#[utoipa::path(
    operation_id = "signIn",
    tag = "sign-in",
    request_body = SignIn,
    responses(
        (status = 200, description = "You are signed in.", body = SignedIn),
        (status = 401, description = "Name and password do not go together, or the name is locked for a while.")
    )
)]
#[post("/v1/sign-in")]
pub(crate) async fn sign_in(
    body: Body<SignIn, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<web::Json<SignedIn>, Problem> {
    let now = clock::now();
    let staff = state.registry.sign_in(&body.0.sign_in, &body.0.password, now).await?;
    let refused = || {
        let detail = "name and password do not go together; after several failures wait a while";
        Problem::new(Kind::Unauthenticated, detail)
    };
    let staff = staff.ok_or_else(refused)?;
    tracing::Span::current().record("caller", tracing::field::display(staff.id));
    let roles = state.registry.grants(staff.id, now).await?.into_iter().map(Into::into).collect();
    let access_token = state.tokens.issue(staff.id, now).map_err(Problem::internal)?;
    let token_type = "Bearer";
    Ok(web::Json(SignedIn { access_token, token_type, expires_in_s: ACCESS_TOKEN_S, staff: staff.into(), roles }))
}
