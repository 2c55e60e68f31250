//! Visits and notes in JSON, each with its corrections.

use super::Person;
use crate::shown::Shown;
use gridwork_domain::visit::{self, FactBody};
use gridwork_registry::{FactView, VisitView};
use serde::Serialize;
use utoipa::ToSchema;

/// A visit 走访 or a note, as it was recorded, with the corrections that name it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordedFact)]
pub(crate) struct RecordedBody {
    /// Its id, made on the device.
    id: String,
    /// The household.
    household: String,
    /// What was recorded.
    recorded: Recorded,
    /// Who recorded it.
    by: Person,
    /// When it reached the registry: milliseconds since 1970-01-01 UTC.
    received_at_ms: i64,
    /// Corrections, oldest first: the last one is how it should read.
    corrections: Vec<CorrectionBody>,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "type", mapping(
    ("visit" = "#/components/schemas/RecordedVisit"),
    ("note" = "#/components/schemas/RecordedNote")
)))]
pub(crate) enum Recorded {
    /// A visit, or an attempt at one.
    Visit(RecordedVisit),
    /// A note about the household.
    Note(RecordedNote),
}

/// A visit, or an attempt at one, and that it is one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordedVisit {
    /// Always `visit`.
    r#type: VisitWord,
    #[serde(flatten)]
    visit: VisitBody,
}

/// A note about the household, and that it is one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordedNote {
    /// Always `note`.
    r#type: NoteWord,
    #[serde(flatten)]
    note: NoteBody,
}

/// The word for a visit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VisitWord {
    /// `visit`.
    Visit,
}

/// The word for a note.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoteWord {
    /// `note`.
    Note,
}

/// A visit, or an attempt at one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Visit)]
pub(crate) struct VisitBody {
    /// How: `door`, `phone` or `neighbour`.
    mode: &'static str,
    /// What came of it: `met`, `proxy`, `no_answer`, `refused`, `moved_away` or `vacant`.
    outcome: &'static str,
    /// Why: codes of the district's list.
    purposes: Vec<String>,
    /// Ids of the residents who were spoken to.
    spoken_to: Vec<String>,
    /// What was seen of the living state.
    observations: Vec<ObservationBody>,
    /// In the leader's words.
    #[schema(required = true)]
    note: Option<String>,
    /// Where the phone was.
    #[schema(required = true)]
    place: Option<PlaceBody>,
    /// Begin by the device's clock: milliseconds since 1970-01-01 UTC.
    started_at_ms: i64,
    /// End by the device's clock.
    ended_at_ms: i64,
}

/// A note about a household.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
pub(crate) struct NoteBody {
    /// The text.
    text: String,
    /// When it was written, by the device's clock: milliseconds since 1970-01-01 UTC.
    written_at_ms: i64,
}

/// What was seen of the living state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Observation)]
pub(crate) struct ObservationBody {
    /// Code of the kind.
    #[schema(example = "heating")]
    kind: String,
    /// One of the kind's values.
    #[schema(example = "warm")]
    value: String,
}

/// A point: WGS 84.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceBody {
    /// Millionths of a degree north.
    latitude_microdegrees: i32,
    /// Millionths of a degree east.
    longitude_microdegrees: i32,
    /// Radius in metres.
    accuracy_m: u32,
}

/// A correction of a visit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Correction)]
pub(crate) struct CorrectionBody {
    /// Its id.
    id: String,
    /// Why.
    reason: String,
    /// The visit as it should read.
    visit: VisitBody,
    /// Who corrected.
    by: Person,
    /// When it reached the registry: milliseconds since 1970-01-01 UTC.
    received_at_ms: i64,
}

impl From<Shown<VisitView>> for RecordedBody {
    fn from(view: Shown<VisitView>) -> Self {
        let view = view.into_inner();
        let FactView { fact, by, received_at } = view.fact;
        let recorded = match fact.body {
            // A correction whose visit was never received stands for itself.
            FactBody::Visit(visit) | FactBody::Correction { visit, .. } => {
                Recorded::Visit(RecordedVisit { r#type: VisitWord::Visit, visit: visit.into() })
            }
            FactBody::Note { text, written_at } => {
                let note = NoteBody { text, written_at_ms: written_at.ms() };
                Recorded::Note(RecordedNote { r#type: NoteWord::Note, note })
            }
        };
        Self {
            id: fact.id.to_string(),
            household: fact.household.to_string(),
            recorded,
            by: by.into(),
            received_at_ms: received_at.ms(),
            corrections: view.corrections.into_iter().filter_map(correction).collect(),
        }
    }
}

impl From<visit::Visit> for VisitBody {
    fn from(visit: visit::Visit) -> Self {
        let observations = visit.observations.into_iter();
        Self {
            mode: visit.mode.word(),
            outcome: visit.outcome.word(),
            purposes: visit.purposes,
            spoken_to: visit.spoken_to.iter().map(ToString::to_string).collect(),
            observations: observations.map(|one| ObservationBody { kind: one.kind, value: one.value }).collect(),
            note: visit.note,
            place: visit.place.map(|place| PlaceBody {
                latitude_microdegrees: place.latitude_microdegrees,
                longitude_microdegrees: place.longitude_microdegrees,
                accuracy_m: place.accuracy_m,
            }),
            started_at_ms: visit.started_at.ms(),
            ended_at_ms: visit.ended_at.ms(),
        }
    }
}

fn correction(view: FactView) -> Option<CorrectionBody> {
    let FactView { fact, by, received_at } = view;
    match fact.body {
        FactBody::Correction { reason, visit, .. } => Some(CorrectionBody {
            id: fact.id.to_string(),
            reason,
            visit: visit.into(),
            by: by.into(),
            received_at_ms: received_at.ms(),
        }),
        FactBody::Visit(_) | FactBody::Note { .. } => None,
    }
}
