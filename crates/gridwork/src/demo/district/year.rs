//! A year of a grid as its leader recorded it.
//!
//! It knows neither other grids nor today, only when the year begins.
//!
//! **Invariant:** the edits are in the order of time, all within the year, and their leader is at one door at a time.

use super::calendar::{DAY_MS, MINUTE_MS, SECOND_MS, is_weekend, year};
use super::chance::Chance;
use super::changes::changes;
use super::dwellings::Ground;
use super::families::Structure;
use super::homes::Home;
use super::needs::{Held, needs};
use super::notes::Subject;
use super::visits::{Call, Visited, corrected, time_of_day_ms};
use super::{DAYS_OF_WORK, Grid};
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::{EditId, FactId, HouseholdId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::Outcome;

/// Homes are registered from eight o'clock of the first day, so far from each other, …
const REGISTRATION_AT_MS: i64 = 8 * 60 * MINUTE_MS;
const REGISTRATION_MS: i64 = 150 * SECOND_MS;
/// … and their needs affirmed from five o'clock.
const NEEDS_AT_MS: i64 = 17 * 60 * MINUTE_MS;
const NEED_MS: i64 = 20 * SECOND_MS;
/// The first and last day of visits: a visit of the last one can still be corrected within the year.
const VISIT_DAYS: std::ops::Range<i64> = 1..DAYS_OF_WORK - 1;
/// Way from one door to the next at least.
const WAY_MS: i64 = 2 * MINUTE_MS;

/// All edits of a grid in the year that begins at `begins`, in the order of time.
pub(super) fn edits(chance: &mut Chance, grid: &Grid, begins: Instant) -> Vec<Edit> {
    let mut done: Vec<(Instant, HouseholdId, Action)> = Vec::new();
    let mut homes = Vec::new();
    let structures = Structure::several(chance, grid.ground.is_village(), grid.households);
    for (place, structure) in structures.into_iter().enumerate() {
        let at = begins.plus_ms(REGISTRATION_AT_MS + place as i64 * REGISTRATION_MS);
        // Some dwellings in between are not lived in.
        let dwelling = grid.ground.dwelling(place * 8 / 7);
        let (home, action) = Home::settle(chance, at, structure, &grid.ground, dwelling);
        done.push((at, home.id, action));
        homes.push(home);
    }
    let mut calls = Vec::new();
    let mut known = Vec::new();
    let mut need_at = begins.plus_ms(NEEDS_AT_MS);
    for (place, home) in homes.iter_mut().enumerate() {
        let needs = needs(chance, home, &grid.ground, begins);
        for need in &needs {
            done.push((need_at, home.id, need.affirmation(chance, need_at)));
            need_at = need_at.plus_ms(NEED_MS);
        }
        let subject = subject(home, &needs, &grid.ground, begins);
        let changes = changes(chance, home, &needs, &subject, begins);
        done.extend(changes.into_iter().map(|(at, action)| (at, home.id, action)));
        calls.extend(calls_at(chance, home, &needs, begins).into_iter().map(|call| (place, call)));
        known.push((subject, needs.iter().any(|need| need.is_monthly())));
    }
    one_after_another(&mut calls);
    for (place, call) in calls {
        let (home, (subject, is_monthly)) = (&homes[place], &known[place]);
        let adults: Vec<ResidentId> = home.adults(call.starts_at).map(|resident| resident.id).collect();
        let visited = Visited { adults: &adults, subject, near: home.near, is_monthly: *is_monthly };
        done.extend(recorded(chance, home.id, call, &visited));
    }
    done.sort_by_key(|(at, ..)| *at);
    done.into_iter()
        .map(|(at, household, action)| Edit { id: EditId::new(at, chance.id()), at, household, action })
        .collect()
}

/// The visit that a call comes to and, now and then, its correction.
fn recorded(
    chance: &mut Chance,
    home: HouseholdId,
    call: Call,
    visited: &Visited,
) -> Vec<(Instant, HouseholdId, Action)> {
    let at = call.ends_at().plus_ms(chance.within(5..60) * SECOND_MS);
    let visit = call.record(chance, visited);
    let fact = FactId::new(at, chance.id());
    let mut done = Vec::new();
    if visit.outcome == Outcome::Met
        && chance.per_mille(10)
        && let Some(year) = visit.started_at.year_in_shanghai()
    {
        let later = at.plus_ms(chance.within(3..20 * 60) * MINUTE_MS);
        let (reason, visit) = corrected(chance, &visit);
        let (correction, reason) = (FactId::new(later, chance.id()), reason.to_owned());
        done.push((later, home, Action::CorrectVisit { fact: correction, corrects: fact, year, reason, visit }));
    }
    done.push((at, home, Action::RecordVisit { fact, visit }));
    done
}

/// The calls at a home: spread over the year, as often as the rules ask for.
fn calls_at(chance: &mut Chance, home: &Home, needs: &[Held], begins: Instant) -> Vec<Call> {
    let age = year(begins) - home.residents[0].person.birth_year;
    let count = match home.structure {
        Structure::ElderAlone if age >= 80 => chance.within(19..=25),
        _ if needs.iter().any(|need| need.is_monthly()) => chance.within(11..=14),
        _ if !needs.is_empty() => chance.within(5..=9),
        _ => chance.within(2..=5),
    };
    let works_by_day = matches!(home.structure, Structure::Alone | Structure::Couple | Structure::Family);
    let days = VISIT_DAYS.end - VISIT_DAYS.start;
    let mut calls = Vec::new();
    for turn in 0..count {
        let mut day = VISIT_DAYS.start + (turn * days + chance.within(0..days)) / count;
        if is_weekend(begins.plus_ms(day * DAY_MS)) && chance.percent(65) && day + 2 < VISIT_DAYS.end {
            day += 2;
        }
        let starts_at = begins.plus_ms(day * DAY_MS + time_of_day_ms(chance, works_by_day));
        match home.ends_at {
            Some(ended) if starts_at >= ended => {
                if home.has_moved && chance.percent(20) {
                    calls.push(Call::in_vain(chance, starts_at, Outcome::Vacant));
                }
            }
            _ => calls.push(Call::new(chance, starts_at)),
        }
    }
    if let Some(ended) = home.ends_at.filter(|_| home.has_moved) {
        calls.push(Call::in_vain(chance, ended, Outcome::MovedAway));
    }
    calls
}

/// Puts calls in the order of time, so that each begins after the one before has ended.
fn one_after_another(calls: &mut [(usize, Call)]) {
    calls.sort_by_key(|(place, call)| (call.starts_at, *place));
    let mut free_at = Instant::from_ms(i64::MIN);
    for (_, call) in calls {
        call.starts_at = call.starts_at.max(free_at);
        free_at = call.ends_at().plus_ms(WAY_MS);
    }
}

/// What may be written about a home.
fn subject(home: &Home, needs: &[Held], ground: &Ground, at: Instant) -> Subject {
    let mut about = match home.structure {
        Structure::ElderAlone => vec!["elder"],
        Structure::ElderCouple => vec!["couple"],
        Structure::Family | Structure::SingleParent | Structure::MigrantFamily | Structure::Grandparents => {
            vec!["family"]
        }
        Structure::ThreeGenerations => vec!["generations", "family"],
        Structure::Alone | Structure::Couple | Structure::GrownChild | Structure::Sharing => vec![],
    };
    about.push(if ground.is_village() { "village" } else { "town" });
    about.extend(ground.is_old().then_some("old"));
    about.extend(home.is_floating.then_some("floating"));
    about.extend(needs.iter().map(|need| need.kind));
    Subject { called: home.spoken_of(at), about }
}
