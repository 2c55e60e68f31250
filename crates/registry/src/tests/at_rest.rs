//! What is sealed at rest, seen from nodes of which one has a new key and another does not yet.

use super::database::keys;
use super::{AGENT, District, LEADERS, NOW, edit, register, scope, visit};
use crate::refused::storable;
use crate::second_factor::code_at;
use crate::session::NewSession;
use crate::tables::{held, quarantine, resident, second_factor, session};
use crate::{ExchangeError, KeptState, Registry, SecondFactorError, Settings, StoreError};
use diesel::prelude::*;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::edit::Action;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_sealing::{Keyring, OpenError};
use gridwork_sync::message::Outcome::{Held, Merged, Quarantined};
use std::sync::Arc;

const NEW: [u8; 32] = [9; 32];

/// A node with the new key, which seals to it, beside the district's own, which lacks it.
fn node_ahead(district: &District) -> Registry {
    open(district, keys().rotated(NEW))
}

fn open(district: &District, keys: Keyring) -> Registry {
    Registry::open(&with(district, keys)).unwrap()
}

fn with(district: &District, keys: Keyring) -> Settings {
    Settings { sealing: Some(Arc::new(keys)), ..district.settings.clone() }
}

fn new_key() -> gridwork_domain::sealed_number::KeyId {
    keys().rotated(NEW).current().unwrap().id()
}

async fn secret_row(registry: &Registry, of: StaffId) -> Vec<u8> {
    let row = second_factor::table.find(crate::database::Id::from(of)).select(second_factor::secret);
    registry.database.read(move |connection| Ok::<_, StoreError>(row.get_result(connection)?)).await.unwrap()
}

async fn session_of(registry: &Registry, of: StaffId) -> SessionId {
    let new = NewSession::draw(NOW).unwrap();
    let begin = move |connection: &mut _| crate::session::begin(connection, of, &new, false, NOW);
    registry.database.write(begin).await.unwrap().session
}

#[tokio::test]
async fn the_secret_of_a_second_factor_lies_sealed_and_opens_for_its_owner_alone() {
    let district = District::open().await;
    let registry = &district.registry;
    let secrets = [registry.begin_second_factor(AGENT, NOW).await.unwrap().secret, {
        registry.begin_second_factor(LEADERS[0], NOW).await.unwrap().secret
    }];
    let sealed = secret_row(registry, AGENT).await;
    let plain = totp_rs::Secret::try_from_base32(&secrets[0]).unwrap().as_bytes().to_vec();
    assert!(sealed.len() == 77 && !sealed.windows(20).any(|part| part == plain));

    // Somebody who writes the database puts their own secret in another's place: it opens for nobody.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (theirs, of) = (hex(&secret_row(registry, LEADERS[0]).await), hex(AGENT.as_bytes()));
    district.damage(&format!("UPDATE second_factor SET secret = x'{theirs}' WHERE staff = x'{of}'"));
    let session = session_of(registry, AGENT).await;
    for secret in &secrets {
        let confirmed = registry.confirm_second_factor(AGENT, session, code_at(secret, NOW), NOW).await;
        assert!(matches!(confirmed, Err(SecondFactorError::Store(StoreError::Unreadable(_)))), "{confirmed:?}");
    }
    let report = crate::verify(&district.settings).unwrap();
    assert_eq!((report.second_factors, report.differences_found), (2, 1));
    assert_eq!(report.differences[0].table, "second_factor");
    district.damage(&format!("UPDATE second_factor SET secret = x'{}' WHERE staff = x'{of}'", hex(&sealed)));
    registry.confirm_second_factor(AGENT, session, code_at(&secrets[0], NOW), NOW).await.unwrap();
}

#[tokio::test]
async fn a_code_is_neither_right_nor_wrong_where_the_key_is_missing_and_right_as_soon_as_it_is_there() {
    let district = District::open().await;
    let ahead = node_ahead(&district);
    let secret = ahead.begin_second_factor(AGENT, NOW).await.unwrap().secret;
    let session = session_of(&ahead, AGENT).await;
    for code in [code_at(&secret, NOW), "000000".to_owned()] {
        let confirmed = district.registry.confirm_second_factor(AGENT, session, code, NOW).await;
        assert!(
            matches!(&confirmed, Err(SecondFactorError::Store(StoreError::KeyMissing(key))) if *key == new_key()),
            "{confirmed:?}"
        );
    }
    let counted = session::table.filter(session::second_factor.eq(true)).count();
    let counted = district.registry.database.read(move |c| Ok::<i64, StoreError>(counted.get_result(c)?));
    assert_eq!(counted.await.unwrap(), 0, "nobody slipped in");
    let with_key = open(&district, keys().prepared(NEW));
    with_key.confirm_second_factor(AGENT, session, code_at(&secret, NOW), NOW).await.unwrap();
    let other = with_key.begin_second_factor(LEADERS[0], NOW).await.unwrap().secret;
    let session = session_of(&with_key, LEADERS[0]).await;
    // What only opens seals nothing: the node that has not begun anew reads it.
    district.registry.confirm_second_factor(LEADERS[0], session, code_at(&other, NOW), NOW).await.unwrap();
}

#[tokio::test]
async fn what_waits_and_what_was_refused_lies_sealed_and_is_judged_as_soon_as_its_key_is_there() {
    let mut district = District::open().await;
    let behind = district.registry.clone();
    district.registry = node_ahead(&district);
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    phone.record(&visit(new.household, "11010519491231002X"), scope(0));
    let household = phone.unsent.remove(0);
    assert_eq!(phone.sync(&district).await[0].0, Held);
    let mut stranger = district.phone(LEADERS[1]).await;
    stranger.record(&register(), scope(0));
    assert_eq!(stranger.sync(&district).await[0].0, Quarantined);
    let rows = district.registry.database.read(|connection| {
        let mut rows: Vec<Vec<u8>> = held::table.select(held::sealed).load(connection)?;
        rows.extend(quarantine::table.select(quarantine::sealed).load::<Vec<u8>>(connection)?);
        Ok::<_, StoreError>(rows)
    });
    let rows = rows.await.unwrap();
    let holds = |row: &Vec<u8>, text: &str| row.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(rows.len() == 2 && !rows.iter().any(|row| holds(row, "19491231") || holds(row, "三公里路")));

    let reach = district.reach(AGENT).await;
    let mut kept = Vec::new();
    for state in [KeptState::Held, KeptState::Quarantined] {
        kept.extend(district.registry.kept(&reach, state, None, None, 10).await.unwrap().items);
    }
    let read = async |registry: &Registry, at: usize| {
        let detail = registry.kept_change(&reach, kept[at].id).await.unwrap().unwrap();
        (detail.says.is_some(), detail.unreadable)
    };
    for at in [0, 1] {
        assert_eq!(read(&district.registry, at).await, (true, None));
        assert_eq!(read(&behind, at).await, (false, Some(OpenError::UnknownKey)));
    }

    // A node without the key does nothing by halves, and names the key.
    district.registry = behind.clone();
    phone.unsent.push(household);
    let refused = district.exchange(&phone.device, phone.request()).await;
    assert!(matches!(refused, Err(ExchangeError::Store(StoreError::KeyMissing(key))) if key == new_key()));
    assert!(behind.household(&reach, new.household).await.unwrap().is_none());
    let released = behind.release_kept(AGENT, &reach, kept[1].id, "x".to_owned(), NOW, None).await;
    assert!(released.is_err());
    // Whoever verifies without keys is told of each row that stays shut.
    let found = crate::verify(&Settings { sealing: None, ..district.settings.clone() }).unwrap();
    let tables: Vec<_> = found.differences.iter().map(|one| one.table.as_str()).collect();
    assert_eq!(tables, ["held", "quarantine"]);
    assert!(found.differences[0].found.contains(&new_key().to_string()), "{:?}", found.differences);

    district.settings = with(&district, keys().prepared(NEW));
    district.registry = Registry::open(&district.settings).unwrap();
    assert_eq!(read(&district.registry, 1).await, (true, None));
    assert_eq!(phone.sync(&district).await[0].0, Merged);
    let visits = district.registry.visits(&reach, new.household, None, 10).await.unwrap().expect("its visits");
    assert_eq!(visits.items.len(), 1, "what waited was merged with it");
    let released = district.registry.release_kept(AGENT, &reach, kept[1].id, "x".to_owned(), NOW, None).await.unwrap();
    assert_eq!(released.code.as_deref(), Some("not-entitled"), "{released:?}");
    assert_eq!(district.verify().await.kept, 1);
}

#[test]
fn why_a_change_was_refused_repeats_no_number_and_no_nul() {
    let kept = storable("residents has no field 11010519491231002X\0 of 1790000000000 年");
    assert_eq!(kept, "residents has no field …X\u{fffd} of 1790000000000 年");
}

#[tokio::test]
async fn a_change_put_in_another_ones_place_is_named_and_not_judged() {
    let district = District::open().await;
    let mut stranger = district.phone(LEADERS[1]).await;
    stranger.record(&register(), scope(0));
    stranger.record(&register(), scope(0));
    assert!(stranger.sync(&district).await.iter().all(|(fate, _)| *fate == Quarantined));
    district.damage("UPDATE quarantine SET sealed = (SELECT sealed FROM quarantine ORDER BY sealed DESC LIMIT 1)");
    let report = crate::verify(&district.settings).unwrap();
    assert_eq!((report.kept, report.differences_found), (2, 1), "{:?}", report.differences);
    assert_eq!(report.differences[0].column.as_deref(), Some("sealed"));
}

#[tokio::test]
async fn a_number_that_came_to_a_node_without_its_key_is_read_when_the_node_has_it_before_it_seals() {
    let mut district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    let Action::RegisterHousehold { residents, .. } = &new.action else { panic!("{new:?}") };
    let of = residents[0].resident;
    phone.record(&new, scope(0));
    let number = CitizenNumber::parse("11010519491231002X").unwrap();
    let sealed = keys().rotated(NEW).current().unwrap().seal(&number, [3; 32]).to_string();
    let fields = Fields::new().with("citizen_number", sealed.as_str());
    phone.record(&edit(new.household, Action::Correct { record: RecordPath::resident(of), fields }), scope(0));
    assert!(phone.sync(&district).await.iter().all(|(fate, _)| *fate == Merged));
    let row = async |registry: &Registry| {
        let columns = (resident::citizen_number_shown, resident::citizen_number_unreadable);
        let query = resident::table.select(columns);
        type Row = (Option<String>, Option<String>);
        registry.database.read(move |connection| Ok::<Row, StoreError>(query.get_result(connection)?)).await.unwrap()
    };
    assert_eq!(row(&district.registry).await, (None, Some("unknown_key".to_owned())));
    district.settings = with(&district, keys().prepared(NEW));
    district.registry = Registry::open(&district.settings).unwrap();
    assert_eq!(row(&district.registry).await, (Some("1****************X".to_owned()), None));
    district.verify().await;

    // While keys come to one node after the other, one that has not got it yet may still begin.
    open(&district, keys());
    open(&district, keys().rotated(NEW));
    let Err(error) = Registry::open(&with(&district, keys())) else { panic!("it lacks what seals now") };
    assert!(error.to_string().contains(&new_key().to_string()), "{error}");
}
