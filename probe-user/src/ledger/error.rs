//! Why a ledger cannot be used, in one line that says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::store::FILE;

/// Why a ledger cannot be opened, read or written. Nothing of it has been changed then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is none.
    #[error(
        "no ledger in {dir}: `forgewatch run --state {dir}` makes one; is another directory meant?"
    )]
    Missing {
        /// The state directory.
        dir: PathBuf,
    },
    /// The directory, or the file in it, may not be written or read.
    #[error(
        "{path}: {reason}; a state directory must be writable for `run`, readable for `report`"
    )]
    Denied {
        /// What was tried.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no room.
    #[error("{path}: no space is left; make room, and recording goes on by itself")]
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// Another agent writes it.
    #[error(
        "{dir} is in use by another agent{by}; give this one a state directory of its own (--state), or \
         none (--no-state)",
        by = by.map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// Process that uses it, as far as it said so.
        by: Option<u32>,
    },
    /// A later Forgewatch wrote it.
    #[error(
        "{path} has schema version {found}, and this Forgewatch knows none above {known}: use the newer \
         Forgewatch, or another state directory; the file is left as it is"
    )]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// Something else under its name.
    #[error(
        "{path} is no ledger of Forgewatch, or its beginning is damaged; use another state directory: the \
         file is left as it is"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged.
    #[error(
        "{path} is damaged ({reason}); it is left as it is: copy it, try `sqlite3 {path} .recover` on the \
         copy, and move the original (with -wal and -shm) elsewhere to begin a new one"
    )]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A row is not as the schema wants it: an error of this program.
    #[error("{path} takes no such row ({reason}); it is left out: please report this")]
    Row {
        /// The ledger.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error("{path}: {reason}; check the disk that it is on")]
    Failed {
        /// What was tried.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: String,
    },
}

impl LedgerError {
    /// Whether it may pass by itself, so that recording should be tried again: a disk that is full or
    /// does not answer.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Failed { .. })
    }

    /// Why, without where: a directory may be called after somebody, and this goes into the ledger and out with
    /// reports.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Missing { .. } => "there is no ledger".into(),
            Self::Full { .. } => "no space is left".into(),
            Self::Locked { .. } => "another agent uses it".into(),
            Self::Newer { found, .. } => format!("it has schema version {found}"),
            Self::Foreign { .. } => "it is no ledger of Forgewatch".into(),
            Self::Denied { path, reason }
            | Self::Damaged { path, reason }
            | Self::Row { path, reason }
            | Self::Failed { path, reason } => {
                // SQLite says itself what it cannot open.
                let path = path.display().to_string();
                if path.contains('/') { reason.replace(&path, FILE) } else { reason.clone() }
            }
        }
    }

    /// From the file system.
    pub(super) fn of_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotFound => Self::Denied { path, reason: error.to_string() },
            _ => Self::Failed { path, reason: error.to_string() },
        }
    }

    /// From SQLite.
    pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::Denied { path, reason }
            }
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason },
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Self::Row { path, reason }
            }
            _ => Self::Failed { path, reason },
        }
    }
}
