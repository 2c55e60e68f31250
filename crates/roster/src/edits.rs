//! From a roster to the edits that register it.
//!
//! **Invariant:** ids are made of the file's bytes, the grid and the row: the same file gives the same ids, and two
//! imports of it at once cannot both be kept. Nobody can compute them without the whole file.

use crate::roster::{Family, Roster};
use gridwork_domain::edit::{Action, Edit, MOST_NEW_RESIDENTS, NewResident};
use gridwork_domain::id::{EditId, HouseholdId, MembershipId, ResidentId, ScopeId};
use gridwork_domain::instant::Instant;
use sha2::{Digest, Sha256};

impl Roster {
    /// The edits that register everybody who is not registered, household by household, each with its grid; none if a
    /// problem was found.
    pub fn edits(&self, now: Instant) -> Vec<(ScopeId, Edit)> {
        if self.findings.problems_found > 0 {
            return Vec::new();
        }
        let new = self.new_families().filter_map(|family| Some((family.home?, family)));
        new.flat_map(|(home, family)| self.edits_of(family, now).into_iter().map(move |edit| (home, edit))).collect()
    }

    /// The id that a household gets.
    pub(crate) fn household_id(&self, family: &Family) -> HouseholdId {
        HouseholdId::from_bytes(self.id(family, b"household", family.row))
    }

    fn edits_of(&self, family: &Family, now: Instant) -> Vec<Edit> {
        let household = self.household_id(family);
        let mut residents: Vec<NewResident> = Vec::new();
        for person in &family.persons {
            residents.push(NewResident {
                resident: ResidentId::from_bytes(self.id(family, b"resident", person.row)),
                membership: MembershipId::from_bytes(self.id(family, b"membership", person.row)),
                fields: person.resident.clone(),
                stay: person.stay.clone(),
            });
        }
        let further = residents.split_off(residents.len().min(MOST_NEW_RESIDENTS));
        let (fields, dwelling) = (family.household.clone(), family.dwelling.clone());
        let first = (family.row, Action::RegisterHousehold { fields, dwelling, residents });
        let rows = family.persons.iter().skip(MOST_NEW_RESIDENTS).map(|person| person.row);
        let others = rows.zip(further.into_iter().map(Action::AddResident));
        let edit = |(row, action): (u32, Action)| Edit {
            id: EditId::from_bytes(self.id(family, b"edit", row)),
            at: now,
            household,
            action,
        };
        std::iter::once(first).chain(others).map(edit).collect()
    }

    /// 16 bytes as a UUID of version 8 (RFC 9562, 5.8): a hash instead of a time and random bytes.
    fn id(&self, family: &Family, of: &[u8], row: u32) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.digest);
        hash.update(family.home.map_or([0; 16], |home| *home.as_bytes()));
        hash.update(row.to_be_bytes());
        hash.update(of);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }
}
