use super::sealer::{LEASE_MS, seal_some};
use super::{AuditFilter, AuditReport, AuditView, Oversight, Step, Subject, note, verify_audit};
use crate::database::{Blob, StoreError};
use crate::tests::{AGENT, District, LEADERS, NOW, contact_phone, register, scope, visit};
use crate::{Origin, Sealer, Showing};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::id::ResidentId;
use std::collections::BTreeSet;

fn resident_of(edit: &Edit) -> ResidentId {
    let Action::RegisterHousehold { residents, .. } = &edit.action else { panic!("{edit:?}") };
    residents[0].resident
}

fn showing_household(records: usize) -> Showing {
    Showing { classes: &["household"], records, sensitivity: 1, masked: false, broken: Vec::new(), sought_phone: false }
}

async fn audit(district: &District, oversight: Oversight, filter: AuditFilter) -> Vec<AuditView> {
    district.registry.audit(oversight, filter, None, 100).await.unwrap().items
}

fn verify(district: &District) -> AuditReport {
    verify_audit(&district.settings, None, &[]).unwrap()
}

/// A district in which the agent registered a household in the first grid and read it, everything sealed.
async fn read_about() -> (District, Sealer, Edit) {
    let district = District::open().await;
    let new = register();
    // Later than what set up the district: rows of one millisecond stand in any order.
    district.registry.edit(AGENT, new.clone(), None, Some(scope(0)), NOW.plus_ms(1)).await.unwrap();
    let whole = Subject { scope: scope(0), household: new.household, resident: None };
    let persons = BTreeSet::from([whole, Subject { resident: Some(resident_of(&new)), ..whole }]);
    let origin = Origin {
        source: Some("10.0.0.5".to_owned()),
        request: Some("call-2026-17".to_owned()),
        reason: Some("回访".to_owned()),
    };
    let showing = district.registry.note_shown(AGENT, persons, showing_household(1), NOW.plus_ms(5));
    origin.scope(showing).await.unwrap();
    let sealer = district.registry.sealer().unwrap();
    sealer.seal(NOW).await.unwrap();
    (district, sealer, new)
}

#[tokio::test]
async fn who_read_about_somebody_is_found_with_why_and_from_where() {
    let (district, sealer, new) = read_about().await;
    let about = AuditFilter { resident: Some(resident_of(&new)), ..AuditFilter::default() };
    let found = audit(&district, Oversight::Whole, about.clone()).await;
    let actions: Vec<&str> = found.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["read", "edit"]);
    let (read, edit) = (&found[0], &found[1]);
    assert_eq!(read.by.as_ref().map(|by| by.name.as_str()), Some("赵坐席"));
    assert_eq!(read.persons.len(), 2);
    let origin = [&read.reason, &read.source, &read.request].map(|text| text.as_deref());
    assert_eq!(origin, [Some("回访"), Some("10.0.0.5"), Some("call-2026-17")]);
    assert!(edit.source.is_none(), "an origin is that of one request alone: {edit:?}");
    assert!(edit.detail.contains("residents.birth_date") && !edit.detail.contains("1950"), "{edit:?}");

    // What concerns the household as a whole concerns everybody in it; what concerns a neighbour does not.
    let mut phone = district.phone(LEADERS[0]).await;
    phone.sync(&district).await;
    phone.record(&visit(new.household, "例行走访"), scope(0));
    phone.sync(&district).await;
    district.registry.edit(AGENT, register(), None, Some(scope(0)), NOW).await.unwrap();
    sealer.seal(NOW).await.unwrap();
    let found = audit(&district, Oversight::Whole, about).await;
    let mut actions: Vec<&str> = found.iter().map(|row| row.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["edit", "pull", "read", "sync"]);
    let by_phone = |row: &&AuditView| row.device == Some(phone.device.id);
    assert_eq!(found.iter().filter(by_phone).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_seal_and_those_who_read_are_never_in_each_others_way() {
    const READERS: usize = 8;
    const READS: usize = 40;
    let (district, sealer, new) = read_about().await;
    let again = district.registry.figures().attempts_again;
    let about = Subject { scope: scope(0), household: new.household, resident: None };
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..READERS {
        let registry = district.registry.clone();
        reading.spawn(async move {
            for _ in 0..READS {
                registry.note_shown(AGENT, BTreeSet::from([about]), showing_household(1), NOW).await.unwrap();
            }
        });
    }
    let other = district.registry.sealer().unwrap();
    while !reading.is_empty() {
        let (one, two) = tokio::join!(sealer.seal(NOW), other.seal(NOW));
        one.and(two).unwrap();
        while let Some(done) = reading.try_join_next() {
            done.unwrap();
        }
    }
    sealer.seal(NOW).await.unwrap();
    assert_eq!(district.registry.figures().attempts_again, again);
    let report = verify(&district);
    assert!(report.is_clean() && report.unsealed == 0 && report.rows >= (READERS * READS) as u64, "{report:?}");
}

#[tokio::test]
async fn an_auditor_of_one_grid_sees_its_persons_alone_and_pages_go_on_where_they_ended() {
    let (district, sealer, new) = read_about().await;
    let foreign = register();
    district.registry.edit(AGENT, foreign.clone(), None, Some(scope(1)), NOW).await.unwrap();
    let both = [(scope(0), &new), (scope(1), &foreign)];
    let both = both.map(|(scope, edit)| Subject { scope, household: edit.household, resident: None });
    district.registry.note_shown(AGENT, both.into(), showing_household(2), NOW).await.unwrap();
    sealer.seal(NOW).await.unwrap();
    let within = Oversight::Within([scope(0)].into_iter().collect());
    let found = audit(&district, within.clone(), AuditFilter::default()).await;
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().flat_map(|row| &row.persons).all(|one| one.scope == scope(0)));
    let elsewhere = AuditFilter { household: Some(foreign.household), ..AuditFilter::default() };
    assert!(audit(&district, within, elsewhere).await.is_empty());

    let by_agent = AuditFilter { staff: Some(AGENT), ..AuditFilter::default() };
    let (mut after, mut positions) = (None, Vec::new());
    loop {
        let page = district.registry.audit(Oversight::Whole, by_agent.clone(), after, 1).await.unwrap();
        positions.extend(page.items.iter().map(|row| row.head.position));
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(positions.len(), 4);
    assert!(positions.is_sorted_by(|one, next| one > next), "{positions:?}");
    let later = AuditFilter { from: Some(NOW.plus_ms(2)), until: Some(NOW.plus_ms(6)), ..by_agent };
    assert_eq!(audit(&district, Oversight::Whole, later).await.len(), 1);
}

#[tokio::test]
async fn one_node_seals_at_a_time_and_another_goes_on_when_it_died() {
    let (district, _, new) = read_about().await;
    let before = verify(&district);
    district.registry.edit(AGENT, contact_phone(new.household, "110"), None, None, NOW).await.unwrap();
    let other = district.registry.sealer().unwrap();
    other.seal(NOW.plus_ms(LEASE_MS - 1)).await.unwrap();
    assert_eq!((verify(&district).rows, verify(&district).unsealed), (before.rows, 1), "the first has the lease");
    other.seal(NOW.plus_ms(LEASE_MS)).await.unwrap();
    let after = verify(&district);
    assert_eq!((after.rows, after.unsealed, after.findings_found), (before.rows + 1, 0, 0), "{after:?}");
    let kept = before.head.parse().unwrap();
    assert!(verify_audit(&district.settings, Some(kept), &[]).unwrap().rows == 1);
    assert_eq!(district.registry.audit_lag_ms(NOW.plus_ms(9_000)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_second_sealer_that_works_by_accident_fails_and_forks_nothing() {
    let (district, _, new) = read_about().await;
    district.registry.edit(AGENT, contact_phone(new.household, "110"), None, None, NOW).await.unwrap();
    let before = verify(&district).rows;
    // It does not know of what was sealed since it looked.
    district.damage("UPDATE audit_chain SET position = position - 1, holder = NULL");
    let work = |connection: &mut _| seal_some(connection, Blob([9; 16]), NOW);
    let sealed: Result<u64, StoreError> = district.registry.database.write(work).await;
    let Err(StoreError::Database(error)) = sealed else { panic!("{sealed:?}") };
    assert!(matches!(*error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)), "{error}");
    district.damage("UPDATE audit_chain SET position = position + 1");
    let report = verify(&district);
    assert_eq!((report.rows, report.unsealed, report.findings_found), (before, 1, 0), "{report:?}");
}

#[tokio::test]
async fn many_persons_take_several_rows_and_nobody_is_left_out() {
    let (district, sealer, new) = read_about().await;
    let one = |number: u16| {
        let mut id = [0x77; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Subject { scope: scope(0), household: new.household, resident: Some(ResidentId::from_bytes(id)) }
    };
    let before = verify(&district);
    let persons: BTreeSet<Subject> = (0..1_300).map(one).collect();
    let step = Step { persons, ..Step::new(NOW, Some(AGENT), "import") };
    district.registry.database.write(move |connection| note(connection, &step)).await.unwrap();
    assert_eq!(district.registry.audit_lag_ms(NOW.plus_ms(700)).await.unwrap(), 700);
    sealer.seal(NOW).await.unwrap();
    let after = verify(&district);
    assert_eq!((after.rows - before.rows, after.persons - before.persons), (3, 1_300));
    let about = AuditFilter { resident: one(1_299).resident, ..AuditFilter::default() };
    assert_eq!(audit(&district, Oversight::Whole, about).await[0].action, "import");
}

#[tokio::test]
async fn whatever_is_done_to_a_sealed_row_is_named() {
    for (statement, position, kind) in [
        ("DELETE FROM audit WHERE position = 7", 7, "removed"),
        ("DELETE FROM audit WHERE position = (SELECT max(position) FROM audit)", 13, "removed"),
        ("UPDATE audit SET reason = '例行' WHERE position = 12", 12, "altered"),
        ("UPDATE audit SET staff = NULL WHERE position = 12", 12, "altered"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE position = 3", 3, "altered"),
        ("UPDATE audit SET at = at + 1 WHERE position = 1", 1, "altered"),
        // Two rows in each other's place, with their hashes and without.
        (
            "UPDATE audit SET position = -1 WHERE position = 4; UPDATE audit SET position = 4 WHERE position = 9; \
             UPDATE audit SET position = 9 WHERE position = -1",
            9,
            "reordered",
        ),
        (
            "UPDATE audit SET position = -1 WHERE position = 4; UPDATE audit SET position = 4 WHERE position = 5; \
             UPDATE audit SET position = 5 WHERE position = -1",
            4,
            "reordered",
        ),
        (
            "CREATE TEMP TABLE kept AS SELECT position, hash FROM audit WHERE position IN (4, 9); \
             UPDATE audit SET position = -1 WHERE position = 4; \
             UPDATE audit SET position = 4, hash = (SELECT hash FROM kept WHERE position = 4) WHERE position = 9; \
             UPDATE audit SET position = 9, hash = (SELECT hash FROM kept WHERE position = 9) WHERE position = -1",
            4,
            "reordered",
        ),
        ("DELETE FROM audit_person WHERE position = 12 AND resident <> zeroblob(16)", 12, "index"),
        ("UPDATE audit_person SET position = 2 WHERE position = 12", 2, "index"),
        ("UPDATE audit_person SET position = 99 WHERE position = 13", 14, "index"),
        ("UPDATE audit_chain SET position = 12", 13, "altered"),
    ] {
        let (district, ..) = read_about().await;
        let clean = verify(&district);
        assert!(clean.is_clean() && clean.rows == 13, "{clean:?}");
        district.damage(statement);
        let report = verify(&district);
        let named = report.findings.iter().any(|one| one.position == position && one.kind == kind);
        assert!(named, "{statement}: {report:#?}");
        assert!(report.findings_found <= 4, "{statement} is said to have done more than it did: {report:#?}");
    }
}

#[tokio::test]
async fn a_head_that_was_kept_elsewhere_tells_of_a_chain_that_was_made_anew() {
    let (district, sealer, new) = read_about().await;
    let kept = verify(&district).head.parse().unwrap();
    district.registry.edit(AGENT, contact_phone(new.household, "110"), None, None, NOW).await.unwrap();
    sealer.seal(NOW).await.unwrap();
    assert!(verify_audit(&district.settings, None, &[kept]).unwrap().is_clean());
    // Who owns the database takes out the last two rows, and lets everything be sealed anew.
    district.damage(
        "DELETE FROM audit WHERE position >= 12; DELETE FROM audit_person; \
         UPDATE audit SET position = NULL, hash = NULL; UPDATE audit_chain SET position = 0, hash = zeroblob(32)",
    );
    district.registry.edit(AGENT, contact_phone(new.household, "120"), None, None, NOW).await.unwrap();
    sealer.seal(NOW).await.unwrap();
    assert!(verify(&district).is_clean(), "the chain alone cannot tell");
    let report = verify_audit(&district.settings, None, &[kept]).unwrap();
    assert_eq!(report.findings.iter().map(|one| (one.position, one.kind)).collect::<Vec<_>>(), [(13, "head")]);
}
