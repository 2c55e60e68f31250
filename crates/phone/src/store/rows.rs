//! The replica's rows in the tables and back.
//!
//! **Invariant:** what is read back is what was saved, or an error that names the table; nothing is passed over.

use super::StoreError;
use super::tables::{actor, author, came, document, lost, outbox, receipt, scope, standing};
use diesel::{
    Connection as _, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    SqliteConnection,
};
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_sync::change::RawChange;
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::guard::{decode, scan::Limits};
use gridwork_sync::receipt::Receipt;
use gridwork_sync::replica::{
    Damage, Document, KeptReceipt, Lost, Pending, PendingState, Person, Row, Scope, Standing,
};

#[derive(Insertable, Queryable)]
#[diesel(table_name = document)]
struct DocumentRow {
    id: Vec<u8>,
    epoch: i64,
    home: Vec<u8>,
    heads: Vec<u8>,
    content: Vec<u8>,
    damage: Option<String>,
    damaged_again: bool,
}

#[derive(Insertable, Queryable)]
#[diesel(table_name = outbox)]
struct OutboxRow {
    edit: Vec<u8>,
    number: i64,
    content: String,
    home: Vec<u8>,
    document: Vec<u8>,
    epoch: i64,
    change: Vec<u8>,
    state: i32,
    code: Option<String>,
    detail: Option<String>,
    asked_at: Option<i64>,
    replays: i32,
}

/// Writes one row in place of the one of the same key.
pub(super) fn write(connection: &mut SqliteConnection, row: &Row) -> Result<(), StoreError> {
    match row {
        Row::Document(key, one) => {
            let row = DocumentRow {
                id: key.id.as_bytes().to_vec(),
                epoch: key.epoch.into(),
                home: one.home.as_bytes().to_vec(),
                heads: joined(&one.heads),
                content: one.bytes.to_vec(),
                damage: one.damage.as_ref().map(|damage| damage.reason.clone()),
                damaged_again: one.damage.as_ref().is_some_and(|damage| damage.again),
            };
            diesel::replace_into(document::table).values(row).execute(connection)?;
        }
        Row::DocumentRemoved(key) => {
            let place = document::table.find((key.id.as_bytes().as_slice(), i64::from(key.epoch)));
            diesel::delete(place).execute(connection)?;
        }
        Row::Pending(pending) => {
            diesel::replace_into(outbox::table).values(outbox_row(pending)?).execute(connection)?;
        }
        Row::Settled(edit) => {
            diesel::delete(outbox::table.find(edit.as_bytes().as_slice())).execute(connection)?;
        }
        Row::Scope(id, one) => {
            let values = (
                scope::id.eq(id.as_bytes().as_slice()),
                scope::cursor.eq(&one.cursor),
                scope::refetching.eq(one.refetching),
                scope::refetched_at.eq(one.refetched_at.map(Instant::ms)),
                scope::comparing.eq(one.comparing),
            );
            diesel::replace_into(scope::table).values(values).execute(connection)?;
        }
        Row::Actor(id) => {
            diesel::replace_into(actor::table).values(actor::id.eq(id.0.as_slice())).execute(connection)?;
        }
        Row::Author(id, person) => {
            let staff = person.staff.map(|staff| staff.as_bytes().to_vec());
            let values = (author::actor.eq(id.0.as_slice()), author::staff.eq(staff), author::name.eq(&person.name));
            diesel::replace_into(author::table).values(values).execute(connection)?;
        }
        Row::Standing(one) => {
            let values = (
                standing::id.eq(1),
                standing::actor.eq(one.actor.map(|actor| actor.0.to_vec())),
                standing::skew_ms.eq(one.skew_ms),
                standing::last_contact.eq(one.last_contact.map(Instant::ms)),
            );
            diesel::replace_into(standing::table).values(values).execute(connection)?;
        }
        Row::Came(key, heads) => {
            let id = (key.id.as_bytes().as_slice(), i64::from(key.epoch));
            diesel::delete(came::table.find(id)).execute(connection)?;
            if let Some(heads) = heads {
                let values = (came::document.eq(id.0), came::epoch.eq(id.1), came::heads.eq(joined(heads)));
                diesel::insert_into(came::table).values(values).execute(connection)?;
            }
        }
        Row::Lost(one) => {
            let (state, code, detail, asked_at) = state_columns(&one.state);
            let values = (
                lost::number.eq(number(one.number, "lost")?),
                lost::document.eq(one.document.id.as_bytes().as_slice()),
                lost::epoch.eq(i64::from(one.document.epoch)),
                lost::change.eq(&one.change.bytes),
                (lost::state.eq(state), lost::code.eq(code), lost::detail.eq(detail), lost::asked_at.eq(asked_at)),
            );
            diesel::replace_into(lost::table).values(values).execute(connection)?;
        }
        Row::Receipt(one) => {
            let values = (
                receipt::number.eq(number(one.number, "receipt")?),
                receipt::at.eq(one.at.ms()),
                receipt::code.eq(one.receipt.code.as_slice()),
                receipt::changes.eq(one.receipt.changes.as_slice()),
                receipt::authors.eq(one.receipt.authors.as_slice()),
            );
            diesel::replace_into(receipt::table).values(values).execute(connection)?;
        }
        Row::ReceiptDropped(dropped) => {
            diesel::delete(receipt::table.find(number(*dropped, "receipt")?)).execute(connection)?;
        }
        Row::Found(found) => {
            diesel::delete(lost::table.find(number(*found, "lost")?)).execute(connection)?;
        }
    }
    Ok(())
}

/// Reads all rows, in one consistent view.
pub(super) fn read(connection: &mut SqliteConnection) -> Result<Vec<Row>, StoreError> {
    connection.transaction(|connection| {
        let mut rows = Vec::new();
        for row in document::table.load_iter::<DocumentRow, diesel::connection::DefaultLoadingMode>(connection)? {
            rows.push(read_document(row?)?);
        }
        for row in outbox::table.load_iter::<OutboxRow, diesel::connection::DefaultLoadingMode>(connection)? {
            rows.push(read_outbox(row?)?);
        }
        for (id, cursor, refetching, refetched_at, comparing) in
            scope::table.load::<(Vec<u8>, Option<Vec<u8>>, bool, Option<i64>, bool)>(connection)?
        {
            let refetched_at = refetched_at.map(Instant::from_ms);
            let one = Scope { cursor, refetching, refetched_at, comparing };
            rows.push(Row::Scope(ScopeId::from_bytes(array(&id, "scope")?), one));
        }
        for id in actor::table.select(actor::id).load::<Vec<u8>>(connection)? {
            rows.push(Row::Actor(ActorId(array(&id, "actor")?)));
        }
        for (document, epoch, heads) in came::table.load::<(Vec<u8>, i64, Vec<u8>)>(connection)? {
            rows.push(Row::Came(key(&document, epoch, "came")?, Some(split(&heads, "came")?)));
        }
        for (number, at, code, changes, authors) in
            receipt::table.load::<(i64, i64, Vec<u8>, Vec<u8>, Vec<u8>)>(connection)?
        {
            let number = u64::try_from(number).map_err(|_| StoreError::Unreadable("receipt"))?;
            let code = array::<32>(&code, "receipt")?.into();
            let receipt = Receipt { code, changes: changes.into(), authors: authors.into() };
            rows.push(Row::Receipt(Box::new(KeptReceipt { number, at: Instant::from_ms(at), receipt })));
        }
        for row in lost::table.order(lost::number).load::<LostRow>(connection)? {
            rows.push(read_lost(row)?);
        }
        for (id, staff, name) in author::table.load::<(Vec<u8>, Option<Vec<u8>>, Option<String>)>(connection)? {
            let staff = staff.map(|staff| array(&staff, "author")).transpose()?.map(StaffId::from_bytes);
            rows.push(Row::Author(ActorId(array(&id, "author")?), Person { staff, name }));
        }
        type Stood = (i32, Option<Vec<u8>>, Option<i64>, Option<i64>);
        if let Some((_, actor, skew_ms, last_contact)) = standing::table.first::<Stood>(connection).optional()? {
            let actor = actor.map(|actor| array(&actor, "standing")).transpose()?.map(ActorId);
            let last_contact = last_contact.map(Instant::from_ms);
            rows.push(Row::Standing(Standing { actor, skew_ms, last_contact }));
        }
        Ok(rows)
    })
}

fn read_document(row: DocumentRow) -> Result<Row, StoreError> {
    let damage = row.damage.map(|reason| Damage { reason, again: row.damaged_again });
    let one = Document {
        home: ScopeId::from_bytes(array(&row.home, "document")?),
        heads: split(&row.heads, "document")?,
        bytes: row.content.into(),
        damage,
    };
    Ok(Row::Document(key(&row.id, row.epoch, "document")?, one))
}

fn outbox_row(pending: &Pending) -> Result<OutboxRow, StoreError> {
    let (state, code, detail, asked_at) = state_columns(&pending.state);
    Ok(OutboxRow {
        edit: pending.edit.id.as_bytes().to_vec(),
        number: number(pending.number, "outbox")?,
        content: serde_json::to_string(&pending.edit).map_err(|_| StoreError::Unreadable("outbox"))?,
        home: pending.home.as_bytes().to_vec(),
        document: pending.document.id.as_bytes().to_vec(),
        epoch: pending.document.epoch.into(),
        change: pending.change.bytes.clone(),
        state,
        code,
        detail,
        asked_at,
        replays: pending.replays.into(),
    })
}

fn read_outbox(row: OutboxRow) -> Result<Row, StoreError> {
    let bad = || StoreError::Unreadable("outbox");
    let change = decode(&row.change, &Limits::DEFAULT).map_err(|_| bad())?;
    let state = read_state((row.state, row.code, row.detail, row.asked_at), "outbox")?;
    let pending = Pending {
        number: u64::try_from(row.number).map_err(|_| bad())?,
        edit: serde_json::from_str(&row.content).map_err(|_| bad())?,
        home: ScopeId::from_bytes(array(&row.home, "outbox")?),
        document: key(&row.document, row.epoch, "outbox")?,
        change: RawChange::of(&change).ok_or_else(bad)?,
        state,
        replays: u8::try_from(row.replays).map_err(|_| bad())?,
    };
    if *pending.edit.id.as_bytes() == *row.edit { Ok(Row::Pending(Box::new(pending))) } else { Err(bad()) }
}

type LostRow = (i64, Vec<u8>, i64, Vec<u8>, i32, Option<String>, Option<String>, Option<i64>);

fn read_lost((number, document, epoch, change, state, code, detail, asked_at): LostRow) -> Result<Row, StoreError> {
    let bad = || StoreError::Unreadable("lost");
    let change = decode(&change, &Limits::DEFAULT).map_err(|_| bad())?;
    Ok(Row::Lost(Box::new(Lost {
        number: u64::try_from(number).map_err(|_| bad())?,
        document: key(&document, epoch, "lost")?,
        change: RawChange::of(&change).ok_or_else(bad)?,
        state: read_state((state, code, detail, asked_at), "lost")?,
    })))
}

/// The columns of a state: state, code, detail and `asked_at`.
type StateColumns = (i32, Option<String>, Option<String>, Option<i64>);

fn state_columns(state: &PendingState) -> StateColumns {
    match state {
        PendingState::Waiting => (0, None, None, None),
        PendingState::Held { code, asked_at } => (1, Some(code.clone()), None, Some(asked_at.ms())),
        PendingState::Aside => (2, None, None, None),
        PendingState::Refused { code, detail, asked_at } => {
            (3, Some(code.clone()), Some(detail.clone()), asked_at.map(Instant::ms))
        }
    }
}

fn read_state(columns: StateColumns, table: &'static str) -> Result<PendingState, StoreError> {
    Ok(match columns {
        (0, ..) => PendingState::Waiting,
        (1, Some(code), _, Some(asked_at)) => PendingState::Held { code, asked_at: Instant::from_ms(asked_at) },
        (2, ..) => PendingState::Aside,
        (3, Some(code), Some(detail), asked_at) => {
            PendingState::Refused { code, detail, asked_at: asked_at.map(Instant::from_ms) }
        }
        _ => return Err(StoreError::Unreadable(table)),
    })
}

/// Hashes one after the other.
fn joined(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn split(joined: &[u8], table: &'static str) -> Result<Vec<ChangeHash>, StoreError> {
    let (hashes, rest) = joined.as_chunks::<32>();
    if rest.is_empty() {
        Ok(hashes.iter().copied().map(ChangeHash).collect())
    } else {
        Err(StoreError::Unreadable(table))
    }
}

fn number(number: u64, table: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Unreadable(table))
}

fn key(document: &[u8], epoch: i64, table: &'static str) -> Result<DocumentKey, StoreError> {
    let bad = || StoreError::Unreadable(table);
    let id = DocumentId::from_bytes(array(document, table)?).map_err(|_| bad())?;
    Ok(DocumentKey { id, epoch: u32::try_from(epoch).map_err(|_| bad())? })
}

/// The bytes of a column that always has as many.
pub(super) fn array<const N: usize>(bytes: &[u8], table: &'static str) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Unreadable(table))
}
