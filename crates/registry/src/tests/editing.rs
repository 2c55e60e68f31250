use super::{AGENT, District, LEADERS, NOW, contact_phone, edit, register, scope, visit};
use crate::{EditError, Import};
use gridwork_domain::edit::Action;
use gridwork_domain::fields::Value;
use gridwork_domain::household::RecordPath;
use gridwork_sync::change::BuildError;
use gridwork_sync::document::ChangeHash;
use gridwork_sync::message::Outcome::Merged;

#[tokio::test]
async fn two_phones_and_the_call_centre_change_one_number_and_somebody_decides() {
    let district = District::open().await;
    let mut one = district.phone(LEADERS[0]).await;
    let new = register();
    one.record(&new, scope(0));
    one.sync(&district).await;
    let mut two = district.phone(LEADERS[0]).await;
    two.sync(&district).await;
    let reach = district.reach(AGENT).await;
    let seen = district.registry.household(&reach, new.household).await.unwrap().expect("the household").heads;

    one.record(&contact_phone(new.household, "13900000001"), scope(0));
    two.record(&contact_phone(new.household, "13900000002"), scope(0));
    assert_eq!(one.sync(&district).await[0].0, Merged);
    assert_eq!(two.sync(&district).await[0].0, Merged);
    // The call agent's form was opened before either of them.
    let third = contact_phone(new.household, "13900000003");
    let edited = district.registry.edit(AGENT, third, Some(seen), None, NOW).await.unwrap();
    assert!(edited.concurrent);
    let [conflict] = edited.conflicts.as_slice() else { panic!("{:?}", edited.conflicts) };
    let mut said: Vec<_> = conflict
        .alternatives
        .iter()
        .map(|one| (one.value.as_ref().and_then(Value::as_text).unwrap_or_default(), one.by.name.as_str()))
        .collect();
    said.sort_unstable();
    assert_eq!(said, [("13900000001", "王大力"), ("13900000002", "王大力"), ("13900000003", "赵坐席")]);
    let listed = district.registry.conflicts(&reach, None, None, 10).await.unwrap();
    assert_eq!(listed.items[0].conflict, *conflict);
    district.verify().await;

    let path = RecordPath::household().field("contact_phone");
    let value = Some(Value::from("13900000003"));
    let decision = edit(new.household, Action::DecideConflict { path, value });
    let decided = district.registry.edit(AGENT, decision, Some(edited.heads), None, NOW).await.unwrap();
    assert!(!decided.concurrent && decided.conflicts.is_empty());
    for phone in [&mut one, &mut two] {
        phone.sync(&district).await;
        let key = gridwork_sync::document::DocumentId::household(new.household).into();
        let heads: Vec<ChangeHash> = phone.documents[&key].get_heads().into_iter().map(Into::into).collect();
        assert_eq!(heads, decided.heads);
    }
    district.verify().await;
}

#[tokio::test]
async fn the_audit_row_of_an_edit_names_everybody_whose_conflicts_its_answer_shows() {
    let district = District::open().await;
    let new = register();
    let Action::RegisterHousehold { residents, .. } = &new.action else { panic!("it registers") };
    let resident = residents[0].resident;
    let registered = district.registry.edit(AGENT, new.clone(), None, Some(scope(0)), NOW).await.unwrap();
    let rename = |name: &str| {
        let fields = gridwork_domain::fields::Fields::new().with("name", name);
        edit(new.household, Action::Correct { record: RecordPath::resident(resident), fields })
    };
    district.registry.edit(AGENT, rename("张山"), Some(registered.heads.clone()), None, NOW).await.unwrap();
    district.registry.edit(LEADERS[0], rename("章三"), Some(registered.heads), None, NOW).await.unwrap();
    let edited = district.registry.edit(AGENT, contact_phone(new.household, "13900000001"), None, None, NOW).await;
    assert_eq!(edited.unwrap().conflicts.len(), 1, "of the resident's name");
    let rows = district.registry.database.read(|connection| {
        use crate::tables::audit;
        use diesel::prelude::*;
        let rows = audit::table.filter(audit::action.eq("edit")).select((audit::detail, audit::persons));
        Ok::<_, crate::StoreError>(rows.load::<(String, Vec<u8>)>(connection)?)
    });
    let rows = rows.await.unwrap();
    let (_, persons) = rows.iter().find(|(detail, _)| detail.contains("contact_phone\"]")).expect("the last edit");
    assert!(persons.chunks(16).any(|id| id == resident.as_bytes()), "the resident is named");
}

#[tokio::test]
async fn an_edit_on_current_heads_overwrites_and_an_unknown_version_is_refused() {
    let district = District::open().await;
    let new = register();
    let registered = district.registry.edit(AGENT, new.clone(), None, Some(scope(1)), NOW).await.unwrap();
    let change = contact_phone(new.household, "13900000001");
    let edited = district.registry.edit(AGENT, change, Some(registered.heads), None, NOW).await.unwrap();
    assert!(!edited.concurrent && edited.conflicts.is_empty());
    for unknown in [vec![], vec![ChangeHash([1; 32])]] {
        let change = contact_phone(new.household, "13900000002");
        let refused = district.registry.edit(AGENT, change, Some(unknown), None, NOW).await;
        assert!(matches!(refused, Err(EditError::Build(BuildError::UnknownHeads))), "{refused:?}");
    }
    let again = contact_phone(new.household, "13900000001");
    let nothing = district.registry.edit(AGENT, again, None, None, NOW).await;
    assert!(matches!(nothing, Err(EditError::Build(BuildError::Nothing))), "{nothing:?}");
    assert_eq!(district.verify().await.changes, 2);
}

#[tokio::test]
async fn who_has_no_business_with_a_household_is_told_that_there_is_none() {
    let district = District::open().await;
    let new = register();
    district.registry.edit(LEADERS[1], new.clone(), None, Some(scope(1)), NOW).await.unwrap();
    let outside =
        district.registry.edit(LEADERS[0], contact_phone(new.household, "13900000001"), None, None, NOW).await;
    assert!(matches!(outside, Err(EditError::NoSuchHousehold)), "{outside:?}");
    // The call agent may read and edit there, and records no visits.
    let recorded = district.registry.edit(AGENT, visit(new.household, "代记"), None, None, NOW).await;
    assert!(matches!(recorded, Err(EditError::NotEntitled)), "{recorded:?}");
    let twice = district.registry.edit(LEADERS[1], new, None, Some(scope(1)), NOW).await;
    assert!(matches!(twice, Err(EditError::Exists)), "{twice:?}");
    let homeless = district.registry.edit(AGENT, register(), None, None, NOW).await;
    assert!(matches!(homeless, Err(EditError::NoHome)), "{homeless:?}");
    let nowhere = district.registry.edit(LEADERS[0], register(), None, Some(scope(1)), NOW).await;
    assert!(matches!(nowhere, Err(EditError::NotEntitled)), "{nowhere:?}");
}

#[tokio::test]
async fn an_import_goes_the_way_of_every_edit_and_is_all_or_nothing() {
    let district = District::open().await;
    let (one, two) = (register(), register());
    let by = |by, edit| Import { by, edit, home: Some(scope(0)) };
    let edits = vec![
        by(LEADERS[0], one.clone()),
        by(LEADERS[0], visit(one.household, "一")),
        by(LEADERS[0], visit(one.household, "二")),
        by(AGENT, contact_phone(one.household, "13900000001")),
        by(AGENT, contact_phone(one.household, "13900000001")),
    ];
    let registry = district.registry.clone();
    let bad = vec![by(LEADERS[0], two.clone()), by(LEADERS[1], contact_phone(two.household, "13900000001"))];
    let (imported, refused) = tokio::task::spawn_blocking(move || {
        (registry.import_edits(edits, NOW).unwrap(), registry.import_edits(bad, NOW).unwrap_err())
    })
    .await
    .unwrap();
    assert_eq!((imported.merged, imported.nothing_to_do), (4, 1));
    assert_eq!(refused.index, 1);
    assert!(matches!(refused.source, EditError::NoSuchHousehold));
    let report = district.verify().await;
    assert_eq!((report.households, report.facts, report.changes), (1, 2, 4));
}
