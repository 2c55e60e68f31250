//! A day of one phone: what it records of the homes that it knows.
//!
//! It knows homes only by what the phone shows. It neither records nor sends anything.
//!
//! **Invariant:** on one day no two edits write the same field, need or fact, so that each is seen afterwards.

use super::calendar::{MINUTE_MS, SECOND_MS, date, year};
use super::chance::Chance;
use super::changes::{new_contact_phone, new_phone, new_remark};
use super::dwellings::{DOORS, FREE_FROM, Ground};
use super::families::{Structure, relative};
use super::homes::{Home, Resident};
use super::needs::{HOME_REPAIR, Held};
use super::notes::Subject;
use super::visits::{Call, Visited, corrected};
use gridwork_domain::edit::Action;
use gridwork_domain::id::{FactId, HouseholdId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::Visit;

/// A household as a phone knows it, in which somebody lives.
#[derive(Debug, Clone)]
pub(crate) struct KnownHousehold {
    /// Its id.
    pub(crate) id: HouseholdId,
    /// Who lives there.
    pub(crate) residents: Vec<ResidentId>,
    /// The number under which it is reached; a correction gives another one.
    pub(crate) contact_phone: Option<String>,
    /// Its needs: whose, none for the household's, and of which kind.
    pub(crate) needs: Vec<(Option<ResidentId>, String)>,
}

/// What is done beside a visit.
#[derive(Clone, Copy)]
enum Task {
    ContactPhone,
    Phone,
    Remark,
    AffirmNeed,
    Relative,
    NewHousehold,
    Note,
    CorrectVisit,
}

/// Tasks of a day, shared out among its visits.
const TASKS: [Task; 12] = [
    Task::NewHousehold,
    Task::ContactPhone,
    Task::AffirmNeed,
    Task::Remark,
    Task::Phone,
    Task::CorrectVisit,
    Task::ContactPhone,
    Task::Relative,
    Task::Note,
    Task::Phone,
    Task::Remark,
    Task::ContactPhone,
];

struct Day<'a> {
    chance: &'a mut Chance,
    now: Instant,
    ground: &'a Ground,
    /// What may be written about any of the homes.
    subject: Subject,
    done: Vec<(Instant, HouseholdId, Action)>,
}

/// A day's work, in the order of time.
pub(super) fn work(
    chance: &mut Chance,
    ground: &Ground,
    households: &[KnownHousehold],
    day_start: Instant,
) -> Vec<(Instant, HouseholdId, Action)> {
    let mut order: Vec<&KnownHousehold> = households.iter().collect();
    chance.shuffle(&mut order);
    let visits = chance.within(27..=33).min(order.len());
    let about = vec![if ground.is_village() { "village" } else { "town" }];
    let subject = Subject { called: "住户".to_owned(), about };
    let mut day = Day { chance, now: day_start, ground, subject, done: Vec::new() };
    let withdrawn = order[..visits].iter().position(|home| !home.needs.is_empty());
    let mut tasks = TASKS.into_iter();
    for (turn, home) in order[..visits].iter().enumerate() {
        let (fact, visit) = day.visit(home.id, &home.residents);
        if Some(turn) == withdrawn {
            let (resident, kind) = home.needs[0].clone();
            day.record(home.id, Action::WithdrawNeed { resident, kind });
        } else if let Some(task) = tasks.next() {
            day.perform(task, home, fact, &visit);
        }
    }
    if visits == 0 {
        day.register();
    }
    day.done
}

impl Day<'_> {
    /// Records an action half a minute or so after the last.
    fn record(&mut self, home: HouseholdId, action: Action) {
        self.done.push((self.now, home, action));
        self.now = self.now.plus_ms(self.chance.within(20..50) * SECOND_MS);
    }

    fn visit(&mut self, home: HouseholdId, residents: &[ResidentId]) -> (FactId, Visit) {
        let starts_at = self.now.plus_ms(self.chance.within(2..8) * MINUTE_MS);
        let call = Call::new(self.chance, starts_at);
        let near = self.ground.dwelling(self.chance.within(0..FREE_FROM)).near;
        let visited = Visited { adults: residents, subject: &self.subject, near, is_monthly: false };
        let visit = call.record(self.chance, &visited);
        self.now = visit.ended_at.plus_ms(self.chance.within(5..40) * SECOND_MS);
        let fact = FactId::new(self.now, self.chance.id());
        self.record(home, Action::RecordVisit { fact, visit: visit.clone() });
        (fact, visit)
    }

    /// Registers a household that has moved in, and records the first visit to it.
    fn register(&mut self) {
        let dwelling = self.ground.dwelling(self.chance.within(FREE_FROM..DOORS));
        let structure = Structure::any(self.chance, self.ground.is_village());
        let (home, action) = Home::settle(self.chance, self.now, structure, self.ground, dwelling);
        self.record(home.id, action);
        let adults: Vec<_> = home.adults(self.now).map(|resident| resident.id).collect();
        self.visit(home.id, &adults);
    }

    fn perform(&mut self, task: Task, home: &KnownHousehold, fact: FactId, visit: &Visit) {
        let (now, resident) = (self.now, home.residents.first().copied());
        let action = match (task, resident) {
            (Task::NewHousehold, _) => return self.register(),
            (Task::Phone, Some(resident)) => new_phone(self.chance, resident),
            (Task::ContactPhone | Task::Phone, _) => new_contact_phone(self.chance, home.contact_phone.as_deref()),
            (Task::Remark, _) => new_remark(self.chance, now),
            (Task::AffirmNeed, _) => Held { resident: None, kind: HOME_REPAIR }.affirmation(self.chance, now),
            (Task::Relative, _) => {
                let person = relative(self.chance, year(now));
                let resident = Resident::new(self.chance, now, person, self.ground.is_village());
                Action::AddResident(resident.registration(self.chance, "registered", None, &date(now)))
            }
            (Task::Note, _) => {
                let text = self.subject.note(self.chance, now);
                Action::WriteNote { fact: FactId::new(now, self.chance.id()), text }
            }
            (Task::CorrectVisit, _) => {
                let year = visit.started_at.year_in_shanghai().unwrap_or_default();
                let (reason, visit) = corrected(self.chance, visit);
                let id = FactId::new(now, self.chance.id());
                Action::CorrectVisit { fact: id, corrects: fact, year, reason: reason.to_owned(), visit }
            }
        };
        self.record(home.id, action);
    }
}
