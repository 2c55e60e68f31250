//! Staff 人员, their roles and devices. What a role may do stands in [`crate::permission`].
//!
//! **Invariant:** a role holds in one area and for one term of office; outside either it gives nothing.

pub use crate::permission::Operation;

use crate::id::{AreaId, DeviceId, StaffId};
use crate::instant::Instant;
use serde::{Deserialize, Serialize};

/// What a member of staff is, within an area and a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 网格长: accountable for one grid.
    GridLeader,
    /// 联络员: works in a grid with its leader.
    Liaison,
    /// 社区工作者.
    CommunityWorker,
    /// 坐席: answers the hotline.
    CallAgent,
    /// 值班: on duty.
    DutyOfficer,
    /// 派遣: hands cases to who handles them.
    Dispatcher,
    /// 承办单位: handles cases.
    Handler,
    /// 调解员.
    Mediator,
    /// 志愿者.
    Volunteer,
    /// 督查.
    Supervisor,
    /// 审计.
    Auditor,
    /// Data protection officer.
    DataProtectionOfficer,
    /// Administrator of the installation.
    Administrator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 13] = [
        Self::GridLeader,
        Self::Liaison,
        Self::CommunityWorker,
        Self::CallAgent,
        Self::DutyOfficer,
        Self::Dispatcher,
        Self::Handler,
        Self::Mediator,
        Self::Volunteer,
        Self::Supervisor,
        Self::Auditor,
        Self::DataProtectionOfficer,
        Self::Administrator,
    ];

    /// The word in JSON and in rows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::GridLeader => "grid_leader",
            Self::Liaison => "liaison",
            Self::CommunityWorker => "community_worker",
            Self::CallAgent => "call_agent",
            Self::DutyOfficer => "duty_officer",
            Self::Dispatcher => "dispatcher",
            Self::Handler => "handler",
            Self::Mediator => "mediator",
            Self::Volunteer => "volunteer",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::DataProtectionOfficer => "data_protection_officer",
            Self::Administrator => "administrator",
        }
    }

    /// The role with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether the role gives this operation within its area and term, by the permission table.
    pub fn may(self, operation: Operation) -> bool {
        operation.extent(self).is_some()
    }
}

/// A member of staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staff {
    /// Their id.
    pub id: StaffId,
    /// Their name, as colleagues see it.
    pub name: String,
    /// The name with which they sign in, unique, 1 to 64 of a-z, 0-9, `.`, `-` and `_`.
    pub sign_in: String,
}

/// A role in an area for a term of office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who.
    pub staff: StaffId,
    /// As what.
    pub role: Role,
    /// Where: that area and all within it.
    pub area: AreaId,
    /// From this instant.
    pub from: Instant,
    /// Before this instant; none while it lasts.
    pub until: Option<Instant>,
}

impl Assignment {
    /// Whether it holds at `now`.
    pub fn holds_at(&self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

/// A device 设备 of a member of staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub staff: StaffId,
    /// Its Ed25519 public key, 32 bytes.
    pub public_key: [u8; 32],
    /// When it was enrolled.
    pub enrolled_at: Instant,
}

/// Whether a text can be the name with which somebody signs in.
pub fn is_sign_in_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_of_office_begins_and_ends() {
        let term = Assignment {
            staff: StaffId::from_bytes([1; 16]),
            role: Role::GridLeader,
            area: AreaId::from_bytes([2; 16]),
            from: Instant::from_ms(10),
            until: Some(Instant::from_ms(20)),
        };
        let held: Vec<_> = [9, 10, 19, 20].map(|ms| term.holds_at(Instant::from_ms(ms))).into();
        assert_eq!(held, [false, true, true, false]);
    }

    #[test]
    fn who_runs_the_installation_has_no_business_with_homes() {
        for operation in [Operation::Read, Operation::EditHousehold, Operation::RecordFacts] {
            assert!(!Role::Administrator.may(operation));
        }
        assert!(Role::CallAgent.may(Operation::EditHousehold) && !Role::CallAgent.may(Operation::RecordFacts));
        assert!(Role::Liaison.may(Operation::RecordFacts) && !Role::Liaison.may(Operation::EditHousehold));
    }

    #[test]
    fn every_role_has_its_own_word() {
        assert!(Role::ALL.iter().all(|role| Role::from_word(role.word()) == Some(*role)));
    }
}
