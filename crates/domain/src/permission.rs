//! The permission table: which role may do what, and how sensitive the fields are that it sees and writes by that.
//!
//! The table is `permission/permissions.csv`, one line for each operation and one column for each role. A cell says up to
//! which class fields are seen in full, and after a stroke up to which they are seen masked: `1`, `0/2`. A role holds
//! within its area and term of office, so that the table says nothing about either. Whoever guards an operation, and the
//! document that lists them, read this table; there is no other.
//!
//! **Invariant:** every operation and every role stands in the table, once.

use crate::schema::Sensitivity;
use crate::staff::Role;
use std::fmt;
use std::sync::LazyLock;

const TABLE: &str = include_str!("permission/permissions.csv");

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident $word:literal)+) => {
        /// What is done, as far as roles are told apart by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($(#[$doc])* $name,)+ }

        impl Operation {
            /// All operations, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word in the table, in the API's document and in the scopes of keys.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

operations! {
    /// One's own sessions and password: for everybody who is signed in.
    OwnAccount "own_account"
    /// Setting up one's own second factor: what an administrator without one can do.
    SetUpSecondFactor "set_up_second_factor"
    /// Reading households, residents, visits and conflicts.
    Read "read"
    /// Seeing in full what reading shows masked, for a reason.
    Reveal "reveal"
    /// Reading and revealing beyond the own areas in an emergency, for a while and under review.
    BreakGlass "break_glass"
    /// Reviewing that.
    ReviewBreakGlass "review_break_glass"
    /// Changing a household, its residents and ordinary needs; deciding conflicts.
    EditHousehold "edit_household"
    /// Recording visits, notes and corrections.
    RecordFacts "record_facts"
    /// Exchanging changes between a phone and the registry.
    Exchange "exchange"
    /// Seeing areas, who leads them, and the lists that everybody works with.
    ReadAreas "read_areas"
    /// Seeing, releasing and discarding what phones sent and the registry refused or holds.
    DecideKept "decide_kept"
    /// Seeing when phones were last in contact, and what they have not sent yet.
    WatchDevices "watch_devices"
    /// Enrolling devices, opening areas, appointing staff.
    Administer "administer"
    /// Reading the audit log: who read or wrote about whom.
    ReadAudit "read_audit"
}

/// Within what an operation is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Within the area of the role that permits it.
    Area,
    /// For oneself; no office is needed.
    Self_,
}

/// One line of the table.
#[derive(Debug)]
pub struct Permission {
    /// The operation.
    pub operation: Operation,
    /// Within what it is permitted.
    pub within: Within,
    /// What it is, for people.
    pub meaning: &'static str,
    /// For each role, in the order of [`Role::ALL`], the classes of fields that it sees and writes by this; none if the
    /// role may not do this at all.
    pub extents: [Option<Extent>; Role::ALL.len()],
}

/// Up to which class fields are seen and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The highest class of those in full.
    pub full: Sensitivity,
    /// The highest class of those that are seen at all, masked; not below `full`.
    pub masked: Sensitivity,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { full, masked } = self;
        if full == masked { full.fmt(f) } else { write!(f, "{full}/{masked}") }
    }
}

/// The table, in the order of [`Operation::ALL`].
pub fn permissions() -> &'static [Permission] {
    static PERMISSIONS: LazyLock<Vec<Permission>> = LazyLock::new(|| read(TABLE));
    &PERMISSIONS
}

impl Operation {
    /// The operation of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.word() == word)
    }

    /// Its line of the table.
    pub fn permission(self) -> &'static Permission {
        &permissions()[self as usize]
    }

    /// Whether a role permits it, and up to which class fields are seen and written by that.
    pub fn extent(self, role: Role) -> Option<Extent> {
        self.permission().extents[role as usize]
    }
}

/// Reads the table.
fn read(csv: &'static str) -> Vec<Permission> {
    let mut lines = csv.lines();
    let roles = lines.next().and_then(|header| header.strip_prefix("operation,reach,meaning,"));
    let roles: Vec<&str> = roles.expect("the table begins with its header").split(',').collect();
    assert!(roles == Role::ALL.map(Role::word), "the columns are the roles, in their order");
    let permissions: Vec<_> = lines.map(|line| read_line(line).expect("every line is a permission")).collect();
    let operations: Vec<_> = permissions.iter().map(|one| one.operation).collect();
    assert!(operations == Operation::ALL, "the lines are the operations, in their order");
    permissions
}

fn read_line(line: &'static str) -> Option<Permission> {
    let (operation, rest) = line.split_once(',')?;
    let (within, rest) = rest.split_once(',')?;
    let (meaning, cells) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\",")?,
        None => rest.split_once(',')?,
    };
    let extents: Option<Vec<_>> =
        cells.split(',').map(|cell| if cell == "-" { Some(None) } else { read_extent(cell).map(Some) }).collect();
    Some(Permission {
        operation: Operation::from_word(operation)?,
        within: match within {
            "area" => Within::Area,
            "self" => Within::Self_,
            _ => return None,
        },
        meaning,
        extents: extents?.try_into().ok()?,
    })
}

fn read_extent(cell: &str) -> Option<Extent> {
    let class = |digit: &str| digit.parse().ok().filter(|class| *class <= 3);
    let (full, masked) = cell.split_once('/').unwrap_or((cell, cell));
    let extent = Extent { full: class(full)?, masked: class(masked)? };
    (extent.full <= extent.masked && extent.to_string() == cell).then_some(extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_role_stands_in_the_table() {
        // Reading it asserts both; what is left is that somebody may do each of them.
        for permission in permissions() {
            assert!(permission.extents.iter().any(Option::is_some), "{permission:?}");
            assert_eq!(Operation::from_word(permission.operation.word()), Some(permission.operation));
        }
    }

    #[test]
    fn what_concerns_oneself_every_role_may_do() {
        for permission in permissions().iter().filter(|one| one.within == Within::Self_) {
            assert!(permission.extents.iter().all(Option::is_some), "{permission:?}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_not_read() {
        let good = "read,area,reading,1,1,1,0/2,1,-,-,-,-,-,-,-,-";
        let line = read_line(good).expect("a permission");
        assert_eq!((line.operation, line.extents[3]), (Operation::Read, Some(Extent { full: 0, masked: 2 })));
        for (from, to) in [
            ("read,", "look,"),
            ("area", "everywhere"),
            (",1,", ",4,"),
            (",-,-", ",-"),
            ("1,", "yes,"),
            ("0/2", "2/0"),
            ("0/2", "1/1"),
            ("0/2", "0/4"),
        ] {
            assert!(read_line(good.replacen(from, to, 1).leak()).is_none(), "{to}");
        }
    }
}
