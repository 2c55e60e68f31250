//! Whoever reads or writes about a person leaves a row that nobody takes back unseen: who, whom, what, why, from where.

use crate::people::{enrol, record, sync, visit};
use crate::program::{self, Said};
use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{DISTRICT, FAR_GRID, GRID, LI, PASSWORD, Place, Town, WU, ZHOU, database};
use crate::waiting::until;
use crate::wire::{Reply, Sent};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use gridwork_domain::edit::Action;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{HouseholdId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::Administration;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use ureq::http::Method;

/// A row is sealed, and by that shown, within this time on the busiest machine.
const SEALED_WITHIN: Duration = Duration::from_secs(10);

/// A town with an auditor of the district and one of another community's grid.
pub(crate) fn with_an_auditor(town: Town) -> Town {
    let auditors: [(&str, &str, Role, &Place); 2] =
        [("郑明", "zheng.ming", Role::Auditor, &DISTRICT), ("冯丽", "feng.li", Role::DataProtectionOfficer, &FAR_GRID)];
    town.with_registry(async |registry| {
        for (number, (name, sign_in, role, place)) in (0x71..).zip(auditors) {
            let id = StaffId::from_bytes([number; 16]);
            let staff = Staff { id, name: name.to_owned(), sign_in: sign_in.to_owned() };
            let appoint = Administration::AppointStaff { staff, password: Some(PASSWORD.to_owned()) };
            let from = Instant::from_ms(0);
            let assign = Administration::Assign(Assignment { staff: id, role, area: place.id(), from, until: None });
            for what in [appoint, assign] {
                registry.administer(None, what, from).await.expect("it is administered");
            }
        }
    });
    town
}

/// A request of somebody at a desk, with the reason for it and an id of its own.
pub(crate) fn ask(session: &Session, server: &Server, path: &str, request: &str, reason: &str) -> Reply {
    let sent = Sent::new("GET", path).with("authorization", &format!("Bearer {}", session.token));
    sent.with("x-request-id", request).with("audit-reason", reason).send(server.address())
}

/// The id of a resident of that name in a new household.
fn register(session: &Session, address: &str, name: &str) -> (HouseholdId, String) {
    let form = json!({
        "grid": GRID.id(),
        "household": { "contact_phone": "024-88886666" },
        "dwelling": { "address": address },
        "residents": [{ "resident": { "name": name }, "membership": { "relation": "01" } }],
    });
    let made = session.send(Method::POST, "/v1/households", None, &form).well();
    let id = text(&made["household"]).parse().expect("an id");
    let resident = text(&session.household(id).well()["residents"][0]["id"]);
    (id, resident)
}

/// The audit rows about something, the latest first.
pub(crate) fn rows(auditor: &Session, about: &str) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = auditor.get(&format!("/v1/audit?{about}&limit=200{after}")).well();
        rows.extend(page["items"].as_array().expect("a page").iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}

/// The audit row of a request, as soon as it is sealed.
pub(crate) fn row_of(auditor: &Session, about: &str, request: &str) -> Value {
    until("the row is sealed", SEALED_WITHIN, || rows(auditor, about).into_iter().find(|row| row["request"] == request))
}

fn audit(folder: &Path, arguments: &[&str]) -> Said {
    let output = program::about(folder, &[&["audit"], arguments].concat()).output();
    Said::of(output.expect("the binary runs"))
}

fn run_sql(folder: &Path, statements: &str) {
    let path = database(folder);
    let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("a database");
    connection.batch_execute("PRAGMA busy_timeout = 10000").expect("a setting");
    connection.batch_execute(statements).expect(statements);
}

#[test]
fn the_auditor_sees_who_read_and_wrote_about_a_resident_why_and_from_where() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let (zhou, zheng) = (Session::of(&ZHOU, &server), Session::sign_in(&server, "zheng.ming", PASSWORD));
    let (household, resident) = register(&zhou, "和平路1号", "张三");
    let (neighbours, _) = register(&zhou, "和平路2号", "张四");
    let about = format!("resident={resident}");

    let found = ask(&zhou, &server, "/v1/residents?name=%E5%BC%A0%E4%B8%89", "call-2026-17", "%E5%9B%9E%E8%AE%BF");
    assert_eq!((found.status, found.json()["items"][0]["id"].clone()), (200, json!(resident)));
    let version = zhou.household(household).version.expect("a version");
    zhou.correct(household, &version, "contact_phone", "13812345678").well();
    let mut li = enrol(&town, &server, &LI, "li");
    visit(&mut li, household, "例行走访");
    let fields = Fields::new().with("phone", "13900000001");
    let record_path = RecordPath::resident(resident.parse().expect("an id"));
    record(&mut li, household, Action::Correct { record: record_path, fields });
    sync(&mut li);

    let read = row_of(&zheng, &about, "call-2026-17");
    assert_eq!((&read["by"]["id"], &read["by"]["name"]), (&json!(ZHOU.id()), &json!(ZHOU.name)));
    assert_eq!((&read["action"], &read["reason"]), (&json!("read"), &json!("回访")));
    assert_eq!((&read["source"], &read["device"]), (&json!("127.0.0.1"), &Value::Null));
    assert_eq!(
        read["detail"],
        json!({ "classes": ["residents", "memberships"], "records": 1, "sensitivity": 2, "masked": true })
    );
    let person = json!({ "grid": GRID.id(), "household": household, "resident": resident });
    assert_eq!(read["persons"], json!([person]));
    let by_phone = until("what the phone did is sealed", SEALED_WITHIN, || {
        let of_li: Vec<Value> = rows(&zheng, &format!("{about}&staff={}", LI.id()));
        (of_li.len() >= 2).then_some(of_li)
    });
    assert!(by_phone.iter().all(|row| row["device"].is_string()), "{by_phone:#?}");
    assert!(by_phone.iter().any(|row| row["action"] == "sync" && row["detail"]["merged"] == 2), "{by_phone:#?}");
    assert!(by_phone.iter().any(|row| row["action"] == "pull"), "{by_phone:#?}");
    let edits = rows(&zheng, &format!("{about}&staff={}", ZHOU.id()));
    let corrected = json!({ "edits": 1, "fields": ["household.contact_phone"] });
    assert!(edits.iter().any(|row| row["action"] == "edit" && row["detail"] == corrected), "{edits:#?}");

    // The neighbours' rows are theirs, and no row says anything about anybody.
    let theirs = rows(&zheng, &format!("household={neighbours}"));
    assert!(theirs.iter().all(|row| row["request"] != "call-2026-17"), "{theirs:#?}");
    let all = Value::from(rows(&zheng, "")).to_string();
    for value in ["张三", "张四", "和平路", "13812345678", "13900000001", "例行走访", &zhou.token] {
        assert!(!all.contains(value), "{value} is in the audit log");
    }
    let own = row_of_action(&zheng, "read-audit");
    assert_eq!(own["by"]["name"], "郑明", "who reads the audit log is in it");
    until("everything is sealed", SEALED_WITHIN, || {
        server.metrics().contains("gridwork_audit_lag_seconds 0\n").then_some(())
    });
    server.end();
    let said = audit(&town.data_folder(), &["verify"]).well();
    assert!(said.contains("0 not sealed yet") && said.contains("0 findings"), "{said}");
}

pub(crate) fn row_of_action(auditor: &Session, action: &str) -> Value {
    until("the row is sealed", SEALED_WITHIN, || rows(auditor, "").into_iter().find(|row| row["action"] == action))
}

#[test]
fn a_page_is_one_row_that_answers_for_everybody_on_it() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let (zhou, zheng) = (Session::of(&ZHOU, &server), Session::sign_in(&server, "zheng.ming", PASSWORD));
    let people: Vec<_> = (0..12).map(|number| register(&zhou, &format!("建设街{number}号"), "张三")).collect();
    for (number, path) in ["/v1/residents", "/v1/households", "/v1/households?address=%E5%BB%BA"].iter().enumerate() {
        let request = format!("page-{number:04}");
        assert_eq!(ask(&zhou, &server, path, &request, "x").json()["items"].as_array().map(Vec::len), Some(12));
        let everything = row_of(&zheng, "", &request);
        assert_eq!(everything["persons"].as_array().map(Vec::len), Some(12));
        for (_, resident) in &people {
            let about = rows(&zheng, &format!("resident={resident}"));
            assert_eq!(about.iter().filter(|row| row["request"] == *request).count(), 1, "{path}: {about:#?}");
        }
    }
    assert_eq!(ask(&zhou, &server, "/v1/residents?name=x", "nobody-0001", "x").status, 200);
    assert!(rows(&zheng, "").iter().all(|row| row["request"] != "nobody-0001"), "nobody was shown");
}

#[test]
fn who_is_no_auditor_reads_no_audit_log_and_an_auditor_reads_that_of_the_own_area() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (household, resident) = register(&zhou, "和平路1号", "张三");
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    until("it is sealed", SEALED_WITHIN, || (!rows(&zheng, &format!("resident={resident}")).is_empty()).then_some(()));
    for session in [&zhou, &Session::of(&WU, &server)] {
        assert_eq!(session.get("/v1/audit").status, 403);
        assert_eq!(session.get(&format!("/v1/audit?resident={resident}")).status, 403);
    }
    let feng = Session::sign_in(&server, "feng.li", PASSWORD);
    for about in
        ["", &format!("resident={resident}"), &format!("household={household}"), &format!("staff={}", ZHOU.id())]
    {
        assert_eq!(rows(&feng, about), [] as [Value; 0], "{about}");
    }
    // An auditor has no business with homes.
    assert_eq!(zheng.household(household).status, 403);
    assert_eq!(Sent::new("GET", "/v1/audit").send(server.address()).status, 401);
    for wrong in ["resident=x", "from=x", "limit=0", "after=x", "who=x"] {
        let refused = zheng.get(&format!("/v1/audit?{wrong}"));
        assert!([400, 422].contains(&refused.status), "{wrong}: {refused:?}");
    }
    assert_eq!(ask(&zhou, &server, "/v1/residents", "a-request", "%FF").status, 400);
}

#[test]
fn nothing_about_anybody_is_answered_while_it_cannot_be_noted() {
    let town = with_an_auditor(Town::on_a_file());
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (household, _) = register(&zhou, "和平路1号", "张三");
    run_sql(
        &town.data_folder(),
        "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    let paths = ["/v1/households", "/v1/residents", &format!("/v1/households/{household}")].map(str::to_owned);
    for path in &paths {
        let refused = zhou.get(path);
        assert_eq!(refused.status, 500, "{path}");
        assert!(!refused.body.to_string().contains("张三"), "{path}: {refused:?}");
    }
    let unheard = zhou.correct(household, "*", "remark", "x");
    assert_eq!(unheard.status, 500, "nor is anything written");
    run_sql(&town.data_folder(), "DROP TRIGGER no_room");
    paths.iter().for_each(|path| drop(zhou.get(path).well()));
    assert_eq!(zhou.household(household).body["household"]["remark"], Value::Null);
}

#[test]
fn verify_names_a_row_that_was_removed_altered_or_put_elsewhere() {
    let town = with_an_auditor(Town::on_a_file());
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (household, _) = register(&zhou, "和平路1号", "张三");
    (0..10).for_each(|_| drop(zhou.household(household).well()));
    server.end();
    let head = audit(&town.data_folder(), &["head"]).well();
    let clean = audit(&town.data_folder(), &["verify", "--head", head.trim(), "--since", head.trim()]).well();
    assert!(clean.contains("0 rows") && clean.contains("0 findings"), "{clean}");
    let last: u64 = head.split(':').next().and_then(|position| position.parse().ok()).expect("a position");
    let (before, one) = (last - 5, last - 3);
    let swap = format!(
        "UPDATE audit SET position = -1 WHERE position = {before}; \
         UPDATE audit SET position = {before} WHERE position = {one}; \
         UPDATE audit SET position = {one} WHERE position = -1"
    );
    for (statement, position, kind) in [
        (format!("DELETE FROM audit WHERE position = {one}"), one, "removed"),
        (format!("DELETE FROM audit WHERE position = {last}"), last, "removed"),
        (format!("UPDATE audit SET staff = x'{}' WHERE position = {one}", "51".repeat(16)), one, "altered"),
        (format!("UPDATE audit SET at = at - 86400000 WHERE position = {one}"), one, "altered"),
        (swap.clone(), one, "reordered"),
        (swap, before, "reordered"),
        (format!("DELETE FROM audit_person WHERE position = {one}"), one, "index"),
    ] {
        let copy = tempfile::tempdir_in(town.path(".")).expect("a folder");
        std::fs::copy(database(&town.data_folder()), database(copy.path())).expect("a copy");
        run_sql(copy.path(), &statement);
        let said = audit(copy.path(), &["verify"]);
        let line = format!("position {position}: {kind}");
        assert!(!said.success && said.out.contains(&line), "{statement}: {said:?}");
        let report = audit(copy.path(), &["verify", "--json"]);
        let report: Value = serde_json::from_str(&report.out).expect("JSON");
        assert!(report["findings_found"].as_u64().is_some_and(|found| (1..=4).contains(&found)), "{report:#}");
    }
    // Who owns the database can take the last rows and make the rest look whole; a head that was kept tells.
    run_sql(
        &town.data_folder(),
        &format!(
            "DELETE FROM audit WHERE position > {one}; DELETE FROM audit_person WHERE position > {one}; \
             UPDATE audit_chain SET position = {one}, hash = (SELECT hash FROM audit WHERE position = {one})"
        ),
    );
    audit(&town.data_folder(), &["verify"]).well();
    let said = audit(&town.data_folder(), &["verify", "--head", head.trim()]);
    assert!(!said.success && said.out.contains(&format!("position {last}: head")), "{said:?}");
    assert!(!audit(&town.data_folder(), &["verify", "--head", "no-head"]).success);
}

#[test]
fn a_server_that_is_killed_has_noted_whatever_it_answered_and_the_chain_goes_on() {
    let town = with_an_auditor(Town::new());
    let mut server = town.serve();
    let (household, _) = register(&Session::of(&ZHOU, &server), "和平路1号", "张三");
    let mut heads = Vec::new();
    let answered: Mutex<Vec<String>> = Mutex::default();
    for round in 0..3 {
        let zhou = Session::of(&ZHOU, &server);
        let url = format!("{}/v1/households/{household}", server.url());
        let (token, answered) = (format!("Bearer {}", zhou.token), &answered);
        let so_far = || answered.lock().expect("nobody panicked").len();
        let begun = so_far();
        std::thread::scope(|scope| {
            for reader in 0..2 {
                let (url, token) = (&url, &token);
                scope.spawn(move || {
                    for number in 0.. {
                        let request = format!("read-{round}-{reader}-{number:05}");
                        let read =
                            ureq::get(url).header("authorization", token).header("x-request-id", &request).call();
                        // Until the server is no more.
                        let Ok(mut read) = read else { return };
                        if read.body_mut().read_to_string().is_err() {
                            return;
                        }
                        answered.lock().expect("nobody panicked").push(request);
                    }
                });
            }
            until("some were answered", Duration::from_secs(30), || (so_far() >= begun + 15).then_some(()));
            server.kill();
        });
        heads.push(audit(&town.data_folder(), &["head"]).well().trim().to_owned());
        audit(&town.data_folder(), &["verify"]).well();
        server.restart();
    }
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let answered = answered.into_inner().expect("nobody panicked");
    until("everything is sealed", SEALED_WITHIN, || {
        server.metrics().contains("gridwork_audit_lag_seconds 0\n").then_some(())
    });
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows(&zheng, &format!("household={household}&staff={}", ZHOU.id())) {
        *times.entry(text(&row["request"])).or_default() += 1;
    }
    for request in &answered {
        assert_eq!(times.get(request), Some(&1), "{request} of {} answers", answered.len());
    }
    server.end();
    let mut arguments = vec!["verify"];
    heads.iter().for_each(|head| arguments.extend(["--head", head.as_str()]));
    let said = audit(&town.data_folder(), &arguments).well();
    assert!(said.contains("0 not sealed yet"), "{said}");
}

#[test]
fn the_log_names_the_address_that_is_counted_and_believes_only_a_trusted_proxy() {
    let town = with_an_auditor(Town::new());
    for (proxies, source, request) in
        [("10.0.0.5", "127.0.0.1", "untrusted"), ("127.0.0.0/8", "203.0.113.9", "trusted-proxy")]
    {
        let server = town.serve_with(&[("GRIDWORK_TRUSTED_PROXIES", proxies)]);
        let (zhou, zheng) = (Session::of(&ZHOU, &server), Session::sign_in(&server, "zheng.ming", PASSWORD));
        register(&zhou, "和平路1号", "张三");
        let sent = Sent::new("GET", "/v1/residents")
            .with("authorization", &format!("Bearer {}", zhou.token))
            .with("x-request-id", request)
            .with("x-forwarded-for", "1.2.3.4, 203.0.113.9");
        assert_eq!(sent.send(server.address()).status, 200);
        let row = row_of(&zheng, "", request);
        assert_eq!(row["source"], source, "{row}");
        server.end();
    }
}
