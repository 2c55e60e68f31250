//! The desk for households and residents that may be the same: looked at, dismissed, merged.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit;
use crate::entity_tag::{self, Seen};
use crate::limits::LONGEST_REASON;
use crate::problem::{Kind, Problem, Sentence};
use crate::record::ResidentRecord;
use crate::request_parts::{Because, Filter, Ids, page, search};
use crate::shown::Shown;
use crate::state::State;
use crate::view::{HouseholdSummaryBody, PageBody};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, get, post, web};
use gridwork_domain::id::{AreaId, HouseholdId, ID_TEXT_LENGTH, read, spell};
use gridwork_registry::{
    DismissError, DuplicateKind, DuplicateView, KeptAnswer, Lookalike, MergeError, MergeHouseholds, MergedHouseholds,
    Pair,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which pairs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DuplicateQuery {
    /// Open households at one dwelling, residents of one name and birth date, or residents of one citizen number.
    #[serde(default)]
    #[param(inline)]
    alike: Alike,
    /// Only those of which both are in this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// By what two are alike.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Alike {
    /// Two open households at one dwelling.
    #[default]
    Dwelling,
    /// Two residents of one name and birth date.
    Person,
    /// Two residents of one citizen number.
    CitizenNumber,
}

/// Two that may be the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Duplicate)]
pub(crate) struct DuplicateBody {
    /// By which the pair is dismissed.
    #[schema(example = "AZk2b0cRcAC7rJ0l7m9m1gAZk2b0cRcAC7rJ0l7m9m2g")]
    pair: String,
    /// By what they are alike: `dwelling`, `person` for a name and birth date, or `citizen_number`.
    #[schema(example = "dwelling", pattern = "^(dwelling|person|citizen_number)$")]
    alike: &'static str,
    /// Both of them.
    #[schema(max_items = 2)]
    both: Vec<LookalikeBody>,
}

/// One of two that may be the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lookalike)]
pub(crate) struct LookalikeBody {
    /// The household.
    household: HouseholdSummaryBody,
    /// The resident; null if the two are households.
    #[schema(required = true)]
    resident: Option<LookalikeResident>,
}

/// A resident who may be the same as another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LookalikeResident {
    /// Their id.
    id: String,
    /// What is known of the person.
    record: ResidentRecord,
}

/// Into which household, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeBody {
    /// The household that goes on.
    #[schema(value_type = String, example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    into: HouseholdId,
    /// Why, in a sentence of 1 to 200 characters; the audit log keeps it. Name no person in it.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// What a merge came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MergedHouseholds)]
pub(crate) struct MergedBody {
    /// The household that goes on.
    household: String,
    /// The version that it is now.
    version: String,
    /// Residents who went there: they keep their ids.
    #[schema(example = json!(["AZk2b0cRcAC7rJ0l7m9m1g"]))]
    moved: Vec<String>,
    /// Residents of the duplicate who were there already, by the same name and birth date; what was not known of them there is
    /// added.
    #[schema(example = json!(["AZk2b0cRcAC7rJ0l7m9m1g"]))]
    same: Vec<String>,
}

/// List duplicates
///
/// Pairs in your areas that may be the same, since something of them is equal, by page; without those of which somebody said
/// that they are not. A page may hold fewer than `limit`, even none, and still have a `next`: go on until it is null.
#[utoipa::path(
    operation_id = "listDuplicates",
    tag = "duplicates",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(DuplicateQuery),
    responses((status = 200, description = "A page of pairs.", body = PageBody<DuplicateBody>))
)]
#[get("/v1/duplicates")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<DuplicateQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<DuplicateBody>>, Problem> {
    let DuplicateQuery { alike, area, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let kind = match alike {
        Alike::Dwelling => DuplicateKind::Dwelling,
        Alike::Person => DuplicateKind::Person,
        Alike::CitizenNumber => DuplicateKind::CitizenNumber,
    };
    let found = state.registry.duplicates(&caller.reach(), kind, area, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, found).await?)))
}

/// Dismiss a duplicate
///
/// The two are not the same: nobody is shown them as a pair again.
#[utoipa::path(
    operation_id = "dismissDuplicate",
    tag = "duplicates",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(("pair" = String, Path, description = "The pair.", pattern = "^[A-Za-z0-9_-]{21}[AQgw][A-Za-z0-9_-]{21}[AQgw]$",
            example = "AZk2b0cRcAC7rJ0l7m9m1gAZk2b0cRcAC7rJ0l7m9m2g")),
    request_body = Because,
    responses((status = 204, description = "It is dismissed."))
)]
#[post("/v1/duplicates/{pair}/dismiss")]
pub(crate) async fn dismiss(
    caller: Caller,
    pair: Ids<String>,
    body: Body<Because>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (pair, why) = (read_pair(&pair.0).ok_or_else(Problem::not_found)?, body.0.reason()?);
    let nothing = KeptAnswer { status: 204, content_type: None, location: None, etag: None, body: Some(Vec::new()) };
    let keep = caller.keep(move |_: &Pair| nothing.clone());
    state.registry.dismiss_duplicate(caller.staff, &caller.reach(), pair, why, caller.now, keep).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Merge a household into another
///
/// Its residents and needs go there, who is there already by name and birth date is completed, and it is closed: its remark
/// says where they went. Nothing is deleted. Its visits are read with those of the other, and what phones that were offline
/// still bring for it is counted there as `late_changes`. By `If-Match` you say which version of it you saw; if somebody
/// changed it since, nothing is merged.
#[utoipa::path(
    operation_id = "mergeHouseholds",
    tag = "duplicates",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(("id" = String, Path, description = "The household that is closed."), Seen),
    request_body = MergeBody,
    responses((
        status = 200,
        description = "They are one.",
        body = MergedBody,
        headers(("ETag" = String, description = "The version that the household is now that goes on."))
    ))
)]
#[post("/v1/households/{id}/merge")]
pub(crate) async fn merge(
    caller: Caller,
    id: Ids<HouseholdId>,
    seen: Seen,
    body: Body<MergeBody>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let MergeBody { into, reason } = body.0;
    let why = search("reason", Some(reason), LONGEST_REASON)?.unwrap_or_default().trim().to_owned();
    let reach = caller.reading()?;
    let duplicate = state.registry.household(&reach, id.0).await?.ok_or_else(Problem::not_found)?;
    let survivor = state.registry.household(&reach, into).await?;
    let survivor = survivor.ok_or_else(|| Problem::field("into", Sentence::NotYourHousehold))?;
    if !caller.may_in(duplicate.scope) || !caller.may_in(survivor.scope) {
        return Err(Problem::new(Kind::Forbidden, Sentence::NoOfficeHere));
    }
    let what = MergeHouseholds { by: caller.staff, duplicate: id.0, seen: seen.heads(), survivor: into, why };
    let keep = caller.keep(|merged: &MergedHouseholds| {
        let body = MergedBody::from(merged.clone());
        KeptAnswer { etag: Some(body.version.clone()), ..edit::json(StatusCode::OK, &body) }
    });
    let merged = MergedBody::from(state.registry.merge_households(what, caller.now, keep).await?);
    Ok(HttpResponse::Ok().insert_header((header::ETAG, merged.version.as_str())).json(merged))
}

fn read_pair(text: &str) -> Option<Pair> {
    let (one, other) = text.split_at_checked(ID_TEXT_LENGTH)?;
    Pair::of(read(one).ok()?, read(other).ok()?)
}

impl From<Shown<DuplicateView>> for DuplicateBody {
    fn from(view: Shown<DuplicateView>) -> Self {
        let alike = match view.kind {
            DuplicateKind::Dwelling => "dwelling",
            DuplicateKind::Person => "person",
            DuplicateKind::CitizenNumber => "citizen_number",
        };
        let pair = view.pair.ids().iter().map(spell).collect();
        Self { pair, alike, both: view.map(|view| Vec::from(view.both)).each().map(LookalikeBody::from).collect() }
    }
}

impl From<Shown<Lookalike>> for LookalikeBody {
    fn from(mut one: Shown<Lookalike>) -> Self {
        let resident = one.part(|one| one.resident.take()).into_inner();
        let resident =
            resident.map(|(id, record)| LookalikeResident { id: id.to_string(), record: ResidentRecord(record) });
        Self { household: one.map(|one| one.household).into(), resident }
    }
}

impl From<MergedHouseholds> for MergedBody {
    fn from(merged: MergedHouseholds) -> Self {
        Self {
            household: merged.survivor.to_string(),
            version: entity_tag::spell(&merged.heads),
            moved: merged.moved.iter().map(ToString::to_string).collect(),
            same: merged.same.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<DismissError> for Problem {
    fn from(error: DismissError) -> Self {
        match error {
            DismissError::NoSuchPair => Self::not_found(),
            DismissError::Store(error) => error.into(),
        }
    }
}

impl From<MergeError> for Problem {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::NotTwo => Self::new(Kind::Conflict, Sentence::NotTwoHouseholds),
            MergeError::Stale => Self::new(Kind::Conflict, Sentence::HouseholdChanged),
            MergeError::Edit(error) => error.into(),
            MergeError::Store(error) => error.into(),
        }
    }
}
