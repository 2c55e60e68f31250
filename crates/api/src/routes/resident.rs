//! Residents 居民 and their stays: finding, adding and correcting them.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit::{self, EditedBody};
use crate::entity_tag::Seen;
use crate::limits::LONGEST_NAME;
use crate::problem::Problem;
use crate::record::{MembershipFields, ResidentFields};
use crate::request_parts::{Filter, Ids, page, search};
use crate::shown::Shown;
use crate::state::State;
use crate::view::{PageBody, ResidentBody};
use actix_web::{HttpResponse, get, patch, post, web};
use gridwork_domain::edit::{Action, NewResident};
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{AreaId, HouseholdId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_registry::ResidentFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which residents.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResidentQuery {
    /// Only those within this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// Only those whose name begins so, 1 to 64 characters.
    #[param(min_length = 1, max_length = 64)]
    name: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    pub(crate) after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
}

/// A person who is entered together with the stay in a household.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResident)]
pub(crate) struct NewResidentBody {
    /// What is known of the person.
    resident: ResidentFields,
    /// Relation to the head, and since when.
    #[serde(default)]
    #[schema(required = false)]
    membership: MembershipFields,
}

/// A resident who was added.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedResident)]
pub(crate) struct AddedResidentBody<'a> {
    /// The resident's id.
    resident: &'a str,
    /// The membership's id.
    membership: &'a str,
    /// What became of the household.
    edited: &'a EditedBody,
}

impl NewResidentBody {
    /// The resident with new ids.
    pub(crate) fn at(self, now: Instant) -> Result<NewResident, Problem> {
        Ok(NewResident {
            resident: ResidentId::new(now, edit::random()?),
            membership: MembershipId::new(now, edit::random()?),
            fields: self.resident.0,
            stay: self.membership.0,
        })
    }
}

/// Search residents
///
/// Those in your areas, by page.
#[utoipa::path(
    operation_id = "searchResidents",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(ResidentQuery),
    responses((status = 200, description = "A page of residents.", body = PageBody<ResidentBody>))
)]
#[get("/v1/residents")]
pub(crate) async fn search_all(
    caller: Caller,
    query: Filter<ResidentQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<ResidentBody>>, Problem> {
    let ResidentQuery { area, name, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let filter = ResidentFilter { area, household: None, name: search("name", name, LONGEST_NAME)? };
    let found = state.registry.residents(&caller.reach(), filter, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, found).await?)))
}

/// List the residents of a household
///
/// Also those who moved out, by page.
#[utoipa::path(
    operation_id = "listResidents",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(("id" = String, Path, description = "The household."), PageQuery),
    responses((status = 200, description = "A page of residents.", body = PageBody<ResidentBody>))
)]
#[get("/v1/households/{id}/residents")]
pub(crate) async fn list(
    caller: Caller,
    id: Ids<HouseholdId>,
    query: Filter<PageQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<ResidentBody>>, Problem> {
    let (after, limit) = page(query.0.after.as_deref(), query.0.limit)?;
    let reach = caller.reach();
    state.registry.household(&reach, id.0).await?.ok_or_else(Problem::not_found)?;
    let filter = ResidentFilter { household: Some(id.0), ..ResidentFilter::default() };
    let found = state.registry.residents(&reach, filter, after, limit).await?;
    Ok(web::Json(PageBody::of(Shown::to(&caller, &state, found).await?)))
}

/// Add a resident
///
/// A person who is entered together with the stay in this household.
#[utoipa::path(
    operation_id = "addResident",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(("id" = String, Path, description = "The household."), Seen),
    request_body = NewResidentBody,
    responses((
        status = 201,
        description = "The resident is added.",
        body = AddedResidentBody,
        headers(
            ("ETag" = String, description = "The version that the household is now."),
            ("Location" = String, description = "Where the household is read.")
        )
    ))
)]
#[post("/v1/households/{id}/residents")]
pub(crate) async fn add(
    caller: Caller,
    id: Ids<HouseholdId>,
    seen: Seen,
    body: Body<NewResidentBody>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let new = body.0.at(caller.now)?;
    let (resident, membership) = (new.resident.to_string(), new.membership.to_string());
    let location = format!("/v1/households/{}", id.0);
    let answer = {
        let (resident, membership, location) = (resident.clone(), membership.clone(), location.clone());
        move |edited: &EditedBody| {
            edited.to_created(&location, &AddedResidentBody { resident: &resident, membership: &membership, edited })
        }
    };
    let edited = edit::apply_and_keep(&state, &caller, id.0, seen, Action::AddResident(new), answer).await?;
    let added = AddedResidentBody { resident: &resident, membership: &membership, edited: &edited };
    Ok(edited.created(&location, &added))
}

/// Correct a resident
///
/// New values for some fields of a person.
#[utoipa::path(
    operation_id = "correctResident",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(
        ("id" = String, Path, description = "The household."),
        ("resident" = String, Path, description = "The resident."),
        Seen
    ),
    request_body = ResidentFields,
    responses((
        status = 200,
        description = "It is corrected.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that the household is now."))
    ))
)]
#[patch("/v1/households/{id}/residents/{resident}")]
pub(crate) async fn correct(
    caller: Caller,
    ids: Ids<(HouseholdId, ResidentId)>,
    seen: Seen,
    body: Body<ResidentFields>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (household, resident) = ids.0;
    let action = Action::Correct { record: RecordPath::resident(resident), fields: body.0.0 };
    Ok(edit::apply(&state, &caller, household, seen, action).await?.done())
}

/// Correct a membership
///
/// New values for some fields of a stay: the relation to the head, since when, until when.
#[utoipa::path(
    operation_id = "correctMembership",
    tag = "residents",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(
        ("id" = String, Path, description = "The household."),
        ("membership" = String, Path, description = "The membership."),
        Seen
    ),
    request_body = MembershipFields,
    responses((
        status = 200,
        description = "It is corrected.",
        body = EditedBody,
        headers(("ETag" = String, description = "The version that the household is now."))
    ))
)]
#[patch("/v1/households/{id}/memberships/{membership}")]
pub(crate) async fn correct_membership(
    caller: Caller,
    ids: Ids<(HouseholdId, MembershipId)>,
    seen: Seen,
    body: Body<MembershipFields>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (household, membership) = ids.0;
    let action = Action::Correct { record: RecordPath::membership(membership), fields: body.0.0 };
    Ok(edit::apply(&state, &caller, household, seen, action).await?.done())
}
