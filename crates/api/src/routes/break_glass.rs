//! Breaking the glass 紧急查阅: reading beyond the own areas in an emergency, and the review of each time.
//!
//! **Invariant:** it gives reading and revealing alone; every time is listed until somebody else has reviewed it.

use crate::body::Body;
use crate::caller::Caller;
use crate::limits::LARGEST_SIGN_IN_BODY_BYTES;
use crate::problem::{Problem, Sentence};
use crate::request_parts::{Filter, Ids, page, sentence};
use crate::routes::resident::PageQuery;
use crate::state::State;
use crate::view::{PageBody, Person};
use actix_web::{HttpResponse, get, post, web};
use gridwork_domain::id::{AreaId, BreakGlassId, HouseholdId};
use gridwork_registry::{BreakGlassView, Origin, Place, Review, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be read, and why: one household or one area.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlass {
    /// The household; left out for an area.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    household: Option<HouseholdId>,
    /// The area with all within it, the smallest that will do; left out for a household.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = json!(null))]
    area: Option<AreaId>,
    /// Why, in one line: whoever reviews it reads it. Name no person in it.
    #[schema(example = "楼道冒烟, 需联系住户撤离", min_length = 1, max_length = 200)]
    reason: String,
}

/// What was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BrokenGlass {
    /// The entry that is to be reviewed.
    #[schema(example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    break_glass: String,
    /// Until when you may read there: milliseconds since 1970-01-01 UTC.
    ends_at_ms: i64,
}

/// Somebody's reading beyond their areas.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BreakGlassEntry)]
pub(crate) struct BreakGlassBody {
    /// Its id, under which the audit log has what was read.
    id: String,
    /// Who.
    by: Person,
    /// The area, or the grid in which the household was.
    area: String,
    /// The household; null for a whole area.
    #[schema(required = true)]
    household: Option<String>,
    /// Why, in that person's words.
    #[schema(example = "楼道冒烟, 需联系住户撤离")]
    reason: String,
    /// From when: milliseconds since 1970-01-01 UTC.
    begun_at_ms: i64,
    /// Until when.
    ends_at_ms: i64,
    /// Its review; null while it is open.
    #[schema(required = true)]
    review: Option<ReviewBody>,
}

/// A review.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BreakGlassReview)]
pub(crate) struct ReviewBody {
    /// Who reviewed it.
    by: Person,
    /// When: milliseconds since 1970-01-01 UTC.
    at_ms: i64,
    /// What was found.
    verdict: VerdictWord,
    /// In the reviewer's words.
    #[schema(required = true)]
    note: Option<String>,
}

/// What a review finds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Verdict)]
pub(crate) enum VerdictWord {
    /// There was reason enough.
    Justified,
    /// There was not.
    Unjustified,
}

/// What you find.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReview {
    /// Whether there was reason enough.
    verdict: VerdictWord,
    /// In your words, one line.
    #[serde(default)]
    #[schema(example = "已核实火警记录", min_length = 1, max_length = 200)]
    note: Option<String>,
}

impl From<BreakGlassView> for BreakGlassBody {
    fn from(view: BreakGlassView) -> Self {
        Self {
            id: view.id.to_string(),
            by: view.by.into(),
            area: view.area.to_string(),
            household: view.household.map(|household| household.to_string()),
            reason: view.reason,
            begun_at_ms: view.begun_at.ms(),
            ends_at_ms: view.ends_at.ms(),
            review: view.review.map(Into::into),
        }
    }
}

impl From<Review> for ReviewBody {
    fn from(Review { by, at, verdict, note }: Review) -> Self {
        let verdict = match verdict {
            Verdict::Justified => VerdictWord::Justified,
            Verdict::Unjustified => VerdictWord::Unjustified,
        };
        Self { by: by.into(), at_ms: at.ms(), verdict, note }
    }
}

/// Break the glass
///
/// In an emergency: for an hour you read a household, or an area with all within it, though it lies outside your areas.
/// You change nothing there. A supervisor or data protection officer of the place reviews it, and the audit log marks
/// all that you read by this. A single household is read by its id; an area is searched, too. Exports leave out both.
#[utoipa::path(
    operation_id = "breakGlass",
    tag = "break-glass",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("break_glass"))),
    request_body = BreakGlass,
    responses(
        (status = 201, description = "You may read there.", body = BrokenGlass),
        (status = 409, description = "As many of yours are in force as may be.")
    )
)]
#[post("/v1/break-glass")]
pub(crate) async fn break_glass(
    caller: Caller,
    body: Body<BreakGlass, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let BreakGlass { household, area, reason } = body.0;
    let place = match (household, area) {
        (Some(household), None) => Place::Household(household),
        (None, Some(area)) => Place::Area(area),
        _ => return Err(Problem::field("household", Sentence::OneOfBoth)),
    };
    caller.session()?; // a machine has no emergencies
    let reason = sentence("reason", &reason)?;
    let origin = Origin { reason: Some(reason.clone()), ..(*Origin::current()).clone() };
    let broken = state.registry.break_glass(caller.staff, place, reason, state.break_glass_ms, caller.now);
    let (id, ends_at) = origin.scope(broken).await?;
    Ok(HttpResponse::Created().json(BrokenGlass { break_glass: id.to_string(), ends_at_ms: ends_at.ms() }))
}

/// List who broke the glass
///
/// In your areas: the open entries first, then those that were reviewed, the latest first of each, by page.
#[utoipa::path(
    operation_id = "listBreakGlass",
    tag = "break-glass",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("review_break_glass"))),
    params(PageQuery),
    responses((status = 200, description = "A page of entries.", body = PageBody<BreakGlassBody>))
)]
#[get("/v1/break-glass")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<PageQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<BreakGlassBody>>, Problem> {
    let (after, limit) = page(query.0.after.as_deref(), query.0.limit)?;
    let found = state.registry.break_glasses(caller.precinct(), after, limit).await?;
    Ok(web::Json(PageBody::of_staff(found)))
}

/// Review who broke the glass
///
/// Closes an entry of somebody else's in your areas, once and for all.
#[utoipa::path(
    operation_id = "reviewBreakGlass",
    tag = "break-glass",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("review_break_glass"))),
    params(("id" = String, Path, description = "The entry.")),
    request_body = NewReview,
    responses(
        (status = 200, description = "It is reviewed.", body = BreakGlassBody),
        (status = 409, description = "It was reviewed already.")
    )
)]
#[post("/v1/break-glass/{id}/review")]
pub(crate) async fn review(
    caller: Caller,
    id: Ids<BreakGlassId>,
    body: Body<NewReview, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<web::Json<BreakGlassBody>, Problem> {
    let NewReview { verdict, note } = body.0;
    let note = note.map(|note| sentence("note", &note)).transpose()?;
    let verdict = match verdict {
        VerdictWord::Justified => Verdict::Justified,
        VerdictWord::Unjustified => Verdict::Unjustified,
    };
    let reviewed =
        state.registry.review_break_glass(caller.staff, caller.precinct(), id.0, (verdict, note), caller.now);
    Ok(web::Json(reviewed.await?.into()))
}
