//! How somebody sees the fields of the catalogue: in full, masked, or not at all.
//!
//! What a role sees stands in the permission table ([`crate::permission`]), class by class; what a mask leaves of a field
//! stands in the catalogue. It does not know where somebody's roles hold: whoever asks names those that hold at the place.
//!
//! **Invariant:** a field that the catalogue does not have is shown to nobody.

use crate::fields::{Record, Value};
use crate::permission::{Extent, Operation};
use crate::schema::{CITIZEN_NUMBER, CITIZEN_NUMBER_UNREADABLE, Field, SENSITIVE, Sensitivity};
use crate::staff::Role;

/// How somebody sees what is at a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight(Option<Extent>);

/// How a field is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// As if it were not there.
    Withheld,
    /// What its mask leaves.
    Masked,
    /// In full.
    Full,
}

impl Sight {
    /// What these roles together let see by an operation; nothing without one that permits it.
    pub fn of(operation: Operation, roles: impl IntoIterator<Item = Role>) -> Self {
        let extents = roles.into_iter().filter_map(|role| operation.extent(role));
        Self(
            extents
                .reduce(|one, other| Extent { full: one.full.max(other.full), masked: one.masked.max(other.masked) }),
        )
    }

    /// The same, and nothing of persons in full: for those who are no person.
    #[must_use]
    pub fn through_masks(self) -> Self {
        Self(self.0.map(|extent| Extent { full: 0, ..extent }))
    }

    /// How a field is shown.
    pub fn manner(self, field: &Field) -> Manner {
        match self.0 {
            Some(extent) if field.sensitivity <= extent.full => Manner::Full,
            Some(extent) if field.sensitivity <= extent.masked => Manner::Masked,
            _ => Manner::Withheld,
        }
    }

    /// What is shown of a value; none if the field is withheld.
    pub fn show(self, field: &Field, value: &Value) -> Option<Value> {
        match self.manner(field) {
            Manner::Full => Some(value.clone()),
            Manner::Masked => Some(field.mask.cover(value)),
            Manner::Withheld => None,
        }
    }

    /// Leaves of a record what is shown of it.
    pub fn mask(self, fields: &[Field], record: &mut Record) {
        let shown = std::mem::take(&mut record.0).into_iter().filter_map(|(name, value)| {
            let unreadable = name == CITIZEN_NUMBER_UNREADABLE;
            let of = if unreadable { CITIZEN_NUMBER } else { &name };
            let field = fields.iter().find(|field| field.name == of)?;
            let value = if unreadable {
                (self.manner(field) != Manner::Withheld).then_some(value)
            } else {
                self.show(field, &value)
            };
            Some((name, value?))
        });
        record.0 = shown.collect();
    }

    /// Whether a need of this class is shown: which need it is tells all, so that it cannot be masked once it is sensitive.
    pub fn shows_need(self, class: Sensitivity) -> bool {
        let masked = |extent: Extent| class < SENSITIVE && class <= extent.masked;
        self.0.is_some_and(|extent| class <= extent.full || masked(extent))
    }
}

/// The fields of which what a record shows is what a mask left, in the order of the record.
pub fn masked<'r>(fields: &'static [Field], record: &'r Record) -> impl Iterator<Item = &'static str> + 'r {
    let left = |(name, value): (&String, &Value)| {
        let field = fields.iter().find(|field| field.name == name.as_str())?;
        field.mask.is_left_of(value).then_some(field.name)
    };
    record.0.iter().filter_map(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Mask;
    use crate::schema::{RESIDENTS, SCHEMA_1};

    fn residents() -> &'static [Field] {
        SCHEMA_1.container(RESIDENTS).expect("residents").fields
    }

    fn zhang_san(roles: &[Role]) -> Record {
        let fields = [("name", "张三"), ("phone", "13812345678"), ("birth_date", "1949-10-01"), ("ethnicity", "01")];
        let fields = fields.into_iter().chain([("unheard_of", "x")]);
        let mut record = Record(fields.map(|(name, value)| (name.to_owned(), value.into())).collect());
        Sight::of(Operation::Read, roles.iter().copied()).mask(residents(), &mut record);
        record
    }

    fn texts(record: &Record) -> Vec<&str> {
        ["name", "phone", "birth_date", "ethnicity"].into_iter().filter_map(|name| record.text(name)).collect()
    }

    #[test]
    fn a_leader_sees_in_full_a_call_agent_through_masks_and_whoever_may_not_read_nothing() {
        let full = ["张三", "13812345678", "1949-10-01", "01"];
        assert_eq!(texts(&zhang_san(&[Role::GridLeader])), full);
        let agent = zhang_san(&[Role::CallAgent]);
        assert_eq!(texts(&agent), ["张三", "138****5678", "1949", "***"]);
        assert_eq!(masked(residents(), &agent).collect::<Vec<_>>(), ["birth_date", "ethnicity", "phone"]);
        assert_eq!(
            texts(&zhang_san(&[Role::CallAgent, Role::CommunityWorker])),
            full,
            "the role that sees most counts"
        );
        for role in [Role::Auditor, Role::Volunteer, Role::Handler, Role::Administrator, Role::Supervisor] {
            assert_eq!(texts(&zhang_san(&[role])), [""; 0], "{role:?}");
        }
        assert_eq!(zhang_san(&[Role::GridLeader]).get("unheard_of"), None);
    }

    #[test]
    fn volunteers_and_who_works_for_another_organisation_see_nothing_sensitive() {
        for operation in Operation::ALL {
            for role in [Role::Volunteer, Role::Handler] {
                assert!(
                    operation.extent(role).is_none_or(|extent| extent.masked < SENSITIVE),
                    "{operation:?} {role:?}"
                );
            }
        }
    }

    #[test]
    fn a_machine_sees_through_masks_whatever_its_office() {
        let sight = Sight::of(Operation::Read, [Role::GridLeader]).through_masks();
        let phone = residents().iter().find(|field| field.name == "phone").expect("a phone");
        assert_eq!(sight.show(phone, &"13812345678".into()), Some("138****5678".into()));
    }

    #[test]
    fn a_call_agent_sees_these_fields_of_a_home_through_a_mask_and_none_of_them_in_full() {
        let agent = Sight::of(Operation::Read, [Role::CallAgent]);
        let samples = [
            (Mask::Phone, "13812345678"),
            (Mask::Year, "1949-10-01"),
            (Mask::Ends, "210404194910010018"),
            (Mask::Closed, "01"),
        ];
        let mut covered = Vec::new();
        for container in SCHEMA_1.containers {
            for field in container.fields.iter().filter(|field| field.mask != Mask::Open) {
                let name = format!("{}.{}", container.name, field.name);
                let value =
                    samples.iter().find(|(mask, _)| *mask == field.mask).expect("a sample of every mask").1.into();
                let shown = agent.show(field, &value).expect("they know that it is there");
                assert!(field.mask.is_left_of(&shown), "{name} is shown as {shown}");
                covered.push(name);
            }
        }
        let expected = [
            "household.contact_phone",
            "residents.birth_date",
            "residents.phone",
            "residents.second_phone",
            "residents.ethnicity",
            "residents.citizen_number",
        ];
        assert_eq!(covered, expected, "a field that lost its mask is shown to every call agent");
    }

    #[test]
    fn each_role_sees_what_has_a_mask_in_full_through_it_or_not_at_all() {
        let fields = SCHEMA_1.containers.iter().flat_map(|container| container.fields);
        for field in fields.filter(|field| field.mask != Mask::Open) {
            let sensitive = field.name == CITIZEN_NUMBER;
            for role in Role::ALL {
                let expected = match role {
                    Role::GridLeader => Manner::Full,
                    Role::Liaison if sensitive => Manner::Withheld,
                    Role::CommunityWorker if sensitive => Manner::Masked,
                    Role::Liaison | Role::CommunityWorker => Manner::Full,
                    Role::CallAgent | Role::DutyOfficer => Manner::Masked,
                    _ => Manner::Withheld,
                };
                assert_eq!(Sight::of(Operation::Read, [role]).manner(field), expected, "{} {role:?}", field.name);
            }
        }
    }

    #[test]
    fn a_sensitive_need_is_shown_in_full_or_not_at_all() {
        let of = |role| Sight::of(Operation::Read, [role]);
        assert!(of(Role::CallAgent).shows_need(1) && !of(Role::CallAgent).shows_need(2));
        assert!(of(Role::GridLeader).shows_need(2) && !of(Role::Auditor).shows_need(0));
    }
}
