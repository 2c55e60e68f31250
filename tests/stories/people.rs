//! What grid leaders do with their phones.

use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{Colleague, Town, WU};
use gridwork_domain::edit::{Action, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{FactId, HouseholdId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Mode, Outcome, Visit};
use gridwork_phone::{Phone, Surroundings, SyncReport};
use gridwork_sync::document::ChangeHash;
use serde_json::json;
use ureq::http::Method;

/// A one-time code for a phone of a colleague, which the administrator asks for.
pub(crate) fn enrolment_code(server: &Server, colleague: &Colleague) -> String {
    let form = json!({ "staff": colleague.id() });
    let administrator = Session::of(&WU, server);
    text(&administrator.send(Method::POST, "/v1/devices/enrolment-codes", None, &form).well()["code"])
}

/// Enrols a phone of a colleague and pulls what there is.
pub(crate) fn enrol(town: &Town, server: &Server, colleague: &Colleague, folder: &str) -> Phone {
    enrol_in(town, server, colleague, folder, Surroundings::default())
}

/// Enrols a phone in other surroundings.
pub(crate) fn enrol_in(
    town: &Town,
    server: &Server,
    colleague: &Colleague,
    folder: &str,
    surroundings: Surroundings,
) -> Phone {
    let code = enrolment_code(server, colleague);
    let phone = Phone::enrol_with(&town.path(folder), &server.url(), &code, surroundings);
    let mut phone = phone.expect("the phone is enrolled");
    sync(&mut phone);
    phone
}

/// Syncs until nothing is left to do.
pub(crate) fn sync(phone: &mut Phone) -> SyncReport {
    let report = phone.sync().expect("the phone's store works");
    assert!(report.failure.is_none(), "{report:?}");
    report
}

/// Records what was done, the form being as the household stands on the phone.
pub(crate) fn record(phone: &mut Phone, household: HouseholdId, action: Action) {
    record_seen(phone, household, action, None);
}

/// Records what was done on a form that was opened on that version.
pub(crate) fn record_seen(phone: &mut Phone, household: HouseholdId, action: Action, seen: Option<&[ChangeHash]>) {
    let edit = phone.edit(household, action);
    phone.record(edit, seen, None).expect("it is saved");
}

/// A new household in the phone's first grid.
pub(crate) fn register_household(phone: &mut Phone, address: &str) -> HouseholdId {
    let household = HouseholdId::new(phone.now(), phone.random());
    let fields = Fields::new().with("status", "living");
    let dwelling = Fields::new().with("address", address);
    record(phone, household, Action::RegisterHousehold { fields, dwelling, residents: Vec::new() });
    household
}

/// A visit of the present moment.
pub(crate) fn visit(phone: &mut Phone, household: HouseholdId, note: &str) -> FactId {
    let fact = FactId::new(phone.now(), phone.random());
    let visit = visit_at(phone.now(), note);
    record(phone, household, Action::RecordVisit { fact, visit });
    fact
}

/// A visit at the door.
pub(crate) fn visit_at(at: Instant, note: &str) -> Visit {
    Visit {
        mode: Mode::Door,
        outcome: Outcome::Met,
        purposes: vec!["routine".to_owned()],
        spoken_to: Vec::new(),
        observations: Vec::new(),
        note: Some(note.to_owned()),
        place: None,
        started_at: at,
        ended_at: at,
    }
}

/// The household's own field is another one.
pub(crate) fn correction(field: &str, value: &str) -> Action {
    Action::Correct { record: RecordPath::household(), fields: Fields::new().with(field, value) }
}

/// Somebody lives there too.
pub(crate) fn add_resident(phone: &mut Phone, household: HouseholdId, name: &str) {
    let resident = NewResident {
        resident: ResidentId::new(phone.now(), phone.random()),
        membership: MembershipId::new(phone.now(), phone.random()),
        fields: Fields::new().with("name", name),
        stay: Fields::new().with("relation", "30"),
    };
    record(phone, household, Action::AddResident(resident));
}

/// Names of the residents of a household on a phone, ascending.
pub(crate) fn residents(phone: &Phone, household: HouseholdId) -> Vec<String> {
    let known = phone.household(household).expect("the phone holds the household");
    let mut names: Vec<_> =
        known.household.residents().map(|(_, one)| one.text("name").expect("a name").to_owned()).collect();
    names.sort_unstable();
    names
}

/// The household's own field on a phone.
pub(crate) fn field(phone: &Phone, household: HouseholdId, name: &str) -> Option<String> {
    let known = phone.household(household).expect("the phone holds the household");
    known.household.value(&RecordPath::household().field(name)).map(ToString::to_string)
}
