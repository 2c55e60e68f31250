//! A connection to either database. Diesel's derive bears no other type by the name of `Connection` in its module.

use diesel::{PgConnection, SqliteConnection};

/// A connection, to whichever database it is.
#[derive(diesel::MultiConnection)]
pub(crate) enum EitherConnection {
    /// To a PostgreSQL server.
    Postgres(PgConnection),
    /// To an SQLite file.
    Sqlite(SqliteConnection),
}

/// Runs a query of which the two databases have no common form in Diesel (`ON CONFLICT`), though the words are the same.
macro_rules! on_each {
    ($connection:expr, |$one:ident| $work:expr) => {
        match $connection {
            $crate::database::Connection::Postgres($one) => $work,
            $crate::database::Connection::Sqlite($one) => $work,
        }
    };
}
pub(crate) use on_each;
