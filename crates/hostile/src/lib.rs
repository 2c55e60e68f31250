//! Changes that no honest app makes: right checksums, wrong content. Made by chance of honest changes, so that each is
//! wrong in few places and gets as far as it can. For tests alone; no program contains it.
//!
//! It knows Automerge's changes, and nothing of what is done with them.
//!
//! **Invariant:** what is made is a pure function of the numbers that are drawn.

mod bytes;
mod structure;

pub use bytes::{body, seal};

/// Where numbers come from.
pub trait Chance {
    /// The next number.
    fn next(&mut self) -> u64;

    /// A number below a bound that is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// What a hostile device has seen and can name.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Hashes of changes, of this document and of others.
    pub hashes: Vec<[u8; 32]>,
    /// Actors: its own, other people's, that of genesis.
    pub actors: Vec<[u8; 16]>,
}

/// A change made of an honest one: one to three things about it are wrong.
pub fn forge(chance: &mut impl Chance, honest: &[u8], seen: &Seen) -> Vec<u8> {
    if chance.below(4) == 0 {
        return bytes::alter(chance, honest);
    }
    let forged = structure::alter(chance, honest, seen);
    let forged = forged.unwrap_or_else(|| honest.to_vec());
    if chance.below(10) == 0 { bytes::alter(chance, &forged) } else { forged }
}
