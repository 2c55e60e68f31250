//! The bytes of a fact: its record in deterministic CBOR (RFC 8949, 4.2), one scalar under the fact's id.
//!
//! A fact's bytes name the document and epoch in which they lie, so that they mean nothing anywhere else. Layout version 1,
//! a map with ascending integer keys; BYTES.md has the table.
//!
//! **Invariant:** a fact has one encoding. Bytes that decode and do not encode to themselves are refused.

use crate::document::{DocumentId, DocumentKey};
use gridwork_domain::id::{FactId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Fact, FactBody, FactError, Mode, Observation, Outcome, Place, Visit};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

/// Version of the layout that this release writes.
pub const FACT_VERSION: u8 = 1;

/// Bytes of a fact at most: a note of 2,000 characters takes up to 6,000 in UTF-8.
pub const LONGEST_FACT: usize = 7_168;

/// Why bytes are not a fact of this document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactBytesError {
    /// Longer than any fact.
    #[error("a fact has at most {LONGEST_FACT} bytes")]
    TooLong,
    /// Not the CBOR of a fact.
    #[error("the bytes are not a fact: {0}")]
    Undecodable(String),
    /// Written by a later release.
    #[error("the fact has layout version {0}: this release knows version {FACT_VERSION}")]
    Version(u8),
    /// Another encoding of the same fact.
    #[error("the bytes are not the one encoding of their fact")]
    NotCanonical,
    /// Made for another document or epoch.
    #[error("the fact names another document or epoch than the one in which it lies")]
    Elsewhere,
    /// What it says is not allowed.
    #[error(transparent)]
    Fact(#[from] FactError),
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct FactRecord {
    #[n(0)]
    version: u8,
    #[n(1)]
    document: ByteArray<19>,
    #[n(2)]
    epoch: u32,
    #[n(3)]
    visit: Option<VisitRecord>,
    #[n(4)]
    note: Option<NoteRecord>,
    #[n(5)]
    correction: Option<CorrectionRecord>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct VisitRecord {
    #[n(0)]
    mode: u8,
    #[n(1)]
    outcome: u8,
    #[n(2)]
    started_at: i64,
    #[n(3)]
    lasted_ms: i64,
    #[n(4)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    purposes: Vec<String>,
    #[n(5)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    spoken_to: Vec<ByteArray<16>>,
    #[n(6)]
    #[cbor(skip_if = "Vec::is_empty", default)]
    observations: Vec<(String, String)>,
    #[n(7)]
    note: Option<String>,
    #[n(8)]
    place: Option<(i32, i32, u32)>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct NoteRecord {
    #[n(0)]
    text: String,
    #[n(1)]
    written_at: i64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct CorrectionRecord {
    #[n(0)]
    corrects: ByteArray<16>,
    #[n(1)]
    reason: String,
    #[n(2)]
    visit: VisitRecord,
}

/// The document in which a fact of that year lies.
pub fn home(fact: &Fact, year: u16) -> DocumentId {
    DocumentId::visits(fact.household, year)
}

/// Encodes a fact for the document in which it will lie.
pub fn encode(fact: &Fact, key: &DocumentKey) -> Vec<u8> {
    let mut record = FactRecord {
        version: FACT_VERSION,
        document: (*key.id.as_bytes()).into(),
        epoch: key.epoch,
        visit: None,
        note: None,
        correction: None,
    };
    match &fact.body {
        FactBody::Visit(visit) => record.visit = Some(visit.into()),
        FactBody::Note { text, written_at } => {
            record.note = Some(NoteRecord { text: text.clone(), written_at: written_at.ms() });
        }
        FactBody::Correction { corrects, reason, visit } => {
            record.correction = Some(CorrectionRecord {
                corrects: (*corrects.as_bytes()).into(),
                reason: reason.clone(),
                visit: visit.into(),
            });
        }
    }
    to_bytes(&record)
}

/// Reads a fact of which one does not know who wrote it: everything is checked.
///
/// # Errors
/// [`FactBytesError`].
pub fn decode_foreign(id: FactId, bytes: &[u8], key: &DocumentKey) -> Result<Fact, FactBytesError> {
    if bytes.len() > LONGEST_FACT {
        return Err(FactBytesError::TooLong);
    }
    let record = parse(bytes)?;
    if record.version != FACT_VERSION {
        return Err(FactBytesError::Version(record.version));
    }
    if to_bytes(&record) != bytes {
        return Err(FactBytesError::NotCanonical);
    }
    if *record.document != *key.id.as_bytes() || record.epoch != key.epoch {
        return Err(FactBytesError::Elsewhere);
    }
    let fact = fact(id, record, key)?;
    fact.check()?;
    Ok(fact)
}

/// Reads a fact that a guard has accepted; fields of a later layout are passed over.
///
/// # Errors
/// [`FactBytesError`], for a kind of fact that this release does not know.
pub fn decode(id: FactId, bytes: &[u8], key: &DocumentKey) -> Result<Fact, FactBytesError> {
    fact(id, parse(bytes)?, key)
}

fn fact(id: FactId, record: FactRecord, key: &DocumentKey) -> Result<Fact, FactBytesError> {
    let body = match (record.visit, record.note, record.correction) {
        (Some(visit), None, None) => FactBody::Visit(visit.try_into()?),
        (None, Some(note), None) => FactBody::Note { text: note.text, written_at: Instant::from_ms(note.written_at) },
        (None, None, Some(correction)) => FactBody::Correction {
            corrects: FactId::from_bytes(*correction.corrects),
            reason: correction.reason,
            visit: correction.visit.try_into()?,
        },
        _ => return Err(FactBytesError::Undecodable("a fact is a visit, a note or a correction".to_owned())),
    };
    Ok(Fact { id, household: key.id.subject(), body })
}

fn parse(bytes: &[u8]) -> Result<FactRecord, FactBytesError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let record = decoder.decode().map_err(|error| FactBytesError::Undecodable(error.to_string()))?;
    if decoder.position() == bytes.len() {
        Ok(record)
    } else {
        Err(FactBytesError::Undecodable("bytes follow the fact".to_owned()))
    }
}

fn to_bytes(record: &FactRecord) -> Vec<u8> {
    minicbor::to_vec(record).expect("writing to memory does not fail")
}

impl From<&Visit> for VisitRecord {
    fn from(visit: &Visit) -> Self {
        Self {
            mode: visit.mode.number(),
            outcome: visit.outcome.number(),
            started_at: visit.started_at.ms(),
            lasted_ms: visit.ended_at.ms().saturating_sub(visit.started_at.ms()),
            purposes: visit.purposes.clone(),
            spoken_to: visit.spoken_to.iter().map(|resident| (*resident.as_bytes()).into()).collect(),
            observations: visit.observations.iter().map(|one| (one.kind.clone(), one.value.clone())).collect(),
            note: visit.note.clone(),
            place: visit
                .place
                .map(|place| (place.latitude_microdegrees, place.longitude_microdegrees, place.accuracy_m)),
        }
    }
}

impl TryFrom<VisitRecord> for Visit {
    type Error = FactBytesError;

    fn try_from(record: VisitRecord) -> Result<Self, FactBytesError> {
        let unknown = |what: &str| FactBytesError::Undecodable(format!("unknown {what}"));
        let started_at = Instant::from_ms(record.started_at);
        // Not saturating: what is read must encode to the same bytes.
        let ended_at = record.started_at.checked_add(record.lasted_ms).ok_or_else(|| unknown("end"))?;
        Ok(Self {
            mode: Mode::from_number(record.mode).ok_or_else(|| unknown("mode"))?,
            outcome: Outcome::from_number(record.outcome).ok_or_else(|| unknown("outcome"))?,
            purposes: record.purposes,
            spoken_to: record.spoken_to.into_iter().map(|id| ResidentId::from_bytes(*id)).collect(),
            observations: record.observations.into_iter().map(|(kind, value)| Observation { kind, value }).collect(),
            note: record.note,
            place: record.place.map(|(latitude_microdegrees, longitude_microdegrees, accuracy_m)| Place {
                latitude_microdegrees,
                longitude_microdegrees,
                accuracy_m,
            }),
            started_at,
            ended_at: Instant::from_ms(ended_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwork_domain::id::HouseholdId;

    fn visit() -> Visit {
        Visit {
            mode: Mode::Door,
            outcome: Outcome::Met,
            purposes: vec!["routine".into()],
            spoken_to: vec![ResidentId::from_bytes([1; 16])],
            observations: vec![Observation { kind: "food".into(), value: "enough".into() }],
            note: Some("一切都好".into()),
            place: Some(Place { latitude_microdegrees: -1, longitude_microdegrees: 123_456_789, accuracy_m: 8 }),
            started_at: Instant::from_ms(1_790_000_000_000),
            ended_at: Instant::from_ms(1_790_000_300_000),
        }
    }

    fn facts() -> Vec<Fact> {
        let household = HouseholdId::from_bytes([2; 16]);
        let bodies = [
            FactBody::Visit(visit()),
            FactBody::Note { text: "楼道灯坏".into(), written_at: Instant::from_ms(-5) },
            FactBody::Correction { corrects: FactId::from_bytes([3; 16]), reason: "记错".into(), visit: visit() },
        ];
        bodies.map(|body| Fact { id: FactId::from_bytes([9; 16]), household, body }).into()
    }

    fn key() -> DocumentKey {
        DocumentId::visits(HouseholdId::from_bytes([2; 16]), 2026).into()
    }

    #[test]
    fn every_kind_of_fact_reads_back_from_its_bytes() {
        for fact in facts() {
            let bytes = encode(&fact, &key());
            assert_eq!(decode_foreign(fact.id, &bytes, &key()), Ok(fact.clone()));
            assert_eq!(decode(fact.id, &bytes, &key()), Ok(fact));
        }
    }

    #[test]
    fn a_fact_means_nothing_in_another_document_or_epoch() {
        let fact = &facts()[0];
        let bytes = encode(fact, &key());
        let other = DocumentId::visits(HouseholdId::from_bytes([2; 16]), 2027).into();
        assert_eq!(decode_foreign(fact.id, &bytes, &other), Err(FactBytesError::Elsewhere));
        let later = DocumentKey { epoch: 1, ..key() };
        assert_eq!(decode_foreign(fact.id, &bytes, &later), Err(FactBytesError::Elsewhere));
    }

    #[test]
    fn another_encoding_of_the_same_fact_is_refused() {
        let fact = &facts()[1];
        let mut bytes = encode(fact, &key());
        assert_eq!(bytes[1..3], [0x00, 0x01], "key 0, version 1");
        bytes.splice(2..3, [0x18, 0x01]); // 1 in two bytes
        assert_eq!(decode_foreign(fact.id, &bytes, &key()), Err(FactBytesError::NotCanonical));
    }

    #[test]
    fn no_truncated_or_flipped_fact_panics_and_none_reads_as_two_facts() {
        for fact in facts() {
            let bytes = encode(&fact, &key());
            for length in 0..bytes.len() {
                assert!(decode_foreign(fact.id, &bytes[..length], &key()).is_err());
            }
            for position in 0..bytes.len() {
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[position] ^= 1 << bit;
                    if let Ok(other) = decode_foreign(fact.id, &flipped, &key()) {
                        assert_eq!(encode(&other, &key()), flipped, "what is accepted has one encoding");
                    }
                }
            }
        }
    }

    #[test]
    fn a_fact_with_an_unknown_field_is_refused_from_strangers_and_read_from_the_log() {
        let fact = &facts()[1];
        let mut bytes = encode(fact, &key());
        assert_eq!(bytes[0], 0xa4);
        bytes[0] = 0xa5;
        bytes.extend([0x18, 0x63, 0xf5]); // 99: true
        assert_eq!(decode_foreign(fact.id, &bytes, &key()), Err(FactBytesError::NotCanonical));
        assert_eq!(decode(fact.id, &bytes, &key()).as_ref(), Ok(fact));
    }
}
