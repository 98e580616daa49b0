//! One way of failing at one unit, over time: is there more of it than at the controls?

use std::collections::VecDeque;

use super::{
    change::{self, Point},
    compare::Comparison,
    pairs::{Pair, Sums},
    sequential::Detector,
    signs::Signs,
    unit::DAY,
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

/// Windows that are remembered of a unit: a day.
pub(super) const HISTORY_MAX: usize = 288;

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
    pub(super) history: VecDeque<Point>,
    pub(super) onset: Option<Onset>,
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
            onset: None,
            verdict: None,
        }
    }

    /// Takes a window's comparison.
    pub(super) fn window(&mut self, comparison: &Comparison, windowed: &Windowed<'_>) {
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

    fn remember(&mut self, comparison: &Comparison, targets: &Sums, windowed: &Windowed<'_>) {
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
        for (&token, tally) in &comparison.targets {
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
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(point(windowed.start, targets, any, Some(lane)));
    }

    /// Estimates when it began.
    fn estimate(&mut self, windowed: &Windowed<'_>) {
        let Some(established) = self.established else { return };
        let settled = windowed.start > established + SETTLED * windowed.length;
        if self.onset.is_some() && settled {
            return;
        }
        let points: Vec<Point> = self.history.iter().copied().collect();
        let Some(change) = change::onset(&points) else { return };
        self.onset = Some(match change.likely {
            0 => Onset::Before(points[0].window + windowed.length),
            _ => Onset::Between(interval(&points, change, windowed.length)),
        });
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
        let change = change::end(&points)?;
        Some(interval(&points, change, length))
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

fn interval(points: &[Point], change: change::Change, length: u64) -> Interval {
    // It may have begun within the window before, near its end: too late to show there.
    let from = points[change.first.saturating_sub(1)].window;
    Interval { from, to: points[change.last].window + length, likely: points[change.likely].window }
}

fn gain(pair: &Pair, lane: usize) -> f64 {
    f64::from(pair.target[lane]) - TOLERATED * f64::from(pair.control[lane]) - SLACK
}

fn bet(detector: &mut Detector, pairs: &[Pair], lane: usize) {
    detector.window();
    pairs.iter().for_each(|pair| detector.gain(gain(pair, lane)));
}
