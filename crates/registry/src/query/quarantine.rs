//! Changes that were refused or wait, as staff who decide about them see them: never their bytes, but what they say, as far
//! as the guard can read them.

use super::{Cursor, Names, Page, Person, ReadError, page, rows_for};
use crate::Reach;
use crate::database::{Blob, Connection, DocumentBlob, HashBlob, Id, StoreError};
use crate::log::key;
use crate::registry::Registry;
use crate::tables::{held, quarantine};
use diesel::prelude::*;
use gridwork_domain::id::{AreaId, DeviceId, HouseholdId, KeptId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_sealing::{OpenError, Purpose};
use gridwork_sync::document::DocumentKind;
use gridwork_sync::legible::{Line, lines};
use std::collections::{BTreeMap, BTreeSet};

/// How a change is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptState {
    /// It was refused.
    Quarantined,
    /// It waits for something.
    Held,
}

/// A change that was refused or waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptView {
    /// By which it is named.
    pub id: KeptId,
    /// How it is kept.
    pub state: KeptState,
    /// The household that it is about.
    pub household: HouseholdId,
    /// The grid whose staff decide about it.
    pub scope: ScopeId,
    /// Of which document of the household.
    pub document: DocumentKind,
    /// Who sent it.
    pub by: Person,
    /// From which device.
    pub device: Option<DeviceId>,
    /// When.
    pub received_at: Instant,
    /// Why it was refused, or for what it waits: a word of the guard.
    pub code: String,
    /// The same as a sentence; none for one that waits.
    pub detail: Option<String>,
    /// When it is refused if what it waits for does not come.
    pub expires_at: Option<Instant>,
    /// Bytes.
    pub size: u64,
    /// Kept changes that build on it, also by way of others.
    pub dependants: u64,
}

/// A change that was refused or waits, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDetail {
    /// The change.
    pub kept: KeptView,
    /// What it says; none if the guard cannot read it safely, or it cannot be opened.
    pub says: Option<Vec<Line>>,
    /// Why it cannot be opened.
    pub unreadable: Option<OpenError>,
}

/// Of either table, what a list shows.
#[derive(Queryable)]
struct Row {
    document: DocumentBlob,
    epoch: i64,
    change: Option<HashBlob>,
    code: String,
    detail: Option<String>,
    staff: Id,
    device: Option<Id>,
    received_at: i64,
    expires_at: Option<i64>,
    id: Id,
    home: Id,
    size: i64,
}

/// Document, epoch, hash and what it builds on.
type Link = (DocumentBlob, i64, Option<HashBlob>, Vec<u8>);

/// Of each document, epoch and hash, the hashes of what builds on it just so.
type Links = BTreeMap<(DocumentBlob, i64, HashBlob), Vec<HashBlob>>;

/// The columns of a list, of rows about which nobody has decided.
macro_rules! refused {
    () => {
        quarantine::table.filter(quarantine::decided_at.is_null()).select((
            quarantine::document,
            quarantine::epoch,
            quarantine::change,
            quarantine::code,
            quarantine::detail.nullable(),
            quarantine::staff,
            quarantine::device,
            quarantine::received_at,
            quarantine::decided_at,
            quarantine::id,
            quarantine::home,
            quarantine::size,
        ))
    };
}
macro_rules! waiting {
    () => {
        held::table.select((
            held::document,
            held::epoch,
            held::hash.nullable(),
            held::code,
            None::<String>.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>(),
            held::staff,
            held::device,
            held::received_at,
            held::expires_at.nullable(),
            held::id,
            held::home,
            held::size,
        ))
    };
}

impl Registry {
    /// A page of what was refused, or waits, within reach: what came first, first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn kept(
        &self,
        reach: &Reach,
        state: KeptState,
        area: Option<AreaId>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<KeptView>, ReadError> {
        let (reach, areas) = (reach.clone(), self.areas.clone());
        self.database
            .read(move |connection| {
                let scopes = areas.columns(connection, &reach, area)?;
                let (from, id) = match &after {
                    Some(after) => after.time_and_id()?,
                    None => (i64::MIN, [0; 16]),
                };
                let id = Blob(id);
                let rows: Vec<Row> = match state {
                    KeptState::Quarantined => {
                        let later = quarantine::received_at.eq(from).and(quarantine::id.gt(id));
                        refused!()
                            .filter(quarantine::home.eq_any(scopes))
                            .filter(quarantine::received_at.gt(from).or(later))
                            .order((quarantine::received_at, quarantine::id))
                            .limit(rows_for(limit))
                            .load(connection)?
                    }
                    KeptState::Held => {
                        let later = held::received_at.eq(from).and(held::id.gt(id));
                        waiting!()
                            .filter(held::home.eq_any(scopes))
                            .filter(held::received_at.gt(from).or(later))
                            .order((held::received_at, held::id))
                            .limit(rows_for(limit))
                            .load(connection)?
                    }
                };
                let links = links(connection, rows.iter().map(|row| row.document))?;
                let names = Names::read(connection, rows.iter().map(|row| row.staff))?;
                let cursor = |row: &Row| Cursor::at(row.received_at, row.id.0);
                page(rows, limit, cursor, |row| Ok(view(row, state, &links, &names)?))
            })
            .await
    }

    /// A change that was refused or waits within reach, and what it says; `None` if there is none.
    ///
    /// # Errors
    /// As the store says.
    pub async fn kept_change(&self, reach: &Reach, id: KeptId) -> Result<Option<KeptDetail>, ReadError> {
        let (reach, keys) = (reach.clone(), self.sealing.clone());
        self.database
            .read(move |connection| {
                let id = Id::from(id);
                let refused: Option<Row> =
                    refused!().filter(quarantine::id.eq(id)).get_result(connection).optional()?;
                let (row, state, sealed): (_, _, Vec<u8>) = if let Some(row) = refused {
                    let this = quarantine::table.filter(quarantine::id.eq(id)).select(quarantine::sealed);
                    (row, KeptState::Quarantined, this.get_result(connection)?)
                } else {
                    let waits: Option<Row> = waiting!().filter(held::id.eq(id)).get_result(connection).optional()?;
                    let Some(row) = waits else { return Ok(None) };
                    let this = held::table.filter(held::id.eq(id)).select(held::sealed);
                    (row, KeptState::Held, this.get_result(connection)?)
                };
                if !reach.contains(row.home.into()) {
                    return Ok(None);
                }
                let opened = keys.open_at_rest(Purpose::KeptChange, &row.id.0, &sealed);
                let unreadable = opened.as_ref().err().copied();
                let key = key(row.document, row.epoch)?;
                let says = opened.ok().and_then(|bytes| lines(&key, &bytes));
                let links = links(connection, [row.document])?;
                let names = Names::read(connection, [row.staff])?;
                Ok(Some(KeptDetail { kept: view(row, state, &links, &names)?, says, unreadable }))
            })
            .await
    }
}

/// What is kept of these documents, by what it builds on.
fn links(connection: &mut Connection, of: impl IntoIterator<Item = DocumentBlob>) -> QueryResult<Links> {
    let documents: BTreeSet<DocumentBlob> = of.into_iter().collect();
    let documents: Vec<_> = documents.into_iter().collect();
    let columns = (quarantine::document, quarantine::epoch, quarantine::change, quarantine::depends_on);
    let undecided = quarantine::decided_at.is_null().and(quarantine::document.eq_any(documents.clone()));
    let mut rows: Vec<Link> = quarantine::table.filter(undecided).select(columns).load(connection)?;
    let columns = (held::document, held::epoch, held::hash.nullable(), held::depends_on);
    rows.extend(held::table.filter(held::document.eq_any(documents)).select(columns).load::<Link>(connection)?);
    let mut links = Links::new();
    for (document, epoch, hash, depends_on) in rows {
        for on in depends_on.as_chunks::<32>().0 {
            links.entry((document, epoch, Blob(*on))).or_default().extend(hash);
        }
    }
    Ok(links)
}

/// How many of these build on a change, also by way of others.
fn dependants(of: &Row, links: &Links) -> u64 {
    let mut ahead: Vec<HashBlob> = of.change.into_iter().collect();
    let mut gone: BTreeSet<HashBlob> = ahead.iter().copied().collect();
    while let Some(hash) = ahead.pop() {
        let next = links.get(&(of.document, of.epoch, hash)).into_iter().flatten().copied();
        ahead.extend(next.filter(|hash| gone.insert(*hash)));
    }
    gone.len().saturating_sub(1) as u64
}

fn view(row: Row, state: KeptState, links: &Links, names: &Names) -> Result<KeptView, StoreError> {
    let document = key(row.document, row.epoch)?.id;
    Ok(KeptView {
        id: row.id.into(),
        state,
        household: document.subject(),
        scope: row.home.into(),
        document: document.kind(),
        by: names.person(row.staff),
        device: row.device.map(Into::into),
        received_at: Instant::from_ms(row.received_at),
        expires_at: row.expires_at.map(Instant::from_ms),
        size: u64::try_from(row.size).unwrap_or(0),
        dependants: dependants(&row, links),
        code: row.code,
        detail: row.detail,
    })
}
