//! One way of failing at one unit, over time: is there more of it than at the controls?

use std::collections::VecDeque;

use super::{
    change::{Curve, Point},
    compare::Comparison,
    pairs::{Pair, Sums},
    sequential::Detector,
    signs::Signs,
    token::DAY,
    verdict::{Interval, Onset, Verdict},
    weights::Weights,
};

/// How many times as often as the controls a service may fail without anything being said. Services
/// differ: longer flows, farther servers, larger pages all fail more often when packets are lost.
pub const TOLERATED: f64 = 2.0;

/// Share that is tolerated besides, whatever the controls do.
pub const SLACK: f64 = 0.01;

/// Least share of flows that a blocking is looked for, and excluded, at.
pub const LEAST_SHARE: f64 = 0.05;

/// A blocking is over when its share is shown to be below this part of what it was.
const OVER: f64 = 0.5;

/// By how much more than tolerated the mean must be for a run of evidence to have begun.
const DRIFT: f64 = 0.02;

/// Windows that are remembered of a unit: a day. Where evidence comes in, a day before it began.
pub(super) const HISTORY_MAX: usize = 288;

/// Windows that are remembered until the onset is settled, however slowly evidence comes in: four days.
const EVIDENCE_MAX: usize = 1_152;

/// Evidence above which the question is open, as a natural logarithm: ten to one.
const OPEN: f64 = std::f64::consts::LN_10;

/// Windows after which an onset is not estimated anew: by then it has been seen from both sides.
const SETTLED: u64 = 24;

/// What has been gathered since evidence began to come in.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    /// First window, and the end of the last.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) n: f64,
    pub(super) bad: f64,
    pub(super) any_n: f64,
    pub(super) any_bad: f64,
    pub(super) any_failing: f64,
    pub(super) near_n: f64,
    pub(super) near_bad: f64,
    pub(super) near_large: u64,
    /// Clients with several slots in a window: all flows affected, none, some.
    pub(super) entirely: u64,
    pub(super) not_at_all: u64,
    pub(super) partly: u64,
    pub(super) weights: Weights,
    /// Of affected flows, and of all.
    pub(super) signs: Signs,
    pub(super) all: Signs,
}

impl Run {
    pub(super) fn share(&self) -> f64 {
        if self.n > 0.0 { self.bad / self.n } else { 0.0 }
    }

    pub(super) fn any_share(&self) -> f64 {
        if self.any_n > 0.0 { self.any_bad / self.any_n } else { 0.0 }
    }

    pub(super) fn near_share(&self) -> f64 {
        if self.near_n > 0.0 { self.near_bad / self.near_n } else { 0.0 }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) lane: usize,
    pub(super) any: Detector,
    pub(super) near: Detector,
    over: Detector,
    /// For "other observers see less than half of it", in windows in which it is seen here.
    pub(super) elsewhere: Detector,
    /// Page's cumulative sum: where it is zero, nothing points to a blocking.
    cumulative: f64,
    pub(super) established: Option<u64>,
    pub(super) near_established: bool,
    pub(super) run: Run,
    history: VecDeque<Point>,
    /// How likely each window is to be the onset, as long as that is a question.
    pub(super) curve: Curve,
    /// By what is seen of this unit, and by what is seen of the service at all places where it may have
    /// begun at the same time.
    pub(super) onset: Option<Onset>,
    pub(super) common_onset: Option<Onset>,
    /// By what factor more clients asked since the onset than before, measured by the controls.
    pub(super) load: f64,
    /// What was said after the last window, while it is established.
    pub(super) verdict: Option<Verdict>,
}

/// What a window brings besides the comparison.
pub(super) struct Windowed<'a> {
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) affected: &'a Signs,
    pub(super) all: &'a Signs,
}

impl Track {
    /// A track whose unit had these windows before, in which nothing failed this way.
    pub(super) fn new(lane: usize, before: &VecDeque<Point>) -> Self {
        let reach = TOLERATED + SLACK;
        Self {
            lane,
            any: Detector::new(reach),
            near: Detector::new(reach),
            over: Detector::new(1.0),
            elsewhere: Detector::new(1.0),
            cumulative: 0.0,
            established: None,
            near_established: false,
            run: Run::default(),
            history: before.clone(),
            curve: Curve::default(),
            onset: None,
            common_onset: None,
            load: 1.0,
            verdict: None,
        }
    }

    /// Takes a window's comparison.
    pub(super) fn window(&mut self, comparison: &Comparison<'_>, windowed: &Windowed<'_>) {
        let lane = self.lane;
        let targets = Sums::of(&comparison.targets);
        bet(&mut self.any, &comparison.any.pairs, lane);
        bet(&mut self.near, &comparison.near.pairs, lane);
        if self.established.is_some() {
            let level = (self.run.share() * OVER).max(LEAST_SHARE * OVER);
            if targets.n > 0.0 && targets.lanes[lane] / targets.n >= level {
                self.elsewhere.window();
                for tally in comparison.elsewhere.values().filter(|tally| !tally.is_empty()) {
                    self.elsewhere.gain(level - f64::from(tally.shares()[lane]));
                }
            }
            self.over.window();
            for tally in comparison.targets.values().filter(|tally| !tally.is_empty()) {
                self.over.gain(level - f64::from(tally.shares()[lane]));
            }
        } else {
            let more: f64 =
                comparison.any.pairs.iter().map(|pair| gain(pair, lane) + SLACK - DRIFT).sum();
            self.cumulative = (self.cumulative + more).max(0.0);
            if self.cumulative == 0.0 {
                self.run = Run { from: windowed.start, ..Run::default() };
            }
        }
        self.remember(comparison, &targets, windowed);
        if self.established.is_none() && (self.any.decides() || self.near.decides()) {
            self.established = Some(windowed.start);
        }
        self.near_established |= self.near.decides();
        self.estimate(windowed);
    }

    fn remember(&mut self, comparison: &Comparison<'_>, targets: &Sums, windowed: &Windowed<'_>) {
        let (lane, run) = (self.lane, &mut self.run);
        let (any, near) = (&comparison.any.sums, &comparison.near.sums);
        if run.n == 0.0 {
            run.from = windowed.start;
        }
        run.to = windowed.start + windowed.length;
        run.n += targets.n;
        run.bad += targets.lanes[lane];
        run.any_n += any.n;
        run.any_bad += any.lanes[lane];
        run.any_failing += any.failing();
        run.near_n += near.n;
        run.near_bad += near.lanes[lane];
        run.near_large += near.large_served;
        for (&token, tally) in comparison.targets.iter() {
            run.weights.add(windowed.start / DAY, token, tally.shares()[lane]);
        }
        for tally in comparison.targets.values().filter(|tally| tally.slots() > 1) {
            let share = tally.shares()[lane];
            let count = match share {
                share if share > 0.99 => &mut run.entirely,
                share if share < 0.01 => &mut run.not_at_all,
                _ => &mut run.partly,
            };
            *count += 1;
        }
        run.signs.join(windowed.affected);
        run.all.join(windowed.all);
        if targets.n > 0.0 {
            // A window of which nothing is known is none.
            self.history.push_back(point(windowed.start, targets, any, Some(lane)));
        }
        self.forget(windowed);
    }

    /// Lets go of what is not needed to tell when it began, or when it ends.
    fn forget(&mut self, windowed: &Windowed<'_>) {
        let day = HISTORY_MAX as u64 * windowed.length;
        let needed = if self.is_settled(windowed) { u64::MAX } else { self.run.from };
        while self.history.len() > EVIDENCE_MAX
            || self.history.len() > HISTORY_MAX
                && self.history.front().is_some_and(|first| first.window + day < needed)
        {
            self.history.pop_front();
        }
    }

    /// Whether an onset is not estimated anew: it has been seen from both sides.
    fn is_settled(&self, windowed: &Windowed<'_>) -> bool {
        self.onset.is_some() && !self.is_being_dated(windowed.start, windowed.length)
    }

    /// Whether it is established, and so short a time ago that its onset is estimated anew.
    pub(super) fn is_being_dated(&self, now: u64, length: u64) -> bool {
        self.established.is_some_and(|since| now <= since + SETTLED * length)
    }

    /// Whether there is some evidence, if not enough, that a service fails more often than its controls.
    pub(super) fn is_open(&self) -> bool {
        self.any.evidence().max(self.near.evidence()) > OPEN
    }

    /// Estimates when it began.
    fn estimate(&mut self, windowed: &Windowed<'_>) {
        if self.is_settled(windowed) {
            return;
        }
        if self.established.is_none() && !self.is_open() {
            self.curve = Curve::default();
            return;
        }
        self.curve = Curve::of_onset(self.history.make_contiguous());
        if self.established.is_some() {
            self.onset = self.curve.onset(windowed.length);
            self.load = self.load();
        }
    }

    fn load(&self) -> f64 {
        let Some(Onset::Between(begun)) = self.onset else { return 1.0 };
        let ratio = |since: bool| {
            let (mut n, mut control) = (0.0, 0.0);
            let points = self.history.iter();
            for point in points.filter(|point| (point.window >= begun.likely) == since) {
                n += f64::from(point.n);
                control += f64::from(point.control_n);
            }
            (n + 1.0) / (control + 1.0)
        };
        ratio(true) / ratio(false)
    }

    /// When it ended, if it has: an interval for it.
    pub(super) fn ended(&self, length: u64) -> Option<Interval> {
        self.established.filter(|_| self.over.decides())?;
        let begun = match self.onset {
            Some(Onset::Between(interval)) => interval.likely,
            _ => 0,
        };
        let points: Vec<Point> =
            self.history.iter().copied().filter(|point| point.window >= begun).collect();
        Curve::of_end(&points).interval(length)
    }

    /// Begins anew after an end.
    pub(super) fn restart(&mut self, end: &Interval) {
        let history = std::mem::take(&mut self.history);
        let after = history.into_iter().filter(|point| point.window >= end.likely).collect();
        *self = Self::new(self.lane, &after);
    }
}

/// The point of a window.
pub(super) fn point(window: u64, targets: &Sums, any: &Sums, lane: Option<usize>) -> Point {
    let of = |sums: &Sums| lane.map_or(0.0, |lane| sums.lanes[lane]) as f32;
    Point {
        window,
        n: targets.n as f32,
        bad: of(targets),
        control_n: any.n as f32,
        control_bad: of(any),
    }
}

fn gain(pair: &Pair, lane: usize) -> f64 {
    f64::from(pair.target[lane]) - TOLERATED * f64::from(pair.control[lane]) - SLACK
}

fn bet(detector: &mut Detector, pairs: &[Pair], lane: usize) {
    detector.window();
    pairs.iter().for_each(|pair| detector.gain(gain(pair, lane)));
}
