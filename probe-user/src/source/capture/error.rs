//! Why a capture could not be read, or not to its end.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// Why a capture could not be read, or not to its end.
///
/// Offsets count bytes of the capture itself, after decompression.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file could not be opened.
    #[error("cannot open capture {}: {source}; check the path and who may read it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file begins like no capture that is known.
    #[error("{} is not a pcap or pcapng capture: {seen}", path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// Its first bytes, in words and in hex.
        seen: String,
    },
    /// The file is known, but of a kind that is not read here.
    #[error("cannot read capture {}: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do about it.
        what: Cow<'static, str>,
        /// Packets read before that.
        packets_read: u64,
    },
    /// The file ends in the middle of something.
    #[error(
        "capture {} is cut off at byte {offset}, in the middle of {what}: the {packets_read} whole \
         packets before were read; if there should be more, copy the file again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the unfinished part begins.
        offset: u64,
        /// What is unfinished.
        what: &'static str,
        /// Whole packets before it.
        packets_read: u64,
    },
    /// The file contradicts its own format.
    #[error(
        "capture {} is damaged at byte {offset}: {what}; the {packets_read} packets before were \
         read, what follows cannot be trusted",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the damaged part begins.
        offset: u64,
        /// What is wrong there.
        what: Cow<'static, str>,
        /// Packets before it.
        packets_read: u64,
    },
    /// The system failed to read on.
    #[error(
        "cannot read capture {} after byte {offset}: {source}; the {packets_read} packets before \
         were read",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// How far it was read.
        offset: u64,
        /// What the system said.
        source: io::Error,
        /// Packets before it.
        packets_read: u64,
    },
}

impl CaptureError {
    /// Whether packets were returned before this error, so that a report of them is worth making.
    pub fn is_partial(&self) -> bool {
        match self {
            Self::Open { .. } | Self::NotACapture { .. } => false,
            Self::Unsupported { packets_read, .. }
            | Self::Truncated { packets_read, .. }
            | Self::Malformed { packets_read, .. }
            | Self::Read { packets_read, .. } => *packets_read > 0,
        }
    }
}

/// An error that does not know yet in which file and after how many packets.
#[derive(Debug)]
pub(super) enum Fault {
    NotACapture { seen: String },
    Unsupported { what: Cow<'static, str> },
    Truncated { offset: u64, what: &'static str },
    Malformed { offset: u64, what: Cow<'static, str> },
    Read { offset: u64, source: io::Error },
}

impl Fault {
    pub(super) fn malformed(offset: u64, what: impl Into<Cow<'static, str>>) -> Self {
        Fault::Malformed { offset, what: what.into() }
    }

    pub(super) fn unsupported(what: impl Into<Cow<'static, str>>) -> Self {
        Fault::Unsupported { what: what.into() }
    }

    pub(super) fn at(self, path: &Path, packets_read: u64) -> CaptureError {
        let path = path.to_path_buf();
        match self {
            Fault::NotACapture { seen } => CaptureError::NotACapture { path, seen },
            Fault::Unsupported { what } => CaptureError::Unsupported { path, what, packets_read },
            Fault::Truncated { offset, what } => {
                CaptureError::Truncated { path, offset, what, packets_read }
            }
            Fault::Malformed { offset, what } => {
                CaptureError::Malformed { path, offset, what, packets_read }
            }
            Fault::Read { offset, source } => {
                CaptureError::Read { path, offset, source, packets_read }
            }
        }
    }
}
