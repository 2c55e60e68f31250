//! Lines to PostgreSQL and Redis that cross a network are encrypted, and whoever answers there proves who they are.

use crate::encrypted_services::EncryptedServices;
use crate::live::{Reader, register};
use crate::people::{enrol, register_household, sync};
use crate::program::{self, Said};
use crate::rest::Session;
use crate::server::Server;
use crate::town::{GRID, LI, Town, ZHOU};
use crate::waiting::until;
use std::time::{Duration, Instant};

/// What a node says of Redis, it says within this time.
const SAID_WITHIN: Duration = Duration::from_secs(20);

fn log(town: &Town) -> String {
    std::fs::read_to_string(town.data_folder().join("server.log")).expect("a log")
}

fn verify(database: &str) -> Said {
    Said::of(program::command(&["verify"]).env("DATABASE_URL", database).output().expect("the binary runs"))
}

#[test]
fn two_nodes_serve_over_encrypted_lines() {
    let services = EncryptedServices::start();
    let authority = services.path("authority.pem");
    let authority = authority.to_str().expect("a path in UTF-8");
    let town = Town::on(&services.postgres("127.0.0.1", "authority.pem"));
    let redis = services.redis();
    // One is told whom to believe; the other believes whom the machine believes.
    let by_setting = [("REDIS_URL", redis.as_str()), ("GRIDWORK_REDIS_CA_FILE", authority)];
    let by_machine = [("REDIS_URL", redis.as_str()), ("SSL_CERT_FILE", authority)];
    let nodes: [Server; 2] = [by_setting, by_machine].map(|settings| town.serve_with(&settings));
    until("Redis is there for both", SAID_WITHIN, || {
        (log(&town).matches("Redis is there").count() == nodes.len()).then_some(())
    });

    let mut phone = enrol(&town, &nodes[0], &LI, "phone");
    register_household(&mut phone, "繁荣路1号");
    assert_eq!(sync(&mut phone).merged, 1);
    let zhou = Session::of(&ZHOU, &nodes[1]);
    let mut reader = Reader::live(&zhou, &nodes[0]);
    // Without Redis each would take a second.
    let begun = Instant::now();
    for _ in 0..8 {
        reader.wait_for(register(&zhou, &GRID));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn a_database_that_does_not_prove_who_it_is_is_not_opened() {
    let services = EncryptedServices::start();
    let refused = [
        (services.postgres("127.0.0.1", "stranger.pem"), "certificate verify failed"),
        (services.postgres("localhost", "authority.pem"), "does not match host name \"localhost\""),
        (services.postgres("127.0.0.1", "nobody.pem"), "does not exist"),
        (services.postgres_in_the_clear(), "no encryption"),
        (services.postgres("127.0.0.1", "authority.pem").replace("verify-full", "verify-most"), "sslmode"),
        ("postgres://127.0.0.1/x?sslmode=verify-full&sslrootcert=system".to_owned(), "ca-certificates.crt"),
    ];
    for (database, reason) in refused {
        let said = verify(&database);
        assert!(!said.success && said.error.contains(reason), "{database}: {said:?}");
    }
    // This one is known, and has no tables yet.
    let said = verify(&services.postgres("127.0.0.1", "authority.pem"));
    assert!(said.error.contains("start the server on it first"), "{said:?}");
}

#[test]
fn a_redis_that_does_not_prove_who_it_is_hears_nothing() {
    let services = EncryptedServices::start();
    let stranger = services.path("stranger.pem");
    let stranger = stranger.to_str().expect("a path in UTF-8");
    let town = Town::new();
    let redis = services.redis();
    let node = town.serve_with(&[("REDIS_URL", &redis), ("GRIDWORK_REDIS_CA_FILE", stranger)]);
    until("it says why", SAID_WITHIN, || log(&town).contains("Redis cannot be reached").then_some(()));
    let log = log(&town);
    assert!(log.contains("invalid peer certificate") && !log.contains("Redis is there"), "{log}");
    assert_eq!(Session::of(&ZHOU, &node).get("/v1/areas").status, 200);
}
