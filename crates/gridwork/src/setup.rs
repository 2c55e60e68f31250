//! `gridwork setup FILE`: the first areas and staff of a new registry, from a JSON file that a person can write.
//!
//! Areas are named by their codes, parents first. It is for a new registry alone: all of the file is done, or nothing.

use clap::Args;
use gridwork_api::Settings;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::{AreaId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::{Administration, Registry};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

/// Options of `gridwork setup`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// {"areas": [{"code", "name"}], "staff": [{"sign_in", "name", "password", "roles": [{"role", "area"}]}]}, where an area
    /// is named by its code.
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    areas: Vec<PlannedArea>,
    staff: Vec<PlannedStaff>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedArea {
    code: DivisionCode,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedStaff {
    sign_in: String,
    name: String,
    password: Option<String>,
    roles: Vec<PlannedRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedRole {
    role: Role,
    area: DivisionCode,
}

/// Opens the areas and appoints the staff of the file.
///
/// # Errors
/// The file cannot be read, names an area before its parent or one that it does not list, or the registry refuses.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(&arguments.file)?)?;
    let settings = Settings::from_environment()?;
    settings.make_data_dir()?;
    let steps = steps(&plan, crate::now())?;
    let registry = Registry::open(&settings.registry_with_keys()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Whoever sets up needs the ids: codes for phones are asked for by them.
        let appointed = steps.iter().filter_map(|step| match step {
            Administration::AppointStaff { staff, .. } => {
                Some(format!("{} {} {}", staff.id, staff.sign_in, staff.name))
            }
            _ => None,
        });
        let appointed: Vec<String> = appointed.collect();
        registry.set_up(steps, crate::now()).await?;
        registry.close().await?;
        appointed.iter().for_each(|appointed| println!("{appointed}"));
        println!("{} areas opened, {} members of staff appointed", plan.areas.len(), plan.staff.len());
        Ok(())
    })
}

/// All that is to be administered, in an order in which each step finds what it needs.
fn steps(plan: &Plan, now: Instant) -> Result<Vec<Administration>, Box<dyn Error>> {
    let today = now.date_in_shanghai().ok_or("the clock shows no date")?.to_string();
    let (mut appoint, mut open, mut assign) = (Vec::new(), Vec::new(), Vec::new());
    let mut areas: BTreeMap<DivisionCode, AreaId> = BTreeMap::new();
    for PlannedArea { code, name } in &plan.areas {
        let id = AreaId::new(now, random()?);
        let parent = code.parent().and_then(|parent| areas.get(&parent).copied());
        areas.insert(code.clone(), id);
        let (code, name, valid_from) = (code.clone(), name.clone(), today.clone());
        let area = Area { id, parent, code, name, aliases: vec![], valid_from, valid_until: None, successor: None };
        open.push(Administration::OpenArea(area));
    }
    for PlannedStaff { sign_in, name, password, roles } in &plan.staff {
        let id = StaffId::new(now, random()?);
        let staff = Staff { id, name: name.clone(), sign_in: sign_in.clone() };
        appoint.push(Administration::AppointStaff { staff, password: password.clone() });
        for PlannedRole { role, area } in roles {
            let area = *areas
                .get(area)
                .ok_or_else(|| format!("{sign_in} has a role in {area}, which is no area of the file"))?;
            assign.push(Administration::Assign(Assignment { staff: id, role: *role, area, from: now, until: None }));
        }
    }
    Ok(appoint.into_iter().chain(open).chain(assign).collect())
}

fn random() -> Result<[u8; 10], getrandom::Error> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
