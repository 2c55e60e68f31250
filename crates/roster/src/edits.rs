//! From a roster to the edits that register it.
//!
//! **Invariant:** ids are made of the file's bytes, the grid and the row: the same file gives the same ids, and two
//! imports of it at once cannot both be kept. Nobody can compute them without the whole file and the registry's secret.
//! No citizen number is in an edit but sealed.

use crate::roster::{Family, Roster};
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::edit::{Action, Edit, MOST_NEW_RESIDENTS, NewResident};
use gridwork_domain::id::{EditId, HouseholdId, MembershipId, ResidentId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::CITIZEN_NUMBER;
use gridwork_domain::sealed_number::SealedNumber;
use sha2::{Digest, Sha256};

impl Roster {
    /// The edits that register everybody who is not registered, household by household, each with its grid; none if a
    /// problem was found. `seal` seals citizen numbers, which takes some 0.1 ms for each.
    ///
    /// # Errors
    /// As `seal` says.
    pub fn edits<E>(
        &self,
        now: Instant,
        seal: impl Fn(&CitizenNumber) -> Result<SealedNumber, E>,
    ) -> Result<Vec<(ScopeId, Edit)>, E> {
        let mut edits = Vec::new();
        if self.findings.problems_found > 0 {
            return Ok(edits);
        }
        for (home, family) in self.new_families().filter_map(|family| Some((family.home?, family))) {
            edits.extend(self.edits_of(family, now, &seal)?.into_iter().map(|edit| (home, edit)));
        }
        Ok(edits)
    }

    /// The id that a household gets.
    pub(crate) fn household_id(&self, family: &Family) -> HouseholdId {
        HouseholdId::from_bytes(self.id(family, b"household", family.row))
    }

    fn edits_of<E>(
        &self,
        family: &Family,
        now: Instant,
        seal: impl Fn(&CitizenNumber) -> Result<SealedNumber, E>,
    ) -> Result<Vec<Edit>, E> {
        let household = self.household_id(family);
        let mut residents: Vec<NewResident> = Vec::new();
        for person in &family.persons {
            let mut fields = person.resident.clone();
            if let Some(number) = &person.number {
                fields = fields.with(CITIZEN_NUMBER, seal(number)?.to_string().as_str());
            }
            residents.push(NewResident {
                resident: ResidentId::from_bytes(self.id(family, b"resident", person.row)),
                membership: MembershipId::from_bytes(self.id(family, b"membership", person.row)),
                fields,
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
        Ok(std::iter::once(first).chain(others).map(edit).collect())
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
