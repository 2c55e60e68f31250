//! The bytes of a set's member: deterministic CBOR of [id of the edit that affirmed it, attributes].
//!
//! The edit's id makes every affirmation a different value, so that affirming again survives a concurrent removal.
//!
//! **Invariant:** a member has one encoding: attributes ascend in the order of their encoded names (RFC 8949, 4.2.1).

use gridwork_domain::fields::{Fields, Record, Value};
use gridwork_domain::household::Member;
use gridwork_domain::id::EditId;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

/// Bytes of a member at most: an attribute of 200 characters and four short ones.
pub const LONGEST_MEMBER: usize = 1_536;
/// Attributes of a member at most, those of later schemas included.
pub const MOST_ATTRIBUTES: u64 = 32;

/// Bytes that are not a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a member of a set in its one encoding")]
pub struct NotAMember;

/// Encodes a member; attributes without a value are left out.
pub fn encode(affirmed_by: EditId, attributes: &Fields) -> Vec<u8> {
    let mut present: Vec<(&str, &Value)> = attributes.iter().filter_map(|(name, value)| Some((name, value?))).collect();
    present.sort_by_key(|(name, _)| (name.len(), *name));
    let mut encoder = Encoder::new(Vec::new());
    encode_parts(&mut encoder, affirmed_by, &present).expect("writing to memory does not fail");
    encoder.into_writer()
}

fn encode_parts(
    encoder: &mut Encoder<Vec<u8>>,
    affirmed_by: EditId,
    attributes: &[(&str, &Value)],
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    encoder.array(2)?.bytes(affirmed_by.as_bytes())?.map(attributes.len() as u64)?;
    for (name, value) in attributes {
        encoder.str(name)?;
        match value {
            Value::Text(text) => encoder.str(text)?,
            Value::Integer(number) => encoder.i64(*number)?,
        };
    }
    Ok(())
}

/// Decodes a member.
///
/// # Errors
/// [`NotAMember`] for anything but the one encoding of a member.
pub fn decode(bytes: &[u8]) -> Result<Member, NotAMember> {
    if bytes.len() > LONGEST_MEMBER {
        return Err(NotAMember);
    }
    let member = decode_parts(&mut Decoder::new(bytes)).ok_or(NotAMember)?;
    let fields = Fields(member.attributes.0.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect());
    if encode(member.affirmed_by, &fields) == bytes { Ok(member) } else { Err(NotAMember) }
}

fn decode_parts(decoder: &mut Decoder<'_>) -> Option<Member> {
    if decoder.array().ok()? != Some(2) {
        return None;
    }
    let affirmed_by = EditId::from_bytes(decoder.bytes().ok()?.try_into().ok()?);
    let length = decoder.map().ok()?.filter(|length| *length <= MOST_ATTRIBUTES)?;
    let mut attributes = Record::default();
    for _ in 0..length {
        let name = decoder.str().ok()?.to_owned();
        let value = match decoder.datatype().ok()? {
            Type::String => Value::from(decoder.str().ok()?),
            _ => Value::Integer(decoder.i64().ok()?),
        };
        attributes.0.insert(name, value);
    }
    Some(Member { affirmed_by, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Vec<u8> {
        let attributes = Fields::new().with("purpose", "送餐").with("sensitivity", 1).with("basis", "consent");
        encode(EditId::from_bytes([4; 16]), &attributes.cleared("note"))
    }

    #[test]
    fn a_member_reads_back_without_what_was_left_empty() {
        let read = decode(&member()).expect("a member");
        assert_eq!(read.affirmed_by, EditId::from_bytes([4; 16]));
        assert_eq!(read.attributes.text("purpose"), Some("送餐"));
        assert_eq!(read.attributes.integer("sensitivity"), Some(1));
        assert_eq!(read.attributes.0.len(), 3);
    }

    #[test]
    fn no_truncated_or_flipped_member_panics_and_what_is_accepted_has_one_encoding() {
        let bytes = member();
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Err(NotAMember));
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[position] ^= 1 << bit;
                let _ = decode(&flipped);
            }
        }
        let mut trailing = bytes;
        trailing.push(0);
        assert_eq!(decode(&trailing), Err(NotAMember));
    }
}
