//! The way through the README: a phone on the command line.

use crate::people::enrolment_code;
use crate::program;
use crate::rest::{Session, text};
use crate::server::{Server, free_address};
use crate::town::{GRID, LI, Town, ZHOU};
use gridwork_domain::id::StaffId;
use serde_json::{Value, json};
use ureq::http::Method;

#[test]
fn a_leader_enrols_lists_shows_visits_corrects_and_syncs_from_the_command_line() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路12号3单元501", "024-88886666");
    zhou.register("建设街7号", "024-66668888");
    let (folder, id) = (town.path("li"), household.to_string());
    let phone = |arguments: &[&str]| program::phone(&folder, arguments);

    let early = phone(&["list"]);
    assert!(!early.success && early.error.contains("enrol"), "{early:?}");
    let code = enrolment_code(&server, &LI);
    let wrong = phone(&["enrol", &server.url(), "2222-2222-2222"]);
    assert!(!wrong.success && wrong.error.contains("code"), "{wrong:?}");
    let enrolled = phone(&["enrol", &server.url(), &code]).well();
    assert!(enrolled.contains("李娜"), "{enrolled}");
    let again = phone(&["enrol", &server.url(), &code]);
    assert!(!again.success && again.error.contains("enrolled already"), "{again:?}");
    assert!(phone(&["status"]).well().contains("waiting to be sent 0"));
    phone(&["sync"]).well();

    // From here on without a server.
    let url = server.url();
    server.end();
    let list = phone(&["list"]).well();
    assert!(
        list.contains("和平路12号3单元501") && list.contains("建设街7号") && list.contains("2 households"),
        "{list}"
    );
    let found = phone(&["list", "陈建国"]).well();
    assert!(found.contains("2 households"), "{found}");
    let found = phone(&["list", "建设街"]).well();
    assert!(found.contains("1 households") && !found.contains("和平路"), "{found}");
    let show = phone(&["show", &id]).well();
    assert!(show.contains("contact_phone=02488886666") && show.contains("name=陈建国"), "{show}");
    let saved = phone(&["visit", &id, "--mode", "door", "--outcome", "met", "--note", "老人一切都好"]).well();
    assert!(saved.contains("saved"), "{saved}");
    phone(&["correct", &id, "contact_phone=138 0000 0001"]).well();
    phone(&["correct", &id, "--dwelling", "floor=5"]).well();
    phone(&["add", &id, "name=陈小明", "sex=1", "--relation", "20"]).well();
    let refused = phone(&["correct", &id, "contact_phone=not-a-number"]);
    assert!(!refused.success && refused.error.contains("not saved"), "{refused:?}");
    let nobody = phone(&["show", "AAAAAAAAAAAAAAAAAAAAAA"]);
    assert!(!nobody.success && nobody.error.contains("no such household"), "{nobody:?}");
    let show = phone(&["show", &id]).well();
    for shown in ["contact_phone=13800000001", "floor=5", "name=陈小明", "李娜: door met 老人一切都好"] {
        assert!(show.contains(shown), "{shown} is not in\n{show}");
    }
    let status = phone(&["status"]).well();
    assert!(status.contains("waiting to be sent 4"), "{status}");
    let cut_off = phone(&["sync"]);
    assert!(!cut_off.success && cut_off.error.contains("try again"), "{cut_off:?}");

    let server = town.serve();
    assert_ne!(server.url(), url);
    let synced = phone(&["sync", "--server", &server.url()]).well();
    assert!(synced.contains("sent 4 changes"), "{synced}");
    let status = phone(&["status"]).well();
    assert!(status.contains("waiting to be sent 0") && status.contains("last contact"), "{status}");
    let zhou = Session::of(&ZHOU, &server);
    let read = zhou.household(household).body;
    assert_eq!(read["household"]["contact_phone"], "138****0001");
    assert_eq!(read["dwelling"]["floor"], 5);
    assert_eq!(read["residents"].as_array().map(Vec::len), Some(2));
    assert_eq!(zhou.notes(household), ["老人一切都好"]);
}

#[test]
fn the_commands_say_what_they_are_for() {
    let help = program::run(&["--help"]).well();
    for command in ["serve", "setup", "verify", "audit", "openapi", "import", "export", "phone", "demo"] {
        assert!(help.contains(command), "{help}");
    }
    assert!(!program::run(&["no-such-command"]).success);
    let folder = tempfile::tempdir().expect("a folder");
    let unreachable = program::phone(folder.path(), &["enrol", &format!("http://{}", free_address()), "x"]);
    assert!(!unreachable.success && unreachable.error.contains("not reached"), "{unreachable:?}");
}

#[test]
fn a_new_office_is_set_up_with_the_file_of_the_readme_and_its_leader_enrols_a_phone() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("<<'END'\n").expect("a file in the README");
    let (district, _) = rest.split_once("\nEND").expect("its end");
    let folder = tempfile::tempdir().expect("a folder");
    let (file, registry) = (folder.path().join("district.json"), folder.path().join("registry"));
    std::fs::write(&file, district).expect("a file");
    let set_up = || {
        let output = program::command(&["setup"]).arg(&file).env("GRIDWORK_DATA_DIR", &registry).output();
        program::Said::of(output.expect("the binary runs"))
    };
    let said = set_up().well();
    let again = set_up();
    assert!(!again.success && again.error.contains("has areas or staff already"), "{again:?}");

    let server = Server::start(&registry);
    let password_of = |name: &str| {
        let plan: Value = serde_json::from_str(district).expect("JSON");
        let staff = plan["staff"].as_array().expect("staff").iter().find(|one| one["sign_in"] == name);
        text(&staff.expect("somebody of that name")["password"])
    };
    let [admin, agent] = ["admin", "agent1"].map(|name| Session::sign_in(&server, name, &password_of(name)));
    // Whoever sets up is told the ids, by which the administrator asks for codes.
    let leader = said.lines().find(|line| line.contains("leader1")).unwrap_or_else(|| panic!("no leader in {said}"));
    let leader = leader.split_whitespace().find_map(|word| word.parse::<StaffId>().ok()).expect("the leader's id");
    let form = json!({ "staff": leader });
    let code = text(&admin.send(Method::POST, "/v1/devices/enrolment-codes", None, &form).well()["code"]);
    let phone = folder.path().join("phone");
    program::phone(&phone, &["enrol", &server.url(), &code]).well();
    program::phone(&phone, &["sync"]).well();
    let registered = program::phone(&phone, &["register", "繁荣路1号"]).well();
    let household = registered.split_whitespace().nth(1).expect("the household's id").to_owned();
    program::phone(&phone, &["add", &household, "name=张三", "--relation", "01"]).well();
    assert!(program::phone(&phone, &["list", "张"]).well().contains(&household));
    program::phone(&phone, &["visit", &household, "--note", "一切都好"]).well();
    program::phone(&phone, &["correct", &household, "contact_phone=13812345678"]).well();
    program::phone(&phone, &["sync"]).well();
    assert!(program::phone(&phone, &["status"]).well().contains("waiting to be sent 0"));
    let household = household.parse().expect("an id");
    assert_eq!(agent.notes(household), ["一切都好"]);
    assert_eq!(agent.household(household).body["household"]["contact_phone"], "138****5678");
}

#[test]
fn a_newcomer_finds_zhang_san_by_zs_corrects_his_phone_number_and_sees_it_on_the_leaders_phone() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let form = json!({
        "grid": GRID.id(),
        "dwelling": { "address": "繁荣路1号" },
        "residents": [{ "resident": { "name": "张三", "phone": "13800000000" }, "membership": { "relation": "01" } }],
    });
    zhou.send(Method::POST, "/v1/households", None, &form).well();
    let folder = town.path("li");
    let phone = |arguments: &[&str]| program::phone(&folder, arguments);
    phone(&["enrol", &server.url(), &enrolment_code(&server, &LI)]).well();
    phone(&["sync"]).well();

    // As the README says it.
    let found = zhou.get("/v1/search?q=zs").well();
    let [household, resident] = ["household", "resident"].map(|name| text(&found["items"][0][name]));
    let path = format!("/v1/households/{household}");
    let version = text(&zhou.get(&path).well()["version"]);
    let form = json!({ "phone": "13812345678" });
    let corrected = zhou.send(Method::PATCH, &format!("{path}/residents/{resident}"), Some(&version), &form);
    assert_eq!(corrected.well()["concurrent"], false);
    phone(&["sync"]).well();
    let shown = phone(&["show", &household]).well();
    assert!(shown.contains("phone=13812345678") && shown.contains("name=张三"), "{shown}");
}
