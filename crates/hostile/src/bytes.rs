//! What is wrong below the level of operations: bytes, runs, lengths, compression. The checksum is repaired.

use crate::Chance;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::LazyLock;

/// The magic number with which every chunk begins.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The type of a change, and that of a compressed one.
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;

/// A chunk of a type around a body, with the right length and checksum.
pub fn seal(chunk_type: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![chunk_type];
    leb128(&mut hashed, body.len() as u64);
    hashed.extend(body);
    [&MAGIC[..], &Sha256::digest(&hashed)[..4], &hashed].concat()
}

/// What stands between a chunk's length and its end; nothing if it is no chunk.
pub fn body(chunk: &[u8]) -> &[u8] {
    let length_bytes = chunk.iter().skip(9).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    chunk.get(9 + length_bytes..).unwrap_or_default()
}

/// Alters a chunk.
pub(crate) fn alter(chance: &mut impl Chance, chunk: &[u8]) -> Vec<u8> {
    let mut inner = body(chunk).to_vec();
    match chance.below(20) {
        0 => return seal(COMPRESSED, &deflated(&inner)),
        1 => return seal(COMPRESSED, bomb()),
        2 => return seal(chance.below(256) as u8, &inner),
        3 => return chunk[..chance.below(chunk.len().max(1))].to_vec(),
        4 => return [chunk, chunk].concat(),
        _ => {}
    }
    for _ in 0..1 + chance.below(3) {
        alter_once(chance, &mut inner);
    }
    seal(CHANGE, &inner)
}

fn alter_once(chance: &mut impl Chance, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return bytes.push(chance.below(256) as u8);
    }
    let at = chance.below(bytes.len());
    match chance.below(9) {
        0 => bytes[at] ^= 1 << chance.below(8),
        1 => bytes[at] = chance.below(256) as u8,
        2 => bytes[at] = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xff][chance.below(8)],
        3 => bytes.insert(at, chance.below(256) as u8),
        4 => drop(bytes.remove(at)),
        5 => bytes[at] = bytes[at].wrapping_add(1),
        // A run, or a length, of a million and more.
        6 => {
            let huge = [0x80, 0x89, 0x7a, 0x01];
            bytes.splice(at..at, huge);
        }
        7 => {
            let mut huge = Vec::new();
            leb128(&mut huge, u64::MAX >> chance.below(64));
            bytes.splice(at..=at, huge);
        }
        _ => {
            let from = chance.below(bytes.len());
            bytes[at] = bytes[from];
        }
    }
}

/// 128 MB of nothing, in some 128 kB.
fn bomb() -> &'static [u8] {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| deflated(&vec![0; 128 << 20]));
    &BOMB
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn leb128(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}
