//! What changes at a home within a year: numbers, remarks, work, births, deaths and moves.
//!
//! It does not know visits; where people leave, it says so in the home, so that nobody speaks to them later.

use super::calendar::{DAY_MS, MINUTE_MS, date, month_and_day, year};
use super::chance::Chance;
use super::families::{Structure, newborn};
use super::homes::{Home, Resident, WORKER, occupation, remark};
use super::names::Sex;
use super::needs::{HOME_REPAIR, Held, UNEMPLOYED};
use super::notes::Subject;
use gridwork_domain::edit::Action;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{FactId, ResidentId};
use gridwork_domain::instant::Instant;

/// From this age on deaths are drawn.
const OLD: i32 = 75;
/// So long after the last visit the leader writes down that nobody lives there any more.
const ENDING_KNOWN_MS: i64 = 30 * MINUTE_MS;

/// The edits of the year that begins at `begins`, in no order.
pub(super) fn changes(
    chance: &mut Chance,
    home: &mut Home,
    needs: &[Held],
    subject: &Subject,
    begins: Instant,
) -> Vec<(Instant, Action)> {
    let mut done = Vec::new();
    let mut ends = ending(chance, home, begins);
    if ends.is_empty() {
        done.extend(birth(chance, home, begins));
        done.extend(deaths(chance, home, begins));
    }
    for need in needs {
        let at = moment(chance, begins);
        if need.kind == UNEMPLOYED && chance.percent(25) {
            let work = need.resident.map(|resident| found_work(chance, resident));
            done.extend(work.map(|action| (at, action)));
            done.push((at.plus_ms(MINUTE_MS), need.withdrawal()));
        } else if need.kind == HOME_REPAIR && chance.percent(40) {
            done.push((at, need.withdrawal()));
        } else if chance.percent(12) {
            done.push((at, need.affirmation(chance, at)));
        }
    }
    if chance.percent(4) {
        done.push((moment(chance, begins), new_contact_phone(chance, home.contact_phone.as_deref())));
    }
    if chance.percent(5) {
        let at = moment(chance, begins);
        done.push((at, new_remark(chance, at)));
    }
    if chance.percent(3) {
        let at = moment(chance, begins);
        let resident = home.adults(at).next().map(|resident| resident.id);
        done.extend(resident.map(|resident| (at, new_phone(chance, resident))));
    }
    if chance.percent(8) {
        let at = moment(chance, begins);
        let text = subject.note(chance, at);
        done.push((at, Action::WriteNote { fact: FactId::new(at, chance.id()), text }));
    }
    if let Some(ended) = home.ends_at {
        done.retain(|(at, _)| *at < ended);
        let withdrawn: Vec<_> = needs.iter().map(|need| need.withdrawal()).collect();
        let still_held = withdrawn.into_iter().filter(|action| done.iter().all(|(_, earlier)| earlier != action));
        let known_at = ended.plus_ms(ENDING_KNOWN_MS);
        ends.extend(still_held.map(|action| (known_at, action)).collect::<Vec<_>>());
    }
    done.extend(ends);
    done
}

/// A new number under which a home is reached, other than the known one.
pub(super) fn new_contact_phone(chance: &mut Chance, known: Option<&str>) -> Action {
    let mut number = chance.mobile();
    while known == Some(number.as_str()) {
        number = chance.mobile();
    }
    correct(RecordPath::household(), Fields::new().with("contact_phone", number.as_str()))
}

/// A resident's new number.
pub(super) fn new_phone(chance: &mut Chance, resident: ResidentId) -> Action {
    correct(RecordPath::resident(resident), Fields::new().with("phone", chance.mobile().as_str()))
}

/// A remark with the day on which it was written.
pub(super) fn new_remark(chance: &mut Chance, at: Instant) -> Action {
    let (month, day) = month_and_day(at);
    let text = format!("{}（{month}月{day}日更新）", remark(chance));
    correct(RecordPath::household(), Fields::new().with("remark", text.as_str()))
}

fn correct(record: RecordPath, fields: Fields) -> Action {
    Action::Correct { record, fields }
}

/// Some working hour of the year's second to last day but one.
fn moment(chance: &mut Chance, begins: Instant) -> Instant {
    begins.plus_ms(chance.within(1..=363) * DAY_MS + chance.within(9 * 60..18 * 60) * MINUTE_MS)
}

/// All move away, or an elder who lived alone dies: the edits that say so.
fn ending(chance: &mut Chance, home: &mut Home, begins: Instant) -> Vec<(Instant, Action)> {
    let is_old = home.residents[0].age(year(begins)) >= OLD;
    let moves_per_mille = if home.is_floating { 70 } else { 10 };
    let moves = chance.per_mille(moves_per_mille);
    let dies = !moves && home.structure == Structure::ElderAlone && is_old && chance.per_mille(40);
    if !moves && !dies {
        return vec![];
    }
    let ended = moment(chance, begins);
    let known_at = ended.plus_ms(ENDING_KNOWN_MS);
    home.ends_at = Some(ended);
    home.has_moved = moves;
    let status = if moves { "moved_away" } else { "dissolved" };
    let mut actions = Vec::new();
    for resident in &mut home.residents {
        actions.extend(leave(resident, ended, dies));
    }
    actions.push(correct(RecordPath::household(), Fields::new().with("status", status)));
    actions.push(correct(RecordPath::dwelling(), Fields::new().with("status", "vacant")));
    actions.into_iter().map(|action| (known_at, action)).collect()
}

/// Deaths of old people other than the head, who leave a family behind.
fn deaths(chance: &mut Chance, home: &mut Home, begins: Instant) -> Vec<(Instant, Action)> {
    let mut done = Vec::new();
    if home.structure == Structure::ElderCouple {
        return done;
    }
    for resident in home.residents.iter_mut().skip(1).filter(|resident| resident.age(year(begins)) >= OLD) {
        if chance.per_mille(30) {
            let at = moment(chance, begins);
            done.extend(leave(resident, at, true).map(|action| (at, action)));
        }
    }
    done
}

/// A resident leaves at `at`, by death or otherwise.
fn leave(resident: &mut Resident, at: Instant, dies: bool) -> impl Iterator<Item = Action> + use<> {
    resident.leaves_at = Some(at);
    let day = date(at);
    let death = correct(RecordPath::resident(resident.id), Fields::new().with("died_on", day.as_str()));
    let stay = correct(RecordPath::membership(resident.membership), Fields::new().with("until", day.as_str()));
    dies.then_some(death).into_iter().chain([stay])
}

/// A couple's first child.
fn birth(chance: &mut Chance, home: &Home, begins: Instant) -> Option<(Instant, Action)> {
    let of_sex = |sex| home.residents.iter().find(move |resident| resident.person.sex == sex);
    let (mother, father) = (of_sex(Sex::Female)?, of_sex(Sex::Male)?);
    let is_young = (23..=38).contains(&mother.age(year(begins)));
    if home.structure != Structure::Couple || !is_young || !chance.percent(14) {
        return None;
    }
    let at = moment(chance, begins);
    let born = at.plus_ms(-chance.within(3..40) * DAY_MS);
    let child = newborn(chance, father.person.surname, year(born));
    let child = Resident::newborn(chance, at, born, child);
    let kind = if home.is_floating { "floating" } else { "registered" };
    Some((at, Action::AddResident(child.registration(chance, kind, None, &date(born)))))
}

fn found_work(chance: &mut Chance, resident: ResidentId) -> Action {
    let mut fields = Fields::new().with("employment", WORKER);
    if let Some(occupation) = occupation(chance, WORKER, 30) {
        fields = fields.with("occupation", occupation);
    }
    correct(RecordPath::resident(resident), fields)
}
