//! Why the command ended, and the code that says so.

use std::process::ExitCode;

use thiserror::Error;

use crate::{
    export::ExportError,
    ledger::LedgerError,
    privilege::PrivilegeError,
    report::ReportError,
    source::{
        capture::CaptureError,
        kernel::{attach::AttachError, object::ObjectError, pins::PinError},
    },
};

/// A reason to end with a code other than 0. Each prints as one line.
#[derive(Debug, Error)]
pub enum Failure {
    /// Code 2.
    #[error("{0}")]
    Usage(String),
    /// Code 3.
    #[error("{0}")]
    Privileges(String),
    /// Code 4.
    #[error("{0}")]
    Interface(String),
    /// Code 5.
    #[error(transparent)]
    Input(#[from] CaptureError),
    /// Code 5.
    #[error("{0}")]
    Record(String),
    /// Code 6.
    #[error("{0}")]
    Kernel(String),
    /// Code 7.
    #[error(transparent)]
    State(#[from] LedgerError),
    /// Code 7.
    #[error("{0}")]
    NoLedger(String),
    /// Code 8.
    #[error("{0}")]
    Held(String),
    /// Code 1.
    #[error(transparent)]
    Export(ExportError),
    /// Code 1.
    #[error(transparent)]
    Output(#[from] ReportError),
    /// Code 1.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// The exit code, as the help lists them.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Privileges(_) => 3,
            Self::Interface(_) => 4,
            Self::Input(_) | Self::Record(_) => 5,
            Self::Kernel(_) => 6,
            Self::State(_) | Self::NoLedger(_) => 7,
            Self::Held(_) => 8,
            Self::Output(_) | Self::Export(_) | Self::Other(_) => 1,
        })
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        if error.is_permission() {
            return Self::Privileges(format!(
                "{error}; run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
            ));
        }
        Self::Kernel(error.to_string())
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Object(error) => error.into(),
            AttachError::Pin(error) => error.into(),
            AttachError::TooMany { .. } => Self::Usage(error.to_string()),
            AttachError::NoInterface { .. } | AttachError::Refused { .. } => {
                Self::Interface(error.to_string())
            }
        }
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        let said = error.to_string();
        match error {
            PinError::Busy { .. } => Self::Held(said),
            PinError::Elsewhere { .. } => Self::Interface(said),
            PinError::NoPins { .. } => Self::Usage(said),
            PinError::NoFileSystem { .. } => Self::Kernel(said),
            PinError::Io { .. } if error.is_permission() => {
                Self::Privileges(format!("{said}; run it as root"))
            }
            PinError::Io { .. } => Self::Other(said),
        }
    }
}

impl From<PrivilegeError> for Failure {
    fn from(error: PrivilegeError) -> Self {
        match error {
            PrivilegeError::NoUser { .. } => Self::Usage(error.to_string()),
            PrivilegeError::NotRoot { .. } | PrivilegeError::Step { .. } => {
                Self::Privileges(error.to_string())
            }
            PrivilegeError::Incomplete { .. } => Self::Kernel(error.to_string()),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Ledger(error) => Self::State(error),
            error => Self::Export(error),
        }
    }
}
