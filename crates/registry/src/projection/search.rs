//! The words by which a household and its residents are found, as rows.
//!
//! What is searched is read from the household's other rows, when it is written and when it is read again: so its words
//! of before are known, and what a query finds is judged by the same fields.
//!
//! **Invariant:** the rows of a household are the tokens of what its other rows say.

use super::rows::HouseholdRows;
use crate::database::{Connection, Id, PlaceBlob};
use crate::tables::{household, need, resident, search};
use diesel::prelude::*;
use gridwork_domain::search::{Rank, Searched, SearchedResident};
use std::collections::BTreeSet;

/// Words that one statement writes: two values each, far below what either database takes, and few different statements.
const WORDS_PER_INSERT: usize = 64;

/// A word that finds a household.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Queryable, Selectable, Insertable)]
#[diesel(table_name = search, treat_none_as_default_value = false)]
pub(crate) struct SearchRow {
    pub(crate) word: String,
    pub(crate) place: PlaceBlob,
}

/// What is searched, of whole rows or of what is findable of them.
macro_rules! searched {
    ($household:expr, $residents:expr, $needs:expr) => {
        Searched {
            address: $household.address.as_deref(),
            doors: [$household.building.as_deref(), $household.unit.as_deref(), $household.door.as_deref()],
            contact_phone: $household.contact_phone.as_deref(),
            residents: $residents
                .iter()
                .map(|row| SearchedResident {
                    name: row.name.as_deref(),
                    phones: [row.phone.as_deref(), row.second_phone.as_deref()],
                })
                .collect(),
            needs: $needs.iter().map(|row| row.kind.as_str()).collect(),
        }
    };
}

/// What a household is found by, of its own rows: a search reads no other column.
pub(crate) struct Findable {
    pub(crate) household: FindableHousehold,
    /// In the order of their ids.
    pub(crate) residents: Vec<FindableResident>,
    pub(crate) needs: Vec<FindableNeed>,
}

/// Of a household's row, what it is found by.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = household)]
pub(crate) struct FindableHousehold {
    pub(crate) id: Id,
    pub(crate) scope: Id,
    pub(crate) contact_phone: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) building: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) door: Option<String>,
}

/// Of a resident's row, what they are found by.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = resident)]
pub(crate) struct FindableResident {
    household: Id,
    pub(crate) id: Id,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) second_phone: Option<String>,
}

/// Of a need's row, what narrows a search.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = need)]
pub(crate) struct FindableNeed {
    household: Id,
    pub(crate) subject: String,
    pub(crate) kind: String,
}

impl Findable {
    /// Reads households of these ids, in the order of the ids; those that are not there are left out.
    pub(crate) fn read(connection: &mut Connection, ids: &[Id]) -> QueryResult<Vec<Self>> {
        let mut all = Self::read_without_needs(connection, ids)?;
        let needs: Vec<FindableNeed> =
            need::table.filter(need::household.eq_any(ids)).select(FindableNeed::as_select()).load(connection)?;
        for need in needs {
            if let Ok(place) = all.binary_search_by_key(&need.household, |one| one.household.id) {
                all[place].needs.push(need);
            }
        }
        Ok(all)
    }

    /// The same for who asks for no need.
    pub(crate) fn read_without_needs(connection: &mut Connection, ids: &[Id]) -> QueryResult<Vec<Self>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let households: Vec<FindableHousehold> = household::table
            .filter(household::id.eq_any(ids))
            .order(household::id)
            .select(FindableHousehold::as_select())
            .load(connection)?;
        let residents: Vec<FindableResident> = resident::table
            .filter(resident::household.eq_any(ids))
            .order((resident::household, resident::id))
            .select(FindableResident::as_select())
            .load(connection)?;
        let mut residents = residents.into_iter().peekable();
        let all = households.into_iter().map(|household| {
            let id = household.id;
            while residents.next_if(|row| row.household < id).is_some() {}
            let own = std::iter::from_fn(|| residents.next_if(|row| row.household == id)).collect();
            Self { household, residents: own, needs: Vec::new() }
        });
        Ok(all.collect())
    }

    /// What of it is searched.
    pub(crate) fn searched(&self) -> Searched<'_> {
        searched!(self.household, self.residents, self.needs)
    }

    /// Its rows of words.
    pub(crate) fn rows(&self) -> BTreeSet<SearchRow> {
        words((self.household.scope, self.household.id), &self.searched())
    }
}

/// The rows of words of a household.
pub(crate) fn search_rows(rows: &HouseholdRows) -> BTreeSet<SearchRow> {
    words((rows.household.scope, rows.household.id), &searched!(rows.household, rows.residents, rows.needs))
}

/// Where a household stands among those that a word finds by a rank.
pub(crate) fn place(rank: u8, scope: Id, household: Id) -> PlaceBlob {
    let mut bytes = [0; 33];
    bytes[0] = rank;
    bytes[1..17].copy_from_slice(&scope.0);
    bytes[17..].copy_from_slice(&household.0);
    crate::database::Blob(bytes)
}

/// The rank, grid and household of a place.
pub(crate) fn parts(place: PlaceBlob) -> (u8, Id, Id) {
    let id = |from: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&place.0[from..from + 16]);
        crate::database::Blob(bytes)
    };
    (place.0[0], id(1), id(17))
}

/// Writes the words of a household in place of those `before`, if there were any: only what differs.
///
/// # Errors
/// As the store says.
pub(super) fn write(connection: &mut Connection, before: Option<&Findable>, rows: &HouseholdRows) -> QueryResult<()> {
    let searched_now = searched!(rows.household, rows.residents, rows.needs);
    let same = |before: &&Findable| before.household.scope == rows.household.scope && before.searched() == searched_now;
    if before.filter(same).is_some() {
        return Ok(());
    }
    let before = before.map(Findable::rows).unwrap_or_default();
    let now = words((rows.household.scope, rows.household.id), &searched_now);
    for row in before.difference(&now) {
        diesel::delete(search::table.find((&row.word, row.place))).execute(connection)?;
    }
    let new: Vec<&SearchRow> = now.difference(&before).collect();
    // There already if a node of another release wrote it: verify tells, and nobody's edit fails of it.
    match connection {
        Connection::Sqlite(one) => {
            for row in new {
                diesel::insert_into(search::table).values(row).on_conflict_do_nothing().execute(one)?;
            }
        }
        // Each statement is a way to the server and back.
        Connection::Postgres(one) => {
            for some in new.chunks(WORDS_PER_INSERT) {
                let insert = diesel::insert_into(search::table).values(some.to_vec()).on_conflict_do_nothing();
                insert.execute(one)?;
            }
        }
    }
    Ok(())
}

fn words((scope, household): (Id, Id), searched: &Searched<'_>) -> BTreeSet<SearchRow> {
    let place = |rank: Rank| place(rank.byte(), scope, household);
    searched.tokens().into_iter().map(|token| SearchRow { word: token.word, place: place(token.rank) }).collect()
}
