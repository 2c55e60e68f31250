//! Whoever tampers with the database is found out: `gridwork verify` names what differs.

use crate::people::{add_resident, correction, enrol, record, register_household, sync, visit};
use crate::program::{self, Said};
use crate::rest::Session;
use crate::town::{LI, Town, ZHAO, ZHOU, database};
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
use gridwork_domain::id::HouseholdId;
use serde_json::Value;
use std::path::Path;

/// A town with some work in its registry, and no server running; about one household people disagree.
fn worked_in_town() -> (Town, HouseholdId) {
    let town = Town::on_a_file();
    let server = town.serve();
    let (mut li, mut zhao) = (enrol(&town, &server, &LI, "li"), enrol(&town, &server, &ZHAO, "zhao"));
    let mut last = None;
    for number in 0..6 {
        let household = register_household(&mut li, &format!("和平路{number}号"));
        add_resident(&mut li, household, "陈建国");
        visit(&mut li, household, "例行走访");
        visit(&mut li, household, "再次走访");
        last = Some(household);
    }
    sync(&mut li);
    sync(&mut zhao);
    let household = last.expect("households");
    record(&mut li, household, correction("contact_phone", "110"));
    record(&mut zhao, household, correction("contact_phone", "120"));
    sync(&mut li);
    sync(&mut zhao);
    Session::of(&ZHOU, &server).register("和平路9号", "119");
    server.end();
    (town, household)
}

fn verify(folder: &Path) -> Said {
    let output = program::about(folder, &["verify", "--json"]).output();
    Said::of(output.expect("the binary runs"))
}

/// What `verify` finds after these statements were run on a copy of the registry.
fn differences(town: &Town, statements: &[&str]) -> Vec<Value> {
    let copy = tempfile::tempdir_in(town.path(".")).expect("a folder");
    std::fs::copy(database(&town.data_folder()), database(copy.path())).expect("a copy");
    let path = database(copy.path());
    let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("a database");
    sql_query("PRAGMA foreign_keys = OFF").execute(&mut connection).expect("a setting");
    for statement in statements {
        let changed = sql_query(*statement).execute(&mut connection).expect(statement);
        assert!(changed > 0, "nothing to do for {statement}");
    }
    drop(connection);
    let said = verify(copy.path());
    assert!(!said.success, "{statements:?} was not found: {}", said.out);
    let report: Value = serde_json::from_str(&said.out).expect("JSON");
    let found = report["differences"].as_array().expect("differences").clone();
    assert!(!found.is_empty() && report["differences_found"].as_u64() >= Some(1), "{report}");
    found
}

/// Fails unless one of the differences is in that table and says it in all that it says.
fn names(found: &[Value], table: &str, hint: &str) {
    let fits = |one: &Value| one["table"] == table && one.to_string().contains(hint);
    assert!(found.iter().any(fits), "nothing about {hint} in {table}: {found:#?}");
}

/// Hexadecimal digits of the column of the only row that a query selects.
fn hex(town: &Town, column: &str, from: &str) -> String {
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::Text)]
        found: String,
    }
    let path = database(&town.data_folder());
    let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("a database");
    let query = format!("SELECT lower(hex({column})) AS found FROM {from}");
    let found: Found = sql_query(query).get_result(&mut connection).expect("one row");
    found.found
}

/// A blob with its middle byte changed.
fn flipped(column: &str) -> String {
    let half = format!("(length({column}) / 2)");
    format!(
        "{column} = CAST(substr({column}, 1, {half}) || CASE substr({column}, {half} + 1, 1) WHEN x'41' THEN x'42' ELSE \
         x'41' END || substr({column}, {half} + 2) AS BLOB)"
    )
}

#[test]
fn verify_finds_nothing_in_an_honest_registry() {
    let (town, _) = worked_in_town();
    let said = verify(&town.data_folder());
    let report: Value = serde_json::from_str(&said.well()).expect("JSON");
    assert_eq!(report["differences"].as_array().map(Vec::len), Some(0));
    for (what, least) in
        [("documents", 13), ("changes", 26), ("feed_rows", 26), ("households", 7), ("residents", 7), ("facts", 12)]
    {
        assert!(report[what].as_u64() >= Some(least), "{what}: {report}");
    }
    let text = program::about(&town.data_folder(), &["verify"]).output();
    Said::of(text.expect("the binary runs")).well();
}

#[test]
fn verify_names_a_change_that_was_deleted() {
    let (town, _) = worked_in_town();
    let middle = "change WHERE rowid = (SELECT rowid FROM change ORDER BY rowid LIMIT 1 OFFSET 7)";
    let hash = hex(&town, "hash", middle);
    let found = differences(&town, &[&format!("DELETE FROM {middle}")]);
    assert!(found.iter().any(|one| one.to_string().contains(&hash)), "{hash} is not named: {found:#?}");
}

#[test]
fn verify_names_a_change_of_which_one_byte_was_flipped() {
    let (town, _) = worked_in_town();
    for offset in [2, 7, 11] {
        let one = format!("rowid = (SELECT rowid FROM change ORDER BY rowid LIMIT 1 OFFSET {offset})");
        let hash = hex(&town, "hash", &format!("change WHERE {one}"));
        let found = differences(&town, &[&format!("UPDATE change SET {} WHERE {one}", flipped("bytes"))]);
        names(&found, "change", &hash);
    }
}

#[test]
fn verify_names_a_snapshot_of_which_one_byte_was_flipped() {
    let (town, _) = worked_in_town();
    let one = "rowid = (SELECT min(rowid) FROM snapshot)";
    let found = differences(&town, &[&format!("UPDATE snapshot SET {} WHERE {one}", flipped("bytes"))]);
    assert!(found.iter().any(|one| one["table"] == "snapshot" && one["document"].is_string()), "{found:#?}");
}

#[test]
fn verify_names_a_row_of_a_projection_in_which_one_byte_was_flipped() {
    let (town, household) = worked_in_town();
    let contested = "id = (SELECT household FROM conflict LIMIT 1)";
    let found = differences(&town, &[&format!("UPDATE household SET address = '和平路6号' WHERE {contested}")]);
    names(&found, "household", &household.to_string());
    names(&found, "household", "address");
    assert!(found.iter().all(|one| !one.to_string().contains("和平路")), "nothing about people is shown: {found:#?}");

    let one_fact = "WHERE rowid = (SELECT min(rowid) FROM fact)";
    for (table, hint, statement) in [
        (
            "household",
            "open_conflicts",
            "UPDATE household SET open_conflicts = 7 WHERE address = '和平路2号'".to_owned(),
        ),
        ("household", "none", "DELETE FROM household WHERE address = '和平路1号'".to_owned()),
        (
            "resident",
            "name",
            "UPDATE resident SET name = '陈建围' WHERE id = (SELECT min(id) FROM resident)".to_owned(),
        ),
        (
            "membership",
            "relation",
            "UPDATE membership SET relation = '31' WHERE id = (SELECT min(id) FROM membership)".to_owned(),
        ),
        ("conflict", "value", "UPDATE conflict SET value = '\"130\"' WHERE ordinal = 1".to_owned()),
        ("conflict", "none", "DELETE FROM conflict WHERE ordinal = 1".to_owned()),
        ("fact", "note", format!("UPDATE fact SET note = '例行走坊' {one_fact}")),
        ("fact", "bytes", format!("UPDATE fact SET {} {one_fact}", flipped("bytes"))),
        ("fact", "none", format!("DELETE FROM fact {one_fact}")),
    ] {
        names(&differences(&town, &[&statement]), table, hint);
    }
}

#[test]
fn verify_names_a_row_that_is_missing_from_the_feed() {
    let (town, _) = worked_in_town();
    let found = differences(&town, &["DELETE FROM feed WHERE position = 5"]);
    names(&found, "feed", "position 5");
    let last = "(SELECT max(position) FROM feed)";
    names(&differences(&town, &[&format!("DELETE FROM feed WHERE position = {last}")]), "feed", "none");

    // Nor may a counter say that there is more, or a document that it stands elsewhere than its changes say.
    names(&differences(&town, &["UPDATE scope SET position = position + 1"]), "feed", "none");
    let one = "WHERE id = (SELECT min(id) FROM document)";
    names(&differences(&town, &[&format!("UPDATE document SET {} {one}", flipped("heads"))]), "document", "");
}
