//! The ledger: what was found, kept on disk, so that it can be reported later and survives a restart.
//!
//! ```text
//!  Finding, Cell, Verdict, Summary ─► Recorder ─(bounded channel)─► its thread ─► Ledger (SQLite)
//!                                                                                   └─► Reader ─► reports
//! ```
//!
//! * [`Ledger`] is the file, open for writing; one process at a time. [`schema`] has its versions.
//! * [`Recorder`] is what the agent has: it never waits for the disk, leaves clients out, and counts
//!   what could not be recorded.
//! * [`Reader`] reads, also while an agent writes, and needs no privileges.
//! * [`row`] has what is in it. There is no client in it; `docs/ledger.md` describes every column.

mod crowds;
mod error;
mod keep;
mod read;
mod recorder;
pub mod row;
mod runs;
pub mod schema;
mod scribe;
mod scrub;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use error::LedgerError;
pub use keep::{Expired, Keep, Now};
pub use read::Reader;
pub use recorder::{Options, Recorder, Totals, Unrecorded};
pub use scribe::{Clocks, SystemClocks};
pub(crate) use scrub::{SYSTEM_PORTS, Traces};
pub use store::{FILE, LOCK, Ledger, RunStart, WAL_OCTETS};
pub use write::{Entry, Written};

/// Days that things are kept, unless told otherwise.
pub const KEEP_DAYS: u64 = 90;

/// Octets that the ledger may have, unless told otherwise: 512 MiB.
pub const KEEP_OCTETS: u64 = 512 << 20;

/// The least that it may be told to have: an empty one has 200 KiB.
pub const KEEP_OCTETS_MIN: u64 = 1 << 20;

/// Entries between the agent and the thread that writes.
pub const QUEUE_MAX: usize = 8_192;

/// Entries that wait while nothing can be written.
pub const WAITING_MAX: usize = 8_192;

/// Entries of one transaction.
pub const BATCH_MAX: usize = 512;

/// Findings of one service, protocol and verdict whose packets are kept: the first half of them and
/// the latest.
pub const EVIDENCE_FINDINGS_MAX: usize = 32;

/// Findings of a run that can still be told again.
pub const TOLD_MAX: usize = 4_096;

/// Hours and days by service, protocol and verdict whose clients are being counted.
pub const CROWDS_MAX: usize = 1_024;

/// How long entries are gathered for one transaction.
pub const BATCH: Duration = Duration::from_secs(1);

/// How long to wait before writing is tried again.
pub const RETRY: Duration = Duration::from_secs(5);

/// The longest such wait: it doubles each time that the thread which writes panics, and a damaged ledger is not
/// tried sooner.
pub const RETRY_MAX: Duration = Duration::from_secs(300);

/// A thread that wrote so long before it panicked starts again without a history.
pub const WELL: Duration = Duration::from_secs(600);

/// How often what is too old is looked for.
pub const EXPIRE: Duration = Duration::from_secs(60);

/// By how much the system's clock has to have moved against the one that does not jump to be called a
/// jump, in nanoseconds: 2 s.
pub const CLOCK_JUMP: u64 = 2_000_000_000;

/// By how much a clock that is not synchronised may be ahead of the last record without being doubted,
/// in nanoseconds: 30 days.
pub const CLOCK_AHEAD_MAX: u64 = 30 * DAY_NANOS;

/// Nanoseconds of a day.
pub(crate) const DAY_NANOS: u64 = 86_400_000_000_000;

/// Nanoseconds of an hour.
pub(crate) const HOUR_NANOS: u64 = 3_600_000_000_000;

/// The system's clock, nanoseconds since 1970-01-01 UTC.
fn wall() -> u64 {
    // Before 1970 it stands at 1970; the year 2554 is not reached.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}
