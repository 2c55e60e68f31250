//! Facts that a leader records at a door: visits 走访, notes, and corrections of either.
//!
//! A fact is immutable: what was wrong is put right by a further fact that names the first. Two people's facts about one
//! household never meet in a conflict; both stay.
//!
//! **Invariant:** a fact that passed [`Fact::check`] holds nothing of sensitivity 2 or above.

use crate::fields::Kind;
use crate::id::{FactId, HouseholdId, ResidentId};
use crate::instant::Instant;
use crate::schema::{NOTE_LENGTH, SENSITIVE, Sensitivity};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Purposes of one visit at most.
pub const MOST_PURPOSES: usize = 8;
/// Bytes (UTF-8) of all texts of one fact at most: a note of 2,000 Chinese characters fits, and with it the fact into one
/// change.
pub const LONGEST_TEXTS_BYTES: usize = 6_000;
/// Persons spoken to in one visit at most: more than live in any dwelling.
pub const MOST_PERSONS: usize = 32;
/// Observations of one visit at most: one of each kind.
pub const MOST_OBSERVATIONS: usize = 32;
/// A visit lasts a day at most; a longer one is a forgotten clock.
pub const LONGEST_VISIT_MS: i64 = 24 * 60 * 60 * 1_000;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number that facts hold. It never changes.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The word in JSON and in rows.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The one with this number.
            pub fn from_number(number: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.number() == number)
            }

            /// The one with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}

choice! {
    /// How a household was visited. A three-way round 三访 is complete with all three.
    Mode {
        /// At the door 入户看.
        Door = 0 "door",
        /// By telephone 电话问.
        Phone = 1 "phone",
        /// By asking a neighbour 邻居访.
        Neighbour = 2 "neighbour",
    }
}

choice! {
    /// What came of it. Only `Met` and `Proxy` are visits; the others are attempts.
    Outcome {
        /// Somebody of the household was met.
        Met = 0 "met",
        /// Somebody answered for the household.
        Proxy = 1 "proxy",
        /// Nobody answered.
        NoAnswer = 2 "no_answer",
        /// The household did not want the visit.
        Refused = 3 "refused",
        /// The household has moved away.
        MovedAway = 4 "moved_away",
        /// Nobody lives there.
        Vacant = 5 "vacant",
    }
}

/// What was seen of the living state: a kind and one of its values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Observation {
    /// Code of the kind.
    pub kind: String,
    /// One of the kind's values.
    pub value: String,
}

/// Where the phone was: WGS 84, in units of 10^-6 degree, with the accuracy in metres. One point, never a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// -90,000,000 to 90,000,000.
    pub latitude_microdegrees: i32,
    /// -180,000,000 to 180,000,000.
    pub longitude_microdegrees: i32,
    /// Radius in metres.
    pub accuracy_m: u32,
}

/// A visit 走访, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// How.
    pub mode: Mode,
    /// With what outcome.
    pub outcome: Outcome,
    /// Why: codes of the district's list, in their order, at most [`MOST_PURPOSES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<String>,
    /// Who was spoken to, ascending, at most [`MOST_PERSONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spoken_to: Vec<ResidentId>,
    /// What was seen, ascending by kind, at most one of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// In the leader's words, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where, if the phone knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Begin, by the device's clock.
    pub started_at: Instant,
    /// End, by the device's clock; not before the begin.
    pub ended_at: Instant,
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FactBody {
    /// A visit.
    Visit(Visit),
    /// A note about the household.
    Note {
        /// At most 2,000 characters.
        text: String,
        /// When it was written, by the device's clock.
        written_at: Instant,
    },
    /// A correction of an earlier visit: this is what it should have said.
    Correction {
        /// The fact that it corrects; always the first one, never another correction.
        corrects: FactId,
        /// Why, at most 2,000 characters.
        reason: String,
        /// The visit as it should read.
        visit: Visit,
    },
}

/// An immutable fact about a household.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its id, made on the device.
    pub id: FactId,
    /// The household that it is about.
    pub household: HouseholdId,
    /// What it says.
    pub body: FactBody,
}

/// Why a fact is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// Not in the list of purposes.
    #[error("{0} is not a purpose of visits: take one of the district's list")]
    UnknownPurpose(String),
    /// Not in the list of observations.
    #[error("{kind}={value} is not an observation of the district's list")]
    UnknownObservation {
        /// The kind that was given.
        kind: String,
        /// The value that was given.
        value: String,
    },
    /// Sensitivity 2 or above.
    #[error("an observation of {0} cannot be recorded yet: it needs the protected care record")]
    Sensitive(String),
    /// Too many, doubled, or out of order.
    #[error("{0} must ascend without doubles, and be at most {1}")]
    NotAscending(&'static str, usize),
    /// A text that is too long, empty or unprintable.
    #[error("{0} is 1 to {NOTE_LENGTH} characters, without control characters or spaces at its ends")]
    Text(&'static str),
    /// Texts that are too long together.
    #[error("the texts of one record have at most {LONGEST_TEXTS_BYTES} bytes together: write a further note")]
    TooLong,
    /// The visit ends before it begins, or lasts more than a day.
    #[error("a visit ends after it begins and within a day")]
    Duration,
    /// Not a place on earth.
    #[error("the place is not on earth")]
    Place,
}

/// A kind of observation of the living state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservationKind {
    /// The code that facts hold.
    pub code: &'static str,
    /// The users' term.
    pub term: &'static str,
    /// 0 to 3.
    pub sensitivity: Sensitivity,
    /// The values that it can have.
    pub values: Vec<&'static str>,
}

/// A purpose of visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitPurpose {
    /// The code that facts hold.
    pub code: &'static str,
    /// The users' term.
    pub term: &'static str,
}

static OBSERVATIONS: LazyLock<Vec<ObservationKind>> = LazyLock::new(|| {
    include_str!("visit/observations.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split(',');
            Some(ObservationKind {
                code: cells.next()?,
                term: cells.next()?,
                sensitivity: cells.next()?.parse().ok()?,
                values: cells.next()?.split('|').collect(),
            })
        })
        .collect()
});

static PURPOSES: LazyLock<Vec<VisitPurpose>> = LazyLock::new(|| {
    include_str!("visit/purposes.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (code, term) = line.split_once(',')?;
            Some(VisitPurpose { code, term })
        })
        .collect()
});

/// All kinds of observation.
pub fn observation_kinds() -> &'static [ObservationKind] {
    &OBSERVATIONS
}

/// All purposes of visits.
pub fn purposes() -> &'static [VisitPurpose] {
    &PURPOSES
}

impl Fact {
    /// When it happened, by the device's clock: this decides the year of the document in which it lies. A correction
    /// lies in the document of the fact that it corrects; it happened when that visit did.
    pub fn happened_at(&self) -> Instant {
        match &self.body {
            FactBody::Visit(visit) | FactBody::Correction { visit, .. } => visit.started_at,
            FactBody::Note { written_at, .. } => *written_at,
        }
    }

    /// Checks everything that a fact says.
    ///
    /// # Errors
    /// [`FactError`], the first that is found.
    pub fn check(&self) -> Result<(), FactError> {
        let texts = match &self.body {
            FactBody::Visit(visit) => visit.note.as_ref().map_or(0, String::len),
            FactBody::Note { text, .. } => text.len(),
            FactBody::Correction { reason, visit, .. } => reason.len() + visit.note.as_ref().map_or(0, String::len),
        };
        if texts > LONGEST_TEXTS_BYTES {
            return Err(FactError::TooLong);
        }
        match &self.body {
            FactBody::Visit(visit) => visit.check(),
            FactBody::Note { text, .. } => note(text, "a note"),
            FactBody::Correction { reason, visit, .. } => {
                note(reason, "the reason of a correction")?;
                visit.check()
            }
        }
    }
}

impl Visit {
    /// Whether somebody was spoken to: an attempt is not a visit.
    pub fn took_place(&self) -> bool {
        matches!(self.outcome, Outcome::Met | Outcome::Proxy)
    }

    fn check(&self) -> Result<(), FactError> {
        ascending(self.purposes.iter(), "the purposes of a visit", MOST_PURPOSES)?;
        ascending(self.spoken_to.iter(), "the persons spoken to", MOST_PERSONS)?;
        ascending(self.observations.iter().map(|one| &one.kind), "the observations", MOST_OBSERVATIONS)?;
        if let Some(unknown) = self.purposes.iter().find(|code| purposes().iter().all(|known| known.code != **code)) {
            return Err(FactError::UnknownPurpose(unknown.clone()));
        }
        for Observation { kind, value } in &self.observations {
            let known = observation_kinds()
                .iter()
                .find(|known| known.code == kind && known.values.contains(&value.as_str()))
                .ok_or_else(|| FactError::UnknownObservation { kind: kind.clone(), value: value.clone() })?;
            if known.sensitivity >= SENSITIVE {
                return Err(FactError::Sensitive(kind.clone()));
            }
        }
        if let Some(text) = &self.note {
            note(text, "the note of a visit")?;
        }
        if let Some(place) = &self.place
            && (place.latitude_microdegrees.unsigned_abs() > 90_000_000
                || place.longitude_microdegrees.unsigned_abs() > 180_000_000)
        {
            return Err(FactError::Place);
        }
        let lasted_ms = self.ended_at.ms().checked_sub(self.started_at.ms());
        if !lasted_ms.is_some_and(|ms| (0..=LONGEST_VISIT_MS).contains(&ms)) {
            return Err(FactError::Duration);
        }
        Ok(())
    }
}

fn note(text: &str, what: &'static str) -> Result<(), FactError> {
    Kind::Note(NOTE_LENGTH).check(&text.into()).map(|_| ()).map_err(|_| FactError::Text(what))
}

fn ascending<T: Ord>(
    items: impl ExactSizeIterator<Item = T> + Clone,
    what: &'static str,
    most: usize,
) -> Result<(), FactError> {
    if items.len() <= most && items.clone().zip(items.skip(1)).all(|(first, second)| first < second) {
        Ok(())
    } else {
        Err(FactError::NotAscending(what, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit() -> Visit {
        Visit {
            mode: Mode::Door,
            outcome: Outcome::Met,
            purposes: vec!["routine".into()],
            spoken_to: vec![ResidentId::from_bytes([1; 16]), ResidentId::from_bytes([2; 16])],
            observations: vec![Observation { kind: "heating".into(), value: "warm".into() }],
            note: Some("老人精神很好".into()),
            place: Some(Place {
                latitude_microdegrees: 41_800_000,
                longitude_microdegrees: 123_400_000,
                accuracy_m: 12,
            }),
            started_at: Instant::from_ms(1_790_000_000_000),
            ended_at: Instant::from_ms(1_790_000_600_000),
        }
    }

    fn check(visit: Visit) -> Result<(), FactError> {
        let household = HouseholdId::from_bytes([3; 16]);
        Fact { id: FactId::from_bytes([4; 16]), household, body: FactBody::Visit(visit) }.check()
    }

    #[test]
    fn a_usual_visit_is_kept() {
        assert_eq!(check(visit()), Ok(()));
    }

    #[test]
    fn what_the_leader_saw_of_somebodys_health_is_refused_with_the_reason() {
        let observations = vec![Observation { kind: "health".into(), value: "grave".into() }];
        let refused = check(Visit { observations, ..visit() }).expect_err("refused");
        assert_eq!(refused, FactError::Sensitive("health".into()));
        assert!(refused.to_string().contains("care record"));
    }

    #[test]
    fn doubled_persons_unknown_codes_wrong_times_and_places_are_refused() {
        let person = ResidentId::from_bytes([1; 16]);
        let spoken_to = vec![person, person];
        assert_eq!(check(Visit { spoken_to, ..visit() }), Err(FactError::NotAscending("the persons spoken to", 32)));
        let purposes = vec!["gossip".to_owned()];
        assert_eq!(check(Visit { purposes, ..visit() }), Err(FactError::UnknownPurpose("gossip".into())));
        let ended_at = Instant::from_ms(0);
        assert_eq!(check(Visit { ended_at, ..visit() }), Err(FactError::Duration));
        let far = Visit { started_at: Instant::from_ms(i64::MIN), ended_at: Instant::from_ms(i64::MAX), ..visit() };
        assert_eq!(check(far), Err(FactError::Duration));
        let place = Some(Place { latitude_microdegrees: i32::MIN, longitude_microdegrees: 0, accuracy_m: 0 });
        assert_eq!(check(Visit { place, ..visit() }), Err(FactError::Place));
        let note = Some("a".repeat(NOTE_LENGTH + 1));
        assert_eq!(check(Visit { note, ..visit() }), Err(FactError::Text("the note of a visit")));
    }

    #[test]
    fn texts_that_do_not_fit_into_one_change_are_refused_before_anything_is_saved() {
        assert_eq!(check(Visit { note: Some("长".repeat(NOTE_LENGTH)), ..visit() }), Ok(()));
        let wide = Some("𠮷".repeat(NOTE_LENGTH));
        assert_eq!(check(Visit { note: wide, ..visit() }), Err(FactError::TooLong));
        let body = FactBody::Correction {
            corrects: FactId::from_bytes([5; 16]),
            reason: "长".repeat(NOTE_LENGTH),
            visit: visit(),
        };
        let fact = Fact { id: FactId::from_bytes([4; 16]), household: HouseholdId::from_bytes([3; 16]), body };
        assert_eq!(fact.check(), Err(FactError::TooLong));
    }

    #[test]
    fn nobody_at_the_door_is_an_attempt_and_not_a_visit() {
        assert!(!Visit { outcome: Outcome::NoAnswer, ..visit() }.took_place());
        assert!(Visit { outcome: Outcome::Proxy, ..visit() }.took_place());
    }

    #[test]
    fn the_numbers_and_words_of_choices_name_each_one_once() {
        assert!(Mode::ALL.iter().all(|one| Mode::from_number(one.number()) == Some(*one)));
        assert!(Outcome::ALL.iter().all(|one| Outcome::from_word(one.word()) == Some(*one)));
        assert_eq!(observation_kinds().len(), include_str!("visit/observations.csv").lines().count() - 1);
        assert_eq!(purposes().len(), include_str!("visit/purposes.csv").lines().count() - 1);
    }
}
