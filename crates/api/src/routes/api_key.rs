//! API keys of machine clients, for those who administer them.

use crate::body::Body;
use crate::caller::Caller;
use crate::limits::LARGEST_SIGN_IN_BODY_BYTES;
use crate::problem::{Problem, Sentence};
use crate::request_parts::Ids;
use crate::state::State;
use actix_web::{HttpResponse, delete, get, post, web};
use gridwork_domain::id::{ApiKeyId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::Operation;
use gridwork_registry::{ApiKeyView, NewApiKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
pub(crate) struct NewApiKeyBody {
    /// What it is for, 1 to 64 characters.
    #[schema(example = "热线报表")]
    name: String,
    /// What it may be used for, as far as the machine client's offices give it: permissions of the table.
    #[schema(example = json!(["read"]))]
    scopes: Vec<String>,
    /// From when on it is good for nothing, within 400 days: milliseconds since 1970-01-01 UTC.
    expires_at_ms: i64,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeApiKey {
    /// The key, sent with each request as `Authorization: Bearer gwk_…`. It is shown this once.
    #[schema(example = "gwk_11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    key: String,
    /// What it is.
    api_key: ApiKeyBody,
}

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyBody {
    /// Its id.
    id: String,
    /// What it is for.
    name: String,
    /// What it may be used for.
    scopes: Vec<&'static str>,
    /// When it was made: milliseconds since 1970-01-01 UTC.
    made_at_ms: i64,
    /// From when on it is good for nothing.
    expires_at_ms: i64,
    /// When it was revoked; null if it was not.
    #[schema(required = true)]
    revoked_at_ms: Option<i64>,
}

/// Keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(crate) struct ApiKeysBody {
    /// The latest first.
    items: Vec<ApiKeyBody>,
}

impl From<ApiKeyView> for ApiKeyBody {
    fn from(view: ApiKeyView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            scopes: view.scopes.into_iter().map(Operation::word).collect(),
            made_at_ms: view.made_at.ms(),
            expires_at_ms: view.expires_at.ms(),
            revoked_at_ms: view.revoked_at.map(Instant::ms),
        }
    }
}

/// List the keys of a machine client
///
/// Also those that hold no more.
#[utoipa::path(
    operation_id = "listApiKeys",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The machine client.")),
    responses((status = 200, description = "Its keys.", body = ApiKeysBody))
)]
#[get("/v1/staff/{staff}/api-keys")]
pub(crate) async fn list(
    caller: Caller,
    staff: Ids<StaffId>,
    state: web::Data<State>,
) -> Result<web::Json<ApiKeysBody>, Problem> {
    let keys = state.registry.api_keys(caller.precinct(), staff.0, caller.now).await;
    let items = keys.map_err(Problem::of_administered)?.into_iter().map(Into::into).collect();
    Ok(web::Json(ApiKeysBody { items }))
}

/// Make a key for a machine client
///
/// A machine client is a member of staff who was appointed without a password. The key is shown this once, and is good for
/// what both its scopes and the machine client's offices permit, each within the office's area.
#[utoipa::path(
    operation_id = "makeApiKey",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The machine client.")),
    request_body = NewApiKeyBody,
    responses(
        (status = 201, description = "The key.", body = MadeApiKey),
        (status = 409, description = "This is a person, who signs in with a password or has a phone; or there are too many keys.")
    )
)]
#[post("/v1/staff/{staff}/api-keys")]
pub(crate) async fn make(
    caller: Caller,
    staff: Ids<StaffId>,
    body: Body<NewApiKeyBody, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let NewApiKeyBody { name, scopes, expires_at_ms } = body.0;
    let read = |word: &String| {
        let unknown = || Problem::field("scopes", Sentence::NotAPermission(format!("{word:?}")));
        Operation::from_word(word).ok_or_else(unknown)
    };
    let scopes: Vec<Operation> = scopes.iter().map(read).collect::<Result<_, _>>()?;
    let expires_at = Instant::from_ms(expires_at_ms);
    let new = NewApiKey { staff: staff.0, name: name.clone(), scopes: scopes.clone(), expires_at };
    let (id, key) = state.registry.make_api_key(caller.staff, caller.precinct(), new, caller.now).await?;
    let view = ApiKeyView { id, name, scopes, made_at: caller.now, expires_at, revoked_at: None };
    Ok(HttpResponse::Created().json(MadeApiKey { key, api_key: view.into() }))
}

/// Revoke a key
///
/// It is good for nothing from the next request on.
#[utoipa::path(
    operation_id = "revokeApiKey",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(
        ("staff" = String, Path, description = "The machine client."),
        ("api_key" = String, Path, description = "The key.")
    ),
    responses((status = 204, description = "It is revoked."))
)]
#[delete("/v1/staff/{staff}/api-keys/{api_key}")]
pub(crate) async fn revoke(
    caller: Caller,
    ids: Ids<(StaffId, ApiKeyId)>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (staff, key) = ids.0;
    state.registry.revoke_api_key(caller.staff, caller.precinct(), staff, key, caller.now).await?;
    Ok(HttpResponse::NoContent().finish())
}
