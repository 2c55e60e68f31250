use std::panic::catch_unwind;

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Change, ObjType, ROOT, ScalarValue};
use sha2::{Digest, Sha256};

use super::{Limits, ScanError, Scanned};

fn scan(bytes: &[u8]) -> Result<Scanned, ScanError> {
    super::scan(bytes, &Limits::DEFAULT)
}

const LATEST_MS: i64 = 253_402_300_799_999;

/// The changes of two phones that edit one document apart, merge, and go on.
fn honest_changes() -> Vec<Change> {
    let put = |document: &mut AutoCommit, key: &str, value: ScalarValue| {
        document.put(ROOT, key, value).expect("the root takes any key");
    };
    let commit = |document: &mut AutoCommit, time_ms: i64| {
        document.commit_with(CommitOptions::default().with_time(time_ms)).expect("there are edits");
    };
    let mut ours = AutoCommit::new().with_actor(ActorId::from([7; 16]));
    put(&mut ours, "k", ScalarValue::Null);
    commit(&mut ours, 0);
    for (key, value) in [
        ("name", ScalarValue::from("王秀英")),
        ("floor", ScalarValue::from(-3_i64)),
        ("rooms", ScalarValue::from(70_000_u64)),
        ("alone", ScalarValue::from(true)),
        ("seen", ScalarValue::Timestamp(1_790_000_000_000)),
        ("rent", ScalarValue::F64(12.5)),
        ("fact", ScalarValue::Bytes(vec![0xa5; 600])),
        ("visits", ScalarValue::counter(3)),
    ] {
        put(&mut ours, key, value);
    }
    let people = ours.put_object(ROOT, "people", ObjType::Map).expect("a map at the root");
    let person = ours.put_object(&people, "p1", ObjType::Map).expect("a map in a map");
    ours.put(&person, "phone", "13800000000").expect("a field");
    commit(&mut ours, 1_790_000_000_123);

    let mut theirs = ours.fork().with_actor(ActorId::from([3; 16]));
    theirs.put(&person, "phone", "13900000000").expect("a field");
    theirs.delete(ROOT, "rent").expect("a field to delete");
    commit(&mut theirs, 1);
    ours.put(&person, "phone", "13700000000").expect("a field");
    ours.put_object(&people, "p2", ObjType::Map).expect("a map in a map");
    commit(&mut ours, LATEST_MS);
    ours.merge(&mut theirs).expect("the forks share a history");
    ours.put(&person, "phone", "13600000000").expect("a field in conflict");
    ours.increment(ROOT, "visits", 2).expect("a counter");
    commit(&mut ours, 0);

    let list = ours.put_object(ROOT, "list", ObjType::List).expect("a list");
    ours.insert(&list, 0, 1).expect("an item");
    ours.insert(&list, 1, 2).expect("an item");
    let text = ours.put_object(ROOT, "text", ObjType::Text).expect("a text");
    ours.splice_text(&text, 0, 0, "坐下来谈").expect("characters");
    let bold = Mark::new("bold".to_owned(), true, 0, 2);
    ours.mark(&text, bold, ExpandMark::Both).expect("a mark");
    for number in 0..200 {
        put(&mut ours, &format!("n{number}"), ScalarValue::from(number));
    }
    commit(&mut ours, 9);
    ours.get_changes(&[])
}

/// The fields of a change chunk as they are written, for an attacker who repairs length and checksum afterwards.
struct Forged {
    chunk_type: u8,
    dependencies: Vec<u8>,
    actor: Vec<u8>,
    sequence: Vec<u8>,
    start_op: Vec<u8>,
    time: Vec<u8>,
    message: Vec<u8>,
    others: Vec<u8>,
    columns: Vec<(u64, Vec<u8>)>,
    extra: Vec<u8>,
}

impl Forged {
    /// The first honest change: `put(ROOT, "k", null)`.
    fn new() -> Forged {
        Forged {
            chunk_type: 1,
            dependencies: vec![0],
            actor: [vec![16], vec![7; 16]].concat(),
            sequence: vec![1],
            start_op: vec![1],
            time: vec![0],
            message: vec![0],
            others: vec![0],
            columns: vec![
                (KEY_TEXT, vec![0x7f, 1, b'k']),
                (INSERT, vec![1]),
                (ACTION, vec![0x7f, 1]),
                (VALUE_KIND, vec![0x7f, 0]),
                (PREDECESSORS, vec![0x7f, 0]),
            ],
            extra: vec![],
        }
    }

    /// Replaces or adds one column.
    fn column(&mut self, specification: u64, bytes: Vec<u8>) {
        self.columns.retain(|column| column.0 != specification);
        self.columns.push((specification, bytes));
        self.columns.sort_by_key(|column| column.0);
    }

    fn chunk(&self) -> Vec<u8> {
        let mut body =
            [&self.dependencies, &self.actor, &self.sequence, &self.start_op, &self.time, &self.message, &self.others]
                .map(Vec::as_slice)
                .concat();
        body.extend(unsigned(self.columns.len() as u64));
        for (specification, bytes) in &self.columns {
            body.extend([unsigned(*specification), unsigned(bytes.len() as u64)].concat());
        }
        self.columns.iter().for_each(|column| body.extend(&column.1));
        body.extend(&self.extra);
        seal(self.chunk_type, &body)
    }
}

const KEY_TEXT: u64 = 21;
const INSERT: u64 = 52;
const ACTION: u64 = 66;
const VALUE_KIND: u64 = 86;
const PREDECESSORS: u64 = 112;

fn forged(edit: impl FnOnce(&mut Forged)) -> Vec<u8> {
    let mut change = Forged::new();
    edit(&mut change);
    change.chunk()
}

fn unsigned(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The same for a run length, which must not be taken for a negative number.
fn run(length: u64) -> Vec<u8> {
    let mut bytes = unsigned(length);
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}

fn seal(chunk_type: u8, body: &[u8]) -> Vec<u8> {
    let hashed = [&[chunk_type], &unsigned(body.len() as u64)[..], body].concat();
    [&[0x85, 0x6f, 0x4a, 0x83], &Sha256::digest(&hashed)[..4], &hashed].concat()
}

fn body(chunk: &[u8]) -> &[u8] {
    let length_bytes = chunk[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    &chunk[9 + length_bytes..]
}

/// Where the scan says yes, the library must come to the same operations, or to an error, without panic or delay.
fn library_agrees(bytes: &[u8], scanned: &Scanned) -> bool {
    let read = catch_unwind(|| {
        let change = Change::from_bytes(bytes.to_vec()).ok()?;
        change.decode();
        Some(change)
    });
    let read = read.unwrap_or_else(|_| panic!("the library panicked: {bytes:02x?}"));
    if let Some(change) = &read {
        assert_eq!(change.len() as u64, scanned.operations, "{bytes:02x?}");
        assert_eq!(change.hash().0, scanned.hash);
    }
    read.is_some()
}

#[test]
fn honest_changes_pass_with_the_librarys_own_figures() {
    let changes = honest_changes();
    assert_eq!(changes.len(), 6);
    for change in changes {
        let rebuilt = Change::from(change.decode());
        assert_eq!(rebuilt.raw_bytes(), change.raw_bytes());
        let scanned = scan(change.raw_bytes()).expect("an honest change");
        assert_eq!(scanned.hash, change.hash().0);
        assert_eq!(scanned.actor, change.actor_id().to_bytes());
        assert_eq!(scanned.sequence, change.seq());
        assert_eq!(scanned.start_op, change.start_op().get());
        assert_eq!(scanned.operations, change.len() as u64);
        assert_eq!(scanned.time_ms, change.timestamp());
        let dependencies: Vec<[u8; 32]> = change.deps().iter().map(|hash| hash.0).collect();
        assert_eq!(scanned.dependencies, dependencies);
    }
}

#[test]
fn the_forged_change_is_an_honest_one_until_it_is_edited() {
    assert_eq!(Forged::new().chunk(), honest_changes()[0].raw_bytes());
}

#[test]
fn every_forgery_is_refused_for_its_own_reason() {
    type Edit = fn(&mut Forged);
    let forgeries: &[(ScanError, Edit)] = &[
        (ScanError::ChunkType, |change| change.chunk_type = 0),
        (ScanError::ChunkType, |change| change.chunk_type = 2),
        (ScanError::ChunkType, |change| change.chunk_type = 3),
        (ScanError::ChunkType, |change| change.chunk_type = 255),
        (ScanError::TooLarge, |change| change.extra = vec![0; 8192]),
        (ScanError::ExtraBytes, |change| change.extra = vec![0]),
        (ScanError::Message, |change| change.message = vec![2, b'h', b'i']),
        (ScanError::Message, |change| change.message = unsigned(u64::MAX)),
        (ScanError::Dependencies, |change| change.dependencies = unsigned(u64::MAX)),
        (ScanError::Dependencies, |change| {
            change.dependencies = [vec![65], vec![1; 65 * 32]].concat();
        }),
        (ScanError::Truncated, |change| change.dependencies = vec![64]),
        (ScanError::Actor, |change| change.actor = vec![0]),
        (ScanError::Actor, |change| change.actor = vec![1, 7]),
        (ScanError::Actor, |change| change.actor = [vec![15], vec![7; 15]].concat()),
        (ScanError::Actor, |change| change.actor = [vec![17], vec![7; 17]].concat()),
        (ScanError::Actor, |change| change.actor = [unsigned(255), vec![7; 255]].concat()),
        (ScanError::Actor, |change| change.others = [vec![1, 15], vec![1; 15]].concat()),
        (ScanError::Actor, |change| change.others = vec![1, 0]),
        (ScanError::Actors, |change| change.others = [vec![65], [16; 17].repeat(65)].concat()),
        (ScanError::Actors, |change| change.others = unsigned(u64::MAX)),
        (ScanError::Sequence, |change| change.sequence = vec![0]),
        (ScanError::Integer, |change| change.sequence = [vec![0xff; 9], vec![2]].concat()),
        (ScanError::Integer, |change| change.sequence = vec![0xff; 11]),
        (ScanError::Integer, |change| change.sequence = vec![0x81, 0]),
        (ScanError::Integer, |change| change.time = [vec![0x80; 9], vec![1]].concat()),
        (ScanError::Integer, |change| change.time = vec![0xff, 0x7f]),
        (ScanError::Integer, |change| change.time = vec![0x80, 0]),
        (ScanError::Time, |change| change.time = vec![0x7f]),
        (ScanError::Time, |change| change.time = [vec![0x80; 9], vec![0x7f]].concat()),
        (ScanError::Time, |change| change.time = run(LATEST_MS as u64 + 1)),
        (ScanError::Time, |change| change.time = [vec![0xff; 9], vec![0]].concat()),
        (ScanError::StartOperation, |change| change.start_op = vec![0]),
        (ScanError::StartOperation, |change| change.start_op = unsigned(u64::from(u32::MAX))),
        (ScanError::StartOperation, |change| change.start_op = unsigned(u64::MAX)),
        (ScanError::Column, |change| change.columns[0].0 |= 8), // the deflate bit
        (ScanError::Column, |change| change.columns[0].0 = 22),
        (ScanError::Column, |change| change.columns[4].0 = u64::MAX),
        (ScanError::Column, |change| change.columns[1].0 = KEY_TEXT),
        (ScanError::Column, |change| change.columns.swap(0, 1)),
        (ScanError::ColumnLength, |change| change.column(1, vec![])),
        (ScanError::NoOperation, |change| change.columns.clear()),
        (ScanError::Operations, |change| change.column(ACTION, [run(257), vec![1]].concat())),
        (ScanError::Operations, |change| change.column(ACTION, [run(1_000_000), vec![1]].concat())),
        (ScanError::Operations, |change| change.column(ACTION, [run(1 << 62), vec![1]].concat())),
        (ScanError::Operations, |change| {
            change.column(ACTION, [vec![0x80; 9], vec![0x7f, 1]].concat()); // 2^63 literals
        }),
        (ScanError::Operations, |change| change.column(ACTION, [vec![0], unsigned(u64::MAX)].concat())),
        (ScanError::Run, |change| change.column(ACTION, vec![0, 0])),
        (ScanError::Rows, |change| change.column(ACTION, vec![0, 1])),
        (ScanError::Rows, |change| change.column(ACTION, vec![2, 1])),
        (ScanError::Truncated, |change| change.column(ACTION, vec![0x7e, 1])),
        (ScanError::Truncated, |change| change.column(ACTION, vec![1])),
        (ScanError::Rows, |change| change.column(INSERT, run(1_000_000))),
        (ScanError::Rows, |change| change.column(INSERT, vec![0])),
        (ScanError::Run, |change| change.column(INSERT, vec![0, 0, 1])),
        (ScanError::Rows, |change| change.column(KEY_TEXT, [run(1_000_000), vec![1, b'k']].concat())),
        (ScanError::Rows, |change| change.column(KEY_TEXT, vec![0, 2])),
        (ScanError::Key, |change| {
            change.column(KEY_TEXT, [vec![0x7f, 65], vec![b'k'; 65]].concat());
        }),
        (ScanError::Key, |change| change.column(KEY_TEXT, [vec![0x7f], unsigned(u64::MAX)].concat())),
        (ScanError::Rows, |change| change.column(VALUE_KIND, [run(1_000_000), vec![0]].concat())),
        (ScanError::Rows, |change| change.column(VALUE_KIND, vec![0, 1])),
        (ScanError::Value, |change| change.column(VALUE_KIND, vec![0x7f, 0x10])), // null of 1 byte
        (ScanError::Value, |change| change.column(VALUE_KIND, vec![0x7f, 0x16])), // no byte is there
        (ScanError::Value, |change| change.column(VALUE_KIND, vec![0x7f, 0x0a])), // unknown type
        (ScanError::Value, |change| {
            change.column(VALUE_KIND, [vec![0x7f], unsigned(u64::MAX - 9)].concat());
        }),
        (ScanError::Value, |change| change.column(87, vec![0])), // nothing claims this byte
        (ScanError::Value, |change| {
            change.column(VALUE_KIND, [vec![0x7f], unsigned(7169 << 4 | 7)].concat());
            change.column(87, vec![0; 7169]);
        }),
        (ScanError::Predecessors, |change| {
            change.column(PREDECESSORS, [vec![0x7f], unsigned(513)].concat());
        }),
        (ScanError::Predecessors, |change| {
            change.column(PREDECESSORS, [vec![0x7f], unsigned(u64::MAX)].concat());
        }),
        (ScanError::Rows, |change| change.column(PREDECESSORS, vec![0x7f, 1])),
        (ScanError::Rows, |change| change.column(113, [run(1_000_000), vec![0]].concat())),
        (ScanError::ActorIndex, |change| {
            change.column(PREDECESSORS, vec![0x7f, 1]);
            change.column(113, vec![0x7f, 1]);
            change.column(115, vec![0x7f, 1]);
        }),
        (ScanError::Counter, |change| {
            change.column(PREDECESSORS, vec![0x7f, 2]);
            change.column(113, vec![2, 0]);
            change.column(115, vec![0x7e, 2, 0x7e]); // 2, then 2 less
        }),
        (ScanError::Counter, |change| {
            change.column(PREDECESSORS, [vec![0x7f], unsigned(512)].concat());
            change.column(113, [run(512), vec![0]].concat());
            change.column(115, [run(512), vec![0xff; 9], vec![0]].concat());
        }),
        (ScanError::Counter, |change| {
            change.column(1, vec![0x7f, 0]);
            change.column(2, [vec![0x7f], unsigned(1 << 32)].concat());
        }),
        (ScanError::Rows, |change| change.column(1, vec![0x7f, 0])), // an object without counter
        (ScanError::Rows, |change| change.column(148, [vec![0], unsigned(u64::MAX)].concat())),
        (ScanError::Rows, |change| change.column(165, [run(1_000_000), vec![1, b'm']].concat())),
    ];
    for (index, (reason, edit)) in forgeries.iter().enumerate() {
        let chunk = forged(edit);
        assert_eq!(scan(&chunk), Err(*reason), "forgery {index}: {chunk:02x?}");
    }
}

#[test]
fn what_the_limits_just_allow_passes() {
    let full = forged(|change| {
        change.dependencies = [vec![64], vec![1; 64 * 32]].concat();
        change.others = [vec![64], [16; 17].repeat(64)].concat();
        change.sequence = unsigned(u64::MAX);
        change.start_op = unsigned(u64::from(u32::MAX) - 256);
        change.time = run(LATEST_MS as u64);
        change.columns.clear();
        change.column(KEY_TEXT, [run(256), vec![64], vec![b'k'; 64]].concat());
        change.column(INSERT, unsigned(256));
        change.column(ACTION, [run(256), vec![1]].concat());
        change.column(VALUE_KIND, [run(256), unsigned(10 << 4 | 6)].concat());
        change.column(87, vec![b'v'; 2560]);
        change.column(PREDECESSORS, [run(256), vec![2]].concat());
        change.column(113, [run(512), vec![64]].concat());
        change.column(115, [run(512), vec![1]].concat());
    });
    let scanned = scan(&full).expect("all at the limit");
    assert_eq!((scanned.operations, scanned.dependencies.len()), (256, 64));
    assert!(library_agrees(&full, &scanned));
}

#[test]
fn a_change_with_any_one_byte_altered_is_refused() {
    for change in honest_changes() {
        let honest = change.raw_bytes();
        for at in 0..honest.len().min(1200) {
            for mask in 1..=255 {
                let mut altered = honest.to_vec();
                altered[at] ^= mask;
                assert!(scan(&altered).is_err(), "byte {at} xor {mask}");
            }
        }
    }
}

#[test]
fn a_truncated_change_is_refused_even_with_its_checksum_repaired() {
    for change in honest_changes() {
        let honest = change.raw_bytes();
        for length in 0..honest.len() {
            assert!(scan(&honest[..length]).is_err(), "first {length} bytes");
        }
        let body = body(honest);
        for length in 0..body.len() {
            assert!(scan(&seal(1, &body[..length])).is_err(), "first {length} bytes of the body");
        }
    }
}

#[test]
fn no_mutated_change_panics_the_scan_or_gets_the_better_of_the_library() {
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut seeds: Vec<Vec<u8>> = honest_changes().iter().map(|change| body(change.raw_bytes()).to_vec()).collect();
    seeds.retain(|body| body.len() < 2000);
    let (mut passed, mut read) = (0, 0);
    for _ in 0..200_000 {
        let mut body = seeds[random(seeds.len())].clone();
        for _ in 0..1 + random(3) {
            let at = random(body.len());
            match random(6) {
                0 => body[at] ^= 1 << random(8),
                1 => body[at] = random(256) as u8,
                2 => body[at] = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xff][random(8)],
                3 => body.insert(at, random(256) as u8),
                4 => drop(body.remove(at)),
                _ => {
                    let to = random(body.len());
                    body[at] = body[to];
                }
            }
        }
        let chunk = seal(1, &body);
        if let Ok(scanned) = scan(&chunk) {
            passed += 1;
            assert!((1..=256).contains(&scanned.operations));
            read += usize::from(library_agrees(&chunk, &scanned));
        }
    }
    println!("{passed} mutants passed the scan, the library read {read} of them");
    assert!(passed > 10_000 && read > 10_000, "the mutants must also reach the library");
}
