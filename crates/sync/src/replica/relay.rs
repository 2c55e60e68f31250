//! Receipts that the phone keeps, and with which it hands in again what the registry lost of others.
//!
//! **Invariant:** what others made goes in a request only with a receipt that vouches for it: without one it would be
//! refused as somebody else's, and it is its author's phone that can bring it.

use super::Replica;
use super::exchange::Run;
use super::row::{KeptReceipt, Lost, Row};
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::message::{Answer, Outcome};
use crate::receipt::{MOST_RECEIPTS, Receipt};
use std::collections::{BTreeMap, BTreeSet};

/// How long a receipt is kept, by the registry's clock: what a backup older than that has lost of others is not handed in.
const KEPT_MS: i64 = 90 * 86_400_000;
/// Bytes of the receipts of one request.
const MOST_RECEIPT_BYTES: usize = 300_000;
/// Changes of one document that are handed in again together, and their bytes: with more, only own ones are.
const MOST_TOGETHER: usize = 500;
const MOST_TOGETHER_BYTES: usize = 300_000;

/// What goes in one request of what the registry lost.
#[derive(Default)]
pub(super) struct Batch<'a> {
    /// The changes, and whether each must go together with the next.
    pub(super) lost: Vec<(&'a Lost, bool)>,
    pub(super) receipts: Vec<Receipt>,
}

impl Replica {
    /// Keeps what an answer attests, and drops what is too old.
    pub(super) fn keep_receipt(&mut self, answer: &Answer, run: &Run) {
        let now = answer.server_time();
        let old = self.receipts.values().filter(|kept| now.ms().saturating_sub(kept.at.ms()) > KEPT_MS);
        let old: Vec<_> = old.map(|kept| kept.number).collect();
        for number in old {
            self.put(Row::ReceiptDropped(number));
        }
        let Some(code) = answer.receipt else { return };
        let is_there = |outcome| matches!(outcome, Outcome::Merged | Outcome::Known);
        let pushed = answer.verdicts.iter().filter(|verdict| is_there(verdict.outcome)).filter_map(|verdict| {
            let (key, hash) = (verdict.key().ok()?, verdict.hash());
            Some((key, hash, run.declared(&key, hash)?))
        });
        let receipt = Receipt::of(&answer.scopes, &answer.authors, pushed, self.owner.staff);
        if let Some(receipt) = receipt {
            let number = self.receipts.last_key_value().map_or(1, |(last, _)| last + 1);
            let receipt = Receipt { code, ..receipt };
            self.put(Row::Receipt(Box::new(KeptReceipt { number, at: now, receipt })));
        }
    }

    /// Of what is due, in its order, what goes in the next request: about as many changes as that, documents whole, with the
    /// receipts that vouch for what is not the phone's own.
    pub(super) fn batch_of_lost<'a>(&self, due: &[&'a Lost], most: usize) -> Batch<'a> {
        if due.is_empty() {
            return Batch::default();
        }
        let index = self.receipts_of(due);
        let (mut chosen, mut batch, mut bytes) = (BTreeSet::<u64>::new(), Batch::default(), 0);
        for group in due.chunk_by(|one, next| one.document == next.document) {
            if batch.lost.len() >= most || bytes >= MOST_TOGETHER_BYTES {
                break;
            }
            let (mut with, mut vouched) = (chosen.clone(), BTreeSet::<ChangeHash>::new());
            for lost in group.iter().rev() {
                let naming = index.get(&(lost.document, lost.change.hash)).map_or(&[][..], Vec::as_slice);
                if let Some(number) = naming.iter().find(|number| with.contains(number)).or(naming.last()) {
                    with.insert(*number);
                    vouched.insert(lost.change.hash);
                }
                if vouched.contains(&lost.change.hash) {
                    vouched.extend(&lost.change.dependencies);
                }
            }
            let of_group: usize = group.iter().map(|lost| lost.change.bytes.len()).sum();
            let fits = self.are_few(&with) && group.len() <= MOST_TOGETHER && of_group <= MOST_TOGETHER_BYTES;
            if !fits && !batch.lost.is_empty() {
                break;
            }
            if fits {
                chosen = with;
            }
            let authors: BTreeSet<ActorId> =
                self.kept(&chosen).flat_map(Receipt::authors).map(|(one, _)| one).collect();
            let goes = |lost: &&&Lost| {
                let is_vouched = fits && vouched.contains(&lost.change.hash) && authors.contains(&lost.change.actor);
                is_vouched || self.is_own(lost.change.actor)
            };
            let before = batch.lost.len();
            batch.lost.extend(group.iter().filter(goes).map(|lost| (*lost, fits)));
            bytes += batch.lost[before..].iter().map(|(lost, _)| lost.change.bytes.len()).sum::<usize>();
        }
        batch.receipts = self.kept(&chosen).cloned().collect();
        batch
    }

    /// The numbers of the receipts that name each of these changes, ascending.
    fn receipts_of(&self, due: &[&Lost]) -> BTreeMap<(DocumentKey, ChangeHash), Vec<u64>> {
        let wanted: BTreeSet<_> = due.iter().map(|lost| (lost.document, lost.change.hash)).collect();
        let mut index: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for kept in self.receipts.values() {
            for named in kept.receipt.changes().filter(|named| wanted.contains(named)) {
                index.entry(named).or_default().push(kept.number);
            }
        }
        index
    }

    fn kept<'s>(&'s self, numbers: &'s BTreeSet<u64>) -> impl Iterator<Item = &'s Receipt> {
        numbers.iter().filter_map(|number| Some(&self.receipts.get(number)?.receipt))
    }

    fn are_few(&self, receipts: &BTreeSet<u64>) -> bool {
        let bytes: usize = self.kept(receipts).map(|receipt| receipt.changes.len() + receipt.authors.len()).sum();
        receipts.len() <= MOST_RECEIPTS && bytes <= MOST_RECEIPT_BYTES
    }
}
