//! What is sealed at rest: whether this registry's keys open it, and whether it is what its row says.

use super::{Difference, VerifyReport};
use crate::database::{Connection, DocumentBlob, HashBlob, Id, StoreError};
use crate::label::digest;
use crate::log::key;
use crate::sealing::at_rest::uuid;
use crate::tables::{held, quarantine, second_factor};
use diesel::prelude::*;
use gridwork_sealing::{Keyring, OpenError, Purpose, sealed_to};

/// Rows that are read at a time, of some kilobytes each.
const ROWS: i64 = 500;

/// Id, document, epoch, digest, size and sealed bytes.
type Kept = (Id, DocumentBlob, i64, HashBlob, i64, Vec<u8>);

/// Checks all of it.
pub(super) fn check(connection: &mut Connection, keys: &Keyring, report: &mut VerifyReport) -> Result<(), StoreError> {
    macro_rules! check {
        ($table:ident) => {
            let mut after: Option<Id> = None;
            loop {
                let columns =
                    ($table::id, $table::document, $table::epoch, $table::digest, $table::size, $table::sealed);
                let rows = $table::table.select(columns).order($table::id).limit(ROWS);
                let rows: Vec<Kept> = match after {
                    Some(after) => rows.filter($table::id.gt(after)).load(connection)?,
                    None => rows.load(connection)?,
                };
                let Some(last) = rows.last() else { break };
                after = Some(last.0);
                for row in &rows {
                    compare(stringify!($table), keys, row, report)?;
                }
            }
        };
    }
    check!(held);
    check!(quarantine);
    let secrets = second_factor::table.select((second_factor::staff, second_factor::secret));
    let secrets: Vec<(Id, Vec<u8>)> = secrets.order(second_factor::staff).load(connection)?;
    for (staff, sealed) in secrets {
        report.second_factors += 1;
        if let Err(error) = keys.open_at_rest(Purpose::SecondFactor, &staff.0, &sealed) {
            let row = format!("of {}", uuid(staff));
            report.add(Difference::new("second_factor", row, OPENS, shut(error, &sealed)).column("secret"));
        }
    }
    Ok(())
}

const OPENS: &str = "what a key of this registry opens";

fn compare(table: &str, keys: &Keyring, row: &Kept, report: &mut VerifyReport) -> Result<(), StoreError> {
    let (id, document, epoch, expected, size, sealed) = row;
    report.kept += 1;
    let found = match keys.open_at_rest(Purpose::KeptChange, &id.0, sealed) {
        Ok(bytes) if digest(&bytes) == *expected && i64::try_from(bytes.len()) == Ok(*size) => return Ok(()),
        Ok(_) => "another change".to_owned(),
        Err(error) => shut(error, sealed),
    };
    let document = key(*document, *epoch)?.id;
    report.add(Difference::new(table, uuid(*id), OPENS, found).of(document).column("sealed"));
    Ok(())
}

fn shut(error: OpenError, sealed: &[u8]) -> String {
    match (error, sealed_to(sealed)) {
        (OpenError::UnknownKey, Some(key)) => format!("what is sealed to the key {key}, which is not here"),
        _ => error.to_string(),
    }
}
