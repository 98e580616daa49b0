//! Versions of the schema, and how one becomes the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::LedgerError;

/// What makes version N out of version N - 1, in order. What has been released is never changed: a
/// change is a new file.
pub const MIGRATIONS: [&str; 3] = [
    include_str!("schema/001.sql"),
    include_str!("schema/002.sql"),
    include_str!("schema/003.sql"),
];

/// The version that this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// `application_id` of the file: "FgwL".
const APPLICATION: i64 = 0x4667_774c;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// An empty file.
    Nothing,
    /// A ledger of this version.
    Version(i64),
}

/// Looks what `connection` is about.
pub(super) fn find(path: &Path, connection: &Connection) -> Result<Found, LedgerError> {
    let sql = |error: rusqlite::Error| LedgerError::of_sqlite(path, &error);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sql)?;
    let (application, version) =
        (pragma("application_id").map_err(sql)?, pragma("user_version").map_err(sql)?);
    match (application, version) {
        (0, 0) if tables == 0 => Ok(Found::Nothing),
        (APPLICATION, 1..) if version <= VERSION => Ok(Found::Version(version)),
        (APPLICATION, 1..) => {
            Err(LedgerError::Newer { path: path.to_owned(), found: version, known: VERSION })
        }
        _ => Err(LedgerError::Foreign { path: path.to_owned() }),
    }
}

/// Brings a ledger to this program's version, entirely or not at all. Says from which it came.
pub(super) fn bring_up(path: &Path, connection: &mut Connection) -> Result<Found, LedgerError> {
    let found = find(path, connection)?;
    let from = match found {
        Found::Nothing => 0,
        Found::Version(version) => version,
    };
    if from < VERSION {
        raise(connection, from).map_err(|error| LedgerError::of_sqlite(path, &error))?;
    }
    Ok(found)
}

fn raise(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(from as usize) {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", VERSION)?;
    change.commit()
}

/// Makes a ledger of an older version: for tests of what becomes of it.
///
/// # Errors
/// When SQLite refuses.
pub fn make(connection: &Connection, version: usize) -> rusqlite::Result<()> {
    for migration in MIGRATIONS.iter().take(version) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", version as i64)
}
