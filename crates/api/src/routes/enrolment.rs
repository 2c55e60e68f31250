//! Enrolment of devices: an administrator's one-time code, and a phone that comes with it and a key of its own.

use crate::body::{self, Body};
use crate::caller::Caller;
use crate::clock;
use crate::limits::LARGEST_SIGN_IN_BODY_BYTES;
use crate::problem::{Kind, Problem, Sentence};
use crate::proof::Proof;
use crate::rate::WithinRate;
use crate::state::State;
use crate::view::{AreaReference, Person};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, post, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridwork_domain::id::StaffId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Whose device is to be enrolled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEnrolmentCode {
    /// The member of staff.
    #[schema(value_type = String, example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    staff: StaffId,
}

/// A code that enrols one device once.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrolmentCode)]
pub(crate) struct EnrolmentCodeBody {
    /// The code, to be typed into the phone within a day. It is shown this once.
    #[schema(example = "7KQF-2M9T-XW4C")]
    code: String,
    /// Whose device it enrols.
    staff: String,
}

/// A code and the key that the device made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrolment {
    /// The code.
    #[schema(example = "7KQF-2M9T-XW4C")]
    code: String,
    /// The device's Ed25519 public key: 32 bytes in base64url without padding. It is the key id of the proof, too.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    public_key: String,
}

/// An enrolled device.
#[derive(Serialize, ToSchema)]
#[schema(as = Enrolled)]
pub(crate) struct EnrolledBody {
    /// The device's id: the key id of its proofs from now on.
    device: String,
    /// The device's token, sent with each exchange as `Authorization: Bearer …`. It is shown this once, and is of no use
    /// without the device's key.
    token: String,
    /// Whose device it is.
    staff: Person,
    /// The grids that it replicates.
    scopes: Vec<AreaReference>,
    /// The key to which citizen numbers are sealed: X25519, 32 bytes in base64url without padding.
    #[schema(required = true, example = "MdSras7slhE3kXA3k25gcW-sVzr-lNnahKgCBEjfwRI")]
    sealing_key: Option<String>,
    /// The server's clock: milliseconds since 1970-01-01 UTC.
    server_time_ms: i64,
}

/// Issue an enrolment code
///
/// For administrators of all areas in which that member of staff works. The code enrols one device of theirs, once, within
/// a day. Nobody issues one to themselves.
#[utoipa::path(
    operation_id = "issueEnrolmentCode",
    tag = "devices",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    request_body = NewEnrolmentCode,
    responses((status = 201, description = "The code.", body = EnrolmentCodeBody))
)]
#[post("/v1/devices/enrolment-codes")]
pub(crate) async fn issue_code(
    caller: Caller,
    body: Body<NewEnrolmentCode>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let staff = body.0.staff;
    let by = Some(caller.staff);
    let code = state.registry.issue_enrolment_code(by, Some(caller.precinct()), staff, caller.now).await?;
    let body = EnrolmentCodeBody { code: code.to_string(), staff: staff.to_string() };
    Ok(HttpResponse::build(StatusCode::CREATED).json(body))
}

/// Enrol a device
///
/// The device comes with the one-time code and the public key that it made, and signs the request with that key (RFC
/// 9421), the key id being the key itself. A proof that is not of now is answered with the server's time.
#[utoipa::path(
    operation_id = "enrolDevice",
    tag = "devices",
    params(Proof),
    request_body = Enrolment,
    responses(
        (status = 201, description = "The device is enrolled.", body = EnrolledBody),
        (status = 401, description = "The request is not signed by the key that it brings, or not now."),
        (status = 409, description = "The member of staff holds no assignment to a grid today, or to too many."),
        (status = 429, description = "Too many enrol at once.")
    )
)]
#[post("/v1/enrolments")]
pub(crate) async fn enrol(
    _: WithinRate,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let now = clock::now();
    let proof = Arc::new(Proof::of(&request, now)?);
    body::check_json(&request)?;
    body::length(request.headers(), LARGEST_SIGN_IN_BODY_BYTES)?;
    let bytes = body::read(payload.into_inner(), LARGEST_SIGN_IN_BODY_BYTES).await?;
    let Enrolment { code, public_key } = body::parse_json(&bytes)?;
    let not_a_key = || Problem::field("public_key", Sentence::PublicKey);
    let key = URL_SAFE_NO_PAD.decode(&public_key).ok().and_then(|key| key.try_into().ok()).ok_or_else(not_a_key)?;
    if proof.key_id() != public_key {
        return Err(Problem::new(Kind::Unauthenticated, Sentence::KeyOfProof));
    }
    proof.verify_signature(&key)?;
    proof.clone().verify_body(bytes).await?;
    let turn = state.enrolments.enter().await?;
    let enrolled = state.registry.enrol(&code, key, proof.nonce(), now).await?;
    drop(turn);
    let body = EnrolledBody {
        device: enrolled.device.id.to_string(),
        token: enrolled.token,
        staff: enrolled.staff.into(),
        scopes: enrolled.scopes.into_iter().map(Into::into).collect(),
        sealing_key: state.registry.sealing_key().map(|key| key.to_string()),
        server_time_ms: clock::now().ms(),
    };
    Ok(HttpResponse::build(StatusCode::CREATED).json(body))
}
