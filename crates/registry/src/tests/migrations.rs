//! Both databases have the same tables, with the same columns in the same order, each of the type that matches.

use super::database::{Database, server};
use crate::Registry;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use std::collections::BTreeMap;
use std::path::Path;

/// Table to its columns: name, type, and whether it must have a value.
type Tables = BTreeMap<String, Vec<(String, String, bool)>>;

/// What all migrations of a database make together.
fn tables(of: &str) -> Tables {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(of);
    let mut migrations: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    let mut tables = Tables::new();
    for migration in migrations {
        let sql = std::fs::read_to_string(migration.join("up.sql")).unwrap();
        let sql: String = sql.lines().map(|line| format!("{}\n", line.split("--").next().unwrap())).collect();
        sql.split(';').map(str::trim).for_each(|statement| apply(&mut tables, statement));
    }
    tables
}

fn apply(tables: &mut Tables, statement: &str) {
    let words: Vec<&str> = statement.split_whitespace().collect();
    match words.as_slice() {
        ["CREATE", "TABLE", name, ..] => {
            let (_, body) = statement.split_once('(').unwrap();
            let columns = parts(body).into_iter().filter_map(column).collect();
            assert!(tables.insert((*name).to_owned(), columns).is_none(), "{name} twice");
        }
        ["ALTER", "TABLE", name, "ADD", "COLUMN", ..] => {
            let (_, definition) = statement.split_once("ADD COLUMN").unwrap();
            tables.get_mut(*name).expect(name).extend(column(definition));
        }
        ["ALTER", "TABLE", name, "ALTER", "COLUMN", column, "SET", "NOT", "NULL" | "NULL,", ..] => {
            let columns = tables.get_mut(*name).expect(name);
            columns.iter_mut().filter(|(known, ..)| known == column).for_each(|(.., must)| *must = true);
        }
        ["ALTER", "TABLE", name, "RENAME", "TO", other] => {
            let columns = tables.remove(*name).expect(name);
            tables.insert((*other).to_owned(), columns);
        }
        ["ALTER", "TABLE", name, "DROP", "COLUMN", column] => {
            let columns = tables.get_mut(*name).expect(name);
            let at = columns.iter().position(|(known, ..)| known == column).expect(column);
            columns.remove(at);
        }
        ["ALTER", "TABLE", _, "DROP", "CONSTRAINT", _] | [] => {}
        ["DROP", "TABLE", name] => {
            tables.remove(*name).expect(name);
        }
        ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] | ["INSERT" | "UPDATE" | "DELETE" | "DROP", ..] => {
        }
        _ => panic!("what does this do to a table? {statement}"),
    }
}

/// The parts between the commas of a list in parentheses, up to the parenthesis that closes it.
fn parts(body: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, character) in body.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&body[begin..at]);
                break;
            }
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&body[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts
}

/// A column; none for a constraint of the table.
fn column(definition: &str) -> Option<(String, String, bool)> {
    let (name, rest) = definition.trim().split_once(char::is_whitespace)?;
    if name.chars().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    let first = rest.split_whitespace().next()?;
    let kind = match first {
        "BLOB" | "bytea" => "bytes",
        // SQLite has no type for what is true or false.
        "INTEGER" | "bigint" | "integer" | "boolean" => "number",
        "TEXT" => "text",
        "text" if rest.contains("COLLATE \"C\"") => "text",
        other => panic!("{name} is of the type {other}, which the other database has no like of"),
    };
    Some((name.to_owned(), kind.to_owned(), rest.contains("NOT NULL")))
}

#[test]
fn both_databases_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (tables("sqlite"), tables("postgres"));
    let names = |tables: &Tables| tables.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&sqlite), names(&postgres));
    assert!(sqlite.len() > 20 && sqlite["session"].len() == 8, "they were read: {:?}", names(&sqlite));
    for (name, columns) in &sqlite {
        assert_eq!(columns, &postgres[name], "{name}");
    }
}

/// A column of a database that is there.
#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    must: bool,
    #[diesel(sql_type = Bool)]
    is_key: bool,
}

/// Table to its columns in their order, as the database itself tells them: type, whether it must have a value, and whether
/// it is of the primary key. What begins with two underscores is the migrations' own.
fn told(columns: Vec<Column>) -> BTreeMap<String, Vec<(String, &'static str, bool, bool)>> {
    let mut tables: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for Column { table_name, column_name, kind, must, is_key } in columns {
        let kind = match kind.to_lowercase().as_str() {
            "blob" | "bytea" => "bytes",
            "integer" | "bigint" | "boolean" => "number",
            "text" => "text",
            other => {
                panic!("{table_name}.{column_name} is of the type {other}, which the other database has no like of")
            }
        };
        // A primary key of PostgreSQL must have a value without saying so; of SQLite, only if it says so.
        tables.entry(table_name).or_default().push((column_name, kind, must || is_key, is_key));
    }
    tables
}

#[tokio::test]
async fn what_the_migrations_make_is_the_same_in_both_databases() {
    if server().is_none() {
        return; // there is only one of them to look at
    }
    let both = [Database::file(), Database::new()];
    for database in &both {
        Registry::open(&database.settings).unwrap().close().await.unwrap();
    }
    let [file, served] = &both;
    let path = file.settings.database_url.trim_start_matches("sqlite:");
    let in_file = diesel::sql_query(
        "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind, c.\"notnull\" AS must, c.pk > 0 AS is_key \
         FROM sqlite_schema m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND substr(m.name, 1, 2) <> '__' AND substr(m.name, 1, 7) <> 'sqlite_' \
         ORDER BY m.name, c.cid",
    );
    let in_file: Vec<Column> = in_file.load(&mut SqliteConnection::establish(path).unwrap()).unwrap();
    let served = diesel::sql_query(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text AS kind, c.is_nullable = 'NO' AS must, \
         EXISTS (SELECT 1 FROM information_schema.key_column_usage k JOIN information_schema.table_constraints t \
         USING (constraint_name, table_schema) WHERE t.constraint_type = 'PRIMARY KEY' AND k.table_schema = 'public' \
         AND k.table_name = c.table_name AND k.column_name = c.column_name) AS is_key \
         FROM information_schema.columns c \
         WHERE c.table_schema = 'public' AND substr(c.table_name, 1, 2) <> '__' \
         ORDER BY c.table_name COLLATE \"C\", c.ordinal_position",
    )
    .load::<Column>(&mut PgConnection::establish(&served.settings.database_url).unwrap())
    .unwrap();
    let (in_file, served) = (told(in_file), told(served));
    assert_eq!(in_file.keys().collect::<Vec<_>>(), served.keys().collect::<Vec<_>>());
    assert!(in_file.len() > 20 && in_file["session"].len() == 8, "they were read: {:?}", in_file.keys());
    for (name, columns) in &in_file {
        assert_eq!(columns, &served[name], "{name}");
    }
}
