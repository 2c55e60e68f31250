//! What the phone says of itself with each exchange, so that somebody at a desk sees which phones need help.
//!
//! **Invariant:** what a request hands in is not counted as unsent.

use gridwork_sync::message::Request;
use gridwork_sync::replica::{Pending, PendingState};
use gridwork_sync::self_report::{MOST_UNSENT, SelfReport, Unsent};
use std::collections::BTreeSet;

/// The app and its version.
const APP: &str = concat!("gridwork-phone/", env!("CARGO_PKG_VERSION"));

/// What the phone says with a request, its outbox being this.
pub(crate) fn with<'a>(request: &Request, outbox: impl Iterator<Item = &'a Pending>) -> SelfReport {
    let brought: BTreeSet<&[u8]> =
        request.pushes.iter().flat_map(|push| push.changes.iter()).map(|change| change.as_slice()).collect();
    // What is held, the registry has.
    let unsent = outbox.filter(|one| !matches!(one.state, PendingState::Held { .. }));
    let unsent: Vec<_> =
        unsent.filter(|one| !brought.contains(one.change.bytes.as_slice())).map(|one| one.edit.at).collect();
    let edits = u32::try_from(unsent.len()).unwrap_or(MOST_UNSENT).min(MOST_UNSENT);
    SelfReport { app: Some(APP.to_owned()), unsent: Some(Unsent { edits, since: unsent.into_iter().min() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwork_domain::edit::{Action, Edit};
    use gridwork_domain::id::{EditId, HouseholdId, ScopeId};
    use gridwork_domain::instant::Instant;
    use gridwork_sync::change::RawChange;
    use gridwork_sync::document::{ActorId, ChangeHash, DocumentId};
    use gridwork_sync::message::{ENCODER, PROTOCOL, Push};

    fn pending(number: u8, state: PendingState) -> Pending {
        let household = HouseholdId::from_bytes([1; 16]);
        let at = Instant::from_ms(1_000 * i64::from(number));
        let action = Action::WithdrawNeed { resident: None, kind: "meal_service".into() };
        Pending {
            number: number.into(),
            edit: Edit { id: EditId::from_bytes([number; 16]), at, household, action },
            home: ScopeId::from_bytes([2; 16]),
            document: DocumentId::household(household).into(),
            change: RawChange {
                hash: ChangeHash([number; 32]),
                actor: ActorId([3; 16]),
                sequence: 1,
                largest_op: 1,
                at,
                dependencies: Vec::new(),
                bytes: vec![number; 8],
            },
            state,
            replays: 0,
        }
    }

    #[test]
    fn what_is_refused_or_not_brought_is_unsent_and_what_is_brought_or_held_is_not() {
        let refused = PendingState::Refused { code: "year".into(), detail: String::new(), asked_at: None };
        let held = PendingState::Held { code: "missing-change".into(), asked_at: Instant::from_ms(0) };
        let outbox = [
            pending(1, held),
            pending(2, PendingState::Waiting),
            pending(3, refused),
            pending(4, PendingState::Waiting),
        ];
        let push = Push {
            scope: [2; 16].into(),
            document: (*outbox[1].document.id.as_bytes()).into(),
            epoch: outbox[1].document.epoch,
            changes: vec![outbox[1].change.bytes.clone().into()],
        };
        let request = Request {
            protocol: PROTOCOL,
            encoder: ENCODER,
            device: [4; 16].into(),
            sent_at_ms: 0,
            scopes: Vec::new(),
            budget: None,
            new_actors: Vec::new(),
            pushes: vec![push],
            receipts: Vec::new(),
        };
        let said = with(&request, outbox.iter());
        assert_eq!(said.unsent, Some(Unsent { edits: 2, since: Some(Instant::from_ms(3_000)) }));
    }
}
