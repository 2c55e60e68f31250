//! Reading a change's fields one after the other: integers, ids and slices.
//!
//! Knows LEB128 and 16-byte actors, not the order of the fields. Invariant: no input panics or overflows; an integer is
//! read only in the one shortest form that encoders write.

use super::ScanError;

/// The bytes that are still to be read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], ScanError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ScanError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ScanError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ScanError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ScanError> {
        let (byte, rest) = self.0.split_first().ok_or(ScanError::Truncated)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(super) fn actor(&mut self) -> Result<[u8; 16], ScanError> {
        if self.unsigned()? != 16 {
            return Err(ScanError::Actor);
        }
        self.array()
    }

    /// A number of things of which `most` are allowed, refused as `over` beyond that.
    pub(super) fn count(&mut self, most: u64, over: ScanError) -> Result<usize, ScanError> {
        let count = self.unsigned()?;
        if count > most {
            return Err(over);
        }
        usize::try_from(count).map_err(|_| over)
    }

    /// Unsigned LEB128 of at most 64 bits in its shortest form.
    pub(super) fn unsigned(&mut self) -> Result<u64, ScanError> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 || shift > 0 && byte == 0 {
                return Err(ScanError::Integer);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// Signed LEB128 of at most 64 bits in its shortest form.
    pub(super) fn signed(&mut self) -> Result<i64, ScanError> {
        let mut value = 0;
        let mut shift = 0;
        let mut previous = 0;
        loop {
            let byte = self.byte()?;
            let negative = byte & 0x40 != 0;
            let padding = shift > 0 && byte == if previous & 0x40 == 0 { 0 } else { 0x7f };
            if padding || shift == 63 && byte != 0 && byte != 0x7f {
                return Err(ScanError::Integer);
            }
            value |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(if negative && shift < 64 { value | -1 << shift } else { value });
            }
            previous = byte;
        }
    }
}
