//! Reports for machines and for people, out of the ledger.
//!
//! Everything that leaves goes through [`Publication`]: it withholds what too few clients stand behind,
//! and counts what it withholds. `docs/report-formats.md` describes every field of every format.

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

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::ledger::LedgerError;
pub use publish::{Publication, Terms};

/// Why a report was not made.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The output cannot be written.
    #[error("writing {what}: {reason}; nothing is left of it: make room, or send it elsewhere")]
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
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Output { what, reason: "no space is left".into() }
            }
            _ => Self::Output { what, reason: error.to_string() },
        }
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::of_io("a report", &error)
    }
}

/// Writes `path` as a whole or not at all: beside it first, then in its place.
///
/// # Errors
/// When it cannot be written, or `write` fails.
pub fn whole_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let what = path.display().to_string();
    let failed = |error: io::Error| ExportError::of_io(&what, &error);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).map_err(failed).and_then(|file| {
        let mut output = BufWriter::new(file);
        write(&mut output)?;
        output.flush().map_err(failed)?;
        output.get_ref().sync_all().map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)
    });
    if written.is_err() {
        // It may not have come into being.
        let _ = fs::remove_file(&beside);
    }
    written
}
