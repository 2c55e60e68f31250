//! When a phone asks, how much it sends, and how long it waits.

use super::*;

const YEAR_MS: i64 = 366 * 86_400_000;

fn fail(phone: &mut Phone, failure: Failure) -> i64 {
    phone.handle(Event::Sync { pull: true });
    let effects = phone.handle(Event::Failed(failure));
    match effects.as_slice() {
        [Effect::WakeAt(at)] => at.ms() - phone.clock.ms(),
        other => panic!("the phone waits: {other:?}"),
    }
}

#[test]
fn asking_for_news_when_there_are_none_is_one_request_of_less_than_100_bytes() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.sync(&mut server);
    one.sync(&mut server);
    let before = server.requests;
    let Effect::Send(request) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
    assert!(request.to_bytes().len() < 100, "{}", request.to_bytes().len());
    let answer = server.exchange(&request);
    assert!(answer.to_bytes().len() < 100, "{}", answer.to_bytes().len());
    let effects = one.handle(answered(answer));
    assert!(matches!(effects.as_slice(), [Effect::Exchanged(_), Effect::WakeAt(_)]), "{effects:?}");
    assert_eq!(server.requests - before, 1);
}

#[test]
fn a_months_work_goes_in_several_requests_in_the_order_in_which_it_was_recorded() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    for _ in 0..450 {
        let action = visit(&mut one);
        one.act(home(1), action);
    }
    let mut sizes = Vec::new();
    let mut effects = one.handle(Event::Sync { pull: true });
    while let Some(Effect::Send(request)) = effects.pop() {
        sizes.push(request.pushes.iter().map(|push| push.changes.len()).sum::<usize>());
        assert!(request.to_bytes().len() < 250_000);
        effects = one.handle(answered(server.exchange(&request)));
    }
    assert_eq!(sizes.iter().sum::<usize>(), 451);
    assert_eq!(sizes[..3], [200, 200, 51]);
    assert!(one.outbox().is_empty());
}

#[test]
fn a_phone_waits_longer_after_each_failure_and_never_more_than_five_minutes() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let waits: Vec<i64> = (0..40).map(|_| fail(&mut one, Failure::Network("cut".into()))).collect();
    for (failures, wait) in waits.iter().enumerate() {
        assert!((0..=(1_000i64 << failures.min(20)).min(300_000)).contains(wait), "{failures}: {wait}");
    }
    assert!(waits.iter().skip(10).any(|wait| *wait > 60_000), "{waits:?}");
    assert!(waits.iter().collect::<BTreeSet<_>>().len() > 30, "the waits are spread: {waits:?}");
    one.sync(&mut server);
    assert!(fail(&mut one, Failure::Network("cut".into())) <= 1_000, "a success begins anew");
}

#[test]
fn a_busy_registry_is_left_alone_for_as_long_as_it_asks() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    assert!((30_000..=31_000).contains(&fail(&mut one, Failure::Busy { retry_after_s: 30 })));
    assert!(fail(&mut one, Failure::Busy { retry_after_s: u64::MAX }) <= 3_602_000);
    assert!(fail(&mut one, Failure::Refused("400".into())) >= 150_000);
}

#[test]
fn one_change_over_which_the_registry_stumbles_keeps_no_other_back() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    for number in 1..=40 {
        one.act(home(number), register("长江路三十六号"));
    }
    let bad = one.outbox()[0].change.bytes.clone();
    let is_bad =
        |request: &Request| request.pushes.iter().any(|push| push.changes.iter().any(|one| one[..] == bad[..]));
    let mut runs = 0;
    while one.outbox().len() > 1 {
        runs += 1;
        assert!(runs < 20, "{} are kept back", one.outbox().len() - 1);
        let mut effects = one.handle(Event::Sync { pull: true });
        while let Some(Effect::Send(request)) = effects.pop() {
            let refused = Event::Failed(Failure::Refused("500".into()));
            effects = one.handle(if is_bad(&request) { refused } else { answered(server.exchange(&request)) });
        }
    }
    assert_eq!(one.outbox()[0].change.bytes, bad, "it stays where it was recorded");
}

#[test]
fn the_timer_starts_a_run_when_its_time_has_come_or_the_clock_was_set_back() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let wait = fail(&mut one, Failure::Busy { retry_after_s: 60 });
    assert!(one.handle(Event::Timer).is_empty(), "too early");
    let right = one.clock;
    one.clock = right.plus_ms(wait);
    assert!(matches!(one.handle(Event::Timer)[..], [Effect::Send(_)]));
    assert!(one.handle(Event::Timer).is_empty(), "one run at a time");
    assert!(one.handle(Event::Sync { pull: true }).is_empty());
    one.handle(Event::Failed(Failure::Busy { retry_after_s: 60 }));
    one.clock = right.plus_ms(-YEAR_MS);
    assert!(matches!(one.handle(Event::Timer)[..], [Effect::Send(_)]));
    let unauthorized = || Event::Failed(Failure::Unauthorized("the term is over".into()));
    assert!(matches!(one.handle(unauthorized())[..], [Effect::WakeAt(_)]), "the link may have repeated a request");
    one.handle(Event::Sync { pull: true });
    assert!(one.handle(unauthorized()).is_empty(), "only enrolling again helps");
}

#[test]
fn a_wrong_clock_is_put_right_and_the_request_sent_again_once() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    one.clock = NOW.plus_ms(YEAR_MS);
    let Effect::Send(first) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
    let stale = || Event::Failed(Failure::StaleClock { server_time: NOW });
    let effects = one.handle(stale());
    let [Effect::Send(second)] = effects.as_slice() else { panic!("sent again: {effects:?}") };
    assert_eq!(first.pushes, second.pushes);
    assert_eq!(one.replica.corrected(one.clock), NOW);
    assert!(matches!(one.handle(stale())[..], [Effect::WakeAt(_)]), "not a third time at once");
    one.restart();
    assert_eq!(one.replica.status().skew_ms, Some(-YEAR_MS));
}

#[test]
fn clocks_a_year_off_lose_nothing_and_are_reported() {
    let mut server = Server::new();
    for (number, off_ms) in [(1, YEAR_MS), (2, -YEAR_MS)] {
        let mut phone = Phone::enrol(&mut server, number, &SCHEMA_1);
        phone.clock = NOW.plus_ms(off_ms);
        phone.act(home(number), register("长江路三十六号"));
        let action = visit(&mut phone);
        phone.act(home(number), action);
        let sum = phone.sync(&mut server);
        assert_eq!((sum.merged, sum.refused), (2, 0));
        let action = visit(&mut phone);
        phone.act(home(number), action);
        assert_eq!(phone.sync(&mut server).merged, 1, "also once the phone knows how far it is off");
        let skew_ms = phone.replica.status().skew_ms.expect("known");
        assert!((skew_ms + off_ms).abs() < 10_000, "{skew_ms}");
    }
}

#[test]
fn without_room_for_news_only_what_was_recorded_is_handed_in() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    one.act(home(1), register("长江路三十六号"));
    let Effect::Send(request) = one.handle(Event::Sync { pull: false }).remove(0) else { panic!("a request") };
    assert!(request.scopes.is_empty() && !request.pushes.is_empty());
    let effects = one.handle(answered(server.exchange(&request)));
    assert!(matches!(effects.as_slice(), [Effect::Exchanged(_), Effect::WakeAt(_)]), "{effects:?}");
    assert!(one.outbox().is_empty());
}

#[test]
fn actors_are_declared_with_the_changes_that_they_made_and_only_so_many_at_once() {
    let mut server = Server::new();
    let mut one = Phone::enrol(&mut server, 1, &SCHEMA_1);
    let Effect::Send(quiet) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
    assert!(quiet.new_actors.is_empty());
    one.handle(answered(server.exchange(&quiet)));
    one.act(home(1), register("长江路三十六号"));
    let form = one.replica.household(home(1)).expect("known").heads;
    one.act(home(1), correct("remark", "一"));
    for number in 0..70 {
        let edit = one.edit(home(1), correct("contact_phone", &format!("138000000{number:02}")));
        one.record(&edit, Some(form.clone())).expect("saved");
    }
    let mut declared = Vec::new();
    let mut effects = one.handle(Event::Sync { pull: true });
    while let Some(Effect::Send(request)) = effects.pop() {
        assert!(request.new_actors.len() <= crate::message::MOST_NEW_ACTORS);
        declared.extend(request.new_actors.iter().map(|actor| **actor));
        effects = one.handle(answered(server.exchange(&request)));
    }
    assert_eq!(declared.len(), 71);
    assert_eq!(declared.iter().collect::<BTreeSet<_>>().len(), 71);
    assert!(one.outbox().is_empty());
    one.act(home(1), correct("remark", "二"));
    let Effect::Send(request) = one.handle(Event::Sync { pull: true }).remove(0) else { panic!("a request") };
    assert_eq!(request.new_actors.len(), 1, "a registry that was restored may have forgotten whose it is");
}
