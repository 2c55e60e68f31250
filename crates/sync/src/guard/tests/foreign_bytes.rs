//! Steps 1 and 2 at the judge: bytes that are not one honest encoding of one small change.

use super::world::{Expected, World, body, container, forge, put, replaced, seal};
use crate::testing::household;
use automerge::ScalarValue;

/// Column of actions: its specification and length in the change that [`World::remark`] makes, and its bytes.
const ONE_PUT: [u8; 2] = [0x7f, 1];

#[test]
fn what_is_not_the_bytes_of_one_small_change_is_refused_by_the_scan() {
    let mut world = World::new();
    let honest = world.remark();
    let body = body(&honest.bytes).to_vec();
    let mut flipped = honest.bytes.clone();
    flipped[5] ^= 1;
    let many: Vec<_> = (0..257).map(|number| put(container("household"), &format!("k{number}"), 1)).collect();
    let library = world.registry.load(&household());
    let bundle = library.bundle(library.get_changes(&[]).iter().map(|change| change.hash())).expect("a bundle");
    let compressed = world.leader.replica(household()).get_changes(&[]).remove(1).bytes().into_owned();
    assert_eq!(compressed[8], 2, "the first change of the household is long enough to be compressed");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "truncated"),
        ("a compressed change", compressed, "chunk-type"),
        ("a whole document", library.save(), "chunk-type"),
        ("a bundle", bundle.bytes().to_vec(), "chunk-type"),
        ("a chunk of a type to come", seal(9, &body), "chunk-type"),
        ("a sync message", vec![0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "not-a-chunk"),
        ("two changes", [&honest.bytes[..], &honest.bytes].concat(), "length"),
        ("a wrong checksum", flipped, "checksum"),
        ("a change cut short", seal(1, &body[..body.len() / 2]), "truncated"),
        ("a message", forge(&honest, |change| change.message = Some("see attachment".into())), "message"),
        ("extra bytes", forge(&honest, |change| change.extra_bytes = vec![1, 2, 3]), "extra-bytes"),
        ("too many operations", forge(&honest, |change| change.operations = many), "operations"),
        ("a run that claims a million operations", bomb(&body), "operations"),
        ("nine thousand bytes", vec![0; 9_000], "too-large"),
        ("a remark of nine thousand bytes", world.operations(vec![long_text(9_000)]), "too-large"),
        ("a remark of eight thousand bytes", world.operations(vec![long_text(7_900)]), "value"),
        ("a time before all phones", forge(&honest, |change| change.time = -1), "time"),
        ("the last time there is", forge(&honest, |change| change.time = i64::MAX), "time"),
        ("no operation", world.operations(vec![]), "no-operation"),
    ];
    for (name, bytes, word) in cases {
        world.assert_verdict(name, household(), &bytes, Expected::Refused(1, word));
    }
}

fn long_text(length: usize) -> automerge::legacy::Op {
    put(container("household"), "remark", ScalarValue::Str("a".repeat(length).into()))
}

/// One put turned into a run of 1,000,000 puts: three more bytes.
fn bomb(body: &[u8]) -> Vec<u8> {
    // Columns of an honest change: …, action (specification 66) with 2 bytes, …
    let header = body.windows(2).position(|bytes| bytes == [66, 2]).expect("the action column");
    let mut bomb = body.to_vec();
    bomb[header + 1] = 4;
    let data = bomb.windows(2).rposition(|bytes| bytes == ONE_PUT).expect("the action");
    bomb.splice(data..data + 2, [0xc0, 0x84, 0x3d, 1]);
    seal(1, &bomb)
}

#[test]
fn another_encoding_of_the_same_change_is_not_canonical() {
    let mut world = World::new();
    let honest = world.remark();
    let plain = body(&honest.bytes);
    let other_actors = {
        // The only other actor is that of genesis, whom the operation's object names. Twice says the same.
        let once = [&[1, 16][..], &[0; 16]].concat();
        let twice = [&[2, 16][..], &[0; 16], &[16], &[9; 16]].concat();
        replaced(plain, &once, &twice)
    };
    let name = replaced(plain, b"remark", b"rem\xffrk");
    let unsorted = {
        let mut change = automerge::Change::from_bytes(world.visit().bytes).expect("a change").decode();
        change.deps = vec![automerge::ChangeHash([1; 32]), automerge::ChangeHash([2; 32])];
        let bytes = automerge::Change::from(change).raw_bytes().to_vec();
        let ascending = [[1; 32], [2; 32]].concat();
        let descending = [[2; 32], [1; 32]].concat();
        seal(1, &replaced(body(&bytes), &ascending, &descending))
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an actor that no operation names", seal(1, &other_actors), "not-canonical"),
        ("dependencies that do not ascend", unsorted, "not-canonical"),
        ("a key that is no UTF-8", seal(1, &name), "undecodable"),
    ];
    for (name, bytes, word) in cases {
        world.assert_verdict(name, household(), &bytes, Expected::Refused(2, word));
    }
}
