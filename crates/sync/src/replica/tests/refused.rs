//! What staff decide later about changes that were refused, and how the phone hears of it.

use super::*;

const DAY_MS: i64 = 86_400_000;

/// A phone that knows household 1 and has a visit that was refused, as its owner is not entered in the grid any more.
fn refused() -> (Server, Phone, Pending) {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.sync(&mut server);
    server.registry.assignments.clear();
    let action = visit(&mut one);
    one.act(home(1), action);
    assert_eq!(one.sync(&mut server).refused, 1);
    assert_eq!(codes(&one), [("not-entitled".to_owned(), 1)]);
    let pending = one.outbox()[0].clone();
    (server, one, pending)
}

/// Syncs with a registry of whose staff somebody has decided so.
fn sync_decided(phone: &mut Phone, server: &mut Server, outcome: Outcome, code: &str) -> usize {
    let (mut asked, mut effects) = (0, phone.handle(Event::Sync { pull: true }));
    while let Some(Effect::Send(request)) = effects.pop() {
        let mut answer = server.exchange(&Request { pushes: Vec::new(), ..request.clone() });
        for push in &request.pushes {
            for bytes in &push.changes {
                let hash = scan(bytes, &Limits::DEFAULT).expect("scans").hash.into();
                let (document, code) = (push.document, Some(code.to_owned()));
                answer.verdicts.push(ChangeVerdict { document, epoch: 0, hash, outcome, code });
                asked += 1;
            }
        }
        effects = phone.handle(answered(answer));
    }
    asked
}

#[test]
fn what_staff_discard_is_told_to_the_phone_within_a_day_and_then_asked_about_no_more() {
    let (mut server, mut one, _) = refused();
    one.clock = one.clock.plus_ms(DAY_MS - 1);
    assert_eq!(sync_decided(&mut one, &mut server, Outcome::Quarantined, "discarded"), 0, "not yet");
    one.clock = one.clock.plus_ms(1);
    one.restart();
    assert_eq!(sync_decided(&mut one, &mut server, Outcome::Quarantined, "discarded"), 1);
    one.restart();
    let PendingState::Refused { code, detail, .. } = &one.outbox()[0].state else { panic!("it stays refused") };
    assert_eq!((code.as_str(), detail.contains("left it out")), ("discarded", true), "{detail}");
    one.clock = one.clock.plus_ms(10 * DAY_MS);
    assert_eq!(sync_decided(&mut one, &mut server, Outcome::Quarantined, "discarded"), 0, "that is final");
}

#[test]
fn what_staff_have_not_decided_is_asked_about_once_a_day_and_says_why_it_is_refused_now() {
    let (mut server, mut one, _) = refused();
    for (outcome, code) in [(Outcome::Quarantined, "wrong-home"), (Outcome::Held, "missing-change")] {
        one.clock = one.clock.plus_ms(DAY_MS);
        assert_eq!(sync_decided(&mut one, &mut server, outcome, code), 1);
        assert_eq!(sync_decided(&mut one, &mut server, outcome, code), 0, "once a day");
        assert_eq!(codes(&one), [(code.to_owned(), 1)]);
    }
    assert!(one.replica.visits(home(1)).is_empty(), "it is still not recorded");
}

#[test]
fn what_staff_release_is_settled_and_shown_though_the_phone_was_the_one_to_ask() {
    // It is judged anew as it is handed in; or released while the phone, which has all news, is asking.
    for released in [false, true] {
        let (mut server, mut one, pending) = refused();
        let staff = one.replica.owner().staff;
        server.registry.assignments.insert((staff, GRID));
        server.registry.quarantine.clear();
        one.clock = one.clock.plus_ms(DAY_MS);
        let mut effects = one.handle(Event::Sync { pull: true });
        while let Some(Effect::Send(request)) = effects.pop() {
            if released && !request.pushes.is_empty() {
                server.registry.offer(staff, GRID, pending.document, &pending.change.bytes);
            }
            effects = one.handle(answered(server.exchange(&request)));
        }
        assert!(one.outbox().is_empty(), "{:?}", one.outbox());
        assert_eq!(one.replica.visits(home(1)).len(), 1, "released {released}");
    }
}

#[test]
fn what_the_phone_refused_itself_is_not_asked_about() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let mut two = Phone::enrol(&mut server, 2, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.sync(&mut server);
    two.sync(&mut server);
    let fields = Fields::new().with("phone", "13855555555");
    let record = RecordPath::resident(ResidentId::from_bytes([1; 16]));
    let edit = two.act(home(1), Action::Correct { record, fields });
    let Some(Row::Pending(mut pending)) = two.disk.iter().rev().find(|row| matches!(row, Row::Pending(_))).cloned()
    else {
        panic!("{} is in the outbox", edit.id)
    };
    pending.state = PendingState::Refused { code: "not-there".into(), detail: "…".into(), asked_at: None };
    two.disk.push(Row::Pending(pending));
    two.restart();
    two.clock = two.clock.plus_ms(10 * DAY_MS);
    assert_eq!(sync_decided(&mut two, &mut server, Outcome::Known, ""), 0);
    assert_eq!(two.outbox().len(), 1);
}
