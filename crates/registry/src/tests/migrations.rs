//! Both databases have the same tables, with the same columns in the same order, each of the type that matches.

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
