//! Revealing 查看全文: fields that are shown masked, in full, for a reason that the audit log keeps.
//!
//! A field that is to be revealed needs nothing here: it is named as the schema names it, and the permission table says
//! who may see its class in full.
//!
//! **Invariant:** a value goes out in full only after it was counted, and after who, whose, which fields and why are
//! durable in the audit log; nothing of the answer is kept for an idempotency key.

use crate::body::Body;
use crate::caller::Caller;
use crate::limits::{LARGEST_SIGN_IN_BODY_BYTES, MOST_REVEALED_FIELDS};
use crate::problem::{Kind, Problem, Sentence};
use crate::record::FieldValue;
use crate::request_parts::{Ids, sentence};
use crate::shown::{Revealed, Shown};
use crate::state::State;
use crate::view::ConflictBody;
use actix_web::{post, web};
use gridwork_domain::fields::Record;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{HouseholdId, ResidentId};
use gridwork_domain::schema::{CITIZEN_NUMBER, Field, SCHEMA_1};
use gridwork_domain::sight::Manner;
use gridwork_registry::{HouseholdView, Origin, Subject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Which fields of a household are revealed, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevealHousehold {
    /// Names of fields of the household's own record.
    #[schema(example = json!(["contact_phone"]), min_items = 1, max_items = 16)]
    fields: Vec<String>,
    /// Why, in one line, which the audit log keeps: name no person in it.
    #[schema(example = "回拨来电", min_length = 1, max_length = 200)]
    reason: String,
}

/// Which fields of a resident are revealed, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevealResident {
    /// Names of fields of the resident's record.
    #[schema(example = json!(["phone"]), min_items = 1, max_items = 16)]
    fields: Vec<String>,
    /// Why, in one line, which the audit log keeps: name no person in it.
    #[schema(example = "回拨来电", min_length = 1, max_length = 200)]
    reason: String,
    /// As which household has the person, who may have moved; if it is left out, the one in which the person lives.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    household: Option<HouseholdId>,
}

/// Fields in full.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revealed)]
pub(crate) struct RevealedBody {
    /// The household.
    household: String,
    /// The resident; null if it is about the household.
    #[schema(required = true)]
    resident: Option<String>,
    /// The values by the names of their fields; those without a value are left out.
    #[schema(example = json!({ "phone": "13812345678" }))]
    values: BTreeMap<String, FieldValue>,
    /// Open conflicts about these fields, with all values in full, but for those of citizen numbers: their first and last
    /// characters.
    conflicts: Vec<ConflictBody>,
}

impl From<Shown<Revealed>> for RevealedBody {
    fn from(mut revealed: Shown<Revealed>) -> Self {
        let conflicts = revealed.part(|revealed| std::mem::take(&mut revealed.conflicts));
        let Revealed { subject, values, .. } = revealed.into_inner();
        Self {
            household: subject.household.to_string(),
            resident: subject.resident.map(|resident| resident.to_string()),
            values: values.0.into_iter().map(|(name, value)| (name, FieldValue(value))).collect(),
            conflicts: conflicts.each().map(Into::into).collect(),
        }
    }
}

/// Reveal fields of a household
///
/// In full what you see masked, for a reason that the audit log keeps together with the fields' names. At most 60 times an
/// hour.
#[utoipa::path(
    operation_id = "revealHousehold",
    tag = "households",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("reveal"))),
    params(("id" = String, Path, description = "The household.")),
    request_body = RevealHousehold,
    responses(
        (status = 200, description = "The fields in full.", body = RevealedBody),
        (status = 429, description = "You have revealed as much as may be within an hour.")
    )
)]
#[post("/v1/households/{id}/reveal")]
pub(crate) async fn of_household(
    caller: Caller,
    id: Ids<HouseholdId>,
    body: Body<RevealHousehold, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<web::Json<RevealedBody>, Problem> {
    let RevealHousehold { fields, reason } = body.0;
    let view = state.registry.household(&caller.reach(), id.0).await?.ok_or_else(Problem::not_found)?;
    reveal(&caller, &state, view, None, fields, &reason).await
}

/// Reveal fields of a resident
///
/// In full what you see masked, for a reason that the audit log keeps together with the fields' names. At most 60 times an
/// hour.
#[utoipa::path(
    operation_id = "revealResident",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("reveal"))),
    params(("id" = String, Path, description = "The resident.")),
    request_body = RevealResident,
    responses(
        (status = 200, description = "The fields in full.", body = RevealedBody),
        (status = 429, description = "You have revealed as much as may be within an hour.")
    )
)]
#[post("/v1/residents/{id}/reveal")]
pub(crate) async fn of_resident(
    caller: Caller,
    id: Ids<ResidentId>,
    body: Body<RevealResident, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<web::Json<RevealedBody>, Problem> {
    let RevealResident { fields, reason, household } = body.0;
    let reach = caller.reach();
    let mut found = None;
    // Ascending, so that of several in which the person lives, or has lived, the latest counts.
    for of in state.registry.households_of(&reach, id.0).await? {
        if household.is_none_or(|household| household == of)
            && let Some(view) = state.registry.household(&reach, of).await?
            && (found.is_none() || lives_in(&view, id.0))
        {
            found = Some(view);
        }
    }
    let view = found.ok_or_else(Problem::not_found)?;
    reveal(&caller, &state, view, Some(id.0), fields, &reason).await
}

/// Whether a person has a stay in the household that has not ended.
fn lives_in(view: &HouseholdView, person: ResidentId) -> bool {
    let person = person.to_string();
    let mut stays = view.household.memberships().map(|(_, stay)| stay);
    stays.any(|stay| stay.text("resident") == Some(&person) && stay.get("until").is_none())
}

async fn reveal(
    caller: &Caller,
    state: &State,
    view: HouseholdView,
    resident: Option<ResidentId>,
    names: Vec<String>,
    reason: &str,
) -> Result<web::Json<RevealedBody>, Problem> {
    let reason = Some(sentence("reason", reason)?);
    let household = view.household.id;
    let path = resident.map_or_else(RecordPath::household, RecordPath::resident);
    let fields = fields_of(&path.container, &names)?;
    let sight = caller.sight_with_reason(view.scope, household);
    if let Some(field) = fields.iter().find(|field| sight.manner(field) != Manner::Full) {
        return Err(Problem::new(Kind::Forbidden, Sentence::NotInFull(field.name)));
    }
    let record = view.household.record(&path).cloned().unwrap_or_default();
    let is_asked = |name: &str| fields.iter().any(|field| field.name == name);
    let mut values = Record(record.0.into_iter().filter(|(name, _)| is_asked(name)).collect());
    // Records hold its ends alone.
    if values.0.remove(CITIZEN_NUMBER).is_some()
        && let Some(resident) = resident
        && let Some(Ok(number)) = state.registry.open_citizen_number(&caller.reach(), household, resident).await?
    {
        values.0.insert(CITIZEN_NUMBER.to_owned(), number.as_str().into());
    }
    let asked = view.conflicts.into_iter().filter(|one| one.path.record == path && is_asked(&one.path.field));
    let subject = Subject { scope: view.scope, household, resident };
    let revealed = Revealed { subject, values, conflicts: asked.collect() };
    let origin = Origin { reason, ..(*Origin::current()).clone() };
    let shown = origin.scope(Shown::in_full(caller, state, &fields, &path.container, revealed)).await?;
    Ok(web::Json(shown.into()))
}

/// The fields of these names.
fn fields_of(container: &str, names: &[String]) -> Result<Vec<&'static Field>, Problem> {
    if !(1..=MOST_REVEALED_FIELDS).contains(&names.len()) {
        return Err(Problem::field("fields", Sentence::Fields(MOST_REVEALED_FIELDS)));
    }
    let container = SCHEMA_1.container(container).ok_or_else(|| Problem::internal("there is no such container"))?;
    let field = |name: &String| {
        let unknown = || Problem::field("fields", Sentence::NoSuchField(name.clone(), container.name));
        container.field(name).ok_or_else(unknown)
    };
    names.iter().map(field).collect()
}
