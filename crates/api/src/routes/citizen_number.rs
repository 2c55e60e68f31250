//! Citizen numbers 公民身份号码: the key to which they are sealed, and finding residents by them.
//!
//! A number comes here sealed alone, so that it stands in no address, log or file. It does not know how one is revealed.
//!
//! **Invariant:** nothing that is answered holds more of a number than its first and last character.

use crate::body::Body;
use crate::caller::Caller;
use crate::problem::{Problem, Sentence};
use crate::shown::Shown;
use crate::state::State;
use crate::view::{PageBody, ResidentBody};
use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use gridwork_domain::language::Bilingual;
use gridwork_domain::sealed_number::{HPKE_X25519_SHA256_AES128GCM, SealedNumber, SealedNumberError};
use gridwork_registry::{FindError, Page, ResidentView, Subject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The key to which citizen numbers are sealed.
#[derive(Serialize, ToSchema)]
#[schema(as = SealingKey)]
pub(crate) struct SealingKeyBody {
    /// Its id: the first 8 bytes of the SHA-256 of the key, in base64url without padding.
    #[schema(example = "2U12mkdCIJE", pattern = "^[A-Za-z0-9_-]{11}$")]
    key_id: String,
    /// The algorithm. 1 is HPKE (RFC 9180) in base mode with KEM 0x0020, KDF 0x0001 and AEAD 0x0001, no `aad`.
    #[schema(example = 1)]
    algorithm: u8,
    /// The X25519 key: 32 bytes in base64url without padding.
    #[schema(example = "MdSras7slhE3kXA3k25gcW-sVzr-lNnahKgCBEjfwRI", pattern = "^[A-Za-z0-9_-]{43}$")]
    public_key: String,
    /// The `info` of HPKE, in ASCII.
    #[schema(example = "gridwork citizen number 1")]
    info: String,
}

/// A sealed citizen number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SealedNumber)]
pub(crate) struct SealedNumberBody {
    /// Key id, 8 bytes, algorithm, 1, encapsulated key, 32, and ciphertext with tag, 34: in base64 or base64url.
    #[schema(
        min_length = 100,
        max_length = 104,
        example = "2U12mkdCIJEBKf_7DOfGm7t5odk6icfo7wj-LNBjtJH8jKVsEqLxlEscthSVc5on95XinIkuji_KweYYZd6lQPcKpsw2UL3PvCsp"
    )]
    sealed: String,
}

/// Who is sought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SoughtNumber {
    /// The number, sealed as one that is recorded.
    citizen_number: SealedNumberBody,
}

/// Read the sealing key
///
/// A citizen number is sealed with it before it is recorded or sought, in the browser or on the phone. It changes when keys
/// are rotated; what was sealed to an earlier one is still good.
#[utoipa::path(
    operation_id = "readSealingKey",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of the key that you have.")),
    responses(
        (
            status = 200,
            description = "The key.",
            body = SealingKeyBody,
            headers(("ETag" = String, description = "The key's id, quoted."))
        ),
        (status = 304, description = "It is the key that you have.")
    )
)]
#[get("/v1/sealing-key")]
pub(crate) async fn read_key(
    _: Caller,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let key = state.registry.sealing_key().ok_or_else(|| Problem::internal("the registry was opened without keys"))?;
    let tag = format!("\"{}\"", key.id());
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    if known.flat_map(|value| value.split(',')).any(|one| one.trim() == tag || one.trim() == "*") {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let body = SealingKeyBody {
        key_id: key.id().to_string(),
        algorithm: HPKE_X25519_SHA256_AES128GCM,
        public_key: key.to_string(),
        info: String::from_utf8_lossy(gridwork_sealing::INFO).into_owned(),
    };
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(body))
}

/// Find residents by citizen number
///
/// Those in your areas who have this number, at most fifty, by household. It is a POST, and the number sealed, so that no
/// number stands in an address or a log. It counts as revealing: 60 times an hour at most.
#[utoipa::path(
    operation_id = "findResidentsByCitizenNumber",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    request_body = SoughtNumber,
    responses(
        (status = 200, description = "All residents of this number, on one page.", body = PageBody<ResidentBody>),
        (status = 429, description = "You have looked for, or revealed, as much as may be within an hour.")
    )
)]
#[post("/v1/residents/find-by-citizen-number")]
pub(crate) async fn find(
    caller: Caller,
    body: Body<SoughtNumber>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<ResidentBody>>, Problem> {
    let wrong = |reason: Bilingual| Problem::field("citizen_number.sealed", reason);
    let told = |error: SealedNumberError| wrong(Bilingual::of(|language| error.message(language)));
    let sought: SealedNumber = body.0.citizen_number.sealed.parse().map_err(told)?;
    let found = state.registry.residents_by_citizen_number(&caller.reach(), &sought).await;
    let items = found.map_err(|error| match error {
        FindError::Unreadable(reason) => wrong(Sentence::UnreadableNumber(reason.word()).into()),
        FindError::Read(error) => error.into(),
    })?;
    // Whoever may not know that there is a number does not find anybody by it.
    let items: Vec<ResidentView> =
        items.into_iter().filter(|one| caller.knows_number(one.scope, one.household)).collect();
    let subject = |one: &ResidentView| Subject { scope: one.scope, household: one.household, resident: Some(one.id) };
    state.registry.note_sought(caller.staff, items.iter().map(subject).collect(), caller.now).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, Page { items, next: None }).await?)))
}
