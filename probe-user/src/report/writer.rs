//! Putting records out, one line each, and saying what happened when that fails.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;

use serde::Serialize;

use super::destinations;
use super::finding::{self, Finding, canonical};
use super::pseudonym::Pseudonyms;
use super::summary::{self, Summary};
use super::verdict;
use super::words;
use crate::attribute::Verdict;

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Whoever read the output has gone, as `head` does after its lines. Usually no failure: stop.
    #[error(
        "writing {what}: the reader of the output has gone; nothing more can be reported to it"
    )]
    Closed {
        /// What was being written.
        what: &'static str,
    },
    /// There is no space left.
    #[error(
        "writing {what}: no space is left where the output goes; make room or send it elsewhere"
    )]
    Full {
        /// What was being written.
        what: &'static str,
    },
    /// Anything else.
    #[error("writing {what}: {source}; check where the output goes")]
    Failed {
        /// What was being written.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ReportError {
    /// What the system said when `what` was written.
    pub(crate) fn of_io(what: &'static str, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::BrokenPipe => Self::Closed { what },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { what },
            _ => Self::Failed { what, source },
        }
    }
}

/// How clients are named in reports.
#[derive(Debug)]
pub enum Clients {
    /// By a pseudonym. The only way when live.
    Pseudonyms(Pseudonyms),
    /// By address and port, at the user's wish, for captures of his own.
    Clear,
}

impl Clients {
    /// What to say of a client.
    fn name(&mut self, client: SocketAddr, time: u64) -> String {
        match self {
            Self::Pseudonyms(pseudonyms) => pseudonyms.of(client.ip(), time),
            Self::Clear => canonical(client).to_string(),
        }
    }
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line, as `docs/json.md` says.
    Json,
    /// Lines for people.
    Human {
        /// With colours.
        colour: bool,
    },
}

impl Form {
    /// JSON if asked for, else lines for people, in colour where `output` shows colours.
    #[must_use]
    pub fn of(json: bool, output: &impl IsTerminal) -> Self {
        if json { Self::Json } else { Self::Human { colour: words::colour_wanted(output) } }
    }
}

/// Writes records. Each is flushed, so that a reader of a pipe sees a finding when it is made.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    form: Form,
    clients: Clients,
}

impl<W: Write> Writer<W> {
    /// A writer to `output`.
    pub fn new(output: W, form: Form, clients: Clients) -> Self {
        Self { output, form, clients }
    }

    /// Writes one finding.
    ///
    /// # Errors
    /// When the output cannot be written; nothing was panicked over, and nothing is retried.
    pub fn finding(&mut self, finding: &Finding) -> Result<(), ReportError> {
        let client = self.clients.name(finding.client, finding.time);
        let line = match self.form {
            Form::Json => json(&finding::Record::new(finding, &client)),
            Form::Human { colour } => Ok(words::line(finding, &client, colour)),
        };
        self.put(line, "a finding")
    }

    /// Writes one verdict on a service.
    ///
    /// # Errors
    /// As for [`finding`](Self::finding).
    pub fn verdict(&mut self, verdict: &Verdict) -> Result<(), ReportError> {
        let line = match self.form {
            Form::Json => json(&verdict::record(verdict)),
            Form::Human { .. } => Ok(verdict::line(verdict)),
        };
        self.put(line, "a verdict")
    }

    /// Writes how far a run is, for programs: it is no line for people.
    ///
    /// # Errors
    /// As for [`finding`](Self::finding).
    pub(crate) fn destinations(
        &mut self,
        record: &destinations::Record,
    ) -> Result<(), ReportError> {
        self.put(json(record), "what destinations met")
    }

    /// Writes the summary: the last record.
    ///
    /// # Errors
    /// As for [`finding`](Self::finding).
    pub fn summary(&mut self, summary: &Summary) -> Result<(), ReportError> {
        let line = match self.form {
            Form::Json => json(&summary::Record::new(summary)),
            Form::Human { colour } => Ok(words::summary(summary, colour)),
        };
        self.put(line, "the summary")
    }

    /// Where it writes.
    pub(crate) const fn output(&self) -> &W {
        &self.output
    }

    /// Gives the output back.
    pub fn into_inner(self) -> W {
        self.output
    }

    fn put(&mut self, line: io::Result<String>, what: &'static str) -> Result<(), ReportError> {
        let written = line.and_then(|mut line| {
            line.push('\n');
            // In one piece: a reader, or another writer to the same file, sees whole lines.
            self.output.write_all(line.as_bytes())?;
            self.output.flush()
        });
        written.map_err(|error| ReportError::of_io(what, error))
    }
}

fn json(record: &impl Serialize) -> io::Result<String> {
    serde_json::to_string(record).map_err(io::Error::from)
}
