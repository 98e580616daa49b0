//! From a judge's outcomes to verdicts, and to the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Failure;
use crate::{
    attribute::{
        Attributor, Method, Outcome, Verdict, WINDOW,
        token::Tokens,
        verdict::{Interval, Unit},
    },
    judge::{Judge, OUTCOMES_WAIT},
    ledger::Recorder,
    report::{
        destinations::{Destination, Destinations},
        summary::Counters,
    },
    targets::TargetSet,
};

/// How long outcomes may be under way from judge to attributor live, in nanoseconds: windows stay open so
/// long where nothing comes.
pub(crate) const LATE: u64 = 60_000_000_000;

/// The same of a capture, whose judge waits for all there is.
pub(crate) const LATE_REPLAY: u64 = LATE + OUTCOMES_WAIT;

/// Units with what was said of them, of which it is known what was recorded. Of more of them those are
/// forgotten of which nothing is said any more; should it be said again, it is recorded again.
const RECORDED_MAX: usize = 4_096;

/// Verdicts of the time before the clock was set back that are said once more in the end. The ledger has the others.
const DONE_MAX: usize = 4_096;

/// The attributor of a run.
pub(crate) struct Attribution {
    targets: Arc<TargetSet>,
    attributor: Attributor,
    /// How long outcomes are under way.
    late: u64,
    /// The window in which something was recorded last.
    closed: u64,
    /// The latest time of an outcome.
    latest: u64,
    /// What was said of captures before this one that are of another time.
    done: Vec<Verdict>,
    losses: Counters,
    /// What was said last, by what it is about: what is over, each with its end, and what is not.
    recorded: BTreeMap<(Unit, Method), Vec<Option<Interval>>>,
    /// How many units of a service have what said of them, as of the last window.
    current: BTreeMap<(String, Method), u64>,
    /// What was met at each destination, if somebody looks on.
    destinations: Option<Destinations>,
}

impl Attribution {
    pub(crate) fn new(targets: &Arc<TargetSet>, late: u64) -> Self {
        Self {
            targets: Arc::clone(targets),
            attributor: Attributor::new(Arc::clone(targets)),
            late,
            closed: 0,
            latest: 0,
            done: Vec::new(),
            losses: Counters::new(),
            recorded: BTreeMap::new(),
            current: BTreeMap::new(),
            destinations: None,
        }
    }

    /// Counts from now on what is met at each destination.
    pub(crate) fn count_destinations(&mut self) {
        self.destinations = Some(Destinations::default());
    }

    /// What is new of destinations since the last call.
    pub(crate) fn news(&mut self) -> Vec<Destination> {
        let news = |counted: &mut Destinations| counted.news(&self.targets);
        self.destinations.as_mut().map(news).unwrap_or_default()
    }

    /// Watches other targets from now on: see [`Attributor::watch`].
    pub(crate) fn watch(&mut self, targets: &Arc<TargetSet>) {
        self.targets = Arc::clone(targets);
        self.attributor.watch(targets);
    }

    /// Has a judge keep its outcomes.
    pub(crate) fn prepare(judge: &mut Judge) -> Result<(), Failure> {
        let tokens = Tokens::new().map_err(|error| Failure::Other(error.to_string()))?;
        judge.keep_outcomes(tokens);
        Ok(())
    }

    /// Takes a judge's outcomes.
    pub(crate) fn take(&mut self, judge: &mut Judge) {
        self.add(judge.outcomes());
    }

    /// Takes those of several observers, by their numbers: in the order of time, for none of them may be
    /// ahead of the others by a window.
    pub(crate) fn take_all<'a>(&mut self, judges: impl Iterator<Item = &'a mut Judge>) {
        let mut all = Vec::new();
        for (number, judge) in judges.enumerate() {
            let vantage = u16::try_from(number).unwrap_or(u16::MAX);
            all.extend(judge.outcomes().into_iter().map(|one| Outcome { vantage, ..one }));
        }
        // Stable: what one observer saw stays in its order.
        all.sort_by_key(|outcome| outcome.time);
        self.add(all);
    }

    fn add(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            self.latest = self.latest.max(outcome.time);
            if let Some(destinations) = &mut self.destinations {
                destinations.add(&outcome);
            }
            self.attributor.take(&outcome);
        }
    }

    /// Captures begin, the first of them at `time`. If that is before what was seen last, it is another
    /// time: windows do not go back.
    pub(crate) fn captures(&mut self, time: u64) {
        if time.saturating_add(WINDOW) < self.latest {
            self.begin_anew();
        }
    }

    /// The clock has been set back, so far that no outcome on its way explains it. Windows do not go back: without
    /// this nothing would be said until the clock has caught up.
    fn follow_clock(&mut self, now: u64) {
        if now.saturating_add(self.late).saturating_add(WINDOW) >= self.latest {
            return;
        }
        self.begin_anew();
        self.done.retain(is_told);
        let surplus = self.done.len().saturating_sub(DONE_MAX);
        self.done.drain(..surplus);
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
    /// since the Unix epoch. Returns these, if somebody looks on.
    pub(crate) fn record(&mut self, now: u64, recorder: Option<&mut Recorder>) -> Vec<Verdict> {
        self.follow_clock(now);
        let now = now.saturating_sub(self.late);
        if now / WINDOW == self.closed {
            return Vec::new();
        }
        self.closed = now / WINDOW;
        let verdicts = self.attributor.verdicts(now);
        self.current.clear();
        for verdict in verdicts.iter().filter(|verdict| verdict.end.is_none()) {
            let about = (verdict.unit.service.clone(), verdict.method);
            *self.current.entry(about).or_default() += 1;
        }
        let cells: Vec<_> = self.attributor.cells().collect();
        if recorder.is_none() && self.destinations.is_none() {
            return Vec::new();
        }
        let (mut news, mut current) = (Vec::new(), BTreeSet::new());
        let mut said: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for verdict in verdicts.into_iter().filter(is_told) {
            let about = (verdict.unit.clone(), verdict.method);
            let known = self.recorded.get(&about);
            let is_new = !known.is_some_and(|ends| ends.contains(&verdict.end));
            current.insert(about.clone());
            said.entry(about).or_default().push(verdict.end);
            if is_new {
                news.push(verdict);
            }
        }
        self.recorded.extend(said);
        if self.recorded.len() > RECORDED_MAX {
            self.recorded.retain(|about, _| current.contains(about));
        }
        if let Some(recorder) = recorder {
            cells.into_iter().for_each(|cell| recorder.cell(cell));
            news.iter().for_each(|verdict| recorder.verdict(verdict.clone()));
        }
        if self.destinations.is_some() { news } else { Vec::new() }
    }

    /// What was lost so far, by name.
    pub(crate) fn losses(&self) -> Counters {
        let mut losses = self.attributor.losses();
        if let Some(destinations) = &self.destinations {
            losses.insert("destinations_evicted".into(), destinations.evicted());
        }
        for (name, count) in &self.losses {
            *losses.entry(name.clone()).or_default() += count;
        }
        losses
    }

    /// How many units of a service have what said of them, as of the last window.
    pub(crate) const fn current(&self) -> &BTreeMap<(String, Method), u64> {
        &self.current
    }

    /// All that is said in the end; it is recorded, too, as it is then.
    pub(crate) fn finish(
        &mut self,
        recorder: Option<&mut Recorder>,
        losses: &mut Counters,
    ) -> Vec<Verdict> {
        if let Some(destinations) = &self.destinations {
            losses.insert("destinations_evicted".into(), destinations.evicted());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attribute::outcome::{Client, Ending, Network, Place, Protocol, Trace},
        report::finding::{Confidence, Position, Stage, Verdict as Finding},
    };

    /// A client's connection to a target, which is reset, or to a control, which is served.
    fn outcome(time: u64, service: usize, client: u64, is_reset: bool) -> Outcome {
        let network = Network::of([108, 174, 10, 10].into());
        let trace = Trace {
            verdict: Finding::Injected,
            confidence: Confidence::C3,
            position: Position::Upstream,
            hops: Some(4),
        };
        Outcome {
            time,
            vantage: 0,
            service: service as u16,
            suffix: Some(0),
            protocol: Protocol::TcpTls,
            place: Place { network, asn: None, server: 1, local: false },
            client: Client { token: client, network: client },
            path: (client % 16) as u8,
            ending: if is_reset { Ending::Reset { stage: Stage::PostPsh } } else { Ending::Served },
            finding: is_reset.then_some(trace),
            server_hops: Some(9),
            goodput: None,
            after: None,
            large_hello: false,
            both_ways: true,
        }
    }

    /// What is written for whoever looks on, while windows go by.
    fn written(look_on: bool) -> Vec<Verdict> {
        let targets = Arc::new(TargetSet::load(&[]).expect("what is built in"));
        let mut attribution = Attribution::new(&targets, LATE);
        if look_on {
            attribution.count_destinations();
        }
        written_in(&mut attribution, 100..112)
    }

    fn written_in(attribution: &mut Attribution, windows: std::ops::Range<u64>) -> Vec<Verdict> {
        let targets = Arc::clone(&attribution.targets);
        let place =
            |control| targets.services().iter().position(|service| service.is_control() == control);
        let (target, control) = (place(false).expect("a target"), place(true).expect("a control"));
        let mut written = Vec::new();
        for window in windows {
            let begin = window * WINDOW;
            let both = |client| {
                let time = begin + client * 1_000_000_000;
                [outcome(time, target, client, true), outcome(time, control, client, false)]
            };
            attribution.add((0..60).flat_map(both).collect());
            for second in [0, 1, 299] {
                let now = begin + WINDOW + LATE + second * 1_000_000_000;
                written.extend(attribution.record(now, None));
            }
        }
        written
    }

    #[test]
    fn who_looks_on_is_told_of_a_verdict_once_when_there_is_one() {
        let written = written(true);
        let resets: Vec<_> =
            written.iter().filter(|verdict| verdict.method == Method::SniReset).collect();
        assert_eq!(resets.len(), 1, "{written:#?}");
        assert!(resets[0].period.to < 111 * WINDOW, "long before the end");
    }

    #[test]
    fn after_a_clock_that_was_set_back_verdicts_are_given_all_the_same() {
        let targets = Arc::new(TargetSet::load(&[]).expect("what is built in"));
        let mut attribution = Attribution::new(&targets, LATE);
        attribution.count_destinations();
        // Nothing happens in the time before but health: what is said later is of the time after.
        let before = attribution.attributor.losses()["attribute_late"];
        let control = |time| outcome(time, 0, 1, false);
        attribution
            .add((0..10).map(|second| control(1_000 * WINDOW + second * 1_000_000_000)).collect());
        attribution.record(1_001 * WINDOW + LATE, None);
        // By less than is under way: nothing begins anew.
        attribution.record(1_000 * WINDOW, None);
        assert!(attribution.latest > 0);
        let written = written_in(&mut attribution, 100..112);
        let resets: Vec<_> =
            written.iter().filter(|verdict| verdict.method == Method::SniReset).collect();
        assert_eq!(resets.len(), 1, "{written:#?}");
        assert!(resets[0].period.to < 112 * WINDOW, "by the clock as it is now");
        // What came before the step was noticed counts as of the window that was open.
        let late = attribution.losses()["attribute_late"] - before;
        assert!(late <= 2 * 60, "{late}");
    }

    #[test]
    fn nobody_is_told_who_does_not_look() {
        assert!(written(false).is_empty());
    }

    #[test]
    fn what_was_recorded_of_units_that_are_gone_is_forgotten() {
        let targets = Arc::new(TargetSet::load(&[]).expect("what is built in"));
        let mut attribution = Attribution::new(&targets, LATE);
        attribution.count_destinations();
        let (unit, ends) = (
            Unit {
                service: "gone".into(),
                role: crate::targets::Role::Target,
                network: Network::of([198, 51, 100, 1].into()),
                asn: None,
                protocol: Protocol::TcpTls,
                vantage: 0,
            },
            vec![None],
        );
        for vantage in 0..=RECORDED_MAX as u16 {
            let about = (Unit { vantage, ..unit.clone() }, Method::SniReset);
            attribution.recorded.insert(about, ends.clone());
        }
        attribution.record(100 * WINDOW, None);
        assert!(attribution.recorded.is_empty(), "{}", attribution.recorded.len());
    }
}
