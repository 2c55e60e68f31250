//! Needs 需求标签: recorded and withdrawn.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit::{self, EditedBody};
use crate::entity_tag::Seen;
use crate::problem::Problem;
use crate::request_parts::Ids;
use crate::state::State;
use actix_web::{HttpResponse, delete, put, web};
use gridwork_domain::edit::Action;
use gridwork_domain::id::{HouseholdId, ResidentId};
use gridwork_domain::need::{Basis, Need};
use gridwork_domain::schema::Sensitivity;
use serde::Deserialize;
use utoipa::ToSchema;

/// What is recorded of a need.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NeedFields {
    /// What the tag is used for, at most 64 characters.
    #[schema(example = "送餐", min_length = 1, max_length = 64)]
    purpose: String,
    /// On what basis it is kept: `statutory_duty`, `consent` or `emergency`.
    #[schema(value_type = String, example = "consent", pattern = "^(statutory_duty|consent|emergency)$")]
    basis: Basis,
    /// 0 public, 1 personal; at least that of the kind. Above 1 a need cannot be recorded yet.
    #[schema(value_type = i32, minimum = 0, maximum = 3)]
    sensitivity: Sensitivity,
    /// The last day on which it holds, `YYYY-MM-DD`; none if it holds until withdrawn.
    #[serde(default)]
    expires: Option<String>,
    /// What helps to help, at most 200 characters.
    #[serde(default)]
    note: Option<String>,
}

/// Record a need
///
/// Or affirm it again: a need that is affirmed survives being withdrawn by somebody who did not know.
#[utoipa::path(
    operation_id = "affirmNeed",
    tag = "needs",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(
        ("id" = String, Path, description = "The household."),
        ("subject" = String, Path, description = "The resident; the household's id if the need is the household's."),
        ("kind" = String, Path, description = "The kind, of the district's list.", example = "meal_service"),
        Seen
    ),
    request_body = NeedFields,
    responses((
        status = 200,
        description = "It is recorded.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that the household is now."))
    ))
)]
#[put("/v1/households/{id}/needs/{subject}/{kind}")]
pub(crate) async fn affirm(
    caller: Caller,
    ids: Ids<(HouseholdId, ResidentId, String)>,
    seen: Seen,
    body: Body<NeedFields>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (household, subject, kind) = ids.0;
    let NeedFields { purpose, basis, sensitivity, expires, note } = body.0;
    let need = Need { purpose, basis, sensitivity, expires, note };
    let action = Action::AffirmNeed { resident: resident(household, subject), kind, need };
    Ok(edit::apply(&state, &caller, household, seen, action).await?.done())
}

/// Withdraw a need
///
/// It no longer holds. If somebody affirmed it since the version that you saw, it stays.
#[utoipa::path(
    operation_id = "withdrawNeed",
    tag = "needs",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(
        ("id" = String, Path, description = "The household."),
        ("subject" = String, Path, description = "The resident; the household's id if the need is the household's."),
        ("kind" = String, Path, description = "The kind, of the district's list.", example = "meal_service"),
        Seen
    ),
    responses((
        status = 200,
        description = "It is withdrawn.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that the household is now."))
    ))
)]
#[delete("/v1/households/{id}/needs/{subject}/{kind}")]
pub(crate) async fn withdraw(
    caller: Caller,
    ids: Ids<(HouseholdId, ResidentId, String)>,
    seen: Seen,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (household, subject, kind) = ids.0;
    let action = Action::WithdrawNeed { resident: resident(household, subject), kind };
    Ok(edit::apply(&state, &caller, household, seen, action).await?.done())
}

/// The resident; none if the subject is the household itself.
fn resident(household: HouseholdId, subject: ResidentId) -> Option<ResidentId> {
    (subject.as_bytes() != household.as_bytes()).then_some(subject)
}
