//! Edits of a household by staff: from an action to the answer, by the same path as a phone's edits.
//!
//! **Invariant:** an edit reaches the registry only for a household that the caller may read, with a role that permits it
//! there; and only with the version that its author says to have seen.

use crate::caller::Caller;
use crate::entity_tag::{self, Seen};
use crate::problem::{Kind, Problem, Sentence};
use crate::shown::{AboutPersons, Shown};
use crate::state::State;
use crate::view::ConflictBody;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::{EditId, HouseholdId, ScopeId};
use gridwork_domain::sight::Sight;
use gridwork_registry::{EditError, Edited, KeptAnswer};
use gridwork_sync::change::BuildError;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What became of an edit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Edited)]
pub(crate) struct EditedBody {
    /// The household.
    household: String,
    /// The version that it is now, as in the header `ETag`.
    version: String,
    /// The change that was made; null if the household read so already.
    #[schema(required = true)]
    change: Option<String>,
    /// Whether somebody else had changed the household since the version that you saw: nothing of theirs is lost, and
    /// fields to which both gave different values are among the conflicts.
    concurrent: bool,
    /// All open conflicts of the household.
    conflicts: Vec<ConflictBody>,
}

/// Makes an edit of a household that is there.
///
/// Whoever corrects a number that they see masked learns whether they have guessed it, and no answer could hide that: a right
/// guess leaves the version that they read next, and a wrong one moves it, as what was written in the guess's place.
///
/// # Errors
/// 404 outside the caller's areas, 403 without a role that permits it, and what the registry refuses.
pub(crate) async fn apply(
    state: &State,
    caller: &Caller,
    household: HouseholdId,
    seen: Seen,
    action: Action,
) -> Result<EditedBody, Problem> {
    apply_and_keep(state, caller, household, seen, action, EditedBody::to_done).await
}

/// As [`apply`], where the answer to keep for an idempotency key is another than the edit alone.
///
/// # Errors
/// As [`apply`].
pub(crate) async fn apply_and_keep(
    state: &State,
    caller: &Caller,
    household: HouseholdId,
    seen: Seen,
    action: Action,
    answer: impl Fn(&EditedBody) -> KeptAnswer + Clone + Send + Sync + 'static,
) -> Result<EditedBody, Problem> {
    let reach = caller.reading()?;
    let view = state.registry.household(&reach, household).await?.ok_or_else(Problem::not_found)?;
    if !caller.may_in(view.scope) {
        return Err(Problem::new(Kind::Forbidden, Sentence::NoOfficeHere));
    }
    let edit = new_edit(caller, household, action)?;
    let seen = seen.heads();
    let concurrent = seen.as_ref().is_some_and(|seen| entity_tag::spell(seen) != entity_tag::spell(&view.heads));
    let of_edited = answer.clone();
    let sight = caller.sight(view.scope, household);
    let keep = caller.keep(move |edited: &Edited| of_edited(&EditedBody::new(household, edited.clone(), sight)));
    match state.registry.edit_once(caller.staff, edit, seen, None, caller.now, keep).await {
        Ok(edited) => Ok(EditedBody::new(household, edited, sight)),
        Err(EditError::Build(BuildError::Nothing)) => {
            // Nothing was written that the audit log would have, and the conflicts are shown all the same.
            let mut view = Shown::to(caller, state, view).await?;
            let mut persons = BTreeSet::new();
            view.persons(&mut persons);
            let body = EditedBody {
                household: household.to_string(),
                version: entity_tag::spell(&view.heads),
                change: None,
                concurrent,
                conflicts: view.part(|view| std::mem::take(&mut view.conflicts)).each().map(Into::into).collect(),
            };
            if let Some(attempt) = caller.attempt {
                state.registry.keep_answer(attempt, answer(&body), persons).await?;
            }
            Ok(body)
        }
        Err(error) => Err(error.into()),
    }
}

/// Registers a new household in a grid.
///
/// # Errors
/// 422 for a grid in which the caller may not, and what the registry refuses.
pub(crate) async fn register(
    state: &State,
    caller: &Caller,
    household: HouseholdId,
    grid: ScopeId,
    action: Action,
) -> Result<EditedBody, Problem> {
    if !caller.may_in(grid) {
        return Err(Problem::field("grid", Sentence::NotYourGrid));
    }
    let edit = new_edit(caller, household, action)?;
    let sight = caller.sight(grid, household);
    let keep = caller.keep(move |edited: &Edited| {
        let body = EditedBody::new(household, edited.clone(), sight);
        body.to_created(&format!("/v1/households/{household}"), &body)
    });
    let edited = state.registry.edit_once(caller.staff, edit, None, Some(grid), caller.now, keep).await?;
    Ok(EditedBody::new(household, edited, sight))
}

/// Random bytes, for new ids.
///
/// # Errors
/// A problem if the system gives none.
pub(crate) fn random() -> Result<[u8; 10], Problem> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(bytes)
}

fn new_edit(caller: &Caller, household: HouseholdId, action: Action) -> Result<Edit, Problem> {
    Ok(Edit { id: EditId::new(caller.now, random()?), at: caller.now, household, action })
}

impl EditedBody {
    fn new(household: HouseholdId, edited: Edited, sight: Sight) -> Self {
        let mut edited = Shown::written(edited, sight);
        let conflicts = edited.part(|edited| std::mem::take(&mut edited.conflicts));
        Self {
            household: household.to_string(),
            version: entity_tag::spell(&edited.heads),
            change: Some(edited.change.to_string()),
            concurrent: edited.concurrent,
            conflicts: conflicts.each().map(Into::into).collect(),
        }
    }

    /// The answer to an edit that made something new.
    pub(crate) fn created(&self, location: &str, body: &impl Serialize) -> HttpResponse {
        HttpResponse::build(StatusCode::CREATED)
            .insert_header((header::ETAG, self.version.as_str()))
            .insert_header((header::LOCATION, location))
            .json(body)
    }

    /// The same, to be kept.
    pub(crate) fn to_created(&self, location: &str, body: &impl Serialize) -> KeptAnswer {
        let version = Some(self.version.clone());
        KeptAnswer { location: Some(location.to_owned()), etag: version, ..json(StatusCode::CREATED, body) }
    }

    /// The answer to an edit of what is there, to be kept.
    pub(crate) fn to_done(&self) -> KeptAnswer {
        KeptAnswer { etag: Some(self.version.clone()), ..json(StatusCode::OK, self) }
    }

    /// The answer to an edit of what is there.
    pub(crate) fn done(&self) -> HttpResponse {
        HttpResponse::Ok().insert_header((header::ETAG, self.version.as_str())).json(self)
    }
}

/// An answer in JSON, to be kept.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> KeptAnswer {
    // What cannot be written as JSON cannot be answered either: then this is kept as too large.
    let body = serde_json::to_vec(body).ok();
    let content_type = Some("application/json".to_owned());
    KeptAnswer { status: status.as_u16(), content_type, location: None, etag: None, body }
}
