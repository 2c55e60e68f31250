//! Three memories compared: what people meant to record (the journals), what the registry says over REST, and what each
//! phone says, opened anew from its disk.

use super::journal::Entry;
use super::report::Report;
use super::rest::{RestError, Session, text};
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::{Fields, Value as FieldValue};
use gridwork_domain::household::RecordPath;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_phone::Dump;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One grid as the registry says over REST.
#[derive(Debug, Default)]
pub(crate) struct GridState {
    /// Household to its records, needs and conflicts, in the form of a phone's dump.
    households: BTreeMap<String, Value>,
    /// Household to its facts: id, with who recorded it and what it says in short.
    facts: BTreeMap<String, Vec<(String, Value)>>,
}

impl GridState {
    /// Reads a grid with all its households and their visits.
    ///
    /// # Errors
    /// [`RestError`].
    pub(crate) fn read(session: &Session, grid: &str) -> Result<Self, RestError> {
        let mut state = Self::default();
        for summary in session.list(&format!("/v1/households?area={grid}"))? {
            let id = text(&summary, "id").to_owned();
            state.households.insert(id.clone(), household(&session.get(&format!("/v1/households/{id}"))?));
        }
        for visit in session.list(&format!("/v1/visits?area={grid}"))? {
            state.facts.entry(text(&visit, "household").to_owned()).or_default().extend(facts(&visit));
        }
        Ok(state)
    }

    /// Households in it.
    pub(crate) fn households(&self) -> usize {
        self.households.len()
    }

    /// Facts in it.
    pub(crate) fn facts(&self) -> usize {
        self.facts.values().map(Vec::len).sum()
    }

    /// Holds it against a phone; `true` if the phone has the same of this grid.
    pub(crate) fn agrees_with(&self, phone: &str, dump: &Dump, report: &mut Report) -> bool {
        let mut agrees = true;
        let mut differ = |what: String| {
            agrees = false;
            report.found(format!("{phone} disagrees: {what}"));
        };
        for (id, registry) in &self.households {
            let held = id.parse().ok().and_then(|id| dump.households.get(&id));
            let held = held.map_or(Value::Null, |held| json!(held));
            if held != *registry {
                differ(format!("household {id} is {held} and in the registry {registry}"));
            }
        }
        let held = dump.facts.iter().filter(|(_, fact)| self.households.contains_key(&fact.household.to_string()));
        let held: BTreeMap<String, Value> =
            held.map(|(id, fact)| (id.to_string(), brief(json!(fact.by), &json!(fact.body)))).collect();
        let registry: BTreeMap<String, Value> = self.facts.values().flatten().cloned().collect();
        for id in held.keys().chain(registry.keys()).collect::<BTreeSet<_>>() {
            if held.get(id) != registry.get(id) {
                differ(format!("fact {id} is {:?} and in the registry {:?}", held.get(id), registry.get(id)));
            }
        }
        agrees
    }
}

/// What people meant to record, by household.
#[derive(Debug, Default)]
pub(crate) struct Meant {
    /// Household and field to the last value that each writer gave it.
    fields: BTreeMap<String, BTreeMap<String, BTreeMap<usize, Option<FieldValue>>>>,
    /// Household and need to whether it is there after the writer's last word.
    needs: BTreeMap<String, BTreeMap<String, bool>>,
    /// Household to facts.
    facts: BTreeMap<String, BTreeSet<String>>,
}

impl Meant {
    /// Adds what a writer recorded.
    pub(crate) fn add(&mut self, writer: usize, entry: &Entry) {
        let Edit { household, action, .. } = &entry.edit;
        let household = household.to_string();
        match action {
            Action::RegisterHousehold { fields, dwelling, residents } => {
                self.put(writer, &household, &RecordPath::household(), fields);
                self.put(writer, &household, &RecordPath::dwelling(), dwelling);
                residents.iter().for_each(|resident| self.put_resident(writer, &household, resident));
            }
            Action::AddResident(resident) => self.put_resident(writer, &household, resident),
            Action::Correct { record, fields } => self.put(writer, &household, record, fields),
            Action::DecideConflict { path, value } => {
                let fields = Fields([(path.field.clone(), value.clone())].into());
                self.put(writer, &household, &path.record, &fields);
            }
            Action::AffirmNeed { resident, kind, .. } | Action::WithdrawNeed { resident, kind } => {
                let subject = resident.map_or_else(|| household.clone(), |resident| resident.to_string());
                let there = matches!(action, Action::AffirmNeed { .. });
                self.needs.entry(household).or_default().insert(format!("{subject}.{kind}"), there);
            }
            Action::RecordVisit { fact, .. } | Action::WriteNote { fact, .. } | Action::CorrectVisit { fact, .. } => {
                self.facts.entry(household).or_default().insert(fact.to_string());
            }
        }
    }

    /// Fields to which several writers gave different values.
    pub(crate) fn contested(&self) -> u64 {
        let writers = self.fields.values().flat_map(BTreeMap::values);
        writers.filter(|values| values.values().collect::<BTreeSet<_>>().len() > 1).count() as u64
    }

    /// Holds what was meant for a grid's households against the registry; what was looked for is taken out.
    pub(crate) fn check(&mut self, grid: &GridState, report: &mut Report) {
        for (id, registry) in &grid.households {
            for (path, writers) in self.fields.remove(id).unwrap_or_default() {
                for value in writers.values() {
                    if !readable(registry, &path, value.as_ref()) {
                        report.lost += 1;
                        report.found(format!("lost: {path} = {value:?} of household {id}"));
                    }
                }
            }
            for (need, there) in self.needs.remove(id).unwrap_or_default() {
                if registry["needs"].get(&need).is_some() != there {
                    report.lost += 1;
                    report.found(format!("lost: need {need} of household {id} is not as it was left"));
                }
            }
            let mut found: BTreeMap<&str, u64> = BTreeMap::new();
            for (fact, _) in grid.facts.get(id).into_iter().flatten() {
                *found.entry(fact).or_default() += 1;
            }
            for (fact, times) in found.iter().filter(|(_, times)| **times > 1) {
                report.doubled += times - 1;
                report.found(format!("doubled: fact {fact} of household {id}"));
            }
            for fact in self.facts.remove(id).unwrap_or_default() {
                if !found.contains_key(fact.as_str()) {
                    report.lost += 1;
                    report.found(format!("lost: fact {fact} of household {id}"));
                }
            }
        }
    }

    /// What was meant for households that the registry does not have at all.
    pub(crate) fn check_nothing_left(&self, report: &mut Report) {
        let households: BTreeSet<_> = self.fields.keys().chain(self.needs.keys()).chain(self.facts.keys()).collect();
        for household in households {
            report.lost += 1;
            report.found(format!("lost: household {household} with all that was recorded of it"));
        }
    }

    fn put_resident(&mut self, writer: usize, household: &str, resident: &NewResident) {
        self.put(writer, household, &RecordPath::resident(resident.resident), &resident.fields);
        self.put(writer, household, &RecordPath::membership(resident.membership), &resident.stay);
    }

    fn put(&mut self, writer: usize, household: &str, record: &RecordPath, fields: &Fields) {
        let container = SCHEMA_1.container(&record.container);
        let canonical = container.and_then(|container| container.check(fields).ok()).unwrap_or_default();
        let of_household = self.fields.entry(household.to_owned()).or_default();
        for (name, value) in canonical.iter() {
            of_household.entry(record.field(name).to_string()).or_default().insert(writer, value.cloned());
        }
    }
}

/// Whether a value can be read: it is shown, or it is one of a conflict's.
fn readable(registry: &Value, path: &str, value: Option<&FieldValue>) -> bool {
    let value = json!(value);
    let (record, field) = path.rsplit_once('.').unwrap_or((path, ""));
    let shown = registry["records"][record].get(field).cloned().unwrap_or(Value::Null);
    let alternatives = registry["conflicts"][path].as_array();
    shown == value || alternatives.is_some_and(|all| all.iter().any(|one| one["value"] == value))
}

/// A household of REST in the form of a phone's dump.
fn household(body: &Value) -> Value {
    let mut records = Map::new();
    records.insert("household".to_owned(), body["household"].clone());
    records.insert("dwelling".to_owned(), body["dwelling"].clone());
    for resident in body["residents"].as_array().into_iter().flatten() {
        records.insert(format!("residents.{}", text(resident, "id")), resident["resident"].clone());
        for stay in resident["memberships"].as_array().into_iter().flatten() {
            records.insert(format!("memberships.{}", text(stay, "id")), stay["membership"].clone());
        }
    }
    let mut needs = Map::new();
    for need in body["needs"].as_array().into_iter().flatten() {
        let mut attributes = need.as_object().cloned().unwrap_or_default();
        let key = format!("{}.{}", text(need, "subject"), text(need, "kind"));
        attributes.retain(|name, value| !["subject", "kind"].contains(&name.as_str()) && !value.is_null());
        needs.insert(key, Value::Object(attributes));
    }
    let mut conflicts = Map::new();
    for conflict in body["conflicts"].as_array().into_iter().flatten() {
        let alternatives = conflict["alternatives"].as_array().into_iter().flatten();
        let alternatives = alternatives
            .map(|one| json!({ "value": one["value"], "by": one["by"]["name"], "at": one["at_ms"] }))
            .collect();
        conflicts.insert(text(conflict, "path").to_owned(), Value::Array(alternatives));
    }
    json!({ "records": records, "needs": needs, "conflicts": conflicts })
}

/// A visit or note of REST with its corrections, each as id and what it says in short.
fn facts(visit: &Value) -> Vec<(String, Value)> {
    let own = brief(visit["by"]["id"].clone(), &visit["recorded"]);
    let corrections = visit["corrections"].as_array().into_iter().flatten();
    let corrections = corrections.map(|one| (text(one, "id").to_owned(), brief(one["by"]["id"].clone(), one)));
    std::iter::once((text(visit, "id").to_owned(), own)).chain(corrections).collect()
}

/// Who, what and when of a fact, from a phone's dump or from REST, which spell instants differently.
fn brief(by: Value, body: &Value) -> Value {
    let visit = if body["visit"].is_object() { &body["visit"] } else { body };
    let instant = |name: &str| {
        let of_rest = &visit[format!("{name}_ms")];
        if of_rest.is_null() { visit[name].clone() } else { of_rest.clone() }
    };
    json!({
        "by": by, "mode": visit["mode"], "outcome": visit["outcome"], "note": visit["note"], "text": body["text"],
        "reason": body["reason"], "started_at": instant("started_at"), "written_at": instant("written_at"),
    })
}
