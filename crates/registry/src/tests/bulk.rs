//! A bulk import writes new households many at a time.

use super::{District, LEADERS, NOW, register, scope};
use crate::Import;
use crate::database::Connection;
use crate::editing::{ImportError, import};
use diesel::connection::{Connection as _, InstrumentationEvent};
use gridwork_sealing::Keyring;
use std::sync::{Arc, Mutex};

/// Households that are written together at most.
const TOGETHER: usize = 1_000;
/// Households that are made without a word to the database at most.
const IN_SILENCE: usize = 50;

/// The table that a statement writes rows into, if it does.
fn written(statement: &str) -> Option<String> {
    let statement = statement.trim_start_matches("INSERT INTO ").trim_start_matches("COPY ");
    let table = statement.strip_prefix(['"', '`'])?.split(['"', '`']).next()?;
    Some(table.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn new_households_are_written_a_thousand_at_a_time_and_each_table_in_one_go() {
    let district = District::open().await;
    let households = TOGETHER + 1;
    let edits: Vec<Import> =
        (0..households).map(|_| Import { by: LEADERS[0], edit: register(), home: Some(scope(0)) }).collect();
    let statements: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = statements.clone();
    let work = move |connection: &mut Connection| {
        let heard = heard.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                heard.lock().unwrap().push(query.to_string());
            }
        });
        let imported = import(connection, &edits, &Arc::new(Keyring::none()), NOW);
        connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
        imported.map(|(imported, _)| imported.merged)
    };
    let importing = district.registry.database.write_locking::<_, ImportError, _>(work);
    assert_eq!(importing.await.unwrap(), households as u64);

    let statements = std::mem::take(&mut *statements.lock().unwrap());
    let words = statements.iter().filter(|one| one.starts_with("SELECT $1") || one.starts_with("SELECT ?")).count();
    assert_eq!(words, TOGETHER / IN_SILENCE - 1, "the database hears of them while they are made");

    let mut tables: Vec<String> = statements.iter().filter_map(|one| written(one)).collect();
    // To SQLite a row is a statement; those of one table follow each other.
    tables.dedup();
    for table in ["change", "feed", "document", "snapshot", "search", "household", "resident", "membership"] {
        let times = tables.iter().filter(|one| *one == table).count();
        assert_eq!(times, 2, "a thousand, and one more: {table} in {tables:?}");
    }
    let report = district.verify().await;
    assert_eq!((report.households, report.changes), (households as u64, households as u64));
}
