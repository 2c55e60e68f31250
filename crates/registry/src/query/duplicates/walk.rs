//! The walk over pairs that are alike: group after group in the order of what is equal in it, and within a group by ids.
//!
//! A whole village may be registered under one address, and its pairs are as many as the square of its households: so no
//! statement joins two of them. It does not know what a pair looks like.
//!
//! **Invariant:** following the positions gives every pair once; what a page reads is bounded by [`MOST_LOOKED_AT`] pairs
//! and [`MEMBERS_AT_ONCE`] rows of each statement, however large the groups are.

use super::DuplicateKind;
use crate::database::{Blob, Connection, HashBlob, Id};
use crate::household_merge::CLOSED;
use crate::query::{NotACursor, ReadError};
use crate::tables::{household, not_duplicate, resident};
use diesel::dsl::{count, exists, not};
use diesel::prelude::*;
use std::collections::BTreeSet;

diesel::allow_columns_to_appear_in_same_group_by_clause!(resident::birth_date, resident::name);

/// Rows of a group that one statement reads. A smaller group is read once, and paired in memory.
const MEMBERS_AT_ONCE: usize = 256;

/// Pairs that a page looks at at most, whoever said of how many that they are not the same: then it ends, and the next goes on
/// from there.
pub(super) const MOST_LOOKED_AT: usize = 2_048;

/// Pairs that are looked at together at least.
const FEWEST_AT_ONCE: usize = 64;

/// Before every id.
const FIRST: Id = Blob([0; 16]);

/// What is equal in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Alike {
    Dwelling(String),
    Person(String, String),
    CitizenNumber(HashBlob),
}

/// Two households or residents of a group.
type Two = [Id; 2];

/// The next pairs within these scopes, and where the next page begins; none if these are the last.
///
/// # Errors
/// [`NotACursor`] if what a page is to begin after is of no group any more; as the store says.
pub(super) fn pairs(
    connection: &mut Connection,
    kind: DuplicateKind,
    scopes: &[Id],
    after: Option<Two>,
    limit: usize,
) -> Result<(Vec<Two>, Option<Two>), ReadError> {
    let mut walk = Walk { connection, kind, scopes, seen: Vec::new() };
    let mut at = after.map(|after| Ok::<_, ReadError>((walk.alike(after)?, after))).transpose()?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let is_end = walk.go_on(at.take(), FEWEST_AT_ONCE.max(limit + 1))?;
        let seen = std::mem::take(&mut walk.seen);
        looked_at += seen.len();
        let last = seen.last().cloned();
        let dismissed = walk.dismissed(&seen)?;
        found.extend(seen.into_iter().map(|(_, two)| two).filter(|two| !dismissed.contains(two)));
        if found.len() > limit {
            found.truncate(limit);
            let next = found.last().copied();
            return Ok((found, next));
        }
        if is_end || looked_at >= MOST_LOOKED_AT {
            return Ok((found, last.map(|(_, two)| two).filter(|_| !is_end)));
        }
        at = last;
    }
}

struct Walk<'c> {
    connection: &'c mut Connection,
    kind: DuplicateKind,
    scopes: &'c [Id],
    /// Pairs that were reached.
    seen: Vec<(Alike, Two)>,
}

/// That a household is open.
macro_rules! open {
    () => {
        household::status.is_null().or(household::status.ne(CLOSED))
    };
}

/// That a resident's household is not closed.
macro_rules! in_open {
    () => {
        not(exists(household::table.filter(household::id.eq(resident::household).and(household::status.eq(CLOSED)))))
    };
}

impl Walk<'_> {
    /// Goes on from a pair until so many are seen. Returns whether there are no more.
    fn go_on(&mut self, at: Option<(Alike, Two)>, most: usize) -> QueryResult<bool> {
        let mut group = None;
        if let Some((alike, after)) = at {
            self.within(&alike, Some(after), most)?;
            group = Some(alike);
        }
        while self.seen.len() < most {
            // Each has a pair at least: a resident is in one open household.
            let next = self.groups(group.as_ref(), most - self.seen.len())?;
            let Some(last) = next.last().cloned() else { return Ok(true) };
            for alike in &next {
                if self.seen.len() >= most {
                    return Ok(false);
                }
                self.within(alike, None, most)?;
            }
            group = Some(last);
        }
        Ok(false)
    }

    /// The pairs of one group, after one of them.
    fn within(&mut self, alike: &Alike, after: Option<Two>, most: usize) -> QueryResult<()> {
        let [mut from, mut after] = after.unwrap_or([FIRST; 2]);
        loop {
            let members = self.members(alike, (from, FIRST), MEMBERS_AT_ONCE + 1)?;
            let Some((one, others)) = members.split_first() else { return Ok(()) };
            if members.len() <= MEMBERS_AT_ONCE {
                for (place, one) in members.iter().enumerate() {
                    let others = members[place + 1..].iter().filter(|other| {
                        *one != from || **other > after // of the first, some were seen
                    });
                    for other in others {
                        self.seen.push((alike.clone(), [*one, *other]));
                        if self.seen.len() >= most {
                            return Ok(());
                        }
                    }
                }
                return Ok(());
            }
            let mut reached = if *one == from { after.max(*one) } else { *one };
            loop {
                let asked = MEMBERS_AT_ONCE.min(most - self.seen.len());
                let others = self.members(alike, (*one, reached), asked)?;
                self.seen.extend(others.iter().map(|other| (alike.clone(), [*one, *other])));
                if self.seen.len() >= most {
                    return Ok(());
                }
                match others.last() {
                    Some(last) if others.len() == asked => reached = *last,
                    _ => break,
                }
            }
            let Some(next) = others.first() else { return Ok(()) };
            (from, after) = (*next, FIRST);
        }
    }

    /// The next groups of two or more.
    fn groups(&mut self, after: Option<&Alike>, most: usize) -> QueryResult<Vec<Alike>> {
        let (scopes, most) = (self.scopes.to_vec(), i64::try_from(most).unwrap_or(i64::MAX));
        match self.kind {
            DuplicateKind::Dwelling => {
                let after = if let Some(Alike::Dwelling(key)) = after { key.as_str() } else { "" };
                let keys: Vec<Option<String>> = household::table
                    .filter(household::dwelling_key.gt(after))
                    .filter(household::scope.eq_any(scopes))
                    .filter(open!())
                    .group_by(household::dwelling_key)
                    .having(count(household::id).gt(1))
                    .order(household::dwelling_key)
                    .limit(most)
                    .select(household::dwelling_key)
                    .load(self.connection)?;
                Ok(keys.into_iter().flatten().map(Alike::Dwelling).collect())
            }
            DuplicateKind::Person => {
                let (born, name) =
                    if let Some(Alike::Person(born, name)) = after { (born.as_str(), name.as_str()) } else { ("", "") };
                let later =
                    resident::birth_date.gt(born).or(resident::birth_date.eq(born).and(resident::name.gt(name)));
                let keys: Vec<(Option<String>, Option<String>)> = resident::table
                    .filter(resident::birth_date.ge(born)) // by which an index begins there
                    .filter(later)
                    .filter(resident::name.is_not_null())
                    .filter(resident::scope.eq_any(scopes))
                    .filter(in_open!())
                    .group_by((resident::birth_date, resident::name))
                    .having(count(resident::id).gt(1))
                    .order((resident::birth_date, resident::name))
                    .limit(most)
                    .select((resident::birth_date, resident::name))
                    .load(self.connection)?;
                let person = |(born, name): (Option<String>, Option<String>)| Some(Alike::Person(born?, name?));
                Ok(keys.into_iter().filter_map(person).collect())
            }
            DuplicateKind::CitizenNumber => {
                let after = if let Some(Alike::CitizenNumber(hash)) = after { *hash } else { Blob([0; 32]) };
                let keys: Vec<Option<HashBlob>> = resident::table
                    .filter(resident::citizen_number_hash.gt(after))
                    .filter(resident::scope.eq_any(scopes))
                    .filter(in_open!())
                    .group_by(resident::citizen_number_hash)
                    .having(count(resident::id).gt(1))
                    .order(resident::citizen_number_hash)
                    .limit(most)
                    .select(resident::citizen_number_hash)
                    .load(self.connection)?;
                Ok(keys.into_iter().flatten().map(Alike::CitizenNumber).collect())
            }
        }
    }

    /// Members of a group by their ids: from the first of two on, and after the second. A resident of two households is there
    /// once.
    fn members(&mut self, alike: &Alike, (from, after): (Id, Id), most: usize) -> QueryResult<Vec<Id>> {
        let (scopes, most) = (self.scopes.to_vec(), i64::try_from(most).unwrap_or(i64::MAX));
        macro_rules! residents {
            ($alike:expr) => {
                resident::table
                    .filter($alike)
                    .filter(resident::id.ge(from).and(resident::id.gt(after)))
                    .filter(resident::scope.eq_any(scopes))
                    .filter(in_open!())
                    .group_by(resident::id)
                    .order(resident::id)
                    .limit(most)
                    .select(resident::id)
                    .load(self.connection)?
            };
        }
        Ok(match alike {
            Alike::Dwelling(key) => household::table
                .filter(household::dwelling_key.eq(key))
                .filter(household::id.ge(from).and(household::id.gt(after)))
                .filter(household::scope.eq_any(scopes))
                .filter(open!())
                .order(household::id)
                .limit(most)
                .select(household::id)
                .load(self.connection)?,
            Alike::Person(born, name) => residents!(resident::birth_date.eq(born).and(resident::name.eq(name))),
            Alike::CitizenNumber(hash) => residents!(resident::citizen_number_hash.eq(Some(*hash))),
        })
    }

    /// What is equal in the group of a pair.
    fn alike(&mut self, of: Two) -> Result<Alike, ReadError> {
        let scopes = self.scopes.to_vec();
        macro_rules! equal {
            ($table:ident: $key:expr) => {
                $table::table
                    .filter($table::id.eq_any(of).and($table::scope.eq_any(scopes)))
                    .select(($table::id, $key))
                    .load(self.connection)?
            };
        }
        let all: Vec<(Id, Option<Alike>)> = match self.kind {
            DuplicateKind::Dwelling => {
                let rows: Vec<(Id, Option<String>)> = equal!(household: household::dwelling_key);
                rows.into_iter().map(|(id, key)| (id, key.map(Alike::Dwelling))).collect()
            }
            DuplicateKind::Person => {
                type BornAs = (Option<String>, Option<String>);
                let rows: Vec<(Id, BornAs)> = equal!(resident: (resident::birth_date, resident::name));
                rows.into_iter()
                    .map(|(id, (born, name))| (id, born.zip(name).map(|(born, name)| Alike::Person(born, name))))
                    .collect()
            }
            DuplicateKind::CitizenNumber => {
                let rows: Vec<(Id, Option<HashBlob>)> = equal!(resident: resident::citizen_number_hash);
                rows.into_iter().map(|(id, hash)| (id, hash.map(Alike::CitizenNumber))).collect()
            }
        };
        let theirs = |id: Id| all.iter().filter(move |(one, _)| *one == id).filter_map(|(_, alike)| alike.as_ref());
        let [one, other] = of;
        // If somebody corrected one of them meanwhile, the group is still that of the other.
        let both = theirs(one).find(|alike| theirs(other).any(|one| one == *alike));
        let either = both.or_else(|| theirs(other).next()).or_else(|| theirs(one).next());
        Ok(either.cloned().ok_or(NotACursor)?)
    }

    /// Those of these pairs of which somebody said that they are not the same.
    fn dismissed(&mut self, of: &[(Alike, Two)]) -> QueryResult<BTreeSet<Two>> {
        let part = |place: usize| of.iter().map(|(_, two)| two[place]).collect::<BTreeSet<Id>>();
        let said: Vec<(Id, Id)> = not_duplicate::table
            .filter(not_duplicate::one.eq_any(part(0)).and(not_duplicate::other.eq_any(part(1))))
            .select((not_duplicate::one, not_duplicate::other))
            .load(self.connection)?;
        Ok(said.into_iter().map(|(one, other)| [one, other]).collect())
    }
}
