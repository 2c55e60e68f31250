//! The rows of the projection, each with the list of its columns, so that two of them can be compared column by column.

use crate::database::{DocumentBlob, HashBlob, Id};
use crate::tables;
use diesel::prelude::*;

/// A row of the projection. Rows are in the order of their primary keys, whose columns come first.
pub(crate) trait Row: Ord {
    /// The table.
    const TABLE: &'static str;

    /// The primary key, spelled.
    fn key(&self) -> String;

    /// Every column by name, spelled.
    fn columns(&self) -> Vec<(&'static str, String)>;
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident of $table:ident ($($key:ident)+) { $($column:ident: $kind:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Queryable, Selectable, Insertable)]
        #[diesel(table_name = tables::$table, primary_key($($key),+), treat_none_as_default_value = false)]
        pub(crate) struct $name {
            $(pub(crate) $column: $kind,)+
        }

        impl Row for $name {
            const TABLE: &'static str = stringify!($table);

            fn key(&self) -> String {
                [$(format!("{} {:?}", stringify!($key), self.$key)),+].join(", ")
            }

            fn columns(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($column), format!("{:?}", self.$column))),+]
            }
        }
    )+};
}

rows! {
    /// A household with its dwelling.
    HouseholdRow of household (id) {
        id: Id,
        scope: Id,
        status: Option<String>,
        contact_phone: Option<String>,
        remark: Option<String>,
        address: Option<String>,
        building: Option<String>,
        unit: Option<String>,
        floor: Option<i64>,
        door: Option<String>,
        dwelling_status: Option<String>,
        open_conflicts: i32,
        dwelling_key: Option<String>,
    }

    /// A resident.
    ResidentRow of resident (household id) {
        household: Id,
        id: Id,
        scope: Id,
        name: Option<String>,
        sex: Option<String>,
        birth_date: Option<String>,
        phone: Option<String>,
        second_phone: Option<String>,
        occupation: Option<String>,
        employment: Option<String>,
        residence_kind: Option<String>,
        ethnicity: Option<String>,
        guardian: Option<String>,
        died_on: Option<String>,
        citizen_number: Option<String>,
        citizen_number_hash: Option<HashBlob>,
        citizen_number_shown: Option<String>,
        citizen_number_unreadable: Option<String>,
    }

    /// A stay.
    MembershipRow of membership (household id) {
        household: Id,
        id: Id,
        resident: Option<String>,
        relation: Option<String>,
        since: Option<String>,
        until: Option<String>,
    }

    /// A need.
    NeedRow of need (household subject kind) {
        household: Id,
        subject: String,
        kind: String,
        affirmed_by: Id,
        purpose: Option<String>,
        basis: Option<String>,
        sensitivity: Option<i64>,
        expires: Option<String>,
        note: Option<String>,
    }

    /// One value of a field about which people disagree.
    ConflictRow of conflict (household path ordinal) {
        household: Id,
        path: String,
        ordinal: i32,
        scope: Id,
        value: Option<String>,
        actor: Id,
        staff: Id,
        made_at: i64,
    }

    /// A fact.
    FactRow of fact (document epoch id) {
        document: DocumentBlob,
        epoch: i64,
        id: Id,
        household: Id,
        scope: Id,
        kind: String,
        corrects: Option<Id>,
        mode: Option<String>,
        outcome: Option<String>,
        started_at: i64,
        ended_at: i64,
        note: Option<String>,
        change: HashBlob,
        staff: Id,
        received_at: i64,
        bytes: Vec<u8>,
    }
}

/// All rows of one household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HouseholdRows {
    pub(crate) household: HouseholdRow,
    pub(crate) residents: Vec<ResidentRow>,
    pub(crate) memberships: Vec<MembershipRow>,
    pub(crate) needs: Vec<NeedRow>,
    pub(crate) conflicts: Vec<ConflictRow>,
}
