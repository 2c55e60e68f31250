//! Who may do what, on one page for people: the permission table, and what each operation of the API needs of it.
//! Committed as `openapi/permissions.md`.
//!
//! **Invariant:** it is made from the table and the document alone, so that it says what is enforced.

use crate::openapi;
use gridwork_domain::permission::{Within, permissions};
use gridwork_domain::staff::Role;

const HEAD: &str = "\
# Who may do what

Made by `gridwork openapi --permissions` from `crates/domain/src/permission/permissions.csv` and the routes; a test compares.

A role holds within its area, with all areas in it, and for its term of office. A figure says up to which class of
sensitivity fields are seen and written in full: 0 public, 1 personal, 2 sensitive, 3 most sensitive. A second figure after
a stroke says up to which class they are seen masked, as `138****5678` or a year of birth; what lies above is not shown.
Without a figure the role may not do this at all. `break_glass` lets see as it says outside the area of the role.

";

/// The page, with a newline at its end. `gridwork openapi --permissions` writes it.
pub fn permissions_md() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| permission | within | what it is |");
    Role::ALL.iter().for_each(|role| page.push_str(&format!(" {} |", role.word())));
    page.push_str(&format!("\n| --- | --- | --- |{}\n", " :-: |".repeat(Role::ALL.len())));
    for permission in permissions() {
        let within = match permission.within {
            Within::Area => "the area of the role",
            Within::Self_ => "oneself",
        };
        page.push_str(&format!("| `{}` | {within} | {} |", permission.operation.word(), permission.meaning));
        for extent in permission.extents {
            page.push_str(&extent.map_or_else(|| "  |".to_owned(), |extent| format!(" {extent} |")));
        }
        page.push('\n');
    }
    page.push_str("\n| operation | | needs |\n| --- | --- | --- |\n");
    for (id, method, path, needed) in openapi::operations() {
        let needed = needed.map_or_else(|| "no token".to_owned(), |needed| format!("`{}`", needed.word()));
        page.push_str(&format!("| {id} | `{method} {path}` | {needed} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_what_the_table_and_the_routes_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/permissions.md");
        let committed = std::fs::read_to_string(path).expect("the committed page");
        let hint =
            "run `cargo run --release -- openapi --permissions > openapi/permissions.md` and look at what changed";
        assert!(committed == permissions_md(), "{hint}");
    }
}
