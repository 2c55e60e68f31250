//! A backup that was made while people worked, and what comes of it when it is restored: `deploy/backup`,
//! `deploy/restore`, and phones that had seen further.

use crate::people::{enrol, field, register_household, sync, visit};
use crate::program::{self, Said};
use crate::rest::Session;
use crate::store;
use crate::town::{LI, Town, ZHAO, ZHOU, database};
use diesel::connection::SimpleConnection;
use diesel::sql_types::Binary;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use std::path::Path;
use std::process::Command;

/// Runs a program of `deploy` about the registry of a town.
fn deploy(name: &str, town: &Town, file: &Path) -> Said {
    let folder = town.data_folder();
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name));
    command.arg(file).env("GRIDWORK_DATA_DIR", &folder).env_remove("DATABASE_URL");
    command.envs(store::url(&folder).map(|url| ("DATABASE_URL", url)));
    Said::of(command.output().expect("it runs"))
}

/// The id of the instance, under which phones hold their cursors.
fn instance(town: &Town) -> Vec<u8> {
    #[derive(QueryableByName)]
    struct Instance {
        #[diesel(sql_type = Binary)]
        id: Vec<u8>,
    }
    let query = sql_query("SELECT id FROM instance");
    let found: Instance = match store::url(&town.data_folder()) {
        Some(url) => query.get_result(&mut PgConnection::establish(&url).expect("a database")),
        None => {
            let path = database(&town.data_folder());
            let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("a database");
            connection.batch_execute("PRAGMA busy_timeout = 5000").expect("a setting");
            query.get_result(&mut connection)
        }
    }
    .expect("one instance");
    found.id
}

fn verify(town: &Town) {
    let said = Said::of(program::about(&town.data_folder(), &["verify"]).output().expect("the binary runs")).well();
    assert!(said.contains(" 0 differences"), "{said}");
}

#[test]
fn a_backup_made_while_people_work_is_restored_and_phones_that_had_seen_further_miss_nothing_from_then_on() {
    let town = Town::new();
    let server = town.serve();
    let (mut li, zhou) = (enrol(&town, &server, &LI, "li"), Session::of(&ZHOU, &server));
    let of_li = register_household(&mut li, "和平路1号");
    visit(&mut li, of_li, "例行走访");
    sync(&mut li);
    let of_zhou = zhou.register("和平路2号", "110");

    let backup = town.path("backup");
    deploy("backup", &town, &backup).well();
    let again = deploy("backup", &town, &backup);
    assert!(!again.success && again.error.contains("overwrites nothing"), "{again:?}");
    // The server was there all the time, and people go on: the phone sees more than the backup has.
    let lost: Vec<_> = (3..9).map(|number| zhou.register(&format!("和平路{number}号"), "119")).collect();
    sync(&mut li);
    assert!(lost.iter().all(|one| li.household(*one).is_some()));
    let before = instance(&town);
    server.end();

    store::empty(&town.data_folder());
    deploy("restore", &town, &backup).well();
    verify(&town);
    assert_ne!(instance(&town), before, "what is restored is another instance");

    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    assert_eq!(zhou.notes(of_li), ["例行走访"]);
    assert!(lost.iter().all(|one| zhou.household(*one).status == 404), "they came after the backup");
    // In the places of the feed up to which the phone had read.
    let new = [zhou.register("建设街1号", "120"), zhou.register("建设街2号", "120")];
    zhou.correct(of_li, "*", "contact_phone", "13800000001").well();
    zhou.correct(of_zhou, "*", "contact_phone", "13800000002").well();
    li.set_server(&server.url()).expect("saved");
    let zhao = enrol(&town, &server, &ZHAO, "zhao");
    sync(&mut li);
    for phone in [&li, &zhao] {
        assert!(new.iter().all(|one| phone.household(*one).is_some()), "nothing is missed");
        assert_eq!(phone.visits(of_li).len(), 1, "nothing is there twice");
        assert_eq!(field(phone, of_li, "contact_phone").as_deref(), Some("13800000001"));
        assert_eq!(field(phone, of_zhou, "contact_phone").as_deref(), Some("13800000002"));
    }
    assert!(lost.iter().all(|one| zhao.household(*one).is_none()));
    // And back: what the phone records on what was restored arrives.
    visit(&mut li, of_zhou, "又来了");
    let report = sync(&mut li);
    assert!(report.merged > 0, "{report:?}");
    assert_eq!(zhou.notes(of_zhou), ["又来了"]);
    server.end();
    verify(&town);
}
