//! What the files of `deploy` set is what the program reads, and what they ask of whoever installs it is what they use.

use std::collections::BTreeSet;
use std::path::Path;

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).expect("a file of this repository")
}

/// Names of variables at the beginning of what comes after each of these marks.
fn names<'a>(text: &'a str, mark: &str) -> BTreeSet<&'a str> {
    let is_of_a_name = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let after = text.split(mark).skip(1);
    after.map(|rest| &rest[..rest.find(|letter| !is_of_a_name(letter)).unwrap_or(rest.len())]).collect()
}

/// The settings of the program: those of its own table, which a test of its own holds against the code.
fn settings() -> BTreeSet<String> {
    let code = file("crates/api/src/settings.rs");
    names(&code, "//! | `").into_iter().map(str::to_owned).collect()
}

#[test]
fn the_readme_has_the_settings_of_the_program() {
    let readme = file("README.md");
    let rows: BTreeSet<_> = names(&readme, "\n| `").into_iter().filter(|name| name.contains('_')).collect();
    let missing: Vec<_> = settings().into_iter().filter(|name| !rows.contains(name.as_str())).collect();
    let unknown: Vec<_> =
        rows.iter().filter(|name| !settings().contains(**name) && !name.starts_with("OTEL_")).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing {missing:?}, unknown {unknown:?}");
}

#[test]
fn what_is_set_is_a_setting() {
    let settings = settings();
    assert!(settings.len() > 20, "{settings:?}");
    let compose = file("deploy/compose.yaml");
    let nodes = compose.split("\nservices:").next().expect("the nodes");
    let environment = nodes.split("  environment:\n").nth(1).expect("their environment");
    let environment = format!("\n{}", environment.split("\n  depends_on:").next().expect("its end"));
    let (container, unit) = (file("deploy/Containerfile"), file("deploy/gridwork.service"));
    let of_container = container.lines().find_map(|line| line.strip_prefix("ENV")).expect("a line of settings");
    let set = [names(&environment, "\n    "), names(of_container, " "), names(&unit, "\nEnvironment=")];
    assert!(set.iter().all(|names| !names.is_empty()), "{set:?}");
    let is_known = |name: &str| name.is_empty() || name == "RUST_LOG" || settings.contains(name);
    let unknown: Vec<_> = set.into_iter().flatten().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn what_whoever_installs_it_fills_in_is_what_is_used() {
    let (compose, proxy) = (file("deploy/compose.yaml"), file("deploy/Caddyfile"));
    let example = format!("\n{}", file("deploy/environment.example"));
    let filled_in: BTreeSet<_> = names(&example, "\n").into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(names(&compose, "${"), filled_in);
    assert!(compose.matches("${").count() == compose.matches(":?}").count(), "what is not filled in is told");
    let of_proxy = compose.split("\n  proxy:").nth(1).expect("the proxy");
    for name in names(&proxy, "{$") {
        assert!(of_proxy.contains(&format!("{name}: ${{{name}:?}}")), "{name}");
    }
}

#[test]
fn the_commands_of_the_runbook_name_files_that_are_there() {
    let runbook = file("deploy/RUNBOOK.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let words = runbook.split(|letter: char| letter.is_whitespace() || letter == '`');
    let paths: BTreeSet<_> = words
        .map(|word| word.trim_end_matches([',', '.', ':']))
        .filter(|word| word.starts_with("deploy/") && *word != "deploy/.env")
        .collect();
    assert!(paths.len() > 5, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
