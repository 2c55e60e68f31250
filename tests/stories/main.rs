//! User stories against the real thing: the real binary, real sockets, real processes that are killed.
//!
//! What a story needs is in `town` (areas and people), `server` (the process), `people` (phones), `rest` (staff at a
//! desk), `device` (a device driven by hand), `wire` (HTTP by hand) and `program` (the command line), `redis_line` (a Redis
//! that goes away) and `encrypted_services` (a PostgreSQL and a Redis with TLS). Nothing waits for
//! time to pass; whatever is random prints its seed.

mod chance;
mod device;
mod encrypted_services;
mod people;
mod program;
mod redis_line;
mod rest;
mod server;
mod town;
mod waiting;
mod wire;

mod arrival;
mod at_rest;
mod audit;
mod demo;
mod deployment;
mod desk_areas;
mod desk_devices;
mod desk_duplicates;
mod desk_quarantine;
mod desk_reference;
mod encrypted;
mod every_operation;
mod feed;
mod full_disk;
mod hostile_bodies;
mod hostile_by_chance;
mod hostile_changes;
mod house;
mod idempotency;
mod journey;
mod keys;
mod killed;
mod language;
mod live;
mod masking;
mod messages;
mod metrics;
mod noted;
mod operation;
mod overload;
mod permission;
mod possession;
mod push_again;
mod quiet;
mod rate;
mod restored;
mod roster;
mod roster_numbers;
mod sealed;
mod search;
mod sensitive;
mod session;
mod staff;
mod store;
mod tampering;
mod together;
mod traces;
mod watch;
