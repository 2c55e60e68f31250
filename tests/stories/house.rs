//! The rules of the house: which room may know which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO")).args(["metadata", "--format-version=1", "--locked"]).output();
    serde_json::from_slice(&output.expect("cargo").stdout).expect("cargo metadata in JSON")
}

/// Direct dependencies of each member of the workspace, those for tests left out.
fn dependencies(metadata: &serde_json::Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages =
        metadata["packages"].as_array().expect("a list").iter().filter(|package| package["source"].is_null());
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a list").iter();
            let names = dependencies
                .filter(|one| one["kind"].is_null())
                .map(|one| one["name"].as_str().expect("a name").to_owned());
            (package["name"].as_str().expect("a name").to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn each_room_knows_only_the_rooms_below_it() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("gridwork-domain", &[][..]),
        ("gridwork-hostile", &[]),
        ("gridwork-sync", &["gridwork-domain"]),
        ("gridwork-sealing", &["gridwork-domain"]),
        ("gridwork-roster", &["gridwork-domain"]),
        ("gridwork-registry", &["gridwork-domain", "gridwork-sealing", "gridwork-sync"]),
        ("gridwork-phone", &["gridwork-domain", "gridwork-sealing", "gridwork-sync"]),
        (
            "gridwork-api",
            &["gridwork-domain", "gridwork-sealing", "gridwork-sync", "gridwork-roster", "gridwork-registry"],
        ),
        (
            "gridwork",
            &[
                "gridwork-domain",
                "gridwork-sealing",
                "gridwork-sync",
                "gridwork-registry",
                "gridwork-api",
                "gridwork-phone",
            ],
        ),
    ]);
    let found = dependencies(&metadata());
    for (room, allowed) in allowed {
        let knows = found[room].iter().filter(|name| name.starts_with("gridwork"));
        let forbidden: Vec<_> = knows.filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(forbidden.is_empty(), "{room} must not know {forbidden:?}");
    }
}

#[test]
fn the_pure_rooms_have_no_network_no_database_and_no_runtime() {
    let found = dependencies(&metadata());
    let impure = ["tokio", "actix-web", "diesel", "ureq", "reqwest", "redis", "getrandom", "rand", "tracing"];
    for room in ["gridwork-domain", "gridwork-sealing", "gridwork-sync", "gridwork-roster"] {
        let forbidden: Vec<_> = impure.iter().filter(|name| found[room].contains(**name)).collect();
        assert!(forbidden.is_empty(), "{room} must not use {forbidden:?}");
    }
}

#[test]
fn sql_lives_in_the_registry_and_in_the_phones_store_and_http_in_api_and_the_phones_transport() {
    for (room, names) in dependencies(&metadata()) {
        let sql = ["gridwork-registry", "gridwork-phone"].contains(&room.as_str());
        assert!(sql || !names.contains("diesel"), "{room} must not know SQL");
        let http = ["gridwork-api"].contains(&room.as_str());
        assert!(http || !names.contains("actix-web"), "{room} must not serve HTTP");
    }
}
