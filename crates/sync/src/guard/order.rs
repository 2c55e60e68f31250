//! Step 3: who made the change, where it stands among that actor's changes, and what it depends on.
//!
//! Without these rules one duplicate sequence number fails every later call, and two changes of one actor that do not
//! depend on each other make a document that never loads again.

use super::scan::Scanned;
use super::{Code, Elsewhere, Missing, Refusal, Rules, Verdict, View};
use crate::broken::{Broken, is_broken};
use crate::document::{ActorId, ChangeHash, DocumentKey};
use crate::genesis::{self, GENESIS_ACTOR};

/// Checks identity and order; the inner error is the verdict that ends the judgement.
pub(super) fn check<V: View>(
    view: &V,
    rules: &Rules<'_>,
    key: &DocumentKey,
    change: &Scanned,
) -> Result<Result<(), Box<Verdict>>, V::Error> {
    let refuse = |code, detail: &str| Ok(Err(Box::new(Verdict::Quarantine(Refusal::new(code, detail)))));
    let hold = |missing| Ok(Err(Box::new(Verdict::Hold(Box::new(change.clone()), missing))));

    let actor = ActorId(change.actor);
    if actor == GENESIS_ACTOR {
        return refuse(Code::GenesisActor, "genesis changes are made on every side and never sent");
    }
    if !view.owns(actor)? {
        return refuse(Code::ActorNotOwned, "the actor belongs to another device: declare one of your own");
    }
    let dependencies: Vec<ChangeHash> = change.dependencies.iter().map(|hash| ChangeHash(*hash)).collect();
    if !dependencies.is_sorted_by(|one, next| one < next) {
        return refuse(Code::DependenciesOrder, "dependencies strictly ascend");
    }
    if dependencies.is_empty() && key.id.kind().has_genesis() {
        return refuse(Code::NoDependency, "a change of this document depends at least on its genesis");
    }

    let last = view.last(key, actor)?;
    let next = last.map_or(1, |last| last.sequence + 1);
    if change.sequence < next {
        return refuse(Code::SequenceUsed, "the actor has used this sequence number: take a new actor");
    }

    let mut largest_op = 0;
    let mut missing = None;
    for hash in &dependencies {
        if let Some(head) = view.merged(key, *hash)? {
            largest_op = largest_op.max(head.largest_op);
        } else if let Some(genesis) = genesis::find(rules.schema, key, hash) {
            largest_op = largest_op.max(genesis.max_op());
        } else if view.elsewhere(key, *hash)? == Some(Elsewhere::Quarantined) {
            return refuse(Code::DependsOnQuarantined, "it depends on a change that was refused");
        } else {
            missing = missing.or(Some(Missing::Change(*hash)));
        }
    }
    if let Some(missing) = missing {
        return hold(missing);
    }
    if change.sequence > next {
        return hold(Missing::Previous(actor));
    }
    let follows = last.is_none_or(|last| dependencies.contains(&last.hash));
    if !follows && !is_broken(Broken::NoPreviousDependency) {
        return refuse(Code::PreviousLeftOut, "an actor's change depends on the actor's previous one");
    }
    if change.start_op != largest_op + 1 {
        return refuse(Code::StartOp, "operations are numbered after all that the change depends on");
    }
    Ok(Ok(()))
}
