//! Some documents in the order of their ids, with all rows that belong to them, or that lie between them and belong to
//! no document at all.

use crate::database::{Connection, DocumentBlob, Id, StoreError};
use crate::log::{ChangeRow, DocumentRow, FeedRow};
use crate::projection::{ConflictRow, FactRow, HouseholdRow, MembershipRow, NeedRow, ResidentRow};
use crate::snapshot::Stored;
use crate::tables::{change, conflict, document, fact, feed, household, membership, need, resident, snapshot};
use diesel::prelude::*;
use gridwork_sync::document::DocumentKind;

/// Documents that are read at a time.
const CHUNK_DOCUMENTS: i64 = 256;

/// A range of document ids: after the first, up to and with the second.
#[derive(Clone, Copy)]
pub(super) struct Range {
    after: DocumentBlob,
    until: DocumentBlob,
}

/// A change with the feed row at its position.
pub(super) type Placed = (ChangeRow, Option<FeedRow>);

/// Some documents with their rows, each list in the order of document ids.
pub(super) struct Chunk {
    pub(super) documents: Vec<DocumentRow>,
    pub(super) changes: Vec<Placed>,
    pub(super) snapshots: Vec<(DocumentBlob, i64, Stored)>,
    pub(super) facts: Vec<FactRow>,
    pub(super) households: Vec<HouseholdRow>,
    pub(super) residents: Vec<ResidentRow>,
    pub(super) memberships: Vec<MembershipRow>,
    pub(super) needs: Vec<NeedRow>,
    pub(super) conflicts: Vec<ConflictRow>,
}

impl Range {
    /// All ids of a kind of document.
    pub(super) fn of(kind: DocumentKind) -> Self {
        let mut after = [0xff; 19];
        after[0] = kind.byte() - 1;
        let mut until = [0xff; 19];
        until[0] = kind.byte();
        Self { after: crate::database::Blob(after), until: crate::database::Blob(until) }
    }

    /// The households of these documents: the bytes after the kind.
    fn households(&self) -> (Id, Id) {
        let id = |document: DocumentBlob| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&document.0[1..17]);
            crate::database::Blob(bytes)
        };
        (id(self.after), id(self.until))
    }
}

/// Reads the next chunk of a range; returns also what is left of the range, if anything is.
pub(super) fn read(
    connection: &mut Connection,
    kind: DocumentKind,
    range: Range,
    first: bool,
) -> Result<(Chunk, Option<Range>), StoreError> {
    let documents: Vec<DocumentRow> = document::table
        .filter(document::id.gt(range.after).and(document::id.le(range.until)))
        .order((document::id, document::epoch))
        .limit(CHUNK_DOCUMENTS)
        .select(DocumentRow::as_select())
        .load(connection)?;
    let full = documents.len() as i64 == CHUNK_DOCUMENTS;
    let last = documents.last().map(|row| row.id).filter(|_| full);
    let rest = last.map(|after| Range { after, until: range.until });
    let here = last.map_or(range, |until| Range { after: range.after, until });
    let mut chunk = Chunk {
        documents,
        changes: changes(connection, here)?,
        snapshots: snapshots(connection, here)?,
        facts: Vec::new(),
        households: Vec::new(),
        residents: Vec::new(),
        memberships: Vec::new(),
        needs: Vec::new(),
        conflicts: Vec::new(),
    };
    match kind {
        DocumentKind::Visits => chunk.facts = facts(connection, here)?,
        DocumentKind::Household => read_households(connection, here, first, &mut chunk)?,
    }
    Ok((chunk, rest))
}

fn changes(connection: &mut Connection, range: Range) -> QueryResult<Vec<Placed>> {
    let its_place = feed::scope.eq(change::scope).and(feed::position.eq(change::position));
    change::table
        .left_join(feed::table.on(its_place))
        .filter(change::document.gt(range.after).and(change::document.le(range.until)))
        .order((change::document, change::epoch, change::position))
        .select((ChangeRow::as_select(), Option::<FeedRow>::as_select()))
        .load(connection)
}

fn snapshots(connection: &mut Connection, range: Range) -> QueryResult<Vec<(DocumentBlob, i64, Stored)>> {
    snapshot::table
        .filter(snapshot::document.gt(range.after).and(snapshot::document.le(range.until)))
        .order((snapshot::document, snapshot::epoch))
        .select((snapshot::document, snapshot::epoch, Stored::as_select()))
        .load(connection)
}

fn facts(connection: &mut Connection, range: Range) -> QueryResult<Vec<FactRow>> {
    fact::table
        .filter(fact::document.gt(range.after).and(fact::document.le(range.until)))
        .order((fact::document, fact::epoch, fact::id))
        .select(FactRow::as_select())
        .load(connection)
}

/// Reads the projection of households; the first chunk's range begins with the first id there can be.
fn read_households(
    connection: &mut Connection,
    range: Range,
    first: bool,
    chunk: &mut Chunk,
) -> Result<(), StoreError> {
    let (after, until) = range.households();
    macro_rules! rows {
        ($table:ident, $id:ident, $row:ident) => {{
            let mut query = $table::table.select($row::as_select()).filter($table::$id.le(until)).into_boxed();
            if !first {
                query = query.filter($table::$id.gt(after));
            }
            query.load(connection)?
        }};
    }
    chunk.households = rows!(household, id, HouseholdRow);
    chunk.residents = rows!(resident, household, ResidentRow);
    chunk.memberships = rows!(membership, household, MembershipRow);
    chunk.needs = rows!(need, household, NeedRow);
    chunk.conflicts = rows!(conflict, household, ConflictRow);
    Ok(())
}
