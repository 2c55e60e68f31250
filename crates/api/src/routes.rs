//! The routes: one file for each family, one handler for each operation.
//!
//! **Invariant:** every route of the API is registered here, and by that is in the OpenAPI document.

pub(crate) mod api_key;
pub(crate) mod area;
pub(crate) mod audit;
pub(crate) mod break_glass;
pub(crate) mod citizen_number;
pub(crate) mod conflict;
pub(crate) mod device;
pub(crate) mod duplicate;
pub(crate) mod enrolment;
pub(crate) mod event;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod household;
pub(crate) mod import;
pub(crate) mod need;
pub(crate) mod quarantine;
pub(crate) mod reference;
pub(crate) mod resident;
pub(crate) mod reveal;
pub(crate) mod search;
pub(crate) mod second_factor;
pub(crate) mod session;
pub(crate) mod sign_in;
pub(crate) mod staff;
pub(crate) mod sync;
pub(crate) mod visit;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers all of them.
pub(crate) fn register(config: &mut ServiceConfig) {
    config
        .service(health::live)
        .service(health::ready)
        .service(sign_in::sign_in)
        .service(session::refresh)
        .service(session::sign_out)
        .service(session::list)
        .service(session::end)
        .service(session::list_of)
        .service(session::end_of)
        .service(second_factor::begin)
        .service(second_factor::confirm)
        .service(second_factor::remove)
        .service(staff::change_password)
        .service(staff::list)
        .service(staff::appoint)
        .service(staff::read)
        .service(staff::assign)
        .service(staff::end_office)
        .service(staff::set_password)
        .service(staff::devices)
        .service(staff::revoke_device)
        .service(api_key::list)
        .service(api_key::make)
        .service(api_key::revoke)
        .service(enrolment::issue_code)
        .service(enrolment::enrol)
        .service(sync::exchange)
        .service(device::watch)
        .service(reference::read)
        .service(area::list)
        .service(area::read)
        .service(area::open)
        .service(area::change)
        .service(search::search)
        .service(household::list)
        .service(household::register)
        .service(household::read)
        .service(household::correct)
        .service(household::correct_dwelling)
        .service(citizen_number::read_key)
        .service(citizen_number::find)
        .service(resident::search_all)
        .service(resident::list)
        .service(resident::add)
        .service(resident::correct)
        .service(resident::correct_membership)
        .service(need::affirm)
        .service(need::withdraw)
        .service(visit::list_all)
        .service(visit::list)
        .service(conflict::list)
        .service(conflict::decide)
        .service(reveal::of_household)
        .service(reveal::of_resident)
        .service(break_glass::break_glass)
        .service(break_glass::list)
        .service(break_glass::review)
        .service(duplicate::list)
        .service(duplicate::dismiss)
        .service(duplicate::merge)
        .service(quarantine::list)
        .service(quarantine::read)
        .service(quarantine::release)
        .service(quarantine::discard)
        .service(audit::list)
        .service(event::follow)
        .service(import::import)
        .service(export::households)
        .service(export::residents)
        .service(export::visits);
}
