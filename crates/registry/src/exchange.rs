//! The one exchange: judges what a phone pushes, then answers with what it lacks.
//!
//! Everything pushed is judged in one job of the writer; the answer is read after it is durable, in one read transaction.
//!
//! **Invariant:** any prefix of any schedule of retries leaves the same registry.

use crate::answer_view::AnswerView;
use crate::audit::{Step, Subject, note, rows_about};
use crate::database::{Connection, Id, StoreError, fails_as_the_store_does};
use crate::device::contact_before;
use crate::entitlement::{areas_around, assignments_of, gives_now};
use crate::figures::{Counters, add};
use crate::held::Fate;
use crate::ledger::{Ledger, Owner};
use crate::log::Sender;
use crate::nonce::{Nonce, use_nonce};
use crate::progress::Progress;
use crate::registry::Registry;
use crate::tables::{actor, device as device_table};
use diesel::prelude::*;
use gridwork_domain::id::{DeviceId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Device, Operation};
use gridwork_sealing::Keyring;
use gridwork_sync::answer::{Asked, answer};
use gridwork_sync::document::{ActorId, ChangeHash, DocumentId, DocumentKey};
use gridwork_sync::genesis::GENESIS_ACTOR;
use gridwork_sync::guard::Offered;
use gridwork_sync::guard::scan::{Limits, scan};
use gridwork_sync::message::{Answer, ChangeVerdict, Outcome, PROTOCOL, Push, Request, ScopeAnswer};
use gridwork_sync::receipt::{Receipt, attested, hash_of};
use gridwork_sync::self_report::SelfReport;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Actors of one device at most: one for each install, and one for each edit on stale heads in ten years.
const MOST_ACTORS: i64 = 4_096;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExchangeError {
    /// The nonce was used before. Nothing was done.
    #[error("this request was answered before: sign a new one")]
    Replayed,
    /// The request names another device than the one that sends it. Nothing was done.
    #[error("the request names another device than the one that signed it")]
    OtherDevice,
    /// The device was revoked. Nothing was done.
    #[error("this device was revoked: ask for a new enrolment code")]
    Revoked,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a job of the writer leaves for the answer.
struct Pushed {
    verdicts: Vec<ChangeVerdict>,
    hashes: BTreeSet<(DocumentKey, ChangeHash)>,
    /// Those that are there now, and whose actors the request declares.
    there: Vec<(DocumentKey, ChangeHash, ActorId)>,
    request: Arc<Request>,
    moved: Progress,
    /// How many changes had each outcome.
    tally: Tally,
}

/// How many changes were merged, known, held and quarantined, in the order of [`Outcome`].
type Tally = [u64; 4];

fails_as_the_store_does!(ExchangeError);

impl Registry {
    /// Takes in what a device pushes and answers with what it lacks. `device` is the one whose token and signature were
    /// found good; `nonce` is used up together with what is taken in.
    ///
    /// # Errors
    /// [`ExchangeError`]. Whatever is wrong with a pushed change is its verdict, not an error.
    pub async fn exchange(
        &self,
        device: &Device,
        nonce: Nonce,
        request: Request,
        received_at: Instant,
    ) -> Result<Answer, ExchangeError> {
        self.exchange_with(device, nonce, request, SelfReport::default(), received_at).await
    }

    /// As [`Registry::exchange`], with what the device says of itself.
    ///
    /// # Errors
    /// As [`Registry::exchange`].
    pub async fn exchange_with(
        &self,
        device: &Device,
        nonce: Nonce,
        request: Request,
        said: SelfReport,
        received_at: Instant,
    ) -> Result<Answer, ExchangeError> {
        if request.device() != device.id {
            return Err(ExchangeError::OtherDevice);
        }
        let (id, staff) = (device.id, device.staff);
        let keys = self.sealing.clone();
        let request = Arc::new(request);
        let vouched = attested(&request, |said, code| keys.made(said, code));
        let pushed = self.database.write_locking(move |connection| {
            if !use_nonce(connection, id, nonce, received_at)? {
                return Err(ExchangeError::Replayed);
            }
            let last_contact = note_contact(connection, id, request.sent_at_ms, &said, received_at)?;
            // It was not when its token was found good.
            let last_contact = last_contact.ok_or(ExchangeError::Revoked)?;
            let sender = Sender { staff, device: Some(id), at: received_at, last_contact };
            Ok::<_, ExchangeError>(take_in(connection, &keys, &sender, &request, &vouched)?)
        });
        let Pushed { verdicts, hashes, there, request, moved, tally } = pushed.await?;
        self.committed(moved);
        let Counters { merged, known, held, quarantined, .. } = &*self.counters;
        [merged, known, held, quarantined].into_iter().zip(tally).for_each(|(counter, count)| add(counter, count));
        let (instance, counters) = (self.instance, self.counters.clone());
        let answered = self.database.read(move |connection| {
            let held = assignments_of(connection, staff)?;
            let mut scopes = Vec::new();
            for scope in request.scopes.iter().cloned() {
                let around = areas_around(connection, scope.scope())?;
                // A phone is sent everything in full: not where its owner sees through masks.
                let both = [Operation::Read, Operation::Exchange];
                if both.into_iter().all(|operation| gives_now(&held, &around, operation, received_at)) {
                    scopes.push(scope);
                }
            }
            let view = AnswerView::new(connection, instance, &counters);
            let asked = Asked { scopes: &scopes, budget: request.budget(), pushed: &hashes };
            let (scopes, authors) = answer(&view, &asked)?;
            Ok::<_, StoreError>((scopes, authors, view.left_to_do()))
        });
        let (scopes, authors, left_to_do) = answered.await?;
        self.maintain(left_to_do, received_at);
        self.note_sent(device, &scopes, received_at).await?;
        add(&self.counters.exchanges, 1);
        let server_time_ms = received_at.ms();
        let receipt = Receipt::of(&scopes, &authors, there, staff);
        let receipt = receipt.and_then(|receipt| self.sealing.code(&receipt.attestation())).map(Into::into);
        Ok(Answer { protocol: PROTOCOL, server_time_ms, verdicts, scopes, authors, receipt })
    }
}

impl Registry {
    /// Notes whose documents a device is about to be sent; when this returns, that is durable.
    async fn note_sent(&self, to: &Device, scopes: &[ScopeAnswer], now: Instant) -> Result<(), StoreError> {
        let (device, staff) = (to.id, to.staff);
        let mut persons = BTreeSet::new();
        for scope in scopes {
            for entry in &scope.entries {
                let document = DocumentId::from_bytes(*entry.document)
                    .map_err(|error| StoreError::Unreadable(error.to_string()))?;
                let scope = ScopeId::from_bytes(*scope.scope);
                persons.insert(Subject { scope, household: document.subject(), resident: None });
            }
        }
        if persons.is_empty() {
            return Ok(());
        }
        let entries: usize = scopes.iter().map(|scope| scope.entries.len()).sum();
        let detail = format!(r#"{{"entries":{entries}}}"#);
        self.database
            .write_alone(rows_about(&persons), move |connection| {
                let step = Step::new(now, Some(staff), "pull");
                note(connection, &Step { device: Some(device), detail: &detail, persons: persons.clone(), ..step })
            })
            .await
    }
}

/// Takes in what a request declares and pushes.
fn take_in(
    connection: &mut Connection,
    keys: &Arc<Keyring>,
    sender: &Sender,
    request: &Arc<Request>,
    vouched: &BTreeMap<(DocumentKey, ChangeHash), (ActorId, StaffId)>,
) -> Result<Pushed, StoreError> {
    let scopes = request.pushes.iter().map(Push::scope).collect();
    let ledger = Ledger::of_sender(connection, sender, keys.clone(), scopes)?;
    bind_actors(&ledger, Owner { staff: sender.staff, device: sender.device, relayed: false }, request)?;
    ledger.vouch_for(vouched)?;
    let mut verdicts: Vec<ChangeVerdict> = Vec::new();
    let mut places: BTreeMap<(DocumentKey, ChangeHash), usize> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut persons: BTreeSet<Subject> = BTreeSet::new();
    for push in &request.pushes {
        let key = push.key().map_err(|error| StoreError::Unreadable(error.to_string()))?;
        // Where it is at home; where the phone says it is, for a household that nobody knows.
        let home = ledger.home(&key)?.unwrap_or(push.scope());
        persons.insert(Subject { scope: home, household: key.id.subject(), resident: None });
        for bytes in &push.changes {
            let offered = Offered { key, scope: push.scope(), bytes };
            let (fate, merged_besides) = ledger.receive(sender, &offered)?;
            let (hash, outcome, code) = match fate {
                Fate::Merged(hash) => (hash, Outcome::Merged, None),
                Fate::Known(hash) => (hash, Outcome::Known, None),
                Fate::Held(hash, code) => (hash, Outcome::Held, Some(code.to_owned())),
                Fate::Quarantined(hash, code) => {
                    (hash.unwrap_or_else(|| hash_of(bytes)), Outcome::Quarantined, Some(code))
                }
            };
            tally[outcome as usize] += 1;
            places.insert((key, hash), verdicts.len());
            let document = (*key.id.as_bytes()).into();
            verdicts.push(ChangeVerdict { document, epoch: key.epoch, hash: hash.0.into(), outcome, code });
            for besides in merged_besides {
                tally[Outcome::Merged as usize] += 1;
                // It was held earlier in this very request, and is not any more.
                if let Some(place) = places.get(&besides) {
                    verdicts[*place].outcome = Outcome::Merged;
                    verdicts[*place].code = None;
                }
            }
        }
    }
    let there = there(&ledger, sender, request, &verdicts)?;
    ledger.expire()?; // after what may have brought what others waited for
    if !verdicts.is_empty() {
        let [merged, known, held, quarantined] = tally;
        let detail = format!(r#"{{"merged":{merged},"known":{known},"held":{held},"quarantined":{quarantined}}}"#);
        let step = Step::new(sender.at, Some(sender.staff), "sync");
        let step = Step { device: sender.device, detail: &detail, persons: persons.clone(), ..step };
        ledger.query(|connection| note(connection, &step))?;
    }
    let moved = ledger.finish()?;
    Ok(Pushed { verdicts, hashes: places.into_keys().collect(), there, request: request.clone(), moved, tally })
}

/// Of what was pushed, in the order of the verdicts, that which is merged, with its actor, if the request declares that and it
/// is the sender's: what the receipt attests besides what is sent.
fn there(
    ledger: &Ledger<'_>,
    sender: &Sender,
    request: &Request,
    verdicts: &[ChangeVerdict],
) -> Result<Vec<(DocumentKey, ChangeHash, ActorId)>, StoreError> {
    let declared: BTreeSet<[u8; 16]> = request.new_actors.iter().map(|actor| **actor).collect();
    let changes = request.pushes.iter().flat_map(|push| push.changes.iter().map(move |bytes| (push, bytes)));
    let mut there = Vec::new();
    for ((push, bytes), verdict) in changes.zip(verdicts) {
        let is_there = matches!(verdict.outcome, Outcome::Merged | Outcome::Known);
        let scanned = is_there.then(|| scan(bytes, &Limits::DEFAULT).ok()).flatten();
        let Some((scanned, key)) = scanned.zip(push.key().ok()) else { continue };
        let actor = ActorId(scanned.actor);
        let owner = if declared.contains(&scanned.actor) { ledger.owner(actor)? } else { None };
        if owner.is_some_and(|owner| owner.staff == sender.staff) {
            there.push((key, ChangeHash(scanned.hash), actor));
        }
    }
    Ok(there)
}

/// Records when the device was in contact, by how much its clock is off, and what it says of itself, all in the one write
/// that a contact costs anyway; returns when its contact before ended.
fn note_contact(
    connection: &mut Connection,
    device: DeviceId,
    sent_at_ms: i64,
    said: &SelfReport,
    received_at: Instant,
) -> Result<Option<Instant>, StoreError> {
    let this = device_table::table.find(Id::from(device));
    let columns = (device_table::enrolled_at, device_table::last_contact, device_table::contact_before);
    let active = this.filter(device_table::revoked_at.is_null());
    let found: Option<(i64, Option<i64>, Option<i64>)> = active.select(columns).get_result(connection).optional()?;
    let Some((enrolled_at, last, before)) = found else { return Ok(None) };
    let before = contact_before(enrolled_at, last, before, received_at);
    // What an app does not say stays as it was: none of these changes a column. Also revoked between the two: then nothing
    // of it is taken.
    let unsent = said.unsent.map(|unsent| {
        let since = unsent.since.map(Instant::ms);
        (device_table::unsent.eq(Some(i64::from(unsent.edits))), device_table::unsent_since.eq(since))
    });
    let updated = diesel::update(active)
        .set((
            said.app.as_ref().map(|app| device_table::app.eq(Some(app))),
            unsent,
            device_table::last_contact.eq(received_at.ms()),
            device_table::contact_before.eq(before.ms()),
            device_table::skew_ms.eq(sent_at_ms.saturating_sub(received_at.ms())),
        ))
        .execute(connection)?;
    Ok((updated == 1).then_some(before))
}

/// Binds the actors that the device declares and nobody has, under a cap. What is not bound is told by the guard, when
/// a change of such an actor is pushed.
fn bind_actors(ledger: &Ledger<'_>, owner: Owner, request: &Request) -> Result<(), StoreError> {
    let mut new = Vec::new();
    for one in request.new_actors.iter().map(|bytes| ActorId(**bytes)).filter(|one| *one != GENESIS_ACTOR) {
        match ledger.owner(one)? {
            None => new.push(one),
            Some(known) => ledger.claim(one, known, owner)?,
        }
    }
    // A phone declares its actors with each of their changes: most times, all are known.
    if new.is_empty() {
        return Ok(());
    }
    let of_device = actor::table.filter(actor::device.eq(owner.device.map(Id::from)));
    let bound: i64 = ledger.query(|connection| of_device.count().get_result(connection))?;
    let mut room = MOST_ACTORS - bound;
    for new in new {
        if room > 0 && ledger.bind(new, owner)? {
            room -= 1;
        }
    }
    Ok(())
}
