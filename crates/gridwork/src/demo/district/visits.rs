//! Visits: when a leader goes, what comes of it, and what is recorded.
//!
//! It does not know which homes are due.
//!
//! **Invariant:** nothing of sensitivity 2 or above is observed.

use super::calendar::{MINUTE_MS, SECOND_MS, is_winter};
use super::chance::Chance;
use super::dwellings::METRE;
use super::notes::Subject;
use gridwork_domain::id::ResidentId;
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Mode, Observation, Outcome, Place, Visit};

/// A visit as it happens, before anything is written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) starts_at: Instant,
    lasts_ms: i64,
    mode: Mode,
    outcome: Outcome,
}

/// What the leader knows of the home.
#[derive(Debug, Clone)]
pub(super) struct Visited<'a> {
    /// Who can be spoken to.
    pub(super) adults: &'a [ResidentId],
    /// What may be written about it.
    pub(super) subject: &'a Subject,
    /// Latitude and longitude of the building in 10^-6 degree.
    pub(super) near: (i32, i32),
    /// Whether the rules ask for a visit every month.
    pub(super) is_monthly: bool,
}

impl Call {
    /// A call where somebody lives.
    pub(super) fn new(chance: &mut Chance, starts_at: Instant) -> Self {
        let mode = chance.weighted([(Mode::Door, 72), (Mode::Phone, 21), (Mode::Neighbour, 7)]);
        let outcome = match mode {
            Mode::Door => chance.weighted([
                (Outcome::Met, 73),
                (Outcome::Proxy, 6),
                (Outcome::NoAnswer, 19),
                (Outcome::Refused, 2),
            ]),
            Mode::Phone => chance.weighted([(Outcome::Met, 84), (Outcome::NoAnswer, 16)]),
            Mode::Neighbour => Outcome::Proxy,
        };
        Self::lasting(chance, starts_at, mode, outcome)
    }

    /// A call at the door of a home that nobody lives in any more.
    pub(super) fn in_vain(chance: &mut Chance, starts_at: Instant, outcome: Outcome) -> Self {
        Self::lasting(chance, starts_at, Mode::Door, outcome)
    }

    fn lasting(chance: &mut Chance, starts_at: Instant, mode: Mode, outcome: Outcome) -> Self {
        let seconds = match (mode, outcome) {
            (Mode::Door, Outcome::Met) => 240..1_500,
            (Mode::Phone, Outcome::Met) => 60..420,
            (_, Outcome::Proxy) => 120..480,
            _ => 30..180,
        };
        Self { starts_at, lasts_ms: chance.within(seconds) * SECOND_MS, mode, outcome }
    }

    /// When it is over.
    pub(super) fn ends_at(&self) -> Instant {
        self.starts_at.plus_ms(self.lasts_ms)
    }

    /// What is recorded of it.
    pub(super) fn record(self, chance: &mut Chance, visited: &Visited) -> Visit {
        let Self { starts_at, mode, outcome, .. } = self;
        let note_percent = match outcome {
            Outcome::Met => 48,
            Outcome::Proxy => 55,
            Outcome::NoAnswer => 25,
            Outcome::Refused | Outcome::MovedAway | Outcome::Vacant => 85,
        };
        let at_door = mode == Mode::Door;
        let is_met = outcome == Outcome::Met;
        Visit {
            mode,
            outcome,
            purposes: purposes(chance, visited.is_monthly),
            spoken_to: if is_met { spoken_to(chance, visited.adults) } else { vec![] },
            observations: if is_met && at_door { observations(chance, starts_at) } else { vec![] },
            note: chance.percent(note_percent).then(|| visited.subject.visit_note(chance, mode, outcome, starts_at)),
            place: (at_door && chance.percent(58)).then(|| place(chance, visited.near)),
            started_at: starts_at,
            ended_at: self.ends_at(),
        }
    }
}

/// A time of day, in milliseconds since midnight, at which a leader goes to such a home.
pub(super) fn time_of_day_ms(chance: &mut Chance, works_by_day: bool) -> i64 {
    let evening = if works_by_day { 35 } else { 8 };
    let minutes = chance.weighted([(510..680, 48), (810..1_010, 42), (1_080..1_210, evening)]);
    chance.within(minutes) * MINUTE_MS + chance.within(0..60) * SECOND_MS
}

/// What was wrong with a visit as recorded, and the visit as it should read.
pub(super) fn corrected(chance: &mut Chance, visit: &Visit) -> (&'static str, Visit) {
    let wrong = visit.clone();
    if visit.outcome == Outcome::Met && chance.percent(40) {
        let visit = Visit { outcome: Outcome::Proxy, spoken_to: vec![], observations: vec![], ..wrong };
        return ("走访结果选错，当时是邻居代答。", visit);
    }
    if chance.percent(40) {
        let earlier = |at: Instant| at.plus_ms(-60 * MINUTE_MS);
        let visit = Visit { started_at: earlier(wrong.started_at), ended_at: earlier(wrong.ended_at), ..wrong };
        return ("时间记错，应当早一小时。", visit);
    }
    let (reason, mode) = match visit.mode {
        Mode::Phone => ("走访方式选错，实际是上门走访。", Mode::Door),
        Mode::Door | Mode::Neighbour => ("走访方式选错，实际是电话走访。", Mode::Phone),
    };
    (reason, Visit { mode, observations: vec![], place: None, ..wrong })
}

fn purposes(chance: &mut Chance, is_monthly: bool) -> Vec<String> {
    let main = if is_monthly { "programme" } else { "routine" };
    let others =
        [("safety_check", 18), ("policy", 14), ("survey", 6), ("look_back", 5), ("must_visit", 4), ("hotline", 3)];
    let mut purposes = vec![main.to_owned()];
    purposes
        .extend(others.into_iter().filter(|(_, percent)| chance.percent(*percent)).map(|(code, _)| code.to_owned()));
    purposes.sort_unstable();
    purposes
}

fn spoken_to(chance: &mut Chance, adults: &[ResidentId]) -> Vec<ResidentId> {
    if adults.is_empty() {
        return vec![];
    }
    let mut persons = vec![chance.early_one_of(adults)];
    if chance.percent(25) {
        persons.push(chance.early_one_of(adults));
    }
    persons.sort_unstable();
    persons.dedup();
    persons
}

/// Something that a leader looks at in some of 100 visits, and what there is to see, by weight.
struct Look {
    kind: &'static str,
    percent: u32,
    values: &'static [(&'static str, u32)],
}

const fn look(kind: &'static str, percent: u32, values: &'static [(&'static str, u32)]) -> Look {
    Look { kind, percent, values }
}

const HEATING: &str = "heating";

/// In the order of the kinds, which visits keep.
const LOOKS: [Look; 7] = [
    look("company", 30, &[("daily", 70), ("weekly", 24), ("rarely", 6)]),
    look("fire_safety", 35, &[("in_order", 90), ("hazard", 10)]),
    look("food", 20, &[("enough", 98), ("short", 2)]),
    look(HEATING, 60, &[("warm", 92), ("cold", 8)]),
    look("housing", 15, &[("sound", 88), ("needs_repair", 11), ("dangerous", 1)]),
    look("utilities", 30, &[("working", 93), ("partly", 6), ("out", 1)]),
    look("wish", 22, &[("none", 70), ("information", 14), ("service", 11), ("complaint", 5)]),
];

fn observations(chance: &mut Chance, at: Instant) -> Vec<Observation> {
    let mut seen = Vec::new();
    for Look { kind, percent, values } in LOOKS {
        if (kind != HEATING || is_winter(at)) && chance.percent(percent) {
            let value = chance.weighted(values.iter().copied()).to_owned();
            seen.push(Observation { kind: kind.to_owned(), value });
        }
    }
    seen
}

/// A point some metres from the building, as a telephone measures it.
fn place(chance: &mut Chance, (latitude, longitude): (i32, i32)) -> Place {
    let accuracy_m = chance.weighted([(5..12, 55), (12..30, 35), (30..90, 10)]);
    Place {
        latitude_microdegrees: latitude + chance.within(-20..=20) * METRE.0 + chance.within(0..METRE.0),
        longitude_microdegrees: longitude + chance.within(-20..=20) * METRE.1 + chance.within(0..METRE.1),
        accuracy_m: chance.within(accuracy_m),
    }
}
