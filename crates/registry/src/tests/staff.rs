use super::{AGENT, DISTRICT, District, GRIDS, LEADERS, NOW, nonce};
use crate::administration::find_staff;
use crate::database::{Id, StoreError};
use crate::enrolment::CODE_MS;
use crate::entitlement::GRACE_MS;
use crate::second_factor::code_at;
use crate::session::NewSession;
use crate::sign_in::{LOCKED_MS, MOST_FAILURES, Tried, judge};
use crate::tables::{audit, staff};
use crate::{
    AdministerError, Administration, ApiKeyError, Credential, EnrolError, Means, NewApiKey, SecondFactorError, SignIn,
    SignedIn,
};
use diesel::prelude::*;
use gridwork_domain::staff::{Assignment, Operation, Role, Staff};
use gridwork_sealing::Keyring;

#[tokio::test]
async fn a_code_enrols_one_phone_within_a_day() {
    let district = District::open().await;
    let registry = &district.registry;
    let code = registry.issue_enrolment_code(None, None, LEADERS[0], NOW).await.unwrap();
    assert_eq!(code.as_str().len(), 14);
    let typed = code.as_str().to_lowercase().replace('-', " ");
    let first = registry.enrol(&typed, [1; 32], nonce(), NOW).await.unwrap();
    assert_eq!(first.scopes[0].id, GRIDS[0]);
    assert_eq!(first.staff.name, "王大力");

    // The answer was lost: the same phone asks again, and another one does not get in.
    let again = registry.enrol(code.as_str(), [1; 32], nonce(), NOW).await.unwrap();
    assert_eq!(again.device, first.device);
    assert_eq!(registry.device_by_token(&first.token, NOW).await.unwrap(), None);
    assert_eq!(registry.device_by_token(&again.token, NOW).await.unwrap(), Some(again.device));
    assert!(matches!(registry.enrol(code.as_str(), [2; 32], nonce(), NOW).await, Err(EnrolError::Code)));

    let old = registry.issue_enrolment_code(None, None, LEADERS[0], NOW).await.unwrap();
    let late = registry.enrol(old.as_str(), [3; 32], nonce(), NOW.plus_ms(CODE_MS)).await;
    assert!(matches!(late, Err(EnrolError::Code)));
    assert!(matches!(registry.enrol("AAAA-BBBB-CCCC", [3; 32], nonce(), NOW).await, Err(EnrolError::Code)));
}

#[tokio::test]
async fn a_code_is_issued_from_around_all_offices_also_those_to_come_and_not_to_oneself() {
    let district = District::open().await;
    let registry = &district.registry;
    let issue = |by, area, of| registry.issue_enrolment_code(Some(by), Some([area].into_iter().collect()), of, NOW);
    assert!(issue(AGENT, GRIDS[0], LEADERS[0]).await.is_ok());
    let oneself = issue(AGENT, DISTRICT, AGENT).await;
    assert!(matches!(oneself, Err(AdministerError::Oneself)), "{oneself:?}");
    let (staff, role, area, from) = (LEADERS[0], Role::Liaison, GRIDS[1], NOW.plus_ms(60_000));
    district.administer(Administration::Assign(Assignment { staff, role, area, from, until: None })).await;
    let refused = issue(AGENT, GRIDS[0], LEADERS[0]).await;
    assert!(matches!(refused, Err(AdministerError::NoSuchStaff)), "{refused:?}");
}

#[tokio::test]
async fn who_has_a_phone_gets_no_key_and_who_has_a_key_no_phone() {
    let district = District::open().await;
    let registry = &district.registry;
    let make = async |staff| {
        let (name, scopes) = ("报表".to_owned(), vec![Operation::Read]);
        let new = NewApiKey { staff, name, scopes, expires_at: NOW.plus_ms(1_000) };
        registry.make_api_key(AGENT, [DISTRICT].into_iter().collect(), new, NOW).await
    };
    let code = registry.issue_enrolment_code(None, None, LEADERS[0], NOW).await.unwrap();
    assert!(matches!(make(LEADERS[0]).await, Err(ApiKeyError::Phone)), "a code is as good as a phone");
    registry.enrol(code.as_str(), [1; 32], nonce(), NOW).await.unwrap();
    assert!(matches!(make(LEADERS[0]).await, Err(ApiKeyError::Phone)));

    make(LEADERS[1]).await.unwrap();
    let refused = registry.issue_enrolment_code(None, None, LEADERS[1], NOW).await;
    assert!(matches!(refused, Err(AdministerError::MachineClient)), "{refused:?}");
    // A key that holds no more is none.
    registry.issue_enrolment_code(None, None, LEADERS[1], NOW.plus_ms(1_000)).await.unwrap();
}

#[tokio::test]
async fn a_token_ends_with_its_assignment_once_the_phone_could_know() {
    let district = District::open().await;
    let phone = district.phone(LEADERS[0]).await;
    let code = district.registry.issue_enrolment_code(None, None, LEADERS[0], NOW).await.unwrap();
    let token = district.registry.enrol(code.as_str(), [9; 32], nonce(), NOW).await.unwrap().token;
    let (staff, role, area) = (LEADERS[0], Role::GridLeader, GRIDS[0]);
    district.administer(Administration::EndAssignment { staff, role, area, until: NOW.plus_ms(1) }).await;
    let by_token = |at| district.registry.device_by_token(&token, at);
    assert!(by_token(NOW.plus_ms(1_000)).await.unwrap().is_some(), "it may bring what was done before");
    assert!(by_token(NOW.plus_ms(GRACE_MS + 1)).await.unwrap().is_none());
    drop(phone);
}

fn with(name: &str, password: &str, code: Option<String>) -> SignIn {
    SignIn { name: name.to_owned(), password: password.to_owned(), code }
}

fn who(signed_in: &SignedIn) -> Option<&Staff> {
    if let SignedIn::Proven(staff, _) = signed_in { Some(staff) } else { None }
}

/// The district with a call agent who signs in with this password.
async fn with_an_agent(password: &str) -> (District, Staff) {
    let district = District::open().await;
    let staff = Staff { id: AGENT, name: "赵坐席".into(), sign_in: "zhao".into() };
    let appoint = Administration::AppointStaff { staff: staff.clone(), password: Some(password.to_owned()) };
    district.administer(appoint).await;
    (district, staff)
}

#[tokio::test]
async fn who_has_a_password_signs_in_and_five_wrong_ones_lock_the_name() {
    let (district, staff) = with_an_agent("correct horse battery").await;
    let registry = &district.registry;
    let sign_in = async |name, password, at| registry.sign_in(with(name, password, None), at).await.unwrap();
    assert_eq!(who(&sign_in("zhao", "correct horse battery", NOW).await), Some(&staff));
    assert_eq!(sign_in("nobody", "correct horse battery", NOW).await, SignedIn::Refused);
    assert_eq!(sign_in("zhao\0", "correct horse battery", NOW).await, SignedIn::Refused, "what can be no name");
    assert_eq!(sign_in("wang", "", NOW).await, SignedIn::Refused, "a leader without a password");
    for _ in 0..MOST_FAILURES {
        assert_eq!(sign_in("zhao", "wrong horse battery", NOW).await, SignedIn::Refused);
    }
    assert_eq!(sign_in("zhao", "correct horse battery", NOW).await, SignedIn::Refused, "locked");
    assert_eq!(who(&sign_in("zhao", "correct horse battery", NOW.plus_ms(LOCKED_MS)).await), Some(&staff));
}

#[tokio::test]
async fn a_password_that_was_replaced_while_it_was_hashed_counts_no_more() {
    let (district, _) = with_an_agent("correct horse battery").await;
    let registry = &district.registry;
    let hash = registry.database.read(|connection| {
        let this = staff::table.find(Id::from(AGENT)).select(staff::password_hash);
        Ok::<_, StoreError>(this.get_result::<Option<String>>(connection)?.unwrap())
    });
    let tried = Tried { of: AGENT, hash: hash.await.unwrap(), right: true };
    district.administer(Administration::SetPassword { staff: AGENT, password: "another horse".to_owned() }).await;
    let new = NewSession::draw(NOW).unwrap();
    let judged = registry
        .database
        .write(move |connection| judge(connection, &Keyring::none(), Some(&tried), None, &new, NOW))
        .await;
    assert_eq!(judged.unwrap(), SignedIn::Refused);
    assert!(registry.sessions(None, AGENT, NOW).await.unwrap().is_empty());

    // Nor does the right one change anything in a session that was ended.
    let session = registry.begin_session(AGENT, false, NOW).await.unwrap().session;
    assert!(registry.end_session(AGENT, None, AGENT, session, NOW).await.unwrap());
    let (old, new) = ("another horse".to_owned(), "a third horse".to_owned());
    let changed = registry.change_password(AGENT, session, old, new, NOW).await;
    assert!(matches!(changed, Err(AdministerError::WrongPassword)), "{changed:?}");
}

#[tokio::test]
async fn whoever_guesses_many_at_a_time_is_locked_out_by_the_first_of_them() {
    let (district, _) = with_an_agent("correct horse battery").await;
    let guess = |password: &'static str| {
        let registry = district.registry.clone();
        tokio::spawn(async move { registry.sign_in(with("zhao", password, None), NOW).await.unwrap() })
    };
    // The turns to hash are taken in the order in which they were asked for, but for those beside each other.
    let mut guesses: Vec<_> = (0..2 * MOST_FAILURES).map(|_| guess("wrong horse battery")).collect();
    guesses.push(guess("correct horse battery"));
    for guessed in guesses {
        assert_eq!(guessed.await.unwrap(), SignedIn::Refused, "the name is locked when the right one's turn comes");
    }
}

#[tokio::test]
async fn who_has_a_second_factor_shows_a_code_of_it_once_and_wrong_ones_lock_the_name() {
    let (district, staff) = with_an_agent("correct horse battery").await;
    let registry = &district.registry;
    let sign_in = async |code: Option<String>, at| {
        registry.sign_in(with("zhao", "correct horse battery", code), at).await.unwrap()
    };
    let session = registry.begin_session(AGENT, false, NOW).await.unwrap().session;
    let secret = registry.begin_second_factor(AGENT, NOW).await.unwrap().secret;
    assert_eq!(who(&sign_in(None, NOW).await), Some(&staff), "it was not confirmed");
    let wrong = registry.confirm_second_factor(AGENT, session, "000000".to_owned(), NOW).await;
    assert!(matches!(wrong, Err(SecondFactorError::Code)), "{wrong:?}");
    registry.confirm_second_factor(AGENT, session, code_at(&secret, NOW), NOW).await.unwrap();
    let credential = Credential::Session(session, AGENT);
    assert_eq!(registry.admit(credential, NOW).await.unwrap().unwrap().by, Means::Session(session, true));
    assert!(matches!(registry.begin_second_factor(AGENT, NOW).await, Err(SecondFactorError::Exists)));

    assert_eq!(sign_in(None, NOW).await, SignedIn::CodeNeeded);
    assert_eq!(sign_in(Some(code_at(&secret, NOW)), NOW).await, SignedIn::Refused, "it confirmed with this one");
    let later = NOW.plus_ms(30_000);
    let code = code_at(&secret, later);
    let SignedIn::Proven(_, begun) = sign_in(Some(code.clone()), later).await else { panic!("it is right") };
    let admitted = registry.admit(Credential::Session(begun.session, AGENT), later).await.unwrap().unwrap();
    assert_eq!(admitted.by, Means::Session(begun.session, true));
    assert_eq!(sign_in(Some(code), later).await, SignedIn::Refused, "each code once");
    let at = later.plus_ms(60_000);
    for _ in 0..MOST_FAILURES {
        assert_eq!(sign_in(Some("000000".to_owned()), at).await, SignedIn::Refused);
        // A right password alone takes nothing back.
        assert!(matches!(sign_in(None, at).await, SignedIn::CodeNeeded | SignedIn::Refused));
    }
    assert_eq!(sign_in(Some(code_at(&secret, at)), at).await, SignedIn::Refused, "locked");
    let at = at.plus_ms(LOCKED_MS);
    assert_eq!(who(&sign_in(Some(code_at(&secret, at)), at).await), Some(&staff));
}

#[tokio::test]
async fn grants_are_the_grids_of_the_offices_that_hold() {
    let district = District::open().await;
    let grants = district.registry.grants(AGENT, NOW).await.unwrap();
    assert_eq!(grants[0].area.id, DISTRICT);
    assert_eq!(grants[0].grids.len(), 2);
    let before = NOW.plus_ms(-1_000_001);
    assert!(district.registry.grants(AGENT, before).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_administered_is_refused_with_the_reason() {
    let district = District::open().await;
    let administer = |what| district.registry.administer(None, what, NOW);
    let staff = |sign_in: &str| Staff { id: LEADERS[0], name: "王大力".into(), sign_in: sign_in.into() };
    let appoint = |sign_in, password| Administration::AppointStaff { staff: staff(sign_in), password };
    let taken = administer(appoint("zhao", None)).await;
    assert!(matches!(taken, Err(AdministerError::SignInTaken)), "{taken:?}");
    let spelled = administer(appoint("Wang!", None)).await;
    assert!(matches!(spelled, Err(AdministerError::SignInName)), "{spelled:?}");
    let short = administer(appoint("wang", Some("short".into()))).await;
    assert!(matches!(short, Err(AdministerError::Password)), "{short:?}");
    let end = Administration::EndAssignment { staff: AGENT, role: Role::Liaison, area: DISTRICT, until: NOW };
    assert!(matches!(administer(end).await, Err(AdministerError::NoSuchAssignment)));
    let kept =
        district.registry.database.read(|connection| Ok::<_, crate::StoreError>(find_staff(connection, LEADERS[0])?));
    assert_eq!(kept.await.unwrap(), Some(staff("wang")), "nothing was changed");
}

#[tokio::test]
async fn offices_are_given_and_taken_from_now_on_and_the_audit_log_says_which() {
    let district = District::open().await;
    let (registry, staff, role, area) = (&district.registry, LEADERS[0], Role::Liaison, GRIDS[1]);
    let administer = |what| registry.administer_within(AGENT, [DISTRICT].into_iter().collect(), vec![what], NOW);
    let assign = |from, until| administer(Administration::Assign(Assignment { staff, role, area, from, until }));
    let long_ago = NOW.plus_ms(-86_400_000);
    for refused in [assign(long_ago, None).await, assign(NOW.plus_ms(-1_000), Some(NOW.plus_ms(-1))).await] {
        assert!(matches!(refused, Err(AdministerError::Past)), "{refused:?}");
    }
    assign(NOW, None).await.unwrap();
    assign(NOW.plus_ms(60_000), None).await.unwrap();
    let end = || administer(Administration::EndAssignment { staff, role, area, until: NOW.plus_ms(1) });
    end().await.unwrap();
    let later = registry.grants(LEADERS[0], NOW.plus_ms(60_000)).await.unwrap();
    assert!(later.iter().all(|grant| grant.area.id != area), "what was to come is cancelled, too");
    assert!(matches!(end().await, Err(AdministerError::NoSuchAssignment)));
    let details = registry.database.read(|connection| {
        let noted = audit::table.filter(audit::action.eq_any(["assign", "end-assignment"])).select(audit::detail);
        Ok::<_, StoreError>(noted.load::<String>(connection)?)
    });
    let details = details.await.unwrap();
    assert!(details.iter().all(|detail| detail.contains("\"role\"") && detail.contains("\"area\"")), "{details:?}");
}

#[tokio::test]
async fn who_hangs_up_while_a_password_is_hashed_keeps_nobody_else_from_signing_in() {
    let district = District::open().await;
    let waiting = async |count: u64| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while district.registry.figures().waiting_hashes != count {
            assert!(std::time::Instant::now() < deadline, "{:?}", district.registry.figures());
            tokio::task::yield_now().await;
        }
    };
    for _ in 0..3 {
        let registry = district.registry.clone();
        let signing_in =
            tokio::spawn(async move { registry.sign_in(with("wang", "not the password", None), NOW).await });
        waiting(1).await;
        signing_in.abort();
        assert!(signing_in.await.unwrap_err().is_cancelled(), "it was cut off while it hashed");
        waiting(0).await;
    }
}

#[tokio::test]
async fn a_registry_is_set_up_once_and_whole_or_not_at_all() {
    let database = super::database::Database::new();
    let registry = crate::Registry::open(&database.settings).unwrap();
    let appoint = |number: u8, sign_in: &str, password: &str| Administration::AppointStaff {
        staff: Staff {
            id: gridwork_domain::id::StaffId::from_bytes([number; 16]),
            name: "王大力".to_owned(),
            sign_in: sign_in.to_owned(),
        },
        password: Some(password.to_owned()),
    };
    let bad = vec![appoint(1, "wang", "long enough"), appoint(2, "wang", "long enough")];
    assert!(matches!(registry.set_up(bad, NOW).await, Err(AdministerError::SignInTaken)));
    let good = || vec![appoint(1, "wang", "long enough"), appoint(2, "li", "long enough")];
    registry.set_up(good(), NOW).await.expect("nothing was left of the first attempt");
    assert!(matches!(registry.set_up(good(), NOW).await, Err(AdministerError::NotNew)));
}

#[tokio::test]
async fn a_key_lets_in_until_it_expires_or_is_revoked() {
    let district = District::open().await;
    let registry = &district.registry;
    let within = || [DISTRICT].into_iter().collect();
    let (name, scopes) = ("报表".to_owned(), vec![Operation::Read]);
    let new = NewApiKey { staff: AGENT, name, scopes, expires_at: NOW.plus_ms(1_000) };
    let (_, expires) = registry.make_api_key(LEADERS[0], within(), new.clone(), NOW).await.unwrap();
    let (id, revoked) = registry.make_api_key(LEADERS[0], within(), new, NOW).await.unwrap();
    let lets_in = async |key: &str, at_ms| {
        let admitted = registry.admit(Credential::Key(key.to_owned()), NOW.plus_ms(at_ms)).await.unwrap();
        admitted.is_some_and(|admitted| admitted.staff == AGENT && !admitted.grants.is_empty())
    };
    assert!(lets_in(&expires, 999).await && lets_in(&revoked, 999).await);
    assert!(!lets_in(&expires, 1_000).await, "it has expired");
    registry.revoke_api_key(LEADERS[0], within(), AGENT, id, NOW).await.unwrap();
    assert!(!lets_in(&revoked, 1).await, "it was revoked");
}
