//! From a judge's outcomes to verdicts, and to the ledger.

use std::{collections::BTreeMap, sync::Arc};

use super::Failure;
use crate::{
    attribute::{
        Attributor, Method, Verdict, WINDOW,
        token::Tokens,
        verdict::{Interval, Unit},
    },
    judge::Judge,
    ledger::Recorder,
    report::summary::Counters,
    targets::TargetSet,
};

/// How long outcomes may be under way from judge to attributor, in nanoseconds: windows stay open so long
/// where nothing comes.
const LATE: u64 = 60_000_000_000;

/// The attributor of a run.
pub(super) struct Attribution {
    targets: Arc<TargetSet>,
    attributor: Attributor,
    /// The window in which something was recorded last.
    closed: u64,
    /// The latest time of an outcome.
    latest: u64,
    /// What was said of captures before this one that are of another time.
    done: Vec<Verdict>,
    losses: Counters,
    /// What was recorded last, by what it is about.
    recorded: BTreeMap<(Unit, Method), Option<Interval>>,
}

impl Attribution {
    pub(super) fn new(targets: &Arc<TargetSet>) -> Self {
        Self {
            targets: Arc::clone(targets),
            attributor: Attributor::new(Arc::clone(targets)),
            closed: 0,
            latest: 0,
            done: Vec::new(),
            losses: Counters::new(),
            recorded: BTreeMap::new(),
        }
    }

    /// Has a judge keep its outcomes.
    pub(super) fn prepare(judge: &mut Judge) -> Result<(), Failure> {
        let tokens = Tokens::new().map_err(|error| Failure::Other(error.to_string()))?;
        judge.keep_outcomes(tokens);
        Ok(())
    }

    /// Takes a judge's outcomes.
    pub(super) fn take(&mut self, judge: &mut Judge) {
        for outcome in judge.outcomes() {
            if outcome.time.saturating_add(WINDOW) < self.latest {
                // Another capture, of a time before: windows do not go back.
                self.begin_anew();
            }
            self.latest = self.latest.max(outcome.time);
            self.attributor.take(&outcome);
        }
    }

    fn begin_anew(&mut self) {
        self.attributor.finish();
        self.done.extend(self.attributor.verdicts(0));
        for (name, count) in self.attributor.losses() {
            *self.losses.entry(name).or_default() += count;
        }
        self.attributor = Attributor::new(Arc::clone(&self.targets));
        self.latest = 0;
    }

    /// Records the counts of windows that are over, and verdicts that are new, at time `now`, nanoseconds
    /// since the Unix epoch.
    pub(super) fn record(&mut self, now: u64, recorder: Option<&mut Recorder>) {
        let now = now.saturating_sub(LATE);
        if now / WINDOW == self.closed {
            return;
        }
        self.closed = now / WINDOW;
        let verdicts = self.attributor.verdicts(now);
        let cells: Vec<_> = self.attributor.cells().collect();
        let Some(recorder) = recorder else { return };
        cells.into_iter().for_each(|cell| recorder.cell(cell));
        for verdict in verdicts.into_iter().filter(is_told) {
            let about = (verdict.unit.clone(), verdict.method);
            if self.recorded.get(&about) != Some(&verdict.end) {
                self.recorded.insert(about, verdict.end);
                recorder.verdict(verdict);
            }
        }
    }

    /// All that is said in the end; it is recorded, too, as it is then.
    pub(super) fn finish(
        &mut self,
        recorder: Option<&mut Recorder>,
        losses: &mut Counters,
    ) -> Vec<Verdict> {
        self.begin_anew();
        for (name, count) in &self.losses {
            *losses.entry(name.clone()).or_default() += count;
        }
        let verdicts: Vec<Verdict> = self.done.drain(..).filter(is_told).collect();
        if let Some(recorder) = recorder {
            verdicts.iter().for_each(|verdict| recorder.verdict(verdict.clone()));
        }
        verdicts
    }
}

/// Whether a verdict says anything: most units of a short run have too little for any.
fn is_told(verdict: &Verdict) -> bool {
    verdict.method != Method::Inconclusive || !verdict.rivals.is_empty()
}
