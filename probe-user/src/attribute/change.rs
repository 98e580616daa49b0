//! When it began, and when it ended: change points.
//!
//! The likelihood of each window's share of affected flows is compared under two hypotheses: the share
//! that the controls had in that window, and one share for all windows since the change. What matters
//! is shares against controls of the same window, so load may go up and down with the day as it likes.
//! The likeliest change is the estimate (Page, Biometrika 1954; profile likelihood); the interval has
//! all windows whose log-likelihood is within [`DROP`] of it.

use super::verdict::{Interval, Onset};

/// By how much the log-likelihood may fall within the interval: a confidence of about 99 %.
const DROP: f64 = 3.3;

/// Client-windows that the controls of one window are mixed with, of all windows' share.
const PRIOR: f64 = 20.0;

/// Least share that is ever expected to fail: nothing is impossible.
const LEAST: f64 = 5e-4;

/// What one window had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// The window's beginning.
    pub(super) window: u64,
    /// Client-windows.
    pub(super) n: f32,
    /// Sum of the shares affected.
    pub(super) bad: f32,
    /// Client-windows of controls.
    pub(super) control_n: f32,
    /// Sum of their shares affected likewise.
    pub(super) control_bad: f32,
}

/// How much better a change at the beginning of each window explains what was seen than no change.
#[derive(Debug, Clone, Default)]
pub(super) struct Curve {
    windows: Vec<u64>,
    gains: Vec<f64>,
}

/// Where log-likelihoods are highest, and near to it: places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peak {
    pub(super) first: usize,
    pub(super) likely: usize,
    pub(super) last: usize,
}

impl Peak {
    /// The highest place, the first of several, and those that are within [`DROP`] of it.
    pub(super) fn of(likelihoods: &[f64]) -> Option<Self> {
        let most = likelihoods.iter().copied().reduce(f64::max).filter(|most| most.is_finite())?;
        let near = |one: &f64| *one >= most - DROP;
        Some(Self {
            first: likelihoods.iter().position(near)?,
            likely: likelihoods.iter().position(|&one| one >= most)?,
            last: likelihoods.iter().rposition(near)?,
        })
    }
}

impl Curve {
    /// For the point from which on flows are affected.
    pub(super) fn of_onset(points: &[Point]) -> Self {
        let background = Background::of(points);
        // From the last to the first: what would be gained by counting it and all later ones as affected.
        let mut gains = vec![0.0; points.len()];
        let (mut n, mut bad, mut innocent) = (0.0, 0.0, 0.0);
        for (place, point) in points.iter().enumerate().rev() {
            n += f64::from(point.n);
            bad += f64::from(point.bad);
            innocent += background.likelihood(point);
            gains[place] = likelihood(n, bad, share(n, bad)) - innocent;
        }
        Self { windows: windows(points), gains }
    }

    /// For the first point in which flows are not affected any more.
    pub(super) fn of_end(points: &[Point]) -> Self {
        let background = Background::of(points);
        let mut gains = vec![0.0; points.len()];
        let (mut n, mut bad, mut innocent) = (0.0, 0.0, 0.0);
        for (place, point) in points.iter().enumerate() {
            gains[place] = likelihood(n, bad, share(n, bad)) - innocent;
            n += f64::from(point.n);
            bad += f64::from(point.bad);
            innocent += background.likelihood(point);
        }
        Self { windows: windows(points), gains }
    }

    /// For one onset that several have in common.
    pub(super) fn together(curves: &[&Self]) -> Self {
        let mut windows: Vec<u64> =
            curves.iter().flat_map(|curve| &curve.windows).copied().collect();
        windows.sort_unstable();
        windows.dedup();
        let gains = windows
            .iter()
            .map(|&window| curves.iter().map(|curve| curve.at(window)).sum())
            .collect();
        Self { windows, gains }
    }

    /// The gain of an onset in a window: nothing was seen between it and the next that is known.
    fn at(&self, window: u64) -> f64 {
        let next = self.windows.partition_point(|&known| known < window);
        self.gains.get(next).copied().unwrap_or_default()
    }

    /// When it changed, in windows of `length`.
    pub(super) fn interval(&self, length: u64) -> Option<Interval> {
        let peak = Peak::of(&self.gains)?;
        // It may have changed within the window before, near its end: too late to show there.
        let from = self.windows[peak.first.saturating_sub(1)];
        let to = self.windows[peak.last] + length;
        Some(Interval { from, to, likely: self.windows[peak.likely] })
    }

    /// Whether it may have changed before the first window that is known.
    pub(super) fn is_open(&self) -> bool {
        Peak::of(&self.gains).is_some_and(|peak| peak.first == 0)
    }

    /// The same of an onset, of which nothing is known before the first window.
    pub(super) fn onset(&self, length: u64) -> Option<Onset> {
        let interval = self.interval(length)?;
        let first = *self.windows.first()?;
        Some(if interval.likely == first {
            Onset::Before(first + length)
        } else {
            Onset::Between(interval)
        })
    }
}

fn windows(points: &[Point]) -> Vec<u64> {
    points.iter().map(|point| point.window).collect()
}

fn share(n: f64, bad: f64) -> f64 {
    if n > 0.0 { (bad / n).clamp(LEAST, 1.0 - LEAST) } else { LEAST }
}

fn likelihood(n: f64, bad: f64, share: f64) -> f64 {
    bad * share.ln() + (n - bad).max(0.0) * (1.0 - share).ln()
}

/// What is to be expected of a window if nobody interferes.
struct Background {
    overall: f64,
}

impl Background {
    fn of(points: &[Point]) -> Self {
        let n: f64 = points.iter().map(|point| f64::from(point.control_n)).sum();
        let bad: f64 = points.iter().map(|point| f64::from(point.control_bad)).sum();
        Self { overall: share(n, bad) }
    }

    fn at(&self, point: &Point) -> f64 {
        let (n, bad) = (f64::from(point.control_n), f64::from(point.control_bad));
        share(n + PRIOR, bad + PRIOR * self.overall)
    }

    fn likelihood(&self, point: &Point) -> f64 {
        likelihood(f64::from(point.n), f64::from(point.bad), self.at(point))
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, Onset, Peak, Point};

    /// Windows of `n` client-windows; from `from` to `to` a share is affected.
    fn points(n: impl Fn(u64) -> f32, affected: std::ops::Range<u64>, share: f32) -> Vec<Point> {
        (0..60)
            .map(|window| {
                let n = n(window);
                let bad = if affected.contains(&window) { n * share } else { 0.0 };
                Point { window, n, bad, control_n: 3.0 * n, control_bad: 0.003 * n }
            })
            .collect()
    }

    fn onset(points: &[Point]) -> Peak {
        Peak::of(&Curve::of_onset(points).gains).expect("an onset")
    }

    #[test]
    fn onset_and_end_of_a_total_block() {
        let list = points(|_| 5.0, 23..41, 1.0);
        let begun = onset(&list[..41]);
        assert_eq!((begun.first, begun.likely, begun.last), (23, 23, 23));
        let over = Peak::of(&Curve::of_end(&list[23..]).gains).expect("an end");
        assert_eq!(over.likely, 41 - 23);
    }

    #[test]
    fn a_day_of_changing_load_moves_nothing() {
        let load = |window: u64| 20.0 + 18.0 * (window as f32 / 8.0).sin();
        let begun = onset(&points(load, 30..60, 0.1));
        assert_eq!(begun.likely, 30);
        assert!(begun.first >= 26 && begun.last <= 33, "{begun:?}");
    }

    #[test]
    fn what_was_always_there_has_no_onset_to_be_seen() {
        assert_eq!(onset(&points(|_| 5.0, 0..60, 0.5)).likely, 0);
    }

    #[test]
    fn little_evidence_gives_a_wide_interval() {
        let few = onset(&points(|_| 0.5, 30..60, 0.3));
        let many = onset(&points(|_| 50.0, 30..60, 0.3));
        assert!(few.last - few.first > many.last - many.first);
    }

    #[test]
    fn nothing_seen_is_nothing_said() {
        assert_eq!(Curve::of_onset(&[]).onset(1), None);
    }

    #[test]
    fn several_together_know_better_than_each() {
        // Each is seen in every third window only.
        let seen = |third: u64| move |window: u64| if window % 3 == third { 2.0 } else { 0.0 };
        let all: Vec<Curve> =
            (0..3).map(|third| Curve::of_onset(&points(seen(third), 30..60, 0.3))).collect();
        let width = |curve: &Curve| match curve.onset(1) {
            Some(Onset::Between(interval)) => interval.to - interval.from,
            other => panic!("{other:?}"),
        };
        let together = Curve::together(&all.iter().collect::<Vec<_>>());
        assert!(all.iter().all(|alone| width(&together) < width(alone)));
        assert!(together.interval(1).expect("an onset").likely.abs_diff(30) <= 1);
    }

    #[test]
    fn an_onset_counts_from_the_next_window_that_is_known() {
        let list = points(|_| 5.0, 30..60, 1.0);
        let gaps: Vec<Point> = list.iter().copied().filter(|at| at.window % 10 == 5).collect();
        let curve = Curve::of_onset(&gaps);
        assert!((curve.at(26) - curve.at(35)).abs() < 1e-9 && curve.at(36) < curve.at(35));
        assert!(curve.at(60).abs() < 1e-9);
    }
}
