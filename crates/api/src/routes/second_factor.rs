//! The second factor of staff: one-time codes by the clock (TOTP, RFC 6238).

use crate::body::Body;
use crate::caller::Caller;
use crate::limits::LARGEST_SIGN_IN_BODY_BYTES;
use crate::problem::Problem;
use crate::request_parts::Ids;
use crate::state::State;
use actix_web::{HttpResponse, delete, post, web};
use gridwork_domain::id::StaffId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A secret for an authenticator app. It is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactor)]
pub(crate) struct SecondFactorBody {
    /// In base32, for typing.
    secret: String,
    /// For scanning.
    #[schema(example = "otpauth://totp/Gridwork:wang.xiuying?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Gridwork")]
    uri: String,
}

/// A one-time code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// The six digits that the authenticator app shows now.
    #[schema(example = "287082")]
    code: String,
}

/// Begin a second factor
///
/// A secret for your authenticator app, shown this once. It counts once you have confirmed it with a code.
#[utoipa::path(
    operation_id = "beginSecondFactor",
    tag = "sign-in",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("set_up_second_factor"))),
    responses(
        (status = 201, description = "The secret.", body = SecondFactorBody),
        (status = 409, description = "You have a second factor already.")
    )
)]
#[post("/v1/second-factor")]
pub(crate) async fn begin(caller: Caller, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let new = state.registry.begin_second_factor(caller.staff, caller.now).await?;
    Ok(HttpResponse::Created().json(SecondFactorBody { secret: new.secret, uri: new.uri }))
}

/// Confirm a second factor
///
/// With a code of the secret that was shown. From now on you need one to sign in; each code is good once.
#[utoipa::path(
    operation_id = "confirmSecondFactor",
    tag = "sign-in",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("set_up_second_factor"))),
    request_body = Code,
    responses(
        (status = 204, description = "It counts, in this session, too."),
        (status = 409, description = "There is nothing to confirm.")
    )
)]
#[post("/v1/second-factor/confirmation")]
pub(crate) async fn confirm(
    caller: Caller,
    body: Body<Code, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    state.registry.confirm_second_factor(caller.staff, caller.session()?, body.0.code, caller.now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Remove a second factor
///
/// Of somebody who lost theirs. All their sessions end.
#[utoipa::path(
    operation_id = "removeSecondFactor",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The member of staff.")),
    responses((status = 204, description = "They have none."))
)]
#[delete("/v1/staff/{staff}/second-factor")]
pub(crate) async fn remove(
    caller: Caller,
    staff: Ids<StaffId>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let removed = state.registry.remove_second_factor(caller.staff, caller.precinct(), staff.0, caller.now).await;
    removed.map_err(Problem::of_administered)?;
    Ok(HttpResponse::NoContent().finish())
}
