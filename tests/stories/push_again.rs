//! A registry that is restored from yesterday's backup, and the phones that know what was done since.

use crate::people::{correction, enrol, field, record, register_household, sync, visit};
use crate::program;
use crate::rest::Session;
use crate::server::Server;
use crate::store;
use crate::town::{LI, Town, ZHAO, ZHOU};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use gridwork_domain::id::HouseholdId;
use gridwork_phone::Phone;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn deploy(town: &Town, script: &str, file: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(root.join("deploy").join(script));
    command.arg(file).env("GRIDWORK_DATA_DIR", town.data_folder()).env_remove("DATABASE_URL");
    if let Some(url) = store::url(&town.data_folder()) {
        command.env("DATABASE_URL", url);
    }
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(status.success(), "{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
}

fn back_up(town: &Town) -> PathBuf {
    let file = town.path("backup");
    deploy(town, "backup", &file);
    file
}

/// The server dies, and goes on with the backup.
fn restore(town: &Town, server: &mut Server, file: &Path) {
    server.kill();
    if let Some(url) = store::url(&town.data_folder()) {
        let mut database = PgConnection::establish(&url).expect("the database");
        database.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").expect("it is emptied");
    }
    deploy(town, "restore", file);
    server.restart();
}

fn correct(session: &Session, household: HouseholdId, name: &str, value: &str) {
    let version = session.household(household).version.expect("a version");
    session.correct(household, &version, name, value).well();
}

fn assert_whole(phone: &Phone) {
    let status = phone.status();
    assert!(status.damaged.is_empty(), "{status:?}");
    assert_eq!((status.waiting, status.held, status.refused, status.lost), (0, 0, 0, 0), "{status:?}");
}

fn verify(town: &Town, server: Server) {
    server.end();
    let verified = program::about(&town.data_folder(), &["verify", "--json"]).output();
    program::Said::of(verified.expect("the binary runs")).well();
}

#[test]
fn what_is_done_over_rest_after_a_restore_spoils_no_phone_that_knows_what_was_lost() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "13800000001");
    let mut li = enrol(&town, &server, &LI, "li");
    let backup = back_up(&town);
    correct(&zhou, household, "remark", "备份以后");
    sync(&mut li);

    restore(&town, &mut server, &backup);
    // The first that this person does on this household after the backup, once more.
    let zhou = Session::of(&ZHOU, &server);
    correct(&zhou, household, "contact_phone", "13800000002");
    let report = sync(&mut li);
    assert_eq!(report.damaged, 0, "{report:?}");
    assert!(li.status().damaged.is_empty(), "{:?}", li.status());
    assert_eq!(field(&li, household, "contact_phone").as_deref(), Some("13800000002"));
    assert_eq!(field(&li, household, "remark").as_deref(), Some("备份以后"));
    verify(&town, server);
}

#[test]
fn a_phone_hands_in_again_what_the_restored_registry_has_lost_and_its_later_work_arrives() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "13800000001");
    let mut li = enrol(&town, &server, &LI, "li");
    let backup = back_up(&town);
    record(&mut li, household, correction("remark", "备份以后"));
    visit(&mut li, household, "备份以后走访");
    let new = register_household(&mut li, "和平路2号");
    visit(&mut li, new, "新户");
    sync(&mut li);
    assert_whole(&li);
    visit(&mut li, household, "还没上传");

    restore(&town, &mut server, &backup);
    let zhou = Session::of(&ZHOU, &server);
    assert_eq!((zhou.household(new).status, zhou.notes(household).len()), (404, 0), "the backup knows nothing of it");
    // The phone is ended and opened wherever it stands: what it has to hand in is on its disk.
    drop(li);
    let mut li = Phone::open(&town.path("li")).expect("the phone opens");
    sync(&mut li);
    assert_whole(&li);
    assert_eq!(zhou.notes(household), ["备份以后走访", "还没上传"]);
    assert_eq!(zhou.notes(new), ["新户"]);
    record(&mut li, household, correction("remark", "后来"));
    sync(&mut li);
    let mut zhao = enrol(&town, &server, &ZHAO, "zhao");
    sync(&mut zhao);
    assert_eq!(zhao.dump(), li.dump());
    assert_eq!(field(&zhao, household, "remark").as_deref(), Some("后来"));
    verify(&town, server);
}

#[test]
fn a_colleagues_phone_brings_back_what_others_did_on_phones_and_over_rest_that_do_not_come_back() {
    let town = Town::new();
    let mut server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "13800000001");
    let mut li = enrol(&town, &server, &LI, "li");
    let mut zhao = enrol(&town, &server, &ZHAO, "zhao");
    let backup = back_up(&town);
    visit(&mut li, household, "李的走访");
    let new = register_household(&mut li, "和平路2号");
    sync(&mut li);
    correct(&zhou, household, "remark", "热线改的");
    sync(&mut zhao);
    let known = zhao.dump();

    restore(&town, &mut server, &backup);
    sync(&mut zhao);
    assert_whole(&zhao);
    assert_eq!(zhao.dump(), known);
    let zhou = Session::of(&ZHOU, &server);
    assert_eq!((zhou.household(new).status, zhou.notes(household)), (200, vec!["李的走访".to_owned()]));
    let visits = zhou.get(&format!("/v1/households/{household}/visits")).well();
    assert_eq!(visits["items"][0]["by"]["name"], "李娜", "{visits}");
    assert!(zhou.household(household).body.to_string().contains("热线改的"));

    // Her phone was in a drawer meanwhile.
    visit(&mut li, household, "李又来了");
    let report = sync(&mut li);
    assert_eq!((report.refused, report.replayed, report.damaged), (0, 0, 0), "{report:?}");
    assert_whole(&li);
    sync(&mut zhao);
    assert_eq!(zhao.dump(), li.dump());
    verify(&town, server);
}
