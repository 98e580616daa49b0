//! Where a run begins and ends in the ledger, and what is held of its clock.

use rusqlite::{Transaction, params};

use super::{
    error::LedgerError,
    row::{NoticeKind, RunClock},
    store::{Ledger, RunStart},
    write::{clip, json, word},
};
use crate::targets::TargetSet;

impl Ledger {
    /// Begins a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&mut self, start: &RunStart) -> Result<i64, LedgerError> {
        let clock = self.clock_of(start)?;
        let run = insert_run(&mut self.connection, start, clock)
            .map_err(|error| LedgerError::of_sqlite(&self.path, &error))?;
        self.run = Some(run);
        Ok(run)
    }

    /// Ends the run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(&mut self, now: u64) -> Result<(), LedgerError> {
        self.connection
            .execute("UPDATE runs SET seen = ?2, ended = ?2 WHERE id = ?1", (self.run, clip(now)))
            .map(drop)
            .map_err(|error| LedgerError::of_sqlite(&self.path, &error))
    }

    /// What to hold of the clock of a run that begins: see [`RunClock::Doubted`].
    fn clock_of(&self, start: &RunStart) -> Result<RunClock, LedgerError> {
        let Some(newest) = self.newest_before()?.filter(|_| start.clock != RunClock::Capture)
        else {
            return Ok(start.clock);
        };
        if newest > start.started.saturating_add(super::CLOCK_JUMP) {
            self.notice(
                NoticeKind::Clock,
                &format!(
                    "the clock is {:.3} s behind what was recorded last: the order of what is recorded is \
                     that of its numbers, not of its times",
                    (newest - start.started) as f64 / 1e9
                ),
            )?;
        }
        let ahead = start.started.saturating_sub(newest);
        if start.clock == RunClock::Synchronised || ahead <= super::CLOCK_AHEAD_MAX {
            return Ok(start.clock);
        }
        self.notice(
            NoticeKind::Clock,
            &format!(
                "the clock, which is not synchronised, is {} days ahead of what was recorded last: nothing \
                 is let go for its age in this run",
                ahead / super::DAY_NANOS
            ),
        )?;
        Ok(RunClock::Doubted)
    }

    /// When the last run whose clock is not doubted, other than the one that is written, last wrote.
    pub(super) fn newest_before(&self) -> Result<Option<u64>, LedgerError> {
        self.connection
            .query_row(
                "SELECT max(seen) FROM runs WHERE kind = 'live' AND clock <> 'doubted' AND id IS NOT ?1",
                [self.run],
                |row| row.get(0),
            )
            .map_err(|error| self.failed(&error))
    }
}

fn insert_run(
    connection: &mut rusqlite::Connection,
    start: &RunStart,
    clock: RunClock,
) -> rusqlite::Result<i64> {
    let change = connection.transaction()?;
    change.execute(
        "INSERT INTO runs (kind, started, seen, version, kernel, targets, interfaces, clock)
         VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            start.kind.as_str(),
            clip(start.started),
            start.version,
            start.kernel,
            start.targets.hash(),
            json(&start.interfaces),
            clock.as_str(),
        ],
    )?;
    let run = change.last_insert_rowid();
    insert_services(&change, &start.targets)?;
    change.commit()?;
    Ok(run)
}

/// Writes which services are watched, by the targets' hash.
pub(super) fn insert_services(
    change: &Transaction<'_>,
    targets: &TargetSet,
) -> rusqlite::Result<()> {
    for service in targets.services() {
        change.execute(
            "INSERT OR IGNORE INTO services (targets, service, title, role, suffixes)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                targets.hash(),
                service.id,
                service.title,
                word(&service.role),
                json(&service.suffixes),
            ],
        )?;
    }
    Ok(())
}
