//! What happens to people's work on the way between phones and registry.

use super::*;
use crate::testing::SCHEMA_2;
use gridwork_domain::need::{Basis, Need};

/// Two phones that know household 1.
fn two_phones() -> (Server, Phone, Phone) {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let mut two = Phone::enrol(&mut server, 2, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.sync(&mut server);
    two.sync(&mut server);
    (server, one, two)
}

fn assert_same(one: &Phone, two: &Phone) {
    assert_eq!(one.all(&[home(1), home(2)]), two.all(&[home(1), home(2)]));
}

#[test]
fn what_one_phone_records_another_reads_with_the_authors_name() {
    let (mut server, mut one, mut two) = two_phones();
    let action = visit(&mut one);
    one.act(home(1), action);
    assert!(one.replica.visits(home(1))[0].waiting);
    assert_eq!(one.replica.status().waiting, 1);
    one.sync(&mut server);
    two.sync(&mut server);
    assert_same(&one, &two);
    let visits = two.replica.visits(home(1));
    assert_eq!(visits[0].by.name.as_deref(), Some("网格员001"));
    assert!(!visits[0].waiting && one.outbox().is_empty());
    assert_eq!(two.text(home(1), &RecordPath::dwelling(), "address").as_deref(), Some("长江路三十六号"));
    for (text, found) in [("秀英", 1), ("024-1234", 1), ("长江路", 1), ("黄河路", 0)] {
        assert_eq!(two.replica.search(text).len(), found, "{text}");
    }
}

#[test]
fn two_values_of_one_field_are_a_conflict_on_both_phones_until_somebody_decides() {
    let (mut server, mut one, mut two) = two_phones();
    one.act(home(1), correct("contact_phone", "13811111111"));
    two.act(home(1), correct("contact_phone", "13822222222"));
    one.act(home(1), Action::AddResident(new_resident(2, "李小红")));
    two.act(home(1), Action::AddResident(new_resident(3, "张伟")));
    for phone in [&mut one, &mut two] {
        phone.sync(&mut server);
    }
    one.sync(&mut server);
    assert_same(&one, &two);
    let known = two.replica.household(home(1)).expect("known");
    let authors: Vec<_> = known.conflicts[0].alternatives.iter().map(|one| one.by.name.clone()).collect();
    assert_eq!(known.conflicts.len(), 1);
    assert!(authors.contains(&Some("网格员001".into())) && authors.contains(&Some("网格员002".into())), "{authors:?}");
    assert_eq!(known.household.residents().count(), 3, "both added residents are there");

    let path = known.conflicts[0].path.clone();
    let value = known.conflicts[0].alternatives[1].value.clone();
    two.act(home(1), Action::DecideConflict { path, value: value.clone() });
    two.sync(&mut server);
    one.sync(&mut server);
    assert_same(&one, &two);
    let decided = one.replica.household(home(1)).expect("known");
    assert!(decided.conflicts.is_empty());
    assert_eq!(decided.household.value(&known.conflicts[0].path), value.as_ref());
}

#[test]
fn a_form_opened_before_a_pull_does_not_overwrite_what_the_pull_brought() {
    let (mut server, mut one, mut two) = two_phones();
    let form = two.replica.household(home(1)).expect("known").heads;
    one.act(home(1), correct("contact_phone", "13811111111"));
    one.sync(&mut server);
    two.sync(&mut server);
    let edit = two.edit(home(1), correct("contact_phone", "13822222222"));
    two.record(&edit, Some(form.clone())).expect("saved");
    assert_eq!(two.replica.household(home(1)).expect("known").conflicts.len(), 1, "it shows at once");
    two.sync(&mut server);
    one.sync(&mut server);
    assert_same(&one, &two);
    assert_eq!(one.replica.household(home(1)).expect("known").conflicts.len(), 1);
    let unknown = two.edit(home(1), correct("remark", "x"));
    assert_eq!(
        two.record(&unknown, Some(vec![ChangeHash([9; 32])])),
        Err(NotSaved::Build(crate::change::BuildError::UnknownHeads))
    );
}

#[test]
fn an_edit_saved_during_a_push_is_pushed_afterwards() {
    let (mut server, mut one, _) = two_phones();
    one.act(home(1), correct("remark", "一"));
    let [Effect::Send(request)] = &one.handle(Event::Sync { pull: true })[..] else { panic!("one request") };
    let during = one.act(home(1), correct("remark", "二"));
    let effects = one.handle(answered(server.exchange(request)));
    assert_eq!(one.outbox().iter().map(|pending| pending.edit.id).collect::<Vec<_>>(), [during.id]);
    let Some(Effect::Send(request)) = effects.last() else { panic!("the run goes on: {effects:?}") };
    one.handle(answered(server.exchange(&request.clone())));
    assert!(one.outbox().is_empty());
    assert_eq!(server.registry.documents[&key(home(1))].log.len(), 3);
}

#[test]
fn after_a_lost_answer_the_same_changes_are_handed_in_and_known() {
    let (mut server, mut one, two) = two_phones();
    let action = visit(&mut one);
    one.act(home(1), action);
    one.sync_over(&mut server, |_| Link::AnswerLost);
    one.restart();
    assert_eq!(one.outbox().len(), 1);
    let sum = one.sync(&mut server);
    assert_eq!((sum.known, sum.merged), (1, 0));
    let mut two = two;
    two.sync(&mut server);
    assert_same(&one, &two);
    assert_eq!(two.replica.visits(home(1)).len(), 1);
}

#[test]
fn an_own_change_that_comes_back_counts_as_merged() {
    let (mut server, mut one, _) = two_phones();
    one.act(home(1), correct("remark", "一"));
    one.sync_over(&mut server, |_| Link::AnswerLost);
    let Effect::Send(mut request) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
    request.pushes.clear();
    one.handle(answered(server.exchange(&request)));
    assert!(one.outbox().is_empty());
}

#[test]
fn a_record_that_two_phones_made_is_written_instead_and_what_depends_on_it_follows() {
    let (mut server, mut one, mut two) = two_phones();
    one.act(home(1), Action::AddResident(new_resident(5, "李小红")));
    one.sync(&mut server);
    two.act(home(1), Action::AddResident(new_resident(5, "李晓红")));
    let record = RecordPath::resident(ResidentId::from_bytes([5; 16]));
    let fields = Fields::new().with("phone", "13855555555");
    two.act(home(1), Action::Correct { record: record.clone(), fields });
    let independent = visit(&mut two);
    two.act(home(1), independent);
    let sum = two.sync(&mut server);
    assert_eq!((sum.replayed, sum.refused), (2, 0));
    assert!(two.outbox().is_empty(), "{:?}", two.outbox());
    one.sync(&mut server);
    assert_same(&one, &two);
    assert_eq!(one.text(home(1), &record, "name").as_deref(), Some("李晓红"));
    assert_eq!(one.text(home(1), &record, "phone").as_deref(), Some("13855555555"));
    assert_eq!(one.replica.visits(home(1)).len(), 1);
}

#[test]
fn what_the_registry_refuses_stays_in_the_outbox_with_the_reason_and_blocks_nothing() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    let right = one.clock;
    one.clock = NOW.plus_ms(3 * 366 * 86_400_000);
    let action = visit(&mut one);
    one.act(home(1), action);
    one.clock = right;
    let action = visit(&mut one);
    one.act(home(1), action);
    let sum = one.sync(&mut server);
    assert_eq!((sum.merged, sum.refused), (2, 1));
    assert_eq!(codes(&one), [("year".to_owned(), 1)]);
    assert_eq!(one.replica.visits(home(1)).len(), 1, "what was refused is not shown as recorded");
    one.restart();
    assert_eq!(codes(&one), [("year".to_owned(), 1)]);
    assert_eq!(one.sync(&mut server).pushed, 0, "it is not handed in again");
}

#[test]
fn an_edit_is_made_again_only_so_often() {
    let (mut server, mut one, _) = two_phones();
    one.act(home(1), correct("remark", "一"));
    let before = server.requests;
    // A registry that refuses whatever is handed in.
    let mut effects = one.handle(Event::Sync { pull: true });
    while let Some(Effect::Send(request)) = effects.pop() {
        let mut answer = server.exchange(&Request { pushes: Vec::new(), ..request.clone() });
        for push in &request.pushes {
            for bytes in &push.changes {
                let hash = crate::guard::scan::scan(bytes, &crate::guard::scan::Limits::DEFAULT).expect("scans").hash;
                let (document, hash) = (push.document, hash.into());
                let (outcome, code) = (Outcome::Quarantined, Some("sequence-used".to_owned()));
                answer.verdicts.push(ChangeVerdict { document, epoch: 0, hash, outcome, code });
            }
        }
        effects = one.handle(answered(answer));
    }
    assert_eq!(codes(&one), [("sequence-used".to_owned(), 4)]);
    assert_eq!(server.requests - before, 4);
    assert_eq!(one.text(home(1), &RecordPath::household(), "remark"), None);
}

#[test]
fn a_visit_that_arrives_before_its_household_is_held_and_then_merged() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let mut two = Phone::enrol(&mut server, 2, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    let action = visit(&mut two);
    two.act(home(1), action);
    assert_eq!(two.sync(&mut server).held, 1);
    let status = two.replica.status();
    assert_eq!((status.waiting, status.held), (0, 1));
    assert_eq!(two.sync(&mut server).pushed, 0, "it is not asked again at once");
    two.clock = two.clock.plus_ms(3_600_000);
    assert_eq!(two.sync(&mut server).held, 1, "but after an hour");

    one.sync(&mut server);
    let sum = two.sync(&mut server);
    assert_eq!(sum.merged, 1, "the household came, and with it the visit");
    assert!(two.outbox().is_empty());
    one.sync(&mut server);
    assert_same(&one, &two);
    assert_eq!(one.replica.visits(home(1)).len(), 1);
}

#[test]
fn a_phone_that_was_set_back_to_a_backup_loses_nothing_and_doubles_nothing() {
    let (mut server, mut one, mut two) = two_phones();
    let action = visit(&mut one);
    one.act(home(1), action);
    one.act(home(1), correct("remark", "备份以前"));
    let backup = one.disk.clone();
    let action = visit(&mut one);
    one.act(home(1), action);
    one.act(home(1), correct("remark", "备份以后"));
    one.sync(&mut server);

    one.disk = backup;
    one.restart();
    let action = visit(&mut one);
    one.act(home(1), action);
    one.act(home(1), correct("contact_phone", "13877777777"));
    one.sync(&mut server);
    two.sync(&mut server);
    assert!(one.outbox().is_empty(), "{:?}", one.outbox());
    assert_same(&one, &two);
    assert_eq!(two.replica.visits(home(1)).len(), 3);
    assert_eq!(two.text(home(1), &RecordPath::household(), "contact_phone").as_deref(), Some("13877777777"));
    assert_eq!(two.text(home(1), &RecordPath::household(), "remark").as_deref(), Some("备份以后"));
}

#[test]
fn an_edit_made_again_does_not_overwrite_what_its_author_had_not_seen() {
    let (mut server, mut one, mut two) = two_phones();
    let backup = one.disk.clone();
    one.act(home(1), correct("remark", "一"));
    one.sync(&mut server);
    two.sync(&mut server);
    two.act(home(1), correct("contact_phone", "13822222222"));
    two.sync(&mut server);

    one.disk = backup;
    one.restart();
    one.act(home(1), correct("contact_phone", "13811111111"));
    assert_eq!(one.sync(&mut server).replayed, 1);
    two.sync(&mut server);
    assert_same(&one, &two);
    assert_eq!(two.replica.household(home(1)).expect("known").conflicts.len(), 1);
}

#[test]
fn an_edit_that_is_not_saved_leaves_no_trace() {
    let (_, mut one, _) = two_phones();
    let before = (one.all(&[home(1)]), one.disk.len());
    let elsewhere = one.edit(home(9), correct("remark", "x"));
    assert_eq!(one.record(&elsewhere, None), Err(NotSaved::NoSuchHousehold(home(9))));
    let same = one.edit(home(1), correct("contact_phone", "024 1234 5678"));
    assert_eq!(one.record(&same, None).expect_err("nothing to do").word(), "nothing-to-do");
    let visit = crate::testing::visit_at(one.clock);
    let corrects = FactId::from_bytes([8; 16]);
    let fact = FactId::from_bytes([7; 16]);
    let nothing = Action::CorrectVisit { fact, corrects, year: 2026, reason: "记错".into(), visit };
    let nothing = one.edit(home(1), nothing);
    assert_eq!(one.record(&nothing, None).expect_err("no such visit").word(), "nothing-to-correct");
    assert_eq!((one.all(&[home(1)]), one.disk.len()), before);
}

#[test]
fn recording_the_same_edit_again_records_it_once() {
    let (mut server, mut one, _) = two_phones();
    let action = visit(&mut one);
    let edit = one.act(home(1), action);
    one.record(&edit, None).expect("it is saved");
    one.sync(&mut server);
    one.record(&edit, None).expect("it is saved");
    assert!(one.outbox().is_empty());
    assert_eq!(one.replica.visits(home(1)).len(), 1);
}

#[test]
fn phones_of_two_releases_share_a_household() {
    let mut server = Server::new();
    server.registry.schema = &SCHEMA_2;
    let mut old = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let mut new = Phone::enrol(&mut server, 2, &SCHEMA_2);
    old.act(home(1), register("长江路三十六号"));
    old.sync(&mut server);
    new.sync(&mut server);
    let form = new.replica.household(home(1)).expect("known").heads;
    let contract = RecordPath { container: "property_contract".into(), id: None };
    let fields = Fields::new().with("company", "和美物业");
    new.act(home(1), Action::Correct { record: contract.clone(), fields });
    let record = RecordPath::resident(ResidentId::from_bytes([1; 16]));
    let fields = Fields::new().with("former_name", "王英");
    let stale = new.edit(home(1), Action::Correct { record: record.clone(), fields });
    new.record(&stale, Some(form)).expect("saved");
    old.act(home(1), correct("remark", "一"));
    new.sync(&mut server);
    old.sync(&mut server);
    new.sync(&mut server);
    assert!(new.outbox().is_empty() && old.outbox().is_empty());
    assert_eq!(new.text(home(1), &contract, "company").as_deref(), Some("和美物业"));
    assert_eq!(new.text(home(1), &record, "former_name").as_deref(), Some("王英"));
    assert_eq!(
        old.text(home(1), &RecordPath::household(), "remark"),
        new.text(home(1), &RecordPath::household(), "remark")
    );
    old.act(home(1), correct("contact_phone", "13811111111"));
    old.sync(&mut server);
    new.sync(&mut server);
    assert_eq!(new.text(home(1), &RecordPath::household(), "contact_phone").as_deref(), Some("13811111111"));
}

#[test]
fn an_edit_that_is_made_again_still_replaces_what_its_author_saw_although_one_between_came_to_nothing() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let mut two = Phone::enrol(&mut server, 2, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.sync(&mut server);
    two.sync(&mut server);
    let need = Need { purpose: "送餐".into(), basis: Basis::Consent, sensitivity: 1, expires: None, note: None };
    one.act(home(1), Action::AffirmNeed { resident: None, kind: "meal_service".into(), need });
    let refused = one.outbox()[0].change.hash;
    server.registry.quarantine.insert((key(home(1)), refused), "not-entitled");
    one.act(home(1), Action::WithdrawNeed { resident: None, kind: "meal_service".into() });
    one.act(home(1), correct("contact_phone", "13911111111"));
    two.act(home(1), correct("remark", "门朝南"));
    two.sync(&mut server);
    one.sync(&mut server);
    two.sync(&mut server);
    let known = two.replica.household(home(1)).expect("known");
    assert_eq!(known.conflicts, [], "whoever corrected the number saw the one that it replaces");
    assert_eq!(two.text(home(1), &RecordPath::household(), "contact_phone").as_deref(), Some("13911111111"));
}
