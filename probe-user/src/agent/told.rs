//! Where findings go: out, into the ledger, and into what is counted.

use hdrhistogram::Histogram;

use crate::{
    attribute::Verdict,
    ledger::Recorder,
    log,
    pen::Pen,
    report::{Finding, ReportError, Summary, Writer, destinations::Record, summary::Counters},
};

/// What cannot be written, to people.
const OUTPUT: &str = "what was found";

/// Writes findings, counts them, and measures how long they took.
pub(super) struct Told {
    pub(super) out: Writer<Pen>,
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
    /// Looks whether what was told could be written so far.
    pub(super) fn look(&mut self) {
        if self.error.is_none() {
            let written = self.out.output().check();
            self.error = written.map_err(|error| ReportError::of_io(OUTPUT, error)).err();
        }
    }

    /// Waits until it is. Whoever reads may take his time now.
    pub(super) fn wait(&mut self) {
        if self.error.is_none() {
            let written = self.out.output().drain(None);
            self.error = written.map_err(|error| ReportError::of_io(OUTPUT, error)).err();
        }
    }

    /// Lines that nobody was there to take.
    pub(super) fn losses(&self) -> Counters {
        [("output_refused", self.out.output().refused()), ("log_refused", log::refused())]
            .map(|(name, count)| (name.to_owned(), count))
            .into()
    }

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
