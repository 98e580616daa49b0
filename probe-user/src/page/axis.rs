//! Where things lie in a chart: time from left to right, shares from the bottom up.
//!
//! The plane is [`WIDE`] by [`HIGH`], and is stretched to whatever the page gives it.

use std::fmt::Write as _;

use super::{
    numbers::{on_axis, wilson},
    series::{Ask, Tally},
};
use crate::attribute::verdict::Period;

/// Width of the plane.
pub(super) const WIDE: f64 = 1000.0;

/// Height of the plane.
pub(super) const HIGH: f64 = 100.0;

/// Most steps that a series is drawn in: more than a phone can show are put together.
pub(super) const STEPS_MAX: u64 = 144;

/// Length of a window where no cell tells: five minutes.
const WINDOW: u64 = 300_000_000_000;

const HOUR: u64 = 3_600_000_000_000;

/// A stretch of the time axis; `height` is that of a bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
}

/// A moment with its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) span: Span,
    pub(super) line: String,
    /// In percent of the width, for the label.
    pub(super) at: String,
    /// Class of the label that is to stand before the line.
    pub(super) side: &'static str,
    pub(super) label: String,
}

/// A label of the time axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) x: String,
    /// In percent of the width.
    pub(super) at: String,
    /// At the end of the axis: its label must not reach beyond.
    pub(super) last: bool,
    pub(super) label: String,
    /// Left out where there is little room.
    pub(super) minor: bool,
}

/// Time from left to right.
pub(super) struct Axis {
    pub(super) from: u64,
    to: u64,
    pub(super) step: u64,
    pub(super) count: usize,
}

impl Axis {
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        let lengths = ask.cells.iter().map(|cell| cell.window.to.saturating_sub(cell.window.from));
        let window = lengths.filter(|&length| length > 0).min().unwrap_or(WINDOW);
        let Period { from, to } = ask.period;
        let length = to.saturating_sub(from).max(window);
        let step = window * length.div_ceil(window).div_ceil(STEPS_MAX);
        let count = length.div_ceil(step);
        Self { from, to: from + length, step, count: count as usize }
    }

    pub(super) fn start(&self, at: usize) -> u64 {
        self.from + at as u64 * self.step
    }

    pub(super) fn step_of(&self, time: u64) -> Option<usize> {
        let at = (time.checked_sub(self.from)? / self.step) as usize;
        (at < self.count).then_some(at)
    }

    /// Where a time lies, from 0 to 1.
    pub(super) fn place(&self, time: u64) -> f64 {
        let time = time.clamp(self.from, self.to);
        (time - self.from) as f64 / (self.to - self.from) as f64
    }

    fn x(&self, at: usize) -> f64 {
        self.place(self.start(at)) * WIDE
    }

    fn span(&self, from: f64, to: f64, height: f64) -> Span {
        Span {
            x: short(from),
            width: short(to - from),
            y: short(HIGH - height),
            height: short(height),
        }
    }

    /// Stretches of steps that `wanted` holds for.
    pub(super) fn spans(&self, wanted: impl Fn(usize) -> bool) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut begun = None;
        for at in 0..=self.count {
            match (begun, at < self.count && wanted(at)) {
                (None, true) => begun = Some(at),
                (Some(first), false) => {
                    spans.push(self.span(self.x(first), self.x(at), HIGH));
                    begun = None;
                }
                _ => {}
            }
        }
        spans
    }

    pub(super) fn bars(&self, shown: &[Option<Tally>], most: u64) -> Vec<Span> {
        let bar = |(at, tally): (usize, &Option<Tally>)| {
            let height = tally.as_ref()?.n as f64 / most.max(1) as f64 * HIGH;
            Some(self.span(self.x(at), self.x(at + 1), height))
        };
        shown.iter().enumerate().filter_map(bar).collect()
    }

    /// A line of steps and the band around it, each broken where there is nothing.
    pub(super) fn lines(&self, shown: &[Option<Tally>]) -> (Vec<String>, Vec<String>) {
        let (mut lines, mut bands) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < self.count {
            let stretch = shown[at..].iter().take_while(|one| one.is_some()).count();
            if stretch > 0 {
                let tallies: Vec<Tally> =
                    shown[at..at + stretch].iter().flatten().copied().collect();
                lines.push(self.path(at, tallies.iter().map(|one| one.share()), "M"));
                let bounds = tallies.iter().map(|one| wilson(one.share(), one.n));
                let (low, high): (Vec<f64>, Vec<f64>) = bounds.unzip();
                bands.push(self.band(at, &low, &high));
            }
            at += stretch.max(1);
        }
        (lines, bands)
    }

    fn path(&self, first: usize, shares: impl Iterator<Item = f64>, begin: &str) -> String {
        let mut path = String::new();
        for (index, share) in shares.enumerate() {
            let y = short(HIGH - share * HIGH);
            let _ = if index == 0 {
                write!(path, "{begin}{} {y}", short(self.x(first)))
            } else {
                write!(path, "V{y}")
            };
            let _ = write!(path, "H{}", short(self.x(first + index + 1)));
        }
        path
    }

    /// Along the upper bounds, and back along the lower ones.
    fn band(&self, first: usize, low: &[f64], high: &[f64]) -> String {
        let mut path = self.path(first, high.iter().copied(), "M");
        for (index, share) in low.iter().enumerate().rev() {
            let _ =
                write!(path, "V{}H{}", short(HIGH - share * HIGH), short(self.x(first + index)));
        }
        path.push('Z');
        path
    }

    pub(super) fn mark(&self, from: u64, to: u64, likely: u64, label: &str) -> Mark {
        let [left, right, line] = [from, to, likely].map(|time| self.place(time));
        Mark {
            // Wide enough to be seen.
            span: self.span(left * WIDE, (right * WIDE).max(left * WIDE + 2.0), HIGH),
            line: short(line * WIDE),
            at: short(line * 100.0),
            side: if line < 0.25 || (label == "end" && line < 0.75) { "" } else { " before" },
            label: format!("{label} {}", on_axis(likely, HOUR)),
        }
    }

    /// Labels at round times: six or so, every second of which is minor.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        const HOURS: [u64; 10] = [1, 2, 3, 4, 6, 12, 24, 48, 168, 720];
        let length = self.to - self.from;
        let minutes = [5, 10, 15, 30].map(|minutes| minutes * HOUR / 60);
        let step = minutes.into_iter().chain(HOURS.map(|hours| hours * HOUR));
        let step = step.clone().find(|step| length / step <= 8).unwrap_or(length / 6);
        let first = self.from.div_ceil(step) * step;
        let times = (0..).map(|index| first + index * step).take_while(|&time| time <= self.to);
        times
            .enumerate()
            .map(|(index, time)| Tick {
                x: short(self.place(time) * WIDE),
                at: short(self.place(time) * 100.0),
                last: self.place(time) > 0.97,
                label: on_axis(time, step),
                minor: index % 2 == 1,
            })
            .collect()
    }
}

/// A coordinate: a tenth is less than can be seen.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
