//! The whole district, counted and checked.

use super::calendar::{MINUTE_MS, date};
use super::*;
use gridwork_domain::edit::NewResident;
use gridwork_domain::fields::{Fields, Kind};
use gridwork_domain::id::ResidentId;
use gridwork_domain::phone_number::{PhoneNumber, PhoneNumberKind};
use gridwork_domain::schema::{DWELLING, HOUSEHOLD, RESIDENTS, SCHEMA_1};
use gridwork_domain::staff::{Role, is_sign_in_name};
use gridwork_domain::visit::{Outcome, Visit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const SEED: u64 = 20_261_001;
/// 2026-10-03 15:20 in Shanghai.
const TODAY: Instant = Instant::from_ms(1_791_012_000_000);

static FULL: LazyLock<District> = LazyLock::new(|| District::new(SEED, Size::Full, TODAY));
static EDITS: LazyLock<Vec<Vec<Edit>>> =
    LazyLock::new(|| FULL.grids().iter().map(|grid| FULL.edits(grid).collect()).collect());

fn edits() -> impl Iterator<Item = &'static Edit> {
    EDITS.iter().flatten()
}

fn visits() -> impl Iterator<Item = &'static Visit> {
    edits().filter_map(|edit| match &edit.action {
        Action::RecordVisit { visit, .. } => Some(visit),
        _ => None,
    })
}

fn registrations() -> impl Iterator<Item = (&'static Edit, &'static Fields, &'static [NewResident])> {
    edits().filter_map(|edit| match &edit.action {
        Action::RegisterHousehold { dwelling, residents, .. } => Some((edit, dwelling, residents.as_slice())),
        _ => None,
    })
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.0.get(name)?.as_ref()?.as_text()
}

/// How often each word occurs.
fn count<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(item).or_insert(0) += 1;
        counts
    })
}

/// The ids that an edit makes.
fn new_ids(edit: &Edit) -> Vec<[u8; 16]> {
    let of_resident = |new: &NewResident| [*new.resident.as_bytes(), *new.membership.as_bytes()];
    let mut ids = vec![*edit.id.as_bytes()];
    match &edit.action {
        Action::RegisterHousehold { residents, .. } => {
            ids.push(*edit.household.as_bytes());
            ids.extend(residents.iter().flat_map(of_resident));
        }
        Action::AddResident(new) => ids.extend(of_resident(new)),
        Action::RecordVisit { fact, .. } | Action::WriteNote { fact, .. } | Action::CorrectVisit { fact, .. } => {
            ids.push(*fact.as_bytes());
        }
        _ => {}
    }
    ids
}

fn kind_of(action: &Action) -> &'static str {
    match action {
        Action::RegisterHousehold { .. } => "register",
        Action::AddResident(_) => "add resident",
        Action::Correct { .. } => "correct",
        Action::AffirmNeed { .. } => "affirm",
        Action::WithdrawNeed { .. } => "withdraw",
        Action::DecideConflict { .. } => "decide",
        Action::RecordVisit { .. } => "visit",
        Action::WriteNote { .. } => "note",
        Action::CorrectVisit { .. } => "correct visit",
    }
}

#[test]
fn the_district_has_the_size_that_the_demo_promises() {
    let residents: usize = registrations().map(|(_, _, residents)| residents.len()).sum();
    assert_eq!(registrations().count(), 18_000);
    assert!((49_500..=50_500).contains(&residents), "{residents} residents");
    assert!((107_000..=113_000).contains(&visits().count()), "{} visits", visits().count());
    for (grid, edits) in FULL.grids().iter().zip(EDITS.iter()) {
        let homes = edits.iter().filter(|edit| kind_of(&edit.action) == "register").count();
        assert!(homes == grid.households && (160..=210).contains(&homes), "{homes} homes");
    }
}

#[test]
fn every_seed_gives_a_district_of_that_size() {
    for seed in 0..3 {
        let district = District::new(seed, Size::Full, TODAY);
        let (mut residents, mut visits) = (0, 0);
        for edit in district.grids().iter().flat_map(|grid| district.edits(grid)) {
            match edit.action {
                Action::RegisterHousehold { residents: new, .. } => residents += new.len(),
                Action::RecordVisit { .. } => visits += 1,
                _ => {}
            }
        }
        assert!((49_500..=50_500).contains(&residents), "seed {seed}: {residents} residents");
        assert!((107_000..=113_000).contains(&visits), "seed {seed}: {visits} visits");
    }
}

#[test]
fn a_tenth_is_a_selection_of_the_same_grids() {
    let tenth = District::new(SEED, Size::Tenth, TODAY);
    assert_eq!(tenth.grids().len(), 10);
    assert!(tenth.grids().iter().any(|grid| grid.ground.is_village()));
    for grid in tenth.grids() {
        let place = FULL.grids().iter().position(|known| known.area == grid.area).expect("a grid of the district");
        assert!(tenth.edits(grid).eq(EDITS[place].iter().cloned()));
    }
    assert!(tenth.areas().iter().all(|area| FULL.areas().contains(area)));
    assert!(tenth.staff().iter().all(|staff| FULL.staff().contains(staff)));
    assert_eq!(tenth.staff().len(), 10 + 74);
}

#[test]
fn the_same_seed_and_day_give_the_same_district_and_another_seed_another() {
    let evening = District::new(SEED, Size::Full, TODAY.plus_ms(5 * 60 * MINUTE_MS));
    assert_eq!((evening.areas(), evening.staff()), (FULL.areas(), FULL.staff()));
    assert!(evening.edits(&evening.grids()[7]).eq(EDITS[7].iter().cloned()));
    let other = District::new(SEED + 1, Size::Full, TODAY);
    assert_ne!(other.staff(), FULL.staff());
    assert!(!other.edits(&other.grids()[7]).eq(EDITS[7].iter().cloned()));
}

#[test]
fn every_edit_can_be_made() {
    for edit in edits() {
        if let Err(error) = edit.check(&SCHEMA_1) {
            panic!("{error}: {edit:?}");
        }
    }
}

#[test]
fn all_kinds_of_work_occur_and_decisions_are_left_to_people() {
    let kinds = count(edits().map(|edit| kind_of(&edit.action)));
    for kind in ["register", "add resident", "correct", "affirm", "withdraw", "visit", "note", "correct visit"] {
        assert!(kinds.get(kind).is_some_and(|count| *count >= 20), "{kind}: {kinds:?}");
    }
    assert_eq!(kinds.get("decide"), None);
}

#[test]
fn edits_are_in_the_order_of_time_and_within_the_year() {
    let begins = midnight(TODAY).plus_ms(-DAYS_OF_WORK * DAY_MS);
    for edits in EDITS.iter() {
        assert!(edits.is_sorted_by_key(|edit| edit.at));
        assert!(edits.iter().all(|edit| begins <= edit.at && edit.at < midnight(TODAY)));
        let first_visit = edits.iter().position(|edit| kind_of(&edit.action) == "visit").expect("a visit");
        let last_registered = edits.iter().rposition(|edit| kind_of(&edit.action) == "register");
        assert!(last_registered < Some(first_visit));
    }
}

#[test]
fn a_leader_is_at_one_door_at_a_time_and_not_at_night() {
    for edits in EDITS.iter() {
        let mut free_at = Instant::from_ms(0);
        for edit in edits {
            if let Action::RecordVisit { visit, .. } = &edit.action {
                assert!(free_at <= visit.started_at && visit.ended_at < edit.at, "{edit:?}");
                free_at = visit.ended_at;
                let minute = (visit.started_at.ms() - midnight(visit.started_at).ms()) / MINUTE_MS;
                assert!((8 * 60..22 * 60).contains(&minute), "{edit:?}");
            }
        }
    }
}

#[test]
fn no_id_is_made_twice() {
    let known = FULL.areas().iter().map(|area| *area.id.as_bytes());
    let staff = FULL.staff().iter().map(|(staff, _)| *staff.id.as_bytes());
    let days = days(&FULL).into_iter().flat_map(|edit| new_ids(&edit));
    let ids: Vec<_> = known.chain(staff).chain(edits().flat_map(new_ids)).chain(days).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn areas_and_staff_are_as_the_registry_wants_them() {
    for area in FULL.areas() {
        let parent = area.parent.map(|id| FULL.areas().iter().find(|known| known.id == id).expect("a parent"));
        assert_eq!(area.check(parent), Ok(()), "{area:?}");
    }
    let levels = count(FULL.areas().iter().map(|area| area.code.as_str().len()));
    assert_eq!(levels, [(6, 1), (9, 3), (12, 12), (15, 99)].into());
    let names: BTreeSet<_> = FULL.areas().iter().map(|area| &area.name).collect();
    assert_eq!(names.len(), FULL.areas().len());

    let sign_ins: BTreeSet<_> = FULL.staff().iter().map(|(staff, _)| &staff.sign_in).collect();
    assert_eq!(sign_ins.len(), 99 + 74);
    assert!(sign_ins.iter().all(|name| is_sign_in_name(name)));
    let roles = count(FULL.staff().iter().flat_map(|(_, assignments)| assignments).map(|one| one.role));
    assert_eq!(roles.len(), Role::ALL.len());
    assert_eq!(roles[&Role::GridLeader], 99);
    for (grid, (leader, assignments)) in FULL.grids().iter().zip(FULL.staff()) {
        let [assignment] = assignments.as_slice() else { panic!("one assignment") };
        assert_eq!((grid.leader, grid.area, Role::GridLeader), (leader.id, assignment.area, assignment.role));
        assert!(assignment.holds_at(midnight(TODAY).plus_ms(-DAYS_OF_WORK * DAY_MS)) && assignment.holds_at(TODAY));
    }
}

#[test]
fn telephone_numbers_are_mobiles_that_nobody_has() {
    let mut found = 0;
    for edit in edits() {
        let records: Vec<(&str, &Fields)> = match &edit.action {
            Action::RegisterHousehold { fields, residents, .. } => {
                let residents = residents.iter().map(|new| (RESIDENTS, &new.fields));
                residents.chain([(HOUSEHOLD, fields)]).collect()
            }
            Action::AddResident(new) => vec![(RESIDENTS, &new.fields)],
            Action::Correct { record, fields } => vec![(record.container.as_str(), fields)],
            _ => vec![],
        };
        for (container, fields) in records {
            let container = SCHEMA_1.container(container).expect("a container");
            for (name, value) in fields.iter() {
                if container.field(name).expect("a field").kind == Kind::Phone {
                    let text = value.and_then(|value| value.as_text()).expect("a number");
                    let number = PhoneNumber::parse(text).expect("a telephone number");
                    assert!(number.kind() == PhoneNumberKind::Mobile && number.as_str() == text);
                    assert!(["154", "163", "164", "168", "179"].contains(&&text[..3]), "{text}");
                    found += 1;
                }
            }
        }
    }
    assert!(found > 40_000, "{found}");
}

#[test]
fn people_are_born_before_they_move_in_and_children_before_they_work() {
    for (edit, _, residents) in registrations() {
        for new in residents {
            let (born, since) = (text(&new.fields, "birth_date"), text(&new.stay, "since"));
            assert!(born <= since && since <= Some(&date(edit.at)), "{new:?}");
            let year: i32 = born.expect("a birth date")[..4].parse().expect("a year");
            let pupil = Some("31");
            let employment = text(&new.fields, "employment");
            assert!(year < 2009 || employment.is_none() || employment == pupil, "{new:?}");
        }
    }
}

#[test]
fn each_dwelling_has_an_address_of_its_own() {
    let addresses: BTreeSet<_> = registrations().filter_map(|(_, dwelling, _)| text(dwelling, "address")).collect();
    assert_eq!(addresses.len(), 18_000);
    let statuses = count(registrations().filter_map(|(_, dwelling, _)| text(dwelling, "status")));
    assert!(statuses["let"] > 900 && statuses["occupied"] > 15_000, "{statuses:?}");
    let vacant = edits().filter(|edit| {
        matches!(&edit.action, Action::Correct { record, fields }
            if record.container == DWELLING && text(fields, "status") == Some("vacant"))
    });
    assert!(vacant.count() > 100);
}

#[test]
fn elders_alone_are_visited_more_often_and_only_residents_are_spoken_to() {
    let mut elders = BTreeSet::new();
    let mut residents: BTreeMap<HouseholdId, BTreeSet<ResidentId>> = BTreeMap::new();
    let mut counts: BTreeMap<HouseholdId, usize> = BTreeMap::new();
    for edit in edits() {
        match &edit.action {
            Action::RegisterHousehold { residents: new, .. } => {
                residents.insert(edit.household, new.iter().map(|new| new.resident).collect());
            }
            Action::AffirmNeed { kind, .. } if kind == "elder_alone" => {
                elders.insert(edit.household);
            }
            Action::RecordVisit { visit, .. } => {
                *counts.entry(edit.household).or_insert(0) += 1;
                assert!(visit.spoken_to.iter().all(|person| residents[&edit.household].contains(person)));
                assert_eq!(visit.outcome == Outcome::Met, !visit.spoken_to.is_empty(), "{visit:?}");
            }
            _ => {}
        }
    }
    assert!((1_000..3_000).contains(&elders.len()), "{} elders alone", elders.len());
    let to_elders: usize = elders.iter().filter_map(|elder| counts.get(elder)).sum();
    assert!(to_elders / elders.len() >= 12);
    assert!(counts.values().sum::<usize>() / counts.len() == 6);
}

#[test]
fn a_need_is_withdrawn_only_where_it_was_affirmed() {
    let mut held = BTreeSet::new();
    for edit in edits() {
        match &edit.action {
            Action::AffirmNeed { resident, kind, .. } => drop(held.insert((edit.household, *resident, kind))),
            Action::WithdrawNeed { resident, kind } => {
                assert!(held.remove(&(edit.household, *resident, kind)), "{edit:?}");
            }
            _ => {}
        }
    }
    assert!(held.len() > 4_000, "{}", held.len());
}

#[test]
fn notes_are_of_natural_length_and_seldom_the_same() {
    let notes: Vec<_> = visits().filter_map(|visit| visit.note.as_deref()).collect();
    let share = notes.len() * 100 / visits().count();
    assert!((35..55).contains(&share), "{share}%");
    let characters: usize = notes.iter().map(|note| note.chars().count()).sum();
    assert!((25..60).contains(&(characters / notes.len())), "{}", characters / notes.len());
    let unique: BTreeSet<_> = notes.iter().collect();
    assert!(unique.len() * 2 > notes.len(), "{} of {}", unique.len(), notes.len());
}

/// What a phone knows after its grid's year.
fn known(grid: &Grid, edits: &[Edit]) -> Vec<KnownHousehold> {
    let mut homes: Vec<KnownHousehold> = Vec::new();
    for edit in edits {
        let home = homes.iter().position(|home| home.id == edit.household);
        match (&edit.action, home) {
            (Action::RegisterHousehold { residents, .. }, _) => {
                let residents = residents.iter().map(|new| new.resident).collect();
                homes.push(KnownHousehold { id: edit.household, residents, contact_phone: None, needs: vec![] });
            }
            (Action::AffirmNeed { resident, kind, .. }, Some(home)) => {
                homes[home].needs.push((*resident, kind.clone()));
            }
            _ => {}
        }
    }
    assert_eq!(homes.len(), grid.households);
    homes
}

/// A day of each leader and of a second phone in the first grid.
fn days(district: &District) -> Vec<Edit> {
    let start = midnight(TODAY).plus_ms(8 * 60 * MINUTE_MS);
    let grids = district.grids().iter().zip(EDITS.iter()).map(|(grid, edits)| (grid, edits, 0));
    let second = (&district.grids()[0], &EDITS[0], 1);
    grids
        .chain([second])
        .flat_map(|(grid, edits, phone)| {
            let work = district.day_of_work(grid, phone, &known(grid, edits), start);
            let kinds = count(work.iter().map(|(.., action)| kind_of(action)));
            assert!((28..=35).contains(&kinds["visit"]), "{kinds:?}");
            let others = [("register", 1), ("add resident", 1), ("affirm", 1), ("withdraw", 1), ("note", 1)];
            assert!(others.iter().all(|(kind, count)| kinds.get(kind) == Some(count)), "{kinds:?}");
            assert_eq!((kinds["correct"], kinds["correct visit"]), (7, 1));
            assert!(work.is_sorted_by(|(first, ..), (second, ..)| first < second));
            assert!(work.iter().all(|(at, ..)| (0..=10 * 60 * MINUTE_MS).contains(&(at.ms() - start.ms()))));
            work
        })
        .enumerate()
        .map(|(number, (at, household, action))| {
            let id = gridwork_domain::id::EditId::from_bytes((number as u128).to_be_bytes());
            Edit { id, at, household, action }
        })
        .collect()
}

#[test]
fn a_day_of_work_can_be_recorded_and_is_the_same_twice() {
    let days = self::days(&FULL);
    for edit in &days {
        if let Err(error) = edit.check(&SCHEMA_1) {
            panic!("{error}: {edit:?}");
        }
    }
    assert_eq!(self::days(&FULL), days);
}

#[test]
fn a_phone_that_knows_nobody_yet_registers_its_first_household() {
    let work = FULL.day_of_work(&FULL.grids()[0], 0, &[], TODAY);
    assert_eq!(work.iter().map(|(.., action)| kind_of(action)).collect::<Vec<_>>(), ["register", "visit"]);
}
