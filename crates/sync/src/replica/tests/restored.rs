//! A registry that was restored from a backup, and what phones had handed in since.

use super::*;
use crate::answer::InstanceId;

/// The registry as the backup has it, as another instance.
fn restored(backup: &Registry) -> Server {
    let mut server = Server::new();
    server.registry = backup.clone();
    server.registry.instance = InstanceId([8; 8]);
    server
}

/// Two phones, the registry's backup, and what was merged since: by phone 1 a household with a visit, and corrections of
/// household 1; phone 2 has fetched that.
fn lost() -> (Registry, Phone, Phone) {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let mut two = Phone::enrol(&mut server, 2, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    // More than one small answer can take.
    for number in 3..9 {
        one.act(home(number), register("长江路"));
    }
    one.sync(&mut server);
    two.sync(&mut server);
    let backup = server.registry.clone();
    one.act(home(1), correct("remark", "备份以后"));
    one.act(home(2), register("黄河路一号"));
    for number in [1, 1, 2] {
        let action = visit(&mut one);
        one.act(home(number), action);
    }
    // On what was not current any more, under an actor of its own.
    let form = two.replica.household(home(1)).expect("known").heads;
    let edit = one.edit(home(1), correct("contact_phone", "13811111111"));
    one.record(&edit, Some(form)).expect("saved");
    one.sync(&mut server);
    two.sync(&mut server);
    assert!(one.outbox().is_empty());
    (backup, one, two)
}

/// Whether the registry has all that the phone shows.
fn assert_arrived(server: &mut Server, one: &Phone) {
    assert!(one.outbox().is_empty(), "{:?}", one.outbox());
    let status = one.replica.status();
    assert_eq!((status.lost, status.damaged.len()), (0, 0));
    assert_eq!(server.registry.held_count(), 0);
    assert!(server.registry.quarantine.is_empty(), "{:?}", server.registry.quarantine);
    let mut new = Phone::enrol(server, 3, &SCHEMA_1);
    new.sync(server);
    let all = [home(1), home(2)];
    assert_eq!(new.all(&all), one.all(&all));
}

#[test]
fn what_a_phone_had_handed_in_after_the_backup_is_handed_in_again_and_later_work_builds_on_it() {
    let (backup, mut one, mut two) = lost();
    let mut server = restored(&backup);
    one.act(home(2), correct("remark", "还不知道"));
    let action = visit(&mut one);
    one.act(home(1), action);
    let sum = one.sync(&mut server);
    assert_eq!((sum.refused, sum.replayed), (0, 0), "{sum:?}");
    assert_arrived(&mut server, &one);
    assert_eq!(two.sync(&mut server).damaged, 0);
    assert_arrived(&mut server, &two);
    let before = server.requests;
    assert_eq!(one.sync(&mut server).pushed, 0);
    assert_eq!(server.requests - before, 1, "it is not compared again");
}

#[test]
fn it_is_handed_in_again_though_the_phone_is_killed_after_every_answer_and_answers_are_lost() {
    let (backup, one, _) = lost();
    for lost_answer in 0..12 {
        let mut server = restored(&backup);
        server.budget = 700;
        let mut one = Phone { disk: one.disk.clone(), random: Random(11), ..Phone::enrol(&mut server, 1, &SCHEMA_1) };
        one.clock = NOW.plus_ms(60_000);
        for round in 0..40 {
            one.restart();
            let Effect::Send(request) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
            let answer = server.exchange(&request);
            assert!(round > 4 || answer.scopes[0].more, "the answers are small");
            if round != lost_answer {
                one.handle(answered(answer));
            }
        }
        one.restart();
        one.sync(&mut server);
        assert_arrived(&mut server, &one);
    }
}

#[test]
fn what_the_registry_refuses_of_it_is_kept_shown_and_asked_about() {
    let (backup, mut one, _) = lost();
    let mut server = restored(&backup);
    server.registry.assignments.clear();
    assert_eq!(one.sync(&mut server).refused, 6);
    one.restart();
    let status = one.replica.status();
    assert_eq!((status.lost, status.lost_and_refused), (6, 6));
    assert_eq!(one.sync(&mut server).pushed, 0, "once a day");
    assert_eq!(one.replica.visits(home(1)).len(), 2, "they are still shown");

    server.registry.assignments.insert((one.replica.owner().staff, GRID));
    server.registry.quarantine.clear();
    one.clock = one.clock.plus_ms(86_400_000);
    assert_eq!(one.sync(&mut server).merged, 6);
    assert_arrived(&mut server, &one);
}

#[test]
fn what_others_had_handed_in_and_no_receipt_vouches_for_is_left_to_them() {
    let (backup, mut one, mut two) = lost();
    let mut server = restored(&backup);
    two.disk.retain(|row| !matches!(row, Row::Receipt(_)));
    two.restart();
    two.act(home(2), correct("remark", "后来"));
    assert_eq!(two.sync(&mut server).held, 1, "it builds on what phone 1 has to bring");
    assert_eq!(two.replica.status().lost, 6);
    two.restart();
    one.sync(&mut server);
    two.sync(&mut server);
    assert_arrived(&mut server, &two);
}

#[test]
fn a_registry_that_was_restored_once_more_meanwhile_lacks_nothing_in_the_end() {
    let (backup, mut one, _) = lost();
    let mut server = restored(&backup);
    server.budget = 700;
    for _ in 0..2 {
        let Effect::Send(request) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
        one.handle(answered(server.exchange(&request)));
        one.restart();
    }
    let came: Vec<_> = one.replica.came.keys().collect();
    assert!(one.replica.scopes[&GRID].comparing && came.contains(&&key(home(1))), "{came:?}");
    // From an older backup, that has nothing of what the phone was just told that it has.
    let mut server = Server::new();
    server.registry.instance = InstanceId([9; 8]);
    server.registry.assignments.insert((one.replica.owner().staff, GRID));
    one.sync(&mut server);
    assert_arrived(&mut server, &one);
}

#[test]
fn a_phone_whose_cursor_is_good_compares_nothing() {
    let (_, mut one, _) = lost();
    one.restart();
    let compares = |row: &Row| {
        matches!(row, Row::Came(..) | Row::Lost(_)) || matches!(row, Row::Scope(_, scope) if scope.comparing)
    };
    assert!(!one.disk.iter().any(compares));
}

#[test]
fn what_others_had_handed_in_is_brought_by_whom_the_registry_had_sent_it_and_stays_theirs() {
    let (backup, mut one, mut two) = lost();
    let mut server = restored(&backup);
    two.act(home(2), correct("remark", "后来"));
    let sum = two.sync(&mut server);
    assert_eq!((sum.refused, sum.replayed), (0, 0), "{sum:?}");
    assert_arrived(&mut server, &two);
    let mut new = Phone::enrol(&mut server, 4, &SCHEMA_1);
    new.sync(&mut server);
    let visits = new.replica.visits(home(1));
    assert!(
        visits.len() == 2 && visits.iter().all(|visit| visit.by.name.as_deref() == Some("网格员001")),
        "{visits:?}"
    );

    // Much later it does, and goes on where it was.
    let action = visit(&mut one);
    one.act(home(1), action);
    let sum = one.sync(&mut server);
    assert_eq!((sum.refused, sum.replayed, sum.damaged), (0, 0, 0), "{sum:?}");
    assert_arrived(&mut server, &one);
}

#[test]
fn a_phone_that_was_sent_whole_documents_brings_all_that_is_in_them() {
    let (backup, one, _) = lost();
    let mut before = Server::new();
    before.registry = backup.clone();
    // All is there once more, by phone 1; phone 3 is enrolled then, and is sent documents.
    let mut one = Phone { disk: one.disk.clone(), random: Random(3), ..Phone::enrol(&mut before, 1, &SCHEMA_1) };
    one.restart();
    before.registry.instance = InstanceId([6; 8]);
    one.sync(&mut before);
    let mut three = Phone::enrol(&mut before, 3, &SCHEMA_1);
    three.sync(&mut before);

    let mut server = restored(&backup);
    server.registry.assignments.insert((three.replica.owner().staff, GRID));
    three.restart();
    three.sync(&mut server);
    assert_arrived(&mut server, &three);
}

#[test]
fn nobody_brings_what_others_made_under_a_code_that_is_not_the_registrys() {
    let (backup, _, mut two) = lost();
    let mut server = restored(&backup);
    server.secret = "another registry's secret";
    two.sync(&mut server);
    let status = two.replica.status();
    assert_eq!((status.lost, status.lost_and_refused), (6, 6), "it is refused, kept and shown");
    assert!(!server.registry.documents.contains_key(&key(home(2))));
    assert_eq!(server.registry.documents[&key(home(1))].log.len(), 1);
}

#[test]
fn receipts_are_dropped_after_ninety_days_by_the_registrys_clock() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.sync(&mut server);
    let kept = |phone: &mut Phone| {
        phone.restart();
        phone.replica.receipts.len()
    };
    assert_eq!(kept(&mut one), 1);
    server.registry.now = NOW.plus_ms(90 * 86_400_000);
    one.sync(&mut server);
    assert_eq!(kept(&mut one), 1);
    server.registry.now = server.registry.now.plus_ms(1);
    one.sync(&mut server);
    assert_eq!(kept(&mut one), 0);
}
