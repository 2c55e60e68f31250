//! Searching residents and households: whom the words that somebody types find, the best first.
//!
//! Words are looked up in lists that are in one order, rank by rank, and what the lists give is judged by the records
//! themselves. Which words there are, and what is found by them, is `domain`'s.
//!
//! **Invariant:** what is found lies within reach and is found by all words; following the pages finds everything once.

mod lists;

use super::{Cursor, MOST_ROWS, NotACursor, Page, ReadError};
use crate::Reach;
use crate::database::{Blob, Connection, Id};
use crate::projection::Findable;
use crate::registry::Registry;
use gridwork_domain::id::{AreaId, HouseholdId, ResidentId, ScopeId};
use gridwork_domain::search::{Found, Query, Rank, Tier, Token, Word};
use lists::{Either, FIRST, Home, Reader, Stop, Walk};

/// Households that are read at a time.
const HOUSEHOLDS_OF_READ: usize = 64;

/// Households that a page looks at at most, whatever the words: then it ends, and the next goes on from there.
const MOST_LOOKED_AT: usize = 256;

/// Lists that are walked for one word at most: the last words of a long fragment of an address say most.
const MOST_LISTS_OF_WORD: usize = 6;

/// Whom to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchFilter {
    /// What was typed.
    pub query: Query,
    /// Those in this area.
    pub area: Option<AreaId>,
    /// Residents with a need of this kind, their own or their household's; households in which there is one.
    pub need: Option<String>,
}

/// A resident or a household that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The household.
    pub household: HouseholdId,
    /// Its grid.
    pub scope: ScopeId,
    /// The resident; none if the household itself was found.
    pub resident: Option<ResidentId>,
    /// The resident's name.
    pub name: Option<String>,
    /// The household's address.
    pub address: Option<String>,
    /// By what each word found it, in the order of [`Query::words`]; the first ranks.
    pub matched: Vec<Rank>,
}

impl Registry {
    /// A page of what is found within reach, the best first, then by grid, household and resident.
    ///
    /// A page may hold fewer than `limit`, even none, and still have a next one: what a page reads is bounded. What is
    /// written between two of its statements may be on it or not, as what is written between two pages.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn search(
        &self,
        reach: &Reach,
        filter: SearchFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<SearchHit>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        let start = after.as_ref().map(Start::read).transpose()?;
        self.database
            .look_up(move |connection| {
                let scopes = areas.columns(connection, &reach, filter.area)?;
                let limit = limit.clamp(1, MOST_ROWS) as usize;
                search(connection, &scopes, &filter, start, limit)
            })
            .await
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
struct Start {
    rank: Rank,
    home: Home,
    /// The last resident of the page before; none to begin with the household, [`HOUSEHOLD`] if that was the last.
    after: Option<Id>,
}

/// Stands for the household itself, before all of its residents.
const HOUSEHOLD: Id = Blob([0; 16]);

/// After the rank of a cursor that begins with a household.
const WITH_HOUSEHOLD: &str = "-";

impl Start {
    fn read(cursor: &Cursor) -> Result<Self, NotACursor> {
        let ([scope, household, resident], rank) = cursor.ids::<3>()?;
        let whole = rank.strip_suffix(WITH_HOUSEHOLD);
        let rank = whole.unwrap_or(rank).parse().ok().and_then(Rank::of_byte).ok_or(NotACursor)?;
        let after = if whole.is_some() { None } else { Some(Blob(resident)) };
        Ok(Self { rank, home: (Blob(scope), Blob(household)), after })
    }

    fn cursor(self) -> Cursor {
        let ids = [self.home.0.0, self.home.1.0, self.after.unwrap_or(HOUSEHOLD).0];
        let whole = if self.after.is_none() { WITH_HOUSEHOLD } else { "" };
        Cursor::new(&ids, &format!("{}{whole}", self.rank.byte()))
    }
}

fn search(
    connection: &mut Connection,
    scopes: &[Id],
    filter: &SearchFilter,
    start: Option<Start>,
    limit: usize,
) -> Result<Page<SearchHit>, ReadError> {
    let tiers = filter.query.words().first().map(Word::tiers).unwrap_or_default();
    let first = match start {
        None => 0,
        Some(start) => tiers.iter().position(|tier| tier.rank == start.rank).ok_or(NotACursor)?,
    };
    let mut hits: Vec<(Start, SearchHit)> = Vec::new();
    let mut reader = Reader::new(connection);
    let mut left = MOST_LOOKED_AT;
    let known_from = start.map(|start| (start.rank, start.home));
    for tier in &tiers[first..] {
        let start = start.filter(|start| start.rank == tier.rank);
        let begin = Start { rank: tier.rank, home: start.map_or(FIRST, |start| start.home), after: None };
        let known_from = known_from.or(tiers.first().map(|tier| (tier.rank, FIRST)));
        let all = match lists(&mut reader, filter, tier, known_from.unwrap_or((tier.rank, FIRST))) {
            Ok(all) => all,
            Err(stop) => return stopped(stop, hits, start.unwrap_or(begin)),
        };
        let mut walk = Walk::new(scopes, all, begin.home);
        loop {
            let most = HOUSEHOLDS_OF_READ.min(limit + 1 - hits.len()).min(left);
            let (homes, end) = homes(&mut reader, &mut walk, most);
            left -= homes.len();
            let ids: Vec<Id> = homes.iter().map(|(_, household)| *household).collect();
            let mut found = match filter.need {
                Some(_) => Findable::read(reader.connection, &ids)?,
                None => Findable::read_without_needs(reader.connection, &ids)?,
            };
            found.sort_unstable_by_key(|one| (one.household.scope, one.household.id));
            for one in found.iter().filter(|one| scopes.binary_search(&one.household.scope).is_ok()) {
                let after = start.filter(|start| start.home == home(one)).and_then(|start| start.after);
                hits.extend(of_household(one, filter, tier.rank).filter(|(at, _)| at.after > after));
            }
            if hits.len() > limit {
                hits.truncate(limit);
                let next = hits.last().map(|(at, _)| at.cursor());
                return Ok(Page { items: hits.into_iter().map(|(_, hit)| hit).collect(), next });
            }
            match end {
                Some(Ok(())) => break,
                // Where the page began, and nothing was found yet: then it goes on there.
                Some(Err(stop)) if walk.at == begin.home => return stopped(stop, hits, start.unwrap_or(begin)),
                Some(Err(stop)) => return stopped(stop, hits, Start { home: walk.at, ..begin }),
                None if left == 0 => return stopped(Stop::Spent, hits, Start { home: walk.at, ..begin }),
                None => {}
            }
        }
    }
    Ok(Page { items: hits.into_iter().map(|(_, hit)| hit).collect(), next: None })
}

/// The page of what was found until a walk had to stop; the next one goes on from there.
fn stopped(stop: Stop, hits: Vec<(Start, SearchHit)>, next: Start) -> Result<Page<SearchHit>, ReadError> {
    match stop {
        Stop::Spent => Ok(Page { items: hits.into_iter().map(|(_, hit)| hit).collect(), next: Some(next.cursor()) }),
        Stop::Store(error) => Err(error.into()),
    }
}

/// What must be looked up for a tier of the first word, for the other words, and for the need.
fn lists(
    reader: &mut Reader<'_>,
    filter: &SearchFilter,
    tier: &Tier,
    known_from: (Rank, Home),
) -> Result<Vec<Either>, Stop> {
    let mut all = Vec::new();
    for word in last(&tier.words) {
        all.push(Either(vec![reader.list(word, tier.rank, known_from)?]));
    }
    for word in &filter.query.words()[1..] {
        let mut lists = Vec::new();
        let tiers = word.tiers();
        let Some(best) = tiers.first().map(|tier| tier.rank) else { continue };
        for tier in &tiers {
            let mut of_tier = Vec::new();
            for word in last(&tier.words) {
                of_tier.push(reader.list(word, tier.rank, (best, FIRST))?);
            }
            if tiers.len() == 1 {
                all.extend(of_tier.into_iter().map(|list| Either(vec![list])));
            } else {
                // One of them is enough; the shortest if it is known.
                lists.extend(of_tier.into_iter().min_by_key(|list| list.known().unwrap_or(usize::MAX)));
            }
        }
        if !lists.is_empty() {
            all.push(Either(lists));
        }
    }
    if let Some(kind) = &filter.need {
        let token = Token::of_need(kind);
        all.push(Either(vec![reader.list(&token.word, token.rank, (token.rank, FIRST))?]));
    }
    Ok(all)
}

fn last(words: &[String]) -> &[String] {
    &words[words.len().saturating_sub(MOST_LISTS_OF_WORD)..]
}

/// The next homes of a walk, and whether and why it ended.
fn homes(reader: &mut Reader<'_>, walk: &mut Walk<'_>, most: usize) -> (Vec<Home>, Option<Result<(), Stop>>) {
    let mut homes = Vec::new();
    while homes.len() < most {
        match walk.next(reader) {
            Ok(Some(home)) => homes.push(home),
            Ok(None) => return (homes, Some(Ok(()))),
            Err(stop) => return (homes, Some(Err(stop))),
        }
    }
    (homes, None)
}

fn home(one: &Findable) -> Home {
    (one.household.scope, one.household.id)
}

/// Who is found in a household by a rank of the first word.
fn of_household<'a>(
    one: &'a Findable,
    filter: &'a SearchFilter,
    rank: Rank,
) -> impl Iterator<Item = (Start, SearchHit)> + 'a {
    let found = filter.query.found_in(&one.searched()).into_iter();
    let found = found.filter(move |found| found.ranks.first() == Some(&rank) && has_need(one, filter, found));
    found.map(move |found| {
        let resident = found.resident.and_then(|place| one.residents.get(place));
        let at = Start { rank, home: home(one), after: Some(resident.map_or(HOUSEHOLD, |row| row.id)) };
        let hit = SearchHit {
            household: one.household.id.into(),
            scope: one.household.scope.into(),
            resident: resident.map(|row| row.id.into()),
            name: resident.and_then(|row| row.name.clone()),
            address: one.household.address.clone(),
            matched: found.ranks,
        };
        (at, hit)
    })
}

fn has_need(one: &Findable, filter: &SearchFilter, found: &Found) -> bool {
    let Some(kind) = &filter.need else { return true };
    let household = HouseholdId::from(one.household.id).to_string();
    let resident = found.resident.and_then(|place| one.residents.get(place));
    let resident = resident.map(|row| ResidentId::from(row.id).to_string());
    let mut needs = one.needs.iter().filter(|need| need.kind == *kind);
    needs.any(|need| resident.is_none() || need.subject == household || resident.as_ref() == Some(&need.subject))
}
