//! Devices that are enrolled and entitled, and hand in what no honest app makes.

use super::log::Log;
use super::server::Then;
use crate::change::{Base, RawChange, record_fact, write_household};
use crate::document::{ActorId, DocumentId, DocumentKey};
use crate::genesis;
use crate::testing::{Random, Registry, visit_at};
use automerge::{Change, ExpandedChange};
use gridwork_domain::edit::Write;
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{EditId, FactId, HouseholdId, ScopeId, StaffId};
use gridwork_domain::visit::{Fact, FactBody};
use std::collections::BTreeSet;
use std::num::NonZeroU64;

/// A hostile device.
pub(super) struct Hostile {
    staff: StaffId,
    actor: ActorId,
}

impl Hostile {
    pub(super) fn enrol(registry: &mut Registry, scope: ScopeId) -> Self {
        let (staff, actor) = (StaffId::from_bytes([0xbb; 16]), ActorId([0xbb; 16]));
        registry.owners.insert(actor, staff);
        registry.assignments.insert((staff, scope));
        Self { staff, actor }
    }

    /// Hands something in about a household; says whether it could.
    pub(super) fn strike(
        &self,
        server: usize,
        log: &mut Log<Then>,
        random: &mut Random,
        household: HouseholdId,
        scope: ScopeId,
    ) -> bool {
        let (households, scopes) = (BTreeSet::from([household]), BTreeSet::from([scope]));
        if log.is_locked(&households, &scopes) {
            return false;
        }
        let made = self.make(&log.committed, random, household);
        log.begin(server, households, scopes, |registry| {
            for (key, bytes) in &made {
                registry.offer(self.staff, scope, *key, bytes);
            }
            Then::Nothing
        });
        true
    }

    fn make(&self, registry: &Registry, random: &mut Random, household: HouseholdId) -> Vec<(DocumentKey, Vec<u8>)> {
        let year = registry.now.year_in_shanghai().unwrap_or(2026);
        let visits = DocumentKey::from(DocumentId::visits(household, year));
        let known = registry.documents.contains_key(&visits);
        let document = if known { registry.load(&visits) } else { genesis::empty() };
        let base = Base::current(&document, self.actor);
        let body = FactBody::Visit(visit_at(registry.now));
        let fact = Fact { id: FactId::from_bytes(random.bytes()), household, body };
        let first = record_fact(&base, &visits, &fact, registry.now);
        match random.below(4) {
            0 => vec![(visits, first.bytes)],
            // Two changes of one actor that do not depend on each other.
            1 => {
                let alone = forge(&first, |change| {
                    (change.deps, change.start_op) = (Vec::new(), NonZeroU64::MIN);
                });
                vec![(visits, alone)]
            }
            // A dependency that lies in another document.
            2 => {
                let others = registry.documents.iter().filter(|(key, _)| **key != visits);
                let others: Vec<&RawChange> = others.flat_map(|(_, kept)| &kept.log).collect();
                if others.is_empty() {
                    return Vec::new();
                }
                let other = *random.pick(&others);
                let strange = forge(&first, |change| {
                    change.deps.push(other.hash.into());
                    change.deps.sort_unstable();
                    let start = change.start_op.max(NonZeroU64::MIN.saturating_add(other.largest_op));
                    change.start_op = start;
                });
                vec![(visits, strange)]
            }
            // A household of an epoch that does not exist.
            _ => {
                let key = DocumentKey { epoch: 5, id: DocumentId::household(household) };
                let document = genesis::begin(registry.schema, &key);
                let put = Write::Put(RecordPath::household(), Fields::new().with("remark", "另一个纪元"));
                let edit = (EditId::from_bytes(random.bytes()), registry.now);
                let base = Base::current(&document, self.actor);
                let made = write_household(registry.schema, &document, &base, edit, &[put]);
                made.map(|change| (key, change.bytes)).into_iter().collect()
            }
        }
    }
}

/// A change made of another by whoever can encode one.
fn forge(change: &RawChange, edit: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = Change::from_bytes(change.bytes.clone()).expect("made just now").decode();
    edit(&mut expanded);
    Change::from(expanded).raw_bytes().to_vec()
}
