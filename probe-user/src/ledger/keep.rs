//! Letting go of what is too old, or one too many.

use rusqlite::{Transaction, params};

use super::{
    error::LedgerError,
    row::{NoticeKind, RunClock},
    store::Ledger,
    write::clip,
};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// For how long, in nanoseconds.
    pub age: u64,
    /// How many octets the ledger may have, its log of changes aside.
    pub octets: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: super::KEEP_DAYS * super::DAY_NANOS, octets: super::KEEP_OCTETS }
    }
}

/// What the time is, for letting go by age.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// By the system's clock, nanoseconds since 1970-01-01 UTC.
    pub wall: u64,
    /// How long this run has lasted by a clock that does not jump, in nanoseconds.
    pub lasted: u64,
    /// Whether the system says that its clock is synchronised.
    pub synchronised: bool,
}

/// What was let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows that were too old.
    pub by_age: u64,
    /// Rows that were the oldest when there was no room.
    pub by_octets: u64,
}

/// Tables whose rows have a time, and the moment that their age counts from.
const AGED: [(&str, &str); 6] = [
    ("findings", "time"),
    ("crowds", "start + seconds * 1000000000"),
    ("cells", "window_to"),
    ("hours", "hour + 3600000000000"),
    ("stages", "hour + 3600000000000"),
    ("notices", "time"),
];

/// Tables that make up the size, and what orders their rows by when they were recorded.
const LARGE: [(&str, &str); 7] = [
    ("findings", "id"),
    ("crowds", "start"),
    ("cells", "id"),
    ("verdicts", "id"),
    ("hours", "hour"),
    ("stages", "hour"),
    ("notices", "id"),
];

/// Of what there is, one in so many goes at a time when there is no room.
const SLICE: i64 = 20;

/// Percent of the bound that are left when room was made, so that it need not be made with each batch.
const LEFT: u64 = 90;

/// Percent of the bound that all but standing verdicts have, however many of those there are.
const OTHERS: u64 = 10;

impl Ledger {
    /// Octets in use.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn octets(&self) -> Result<u64, LedgerError> {
        let pragma =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let used =
            || Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?);
        used().map_err(|error: rusqlite::Error| self.failed(&error))
    }

    /// Lets go of what is older or more than `keep` allows. The verdict that stands for a unit stays.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing was let go.
    pub fn expire(&mut self, keep: &Keep, now: Now) -> Result<Expired, LedgerError> {
        let mut expired = Expired::default();
        if let Some(before) = self.horizon(now)?.map(|time| time.saturating_sub(keep.age)) {
            expired.by_age = self.change(|change, run| by_age(change, run, before))?;
        }
        if self.is_full(keep) {
            let enough = self.enough(keep)?;
            // By what is known now: there may be nothing to be gained.
            while self.is_full(keep) || expired.by_octets > 0 && self.octets()? > enough {
                let gone = self.change(oldest)?;
                if gone == 0 {
                    // Nothing is left that may go. That is not found out anew with each batch.
                    self.room_from = self.octets()? + keep.octets / 100 * OTHERS;
                    break;
                }
                expired.by_octets += gone;
            }
        }
        if expired.by_octets > 0 {
            self.notice(
                NoticeKind::Expired,
                &format!(
                    "there was no room within {} octets: the {} rows recorded first were let go",
                    keep.octets, expired.by_octets
                ),
            )?;
        }
        if expired != Expired::default() {
            self.give_back().map_err(|error| self.failed(&error))?;
        }
        Ok(expired)
    }

    /// Whether room has to be made.
    pub(super) fn is_full(&self, keep: &Keep) -> bool {
        self.octets().is_ok_and(|octets| octets > keep.octets.max(self.room_from))
    }

    /// Octets that there may be once room was made. What stands is not let go; if that alone is more, letting go
    /// of everything else would not make room, and would be tried again with each batch. So the others keep a part of
    /// the bound, and the ledger is larger than it should be, which is said once.
    fn enough(&mut self, keep: &Keep) -> Result<u64, LedgerError> {
        let percent = keep.octets / 100;
        let least = self.standing()? + percent * OTHERS;
        if least <= percent * LEFT {
            self.room_from = 0;
            return Ok(percent * LEFT);
        }
        if self.room_from == 0 {
            let words = format!(
                "verdicts that stand take {} of the {} octets that the ledger may have: it becomes larger than \
                 that, and only a tenth is kept of all else (state.keep_octets)",
                least - percent * OTHERS,
                keep.octets
            );
            tracing::warn!("{words}");
            self.notice(NoticeKind::Expired, &words)?;
        }
        self.room_from = least + percent * OTHERS;
        Ok(least)
    }

    /// Octets that the verdicts take which stand: by pages, since that is what the file is made of.
    fn standing(&self) -> Result<u64, LedgerError> {
        let one = |sql| self.connection.query_row(sql, [], |row| row.get::<_, Option<f64>>(0));
        let octets = || {
            let pages = one(
                // By one name after the other: all others are not looked at then.
                "SELECT sum(pgsize) FROM sqlite_schema AS part CROSS JOIN dbstat AS pages
                     ON pages.name = part.name
                 WHERE part.tbl_name = 'verdicts' AND part.rootpage > 0",
            )?;
            let share = one("SELECT (SELECT sum(octet_length(body)) FROM verdicts_now)
                     / cast((SELECT sum(octet_length(body)) FROM verdicts) AS REAL)")?;
            Ok(pages.unwrap_or_default() * share.unwrap_or_default())
        };
        octets().map(|octets| octets as u64).map_err(|error: rusqlite::Error| self.failed(&error))
    }

    /// Gives free pages back to the system. The pragma frees one page a row.
    fn give_back(&self) -> rusqlite::Result<()> {
        let mut vacuum = self.connection.prepare("PRAGMA incremental_vacuum")?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        Ok(())
    }

    /// Which time age counts back from; none if the clock is not to be believed.
    ///
    /// A clock that is not synchronised may be years ahead, and would have everything thrown away. It
    /// is believed as far as time has passed here: since the last run, by a clock that does not jump.
    fn horizon(&self, now: Now) -> Result<Option<u64>, LedgerError> {
        let (clock, started): (String, u64) = self
            .connection
            .query_row("SELECT clock, started FROM runs WHERE id IS ?1", [self.run], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(|error| self.failed(&error))?;
        if now.synchronised {
            return Ok(Some(now.wall));
        }
        if RunClock::of_word(&clock) == Some(RunClock::Doubted) {
            return Ok(None);
        }
        let began = self.newest_before()?.map_or(started, |newest| newest.min(started));
        Ok(Some(now.wall.min(began.saturating_add(now.lasted))))
    }

    fn change(
        &mut self,
        make: impl FnOnce(&Transaction<'_>, Option<i64>) -> rusqlite::Result<u64>,
    ) -> Result<u64, LedgerError> {
        let run = self.run;
        let all = || {
            let change = self.connection.transaction()?;
            let gone = make(&change, run)?;
            change.commit()?;
            Ok(gone)
        };
        all().map_err(|error: rusqlite::Error| LedgerError::of_sqlite(&self.path, &error))
    }
}

/// Lets go of what is older than `before`. The times of a replay are those of its captures, which may
/// be old: a replay goes as a whole, by when it was made.
fn by_age(change: &Transaction<'_>, run: Option<i64>, before: u64) -> rusqlite::Result<u64> {
    let before = clip(before);
    let mut gone = 0;
    for (table, time) in AGED {
        gone += change.execute(
            &format!(
                "DELETE FROM {table} WHERE {time} < ?1
                 AND (run IS NULL OR run IN (SELECT id FROM runs WHERE kind = 'live'))"
            ),
            [before],
        )?;
    }
    gone += change.execute(
        "DELETE FROM verdicts WHERE period_to < ?1 AND id NOT IN (SELECT id FROM verdicts_now)
         AND run IN (SELECT id FROM runs WHERE kind = 'live')",
        [before],
    )?;
    gone += change.execute(
        "DELETE FROM runs WHERE seen < ?1 AND id IS NOT ?2
         AND (kind = 'replay' OR id NOT IN (SELECT run FROM verdicts))",
        params![before, run],
    )?;
    Ok(gone as u64)
}

/// Lets go of a slice of what was recorded first.
fn oldest(change: &Transaction<'_>, run: Option<i64>) -> rusqlite::Result<u64> {
    let mut gone = 0;
    for (table, order) in LARGE {
        let standing =
            if table == "verdicts" { "AND id NOT IN (SELECT id FROM verdicts_now)" } else { "" };
        let count: i64 =
            change.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        // Tables of numbers that grow by a few rows an hour are not what takes the room.
        if count < SLICE {
            continue;
        }
        gone += change.execute(
            &format!(
                "DELETE FROM {table} WHERE {order} <= (SELECT {order} FROM {table} ORDER BY {order}
                     LIMIT 1 OFFSET ?1) {standing}"
            ),
            [count / SLICE],
        )?;
    }
    gone += change.execute(
        "DELETE FROM runs WHERE id IS NOT ?1 AND id < (SELECT coalesce(min(run), ?1) FROM (
             SELECT run FROM findings UNION SELECT run FROM cells UNION SELECT run FROM verdicts
             UNION SELECT run FROM hours))",
        [run],
    )?;
    Ok(gone as u64)
}
