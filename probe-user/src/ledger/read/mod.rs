//! Reading a ledger: at any time, without privileges, without changing it.
//!
//! * [`open`] opens the file, whatever version it is of and whoever may write beside it.
//! * [`runs`]: who watched when, and what was counted. [`said`]: what was found and concluded.
//! * [`column`]: values as the columns have them.

mod column;
mod open;
mod runs;
mod said;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};

use self::open::{copy, read_only};
use super::{
    error::LedgerError,
    row::Window,
    schema::{self, Found},
    store::FILE,
    write::clip,
};
use crate::attribute::verdict::Period;

/// A ledger, open for reading. Everything that one reader reads is of one moment.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// What a reader gives: rows, or the reason why not.
type Read<T> = Result<T, LedgerError>;

impl Reader {
    /// Opens the ledger in `dir`. One of an older version is copied to a temporary file and brought up
    /// to date there: reading changes nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, is damaged, foreign or of a later version.
    pub fn open(dir: &Path) -> Read<Self> {
        let path = dir.join(FILE);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(LedgerError::Missing { dir: dir.to_owned() }),
            Err(error) => return Err(LedgerError::of_io(&path, &error)),
        }
        let mut connection = read_only(&path)?;
        let sql = |error: rusqlite::Error| LedgerError::of_sqlite(&path, &error);
        match schema::find(&path, &connection)? {
            Found::Version(schema::VERSION) => {}
            Found::Version(_) => connection = copy(&path, &connection)?,
            Found::Nothing => return Err(LedgerError::Missing { dir: dir.to_owned() }),
        }
        // The first statement fixes the moment.
        connection.execute_batch("BEGIN; SELECT count(*) FROM meta").map_err(sql)?;
        Ok(Self { connection, path })
    }

    /// The name that the ledger gave itself: reports with the same one are of the same ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read; as for all that follow.
    pub fn name(&self) -> Read<String> {
        self.one("SELECT value FROM meta WHERE name = 'ledger'", [], |row| row.get(0))
    }

    /// The run that began last.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn last_run(&self) -> Read<Option<i64>> {
        self.one("SELECT max(id) FROM runs", [], |row| row.get(0))
    }

    /// The period that there is anything of.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn extent(&self, run: Option<i64>) -> Read<Option<Period>> {
        self.one(
            "SELECT min(f), max(t) FROM (
                 SELECT min(started) f, max(seen) t FROM runs WHERE id IS coalesce(?1, id) AND kind = 'live'
                 UNION ALL SELECT min(time), max(time) + 1 FROM findings WHERE run = coalesce(?1, run)
                 UNION ALL SELECT min(window_from), max(window_to) FROM cells WHERE run = coalesce(?1, run)
                 UNION ALL SELECT min(hour), max(hour) + 3600000000000 FROM hours
                     WHERE run = coalesce(?1, run))",
            [run],
            |row| {
                let (from, to): (Option<u64>, Option<u64>) = (row.get(0)?, row.get(1)?);
                Ok(from.zip(to).map(|(from, to)| Period { from, to }))
            },
        )
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<T> {
        self.connection
            .query_row(sql, values, row)
            .map_err(|error| LedgerError::of_sqlite(&self.path, &error))
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Vec<T>> {
        let read = || {
            self.connection
                .prepare_cached(sql)?
                .query_map(values, row)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| LedgerError::of_sqlite(&self.path, &error))
    }

    fn each<T, E: From<LedgerError>>(
        &self,
        sql: &str,
        window: &Window,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(LedgerError::of_sqlite(&self.path, &error));
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let values = (clip(window.period.from), clip(window.period.to), window.run);
        let mut rows = statement.query(values).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(read(row).map_err(failed)?)?;
        }
        Ok(())
    }
}
