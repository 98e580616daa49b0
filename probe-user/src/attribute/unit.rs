//! One unit over time: its tracks, and whether it is healthy.

use std::collections::{BTreeMap, VecDeque};

use super::{
    change::Point,
    compare::{Comparer, Comparison, Nearest, References},
    method::Method,
    outcome::Outcome,
    pairs::Sums,
    sequential::{ALPHA, Detector},
    signs::Signs,
    tally::{LANES, lane, method_of},
    token::DAY,
    track::{HISTORY_MAX, LEAST_SHARE, Run, Track, Windowed, point},
    verdict::{self, Period, Verdict},
    window::{About, Key},
};
use crate::targets::{Role, TargetSet};

/// Share of failing flows from which on a unit counts as failing, with or without its controls.
const FAILING: f64 = 0.15;

/// Flows whose method detectors missed, for each in which they proved it, that are still explained by it.
const EXPLAINS: u64 = 10;

/// Verdicts on what is over that are kept of a unit: the oldest goes.
pub(super) const PAST_MAX: usize = 16;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) about: About,
    pub(super) tracks: BTreeMap<usize, Track>,
    points: VecDeque<Point>,
    references: References,
    pub(super) clear: Detector,
    pub(super) healthy: bool,
    failing: Detector,
    pub(super) fails: bool,
    /// Since the last change of these two.
    pub(super) run: Run,
    pub(super) past: Vec<Verdict>,
    /// Flows by lane, ever.
    counts: BTreeMap<usize, u64>,
    /// Of the open window: all flows, and those of each lane.
    pub(super) all: Signs,
    pub(super) lanes: BTreeMap<usize, Signs>,
    /// End of the last window in which something was seen.
    pub(super) last: u64,
}

impl Unit {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            tracks: BTreeMap::new(),
            points: VecDeque::new(),
            references: References::default(),
            clear: detector(),
            healthy: false,
            failing: detector(),
            fails: false,
            run: Run::default(),
            past: Vec::new(),
            counts: BTreeMap::new(),
            all: Signs::default(),
            lanes: BTreeMap::new(),
            last: 0,
        }
    }

    /// What it is called in verdicts and in the ledger.
    pub(super) fn name(&self, key: Key, targets: &TargetSet) -> verdict::Unit {
        let service = &targets.services()[usize::from(key.service)];
        verdict::Unit {
            service: service.id.clone(),
            role: if service.is_control() { Role::Control } else { Role::Target },
            network: key.network,
            asn: self.about.asn,
            protocol: key.protocol,
            vantage: key.vantage,
        }
    }

    /// Adds a flow of the open window, and the lane that it failed in.
    pub(super) fn add(&mut self, outcome: &Outcome, lane: Option<usize>) {
        let day = outcome.time / DAY;
        self.all.add(outcome, day);
        if let Some(lane) = lane {
            self.lanes.entry(lane).or_default().add(outcome, day);
        }
    }

    /// Adds a client that was seen so many tens of seconds after a trigger.
    pub(super) fn add_lingering(&mut self, tens: u16, lane: Option<usize>) {
        let note = |signs: &mut Signs| *signs.after.entry(tens).or_default() += 1;
        note(&mut self.all);
        if let Some(lane) = lane {
            note(self.lanes.entry(lane).or_default());
        }
    }

    /// Closes a window.
    pub(super) fn close(&mut self, key: Key, comparer: &mut Comparer<'_>, start: u64, length: u64) {
        let throttle = lane(Method::Throttle);
        let (paces, slow) = if self.concerns(throttle) || comparer.is_timed(key) {
            comparer.paces(key, &mut self.references, length)
        } else {
            Default::default()
        };
        for (token, pace) in slow {
            let signs = self.lanes.entry(throttle).or_default();
            signs.slow(pace);
            signs.clients.add(start / DAY, token);
        }
        let address = comparer.compare(key, Nearest::Address);
        let neighbour = (0..LANES)
            .filter_map(method_of)
            .any(|method| method.acts_on_addresses() && self.concerns(lane(method)))
            .then(|| comparer.compare(key, Nearest::Neighbour));
        let (all, lanes) = (std::mem::take(&mut self.all), std::mem::take(&mut self.lanes));
        for (&one, signs) in &lanes {
            *self.counts.entry(one).or_default() += signs.flows;
        }
        let none = Signs::default();
        for one in 0..LANES {
            if !lanes.contains_key(&one) && !self.tracks.contains_key(&one) {
                continue;
            }
            let comparison = match method_of(one) {
                Some(Method::Throttle) => &paces,
                Some(method) if method.acts_on_addresses() => {
                    neighbour.as_ref().unwrap_or(&address)
                }
                _ => &address,
            };
            let windowed =
                Windowed { start, length, affected: lanes.get(&one).unwrap_or(&none), all: &all };
            let points = &self.points;
            let track = self.tracks.entry(one).or_insert_with(|| Track::new(one, points));
            track.window(comparison, &windowed);
        }
        let targets = Sums::of(&address.targets);
        self.health(&address);
        self.remember(&address, &targets, Period { from: start, to: start + length }, &all);
    }

    fn concerns(&self, lane: usize) -> bool {
        self.lanes.contains_key(&lane) || self.tracks.contains_key(&lane)
    }

    /// Whether it fails, or does not, whatever the controls do.
    fn health(&mut self, comparison: &Comparison<'_>) {
        self.clear.window();
        self.failing.window();
        for tally in comparison.targets.values().filter(|tally| !tally.is_empty()) {
            let share = f64::from(tally.shares().iter().sum::<f32>().min(1.0));
            self.clear.gain(LEAST_SHARE - share);
            self.failing.gain(share - FAILING);
        }
        let established = self.tracks.values().any(|track| track.established.is_some());
        if !self.fails && self.failing.decides() {
            (self.healthy, self.fails) = (false, true);
            self.clear = detector();
            self.run = Run::default();
        } else if self.healthy && established {
            self.healthy = false;
            self.clear = detector();
            self.run = Run::default();
        } else if !self.healthy && !established && self.clear.decides() {
            if self.fails {
                self.run = Run::default();
            }
            (self.healthy, self.fails) = (true, false);
            self.failing = detector();
        } else if self.healthy && !self.clear.decides() {
            self.healthy = false;
            self.run = Run::default();
        }
    }

    /// Adds a window to what has been seen since it became healthy, or ceased to be.
    fn remember(
        &mut self,
        comparison: &Comparison<'_>,
        targets: &Sums,
        window: Period,
        all: &Signs,
    ) {
        if self.points.len() >= HISTORY_MAX {
            self.points.pop_front();
        }
        self.points.push_back(point(window.from, targets, &comparison.any.sums, None));
        let (run, any, near) = (&mut self.run, &comparison.any.sums, &comparison.near.sums);
        if run.n == 0.0 {
            run.from = window.from;
        }
        run.to = window.to;
        run.n += targets.n;
        run.bad += targets.failing();
        run.any_n += any.n;
        run.any_bad += any.failing();
        run.any_failing += any.failing();
        run.near_n += near.n;
        run.near_bad += near.failing();
        run.all.join(all);
        self.last = window.to;
    }

    /// Whether what is established in a lane is what detectors missed of another lane's method: a forged
    /// answer that was not recognised as forged looks like a lie, a reset that was not recognised as
    /// rewritten like any reset.
    pub(super) fn explained(&self, of: usize) -> bool {
        let by = match method_of(of) {
            Some(Method::DnsLie) => Method::DnsInjection,
            Some(Method::SniReset) => Method::SniRewrite,
            _ => return false,
        };
        let flows = |of: usize| self.counts.get(&of).copied().unwrap_or_default();
        let now = self.tracks.get(&lane(by)).is_some_and(|track| track.established.is_some())
            || flows(lane(by)) * EXPLAINS >= flows(of).max(1);
        now || self.past.iter().any(|verdict| {
            verdict.method == by && verdict.period.to.saturating_add(DAY) > self.last
        })
    }

    /// Keeps a verdict on what is over.
    pub(super) fn keep(&mut self, verdict: Verdict) {
        if self.past.len() >= PAST_MAX {
            self.past.remove(0);
        }
        self.past.push(verdict);
    }
}

/// Whether a unit is healthy is a question of now: evidence is forgotten above twice what a decision
/// takes.
fn detector() -> Detector {
    Detector::forgetful(1.0, -2.0 * ALPHA.ln())
}
