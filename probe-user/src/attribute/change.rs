//! When it began, and when it ended: change points.
//!
//! The likelihood of each window's share of affected flows is compared under two hypotheses: the share
//! that the controls had in that window, and one share for all windows since the change. What matters
//! is shares against controls of the same window, so load may go up and down with the day as it likes.
//! The likeliest change is the estimate (Page, Biometrika 1954; profile likelihood); the interval has
//! all windows whose log-likelihood is within [`DROP`] of it.

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

/// Where the change is: places in the list of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) first: usize,
    pub(super) likely: usize,
    pub(super) last: usize,
}

/// The point from which on flows are affected.
pub(super) fn onset(points: &[Point]) -> Option<Change> {
    let background = Background::of(points);
    // From the last to the first: what would be gained by counting it and all later ones as affected.
    let mut gains = vec![0.0; points.len()];
    let (mut n, mut bad, mut innocent) = (0.0, 0.0, 0.0);
    for (place, point) in points.iter().enumerate().rev() {
        n += f64::from(point.n);
        bad += f64::from(point.bad);
        innocent += likelihood(f64::from(point.n), f64::from(point.bad), background.at(point));
        gains[place] = likelihood(n, bad, share(n, bad)) - innocent;
    }
    best(&gains)
}

/// The first point in which flows are not affected any more.
pub(super) fn end(points: &[Point]) -> Option<Change> {
    let background = Background::of(points);
    let mut gains = vec![0.0; points.len()];
    let (mut n, mut bad, mut innocent) = (0.0, 0.0, 0.0);
    for (place, point) in points.iter().enumerate() {
        gains[place] = likelihood(n, bad, share(n, bad)) - innocent;
        n += f64::from(point.n);
        bad += f64::from(point.bad);
        innocent += likelihood(f64::from(point.n), f64::from(point.bad), background.at(point));
    }
    best(&gains)
}

fn best(gains: &[f64]) -> Option<Change> {
    let (likely, most) = gains.iter().enumerate().fold(
        None,
        |best: Option<(usize, f64)>, (place, &gain)| match best {
            Some((_, most)) if gain <= most => best,
            _ => Some((place, gain)),
        },
    )?;
    let near = |gain: &f64| *gain >= most - DROP;
    let first = gains.iter().position(near)?;
    let last = gains.iter().rposition(near)?;
    Some(Change { first, likely, last })
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
}

#[cfg(test)]
mod tests {
    use super::{Point, end, onset};

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

    #[test]
    fn onset_and_end_of_a_total_block() {
        let list = points(|_| 5.0, 23..41, 1.0);
        let begun = onset(&list[..41]).expect("an onset");
        assert_eq!((begun.first, begun.likely, begun.last), (23, 23, 23));
        let over = end(&list[23..]).expect("an end");
        assert_eq!(over.likely, 41 - 23);
    }

    #[test]
    fn a_day_of_changing_load_moves_nothing() {
        let load = |window: u64| 20.0 + 18.0 * (window as f32 / 8.0).sin();
        let begun = onset(&points(load, 30..60, 0.1)).expect("an onset");
        assert_eq!(begun.likely, 30);
        assert!(begun.first >= 26 && begun.last <= 33, "{begun:?}");
    }

    #[test]
    fn what_was_always_there_has_no_onset_to_be_seen() {
        assert_eq!(onset(&points(|_| 5.0, 0..60, 0.5)).expect("an onset").likely, 0);
    }

    #[test]
    fn little_evidence_gives_a_wide_interval() {
        let few = onset(&points(|_| 0.5, 30..60, 0.3)).expect("an onset");
        let many = onset(&points(|_| 50.0, 30..60, 0.3)).expect("an onset");
        assert!(few.last - few.first > many.last - many.first);
    }

    #[test]
    fn nothing_seen_is_nothing_said() {
        assert_eq!(onset(&[]), None);
    }
}
