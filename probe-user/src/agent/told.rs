//! Where findings go: out, into the ledger, and into what is counted.

use std::io;

use hdrhistogram::Histogram;

use crate::{
    attribute::Verdict,
    ledger::Recorder,
    report::{Finding, ReportError, Summary, Writer, destinations::Record},
};

/// Writes findings, counts them, and measures how long they took.
pub(super) struct Told {
    pub(super) out: Writer<io::StdoutLock<'static>>,
    pub(super) total: Summary,
    /// From packet to finding, in microseconds.
    pub(super) latency: Histogram<u64>,
    /// What was last taken for the time of boot, nanoseconds since 1970-01-01 UTC.
    pub(super) epoch: u64,
    pub(super) recorder: Option<Recorder>,
    /// Why nothing can be written to standard output any more.
    pub(super) error: Option<ReportError>,
}

impl Told {
    pub(super) fn destinations(&mut self, record: &Record) {
        if self.error.is_none() {
            self.error = self.out.destinations(record).err();
        }
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        if self.error.is_none() {
            self.error = self.out.verdict(verdict).err();
        }
    }

    pub(super) fn tell(&mut self, finding: &Finding) {
        if let Some(recorder) = &mut self.recorder {
            recorder.finding(finding);
        }
        if self.error.is_some() {
            return;
        }
        self.total.findings.add(finding);
        self.error = self.out.finding(finding).err();
    }
}
