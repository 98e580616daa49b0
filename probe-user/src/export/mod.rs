//! Reports for machines and for people, out of the ledger.
//!
//! Everything that leaves goes through [`Publication`]: it withholds what too few clients stand behind,
//! and counts what it withholds. `docs/report-formats.md` describes every field of every format.

pub mod file;
mod json;
pub mod ndjson;
pub mod ooni;
pub mod page;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod publish;
pub mod radar;
#[cfg(test)]
mod tests;

use std::io;

use thiserror::Error;

use crate::ledger::LedgerError;
pub use file::whole_file;
pub use publish::{Publication, Terms};

/// Why a report was not made.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no room.
    #[error(
        "writing {what}: no space is left; nothing is left of it: make room, or send it elsewhere"
    )]
    Full {
        /// What was written.
        what: String,
    },
    /// The output cannot be written.
    #[error("writing {what}: {reason}; check where it goes")]
    Output {
        /// What was written.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// Whoever read the output has gone.
    #[error("writing {what}: the reader of the output has gone")]
    Closed {
        /// What was written.
        what: String,
    },
}

impl ExportError {
    /// From the file system.
    pub(crate) fn of_io(what: &str, error: &io::Error) -> Self {
        let what = what.to_owned();
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed { what },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { what },
            _ => Self::Output { what, reason: error.to_string() },
        }
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::of_io("a report", &error)
    }
}
