//! Who sees a telephone number in full, who sees it when there is a reason, and who sees homes that are not theirs.

use crate::audit::{row_of_action, rows, with_an_auditor};
use crate::people::{enrol, field};
use crate::rest::{Answer, Session, text};
use crate::server::Server;
use crate::town::{COMMUNITY, FAR_GRID, GRID, LI, NEIGHBOURS, PASSWORD, Place, QIAN, Town, WU, ZHOU, now};
use crate::waiting::until;
use gridwork_domain::id::{HouseholdId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::Administration;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

/// A household of 张三 in [`GRID`], whose line is not the household's; and 张三's id.
fn register(by: &Session) -> (HouseholdId, String) {
    let resident = json!({ "name": "张三", "phone": "13812345678", "birth_date": "1949-10-01", "ethnicity": "01" });
    let form = json!({
        "grid": GRID.id(),
        "household": { "contact_phone": "024-88886666" },
        "dwelling": { "address": "和平路12号" },
        "residents": [{ "resident": resident, "membership": { "relation": "01" } }],
    });
    let made = by.send(Method::POST, "/v1/households", None, &form).well();
    let id = text(&made["household"]).parse().expect("an id");
    let resident = text(&by.household(id).well()["residents"][0]["id"]);
    (id, resident)
}

fn reveal(by: &Session, whose: &str, fields: &[&str], reason: &str) -> Answer {
    let form = json!({ "fields": fields, "reason": reason });
    by.send(Method::POST, &format!("/v1/{whose}/reveal"), None, &form)
}

/// Somebody who signs in, with these offices.
fn appoint(town: &Town, number: u8, sign_in: &str, offices: &[(Role, &Place)]) -> StaffId {
    let id = StaffId::from_bytes([number; 16]);
    town.with_registry(async |registry| {
        let staff = Staff { id, name: "高翔".to_owned(), sign_in: sign_in.to_owned() };
        let password = Some(PASSWORD.to_owned());
        let mut all = vec![Administration::AppointStaff { staff, password }];
        let from = Instant::from_ms(0);
        let assign = |(role, place): &(Role, &Place)| {
            Administration::Assign(Assignment { staff: id, role: *role, area: place.id(), from, until: None })
        };
        all.extend(offices.iter().map(assign));
        for what in all {
            registry.administer(None, what, now()).await.expect("it is administered");
        }
    });
    id
}

/// A key of a machine client with this office.
fn machine(server: &Server, role: &str, scopes: &[&str]) -> Session {
    let wu = Session::of(&WU, server);
    let form = json!({ "name": "热线报表", "sign_in": "reports", "office": { "role": role, "area": GRID.id() } });
    let client = text(&wu.send(Method::POST, "/v1/staff", None, &form).well()["id"]);
    let form = json!({ "name": "报表", "scopes": scopes, "expires_at_ms": now().plus_ms(600_000).ms() });
    let made = wu.send(Method::POST, &format!("/v1/staff/{client}/api-keys"), None, &form).well();
    Session::with_token(server, &text(&made["key"]))
}

#[test]
fn a_call_agent_finds_zhang_san_sees_a_mask_and_reveals_the_number_for_a_reason_that_the_auditor_reads() {
    let town = with_an_auditor(Town::new());
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (household, resident) = register(&zhou);

    let hits = zhou.get("/v1/search?q=%E5%BC%A0%E4%B8%89").well();
    assert_eq!((&hits["items"][0]["name"], &hits["items"][0]["resident"]), (&json!("张三"), &json!(resident)));
    let read = zhou.household(household);
    let (version, body) = (read.version.expect("a version"), read.body);
    let masked = json!({ "contact_phone": "024****6666", "masked": ["contact_phone"] });
    assert_eq!(body["household"], masked);
    let zhang = json!({
        "name": "张三", "phone": "138****5678", "birth_date": "1949", "ethnicity": "***",
        "masked": ["birth_date", "ethnicity", "phone"],
    });
    assert_eq!(body["residents"][0]["resident"], zhang);

    // The form that is sent back as it was shown writes no mask over the number.
    let path = format!("/v1/households/{household}");
    for (path, form) in [
        (path.clone(), json!({ "contact_phone": "024****6666" })),
        (format!("{path}/residents/{resident}"), json!({ "phone": "138****5678", "birth_date": "1949" })),
    ] {
        let refused = zhou.send(Method::PATCH, &path, Some(&version), &form);
        let errors = refused.body["errors"].as_array().cloned().unwrap_or_default();
        assert_eq!((refused.status, errors.len()), (422, form.as_object().map_or(0, |form| form.len())), "{refused:?}");
        let says = |error: &Value| text(&error["detail"]).starts_with("is masked: leave the field out");
        assert!(errors.iter().all(says), "{refused:?}");
    }

    let whose = format!("residents/{resident}");
    let phone = &["phone"][..];
    for (fields, reason, wrong) in [
        (phone, "", "reason"),
        (phone, "多\n行", "reason"),
        (&phone[1..], "x", "fields"),
        (&["pet"][..], "x", "fields"),
    ] {
        let refused = reveal(&zhou, &whose, fields, reason);
        assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!(wrong)), "{refused:?}");
    }
    let revealed = reveal(&zhou, &whose, &["phone", "birth_date", "guardian"], "来电求助, 需回拨").well();
    assert_eq!(revealed["values"], json!({ "phone": "13812345678", "birth_date": "1949-10-01" }));
    let of_household = reveal(&zhou, &format!("households/{household}"), &["contact_phone"], "线路中断, 回拨").well();
    assert_eq!(of_household["values"], json!({ "contact_phone": "02488886666" }));

    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let about = format!("resident={resident}");
    let row = until("the row is sealed", Duration::from_secs(10), || {
        rows(&zheng, &about).into_iter().find(|row| row["reason"] == "来电求助, 需回拨")
    });
    assert_eq!((&row["action"], &row["by"]["name"]), (&json!("reveal"), &json!(ZHOU.name)));
    let fields = ["residents.phone", "residents.birth_date", "residents.guardian"];
    assert_eq!(row["detail"], json!({ "fields": fields }));
    let search =
        rows(&zheng, &about).into_iter().find(|row| row["detail"]["classes"] == json!(["residents", "dwelling"]));
    let search = search.expect("the search is in the log");
    assert_eq!((&search["detail"]["sensitivity"], &search["detail"]["masked"]), (&json!(2), &json!(true)));
    let all = Value::from(rows(&zheng, "")).to_string();
    assert!(!all.contains("13812345678") && !all.contains("138****"), "no value is in the audit log");
}

#[test]
fn nobody_reveals_a_whole_district_one_by_one() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (_, resident) = register(&zhou);
    let whose = format!("residents/{resident}");
    for _ in 0..gridwork_registry::MOST_REVEALED {
        reveal(&zhou, &whose, &["phone"], "抄录").well();
    }
    let refused = reveal(&zhou, &whose, &["phone"], "抄录");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(
        refused.body["retry_after_s"].as_u64().is_some_and(|seconds| (1..=3_600).contains(&seconds)),
        "{refused:?}"
    );
}

#[test]
fn a_leader_sees_the_own_grid_in_full_at_a_desk_and_on_the_phone_and_whoever_works_elsewhere_nothing() {
    let town = Town::new();
    appoint(&town, 0x83, "gao.xiang", &[(Role::Liaison, &GRID)]);
    let server = town.serve();
    let (household, resident) = register(&Session::of(&ZHOU, &server));
    // Leaders have phones, and now and then a desk.
    let form = json!({ "password": PASSWORD });
    Session::of(&WU, &server).send(Method::PUT, &format!("/v1/staff/{}/password", LI.id()), None, &form).well();
    let leader = Session::of(&LI, &server);
    let body = leader.household(household).well();
    assert_eq!(body["household"], json!({ "contact_phone": "02488886666" }), "{body}");
    let zhang = json!({ "name": "张三", "phone": "13812345678", "birth_date": "1949-10-01", "ethnicity": "01" });
    assert_eq!(body["residents"][0]["resident"], zhang);
    let li = enrol(&town, &server, &LI, "li");
    assert_eq!(field(&li, household, "contact_phone").as_deref(), Some("02488886666"));

    // Who sees nothing sensitive there does not for a reason, either, and then nothing else of what was asked for.
    let liaison = Session::sign_in(&server, "gao.xiang", PASSWORD);
    let refused = reveal(&liaison, &format!("residents/{resident}"), &["phone", "citizen_number"], "核对号码");
    assert!(refused.status == 403 && !refused.body.to_string().contains("13812345678"), "{refused:?}");
    let revealed = reveal(&liaison, &format!("residents/{resident}"), &["phone"], "回拨来电").well();
    assert_eq!(revealed["values"], json!({ "phone": "13812345678" }));

    let qian = Session::of(&QIAN, &server);
    assert_eq!(reveal(&qian, &format!("residents/{resident}"), &["phone"], "x").status, 404);
    assert_eq!(reveal(&qian, &format!("households/{household}"), &["contact_phone"], "x").status, 404);
    assert_eq!(reveal(&Session::of(&WU, &server), &format!("residents/{resident}"), &["phone"], "x").status, 403);
}

#[test]
fn lists_files_conflicts_and_answers_of_edits_are_masked_for_whoever_reads_through_masks_also_machines() {
    let town = Town::new();
    appoint(&town, 0x81, "gao.xiang", &[(Role::CommunityWorker, &COMMUNITY)]);
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let (household, _) = register(&zhou);
    let seen = zhou.household(household).version.expect("a version");
    let worker = Session::sign_in(&server, "gao.xiang", PASSWORD);
    worker.correct(household, &seen, "contact_phone", "13900000001").well();
    let edited = zhou.correct(household, &seen, "contact_phone", "13900000002").well();
    let robot = machine(&server, "community_worker", &["read"]);
    let full = ["13812345678", "02488886666", "13900000001", "13900000002", "1949-10-01"];
    let whole = |answer: &Value| full.into_iter().find(|value| answer.to_string().contains(value));
    assert_eq!((whole(&edited), edited["conflicts"][0]["masked"].clone()), (None, json!(true)), "{edited}");
    let path = format!("/v1/households/{household}");
    for path in [
        path.clone(),
        format!("{path}/residents"),
        format!("{path}/visits"),
        "/v1/households".to_owned(),
        "/v1/residents".to_owned(),
        "/v1/conflicts".to_owned(),
        "/v1/search?q=zs".to_owned(),
        "/v1/exports/households".to_owned(),
        "/v1/exports/residents".to_owned(),
        "/v1/exports/visits".to_owned(),
    ] {
        for reader in [&zhou, &robot] {
            let answer = reader.get(&path).well();
            assert_eq!(whole(&answer), None, "{path}: {answer}");
        }
        let shows = path != "/v1/search?q=zs" && !path.ends_with("visits");
        assert_eq!(whole(&worker.get(&path).well()).is_some(), shows, "{path}");
    }
    // Who decides between two masked numbers reveals them.
    let revealed = reveal(&zhou, &format!("households/{household}"), &["contact_phone"], "核对两个号码").well();
    let values = revealed["conflicts"][0]["alternatives"].as_array().expect("values").iter();
    let mut values: Vec<String> = values.map(|one| text(&one["value"])).collect();
    values.sort();
    assert_eq!(values, ["13900000001", "13900000002"]);
    // A key that is not for it reveals nothing.
    assert_eq!(reveal(&robot, &format!("households/{household}"), &["contact_phone"], "x").status, 403);
}

#[test]
fn somebody_of_another_district_breaks_the_glass_reads_is_reviewed_and_after_a_while_finds_nothing_again() {
    let town = with_an_auditor(Town::new());
    appoint(&town, 0x81, "gao.xiang", &[(Role::Supervisor, &COMMUNITY), (Role::CommunityWorker, &FAR_GRID)]);
    appoint(&town, 0x82, "he.jun", &[(Role::Supervisor, &NEIGHBOURS)]);
    let server = town.serve();
    let (zhou, qian) = (Session::of(&ZHOU, &server), Session::of(&QIAN, &server));
    let (household, resident) = register(&zhou);
    assert_eq!(qian.household(household).status, 404);
    let break_glass = |by: &Session, form: Value| by.send(Method::POST, "/v1/break-glass", None, &form);
    let place = json!({ "household": household, "reason": "楼道冒烟, 联系住户撤离" });
    for wrong in [
        json!({ "household": household, "reason": " " }),
        json!({ "reason": "x" }),
        json!({ "household": household, "area": GRID.id(), "reason": "x" }),
        json!({ "household": "AAAAAAAAAAAAAAAAAAAAAA", "reason": "x" }),
    ] {
        assert_eq!(break_glass(&qian, wrong.clone()).status, 422, "{wrong}");
    }
    assert_eq!(break_glass(&Session::of(&WU, &server), place.clone()).status, 403);

    let broken = break_glass(&qian, place).well();
    let entry = text(&broken["break_glass"]);
    let left_ms = broken["ends_at_ms"].as_i64().expect("an instant") - now().ms();
    assert!((3_500_000..=3_600_000).contains(&left_ms), "{broken}");
    let body = qian.household(household).well();
    assert_eq!(body["household"]["contact_phone"], "024****6666");
    let path = format!("/v1/households/{household}");
    for part in ["residents", "visits"] {
        qian.get(&format!("{path}/{part}")).well();
    }
    let revealed = reveal(&qian, &format!("residents/{resident}"), &["phone"], "联系住户撤离").well();
    assert_eq!(revealed["values"]["phone"], "13812345678");
    // Only reading, only that household, and no lists of it.
    assert_eq!(qian.correct(household, "*", "remark", "x").status, 403);
    for list in ["/v1/households", "/v1/residents", "/v1/search?q=zs", "/v1/conflicts"] {
        assert_eq!(qian.get(list).well()["items"], json!([]), "{list}");
    }
    break_glass(&qian, json!({ "area": COMMUNITY.id(), "reason": "寻找走失老人" })).well();
    assert_eq!(qian.get("/v1/search?q=zs").well()["items"][0]["name"], "张三");
    let file = qian.get("/v1/exports/residents").well();
    assert!(!file.to_string().contains("张三"), "no list is carried away: {file}");
    let form = json!({ "grid": GRID.id(), "dwelling": { "address": "和平路13号" } });
    assert_eq!(qian.send(Method::POST, "/v1/households", None, &form).status, 422);

    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    let about = format!("household={household}&staff={}", QIAN.id());
    let all = until("all of it is sealed", Duration::from_secs(10), || {
        let all = rows(&zheng, &about);
        (all.iter().filter(|row| row["action"] == "read").count() >= 3).then_some(all)
    });
    for row in all.iter().filter(|row| row["action"] != "break-glass") {
        assert!(row["detail"]["break_glass"].as_array().is_some_and(|ids| ids.contains(&json!(entry))), "{row:#}");
    }
    assert!(all.iter().any(|row| row["action"] == "break-glass" && row["reason"] == "楼道冒烟, 联系住户撤离"));

    // Who oversees the place reviews it; who oversees another sees nothing.
    let (gao, he) = (Session::sign_in(&server, "gao.xiang", PASSWORD), Session::sign_in(&server, "he.jun", PASSWORD));
    assert_eq!(he.get("/v1/break-glass").well()["items"], json!([]));
    let review = |by: &Session, entry: &str| {
        let form = json!({ "verdict": "justified", "note": "已核实火警记录" });
        by.send(Method::POST, &format!("/v1/break-glass/{entry}/review"), None, &form)
    };
    assert_eq!(review(&he, &entry).status, 404);
    let listed = gao.get("/v1/break-glass?limit=1").well();
    assert_eq!(listed["items"][0]["reason"], "寻找走失老人", "the latest first");
    let next = gao.get(&format!("/v1/break-glass?after={}", text(&listed["next"]))).well();
    assert_eq!((&next["items"][0]["id"], &next["items"][0]["by"]["name"]), (&json!(entry), &json!(QIAN.name)));
    let reviewed = review(&gao, &entry).well();
    assert_eq!(
        (&reviewed["review"]["verdict"], &reviewed["review"]["by"]["name"]),
        (&json!("justified"), &json!("高翔"))
    );
    assert_eq!(review(&gao, &entry).status, 409, "once and for all");
    let order: Vec<bool> = gao.get("/v1/break-glass").well()["items"]
        .as_array()
        .map(|items| items.iter().map(|item| item["review"].is_null()).collect())
        .unwrap_or_default();
    assert_eq!(order, [true, false], "what is open comes first");
    let own = text(&break_glass(&gao, json!({ "area": GRID.id(), "reason": "x" })).well()["break_glass"]);
    assert_eq!(review(&gao, &own).status, 403, "nobody reviews their own");
    row_of_action(&zheng, "review-break-glass");

    server.end();
    let server = town.serve_with(&[("GRIDWORK_BREAK_GLASS_S", "5")]);
    // Who reads by an hour's entry still does, on whichever node.
    let qian = Session::of(&QIAN, &server);
    qian.household(household).well();
    let agent = {
        let form = json!({
            "name": "何月", "sign_in": "he.yue", "password": PASSWORD,
            "office": { "role": "call_agent", "area": FAR_GRID.id() },
        });
        Session::of(&WU, &server).send(Method::POST, "/v1/staff", None, &form).well();
        Session::sign_in(&server, "he.yue", PASSWORD)
    };
    break_glass(&agent, json!({ "household": household, "reason": "燃气泄漏" })).well();
    agent.household(household).well();
    until("it has ended by itself", Duration::from_secs(30), || {
        (agent.household(household).status == 404).then_some(())
    });
    assert_eq!(reveal(&agent, &format!("residents/{resident}"), &["phone"], "x").status, 404);
}
