//! The time series of one service and protocol: what share of client-windows was affected, beside that
//! of controls, with onset, gaps, and how many there were.
//!
//! Geometry only; drawing is the template's. The plane is [`WIDE`] by [`HIGH`], and is stretched to
//! whatever the page gives it.

use std::fmt::Write as _;

use crate::{
    attribute::{
        Cell, Method, Verdict,
        outcome::Protocol,
        verdict::{Onset, Period},
    },
    targets::Role,
};

use super::{
    numbers::{
        brief, grouped, length, listed, machine, on_axis, percent, plural, share_of, wilson,
    },
    words,
};

/// Part of the axis that a label takes on a phone: of moments nearer than that to one with a label, only the
/// lines are drawn.
const LABEL: f64 = 0.25;

/// Width of the plane.
pub(super) const WIDE: f64 = 1000.0;

/// Height of the plane.
pub(super) const HIGH: f64 = 100.0;

/// Most steps that a series is drawn in: more than a phone can show are put together.
pub(super) const STEPS_MAX: u64 = 144;

/// Length of a window where no cell tells: five minutes.
const WINDOW: u64 = 300_000_000_000;

const HOUR: u64 = 3_600_000_000_000;

/// A chart, ready to be drawn.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub(super) id: String,
    pub(super) heading: String,
    pub(super) caption: String,
    /// Length of a step, for people.
    pub(super) step: String,
    /// Paths: one for each stretch without a gap.
    pub(super) target: Vec<String>,
    pub(super) target_band: Vec<String>,
    pub(super) control: Vec<String>,
    pub(super) control_band: Vec<String>,
    /// Where nothing was seen.
    pub(super) gaps: Vec<Span>,
    /// Where too few clients stand behind it.
    pub(super) withheld: Vec<Span>,
    pub(super) onsets: Vec<Mark>,
    pub(super) ends: Vec<Mark>,
    pub(super) ticks: Vec<Tick>,
    /// How many there were.
    pub(super) bars: Vec<Span>,
    /// The longest bar's number.
    pub(super) most: String,
    pub(super) rows: Vec<Row>,
}

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

/// A row of the table behind the chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) when: String,
    pub(super) machine: String,
    pub(super) target: String,
    pub(super) control: String,
}

/// What is known of one side in one step.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    n: u64,
    hit: f64,
    networks: u64,
}

impl Tally {
    fn add(&mut self, cell: &Cell, methods: &[Method]) {
        let share: f64 =
            methods.iter().filter_map(|method| cell.methods.get(method)).map(|hit| hit.share).sum();
        self.n += cell.n;
        self.hit += share.clamp(0.0, 1.0) * cell.n as f64;
        self.networks = self.networks.max(cell.client_networks.least);
    }

    fn sum(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            hit: self.hit + other.hit,
            networks: self.networks.max(other.networks),
        }
    }

    fn share(self) -> f64 {
        if self.n == 0 { 0.0 } else { self.hit / self.n as f64 }
    }

    fn shown(self) -> String {
        share_of(self.share(), self.n)
    }

    /// Without what too few networks of clients stand behind. A step is made of whole cells, so at
    /// least as many networks stand behind it as behind any of them.
    fn published(self, k: u64) -> Option<Self> {
        (self.n > 0 && self.networks >= k).then_some(self)
    }
}

/// What a chart is made from.
pub(super) struct Ask<'a> {
    pub(super) id: String,
    pub(super) service: &'a str,
    pub(super) protocol: Protocol,
    pub(super) period: Period,
    pub(super) cells: &'a [Cell],
    pub(super) verdicts: &'a [&'a Verdict],
    pub(super) absent: &'a [Period],
    pub(super) k: u64,
}

/// The chart; `None` if there is nothing of this service and protocol that may be shown.
pub(super) fn chart(ask: &Ask<'_>) -> Option<Chart> {
    let accusing =
        |verdict: &&&Verdict| verdict.method.accuses() && verdict.unit.protocol == ask.protocol;
    let mut methods: Vec<Method> =
        ask.verdicts.iter().filter(accusing).map(|verdict| verdict.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let accused = !methods.is_empty();
    if !accused {
        methods = Method::ALL.into_iter().filter(|method| method.accuses()).collect();
    }
    let axis = Axis::of(ask);
    let (targets, controls) = steps(ask, &axis, &methods);
    let shown: Vec<Option<Tally>> = targets.iter().map(|one| one.published(ask.k)).collect();
    let beside: Vec<Option<Tally>> = controls.iter().map(|one| one.published(ask.k)).collect();
    if shown.iter().all(Option::is_none) {
        return None;
    }
    let most = shown.iter().flatten().map(|one| one.n).max().unwrap_or(0);
    let mut chart = Chart {
        id: ask.id.clone(),
        heading: heading(ask.protocol, accused.then_some(&methods[..])),
        step: length(axis.step),
        most: grouped(most),
        ticks: axis.ticks(),
        bars: axis.bars(&shown, most),
        gaps: axis.spans(|at| targets[at].n == 0),
        withheld: axis.spans(|at| targets[at].n > 0 && shown[at].is_none()),
        rows: rows(&axis, &targets, &shown, &beside),
        ..Chart::default()
    };
    (chart.target, chart.target_band) = axis.lines(&shown);
    (chart.control, chart.control_band) = axis.lines(&beside);
    let mut onsets: Vec<_> = ask
        .verdicts
        .iter()
        .filter(accusing)
        .filter_map(|verdict| match verdict.onset {
            Some(Onset::Between(interval)) => Some(interval),
            _ => None,
        })
        .collect();
    onsets.sort_by_key(|interval| interval.likely);
    let onset = onsets.first().map(|interval| interval.likely);
    let mut labelled = f64::NEG_INFINITY;
    for interval in onsets {
        let mut mark = axis.mark(interval.from, interval.to, interval.likely, "onset");
        if chart.onsets.contains(&mark) {
            continue;
        }
        let place = axis.place(interval.likely);
        if place < labelled + LABEL {
            mark.label.clear();
        } else {
            labelled = place;
        }
        chart.onsets.push(mark);
    }
    let mut end = None;
    for verdict in ask.verdicts.iter().filter(accusing) {
        if let Some(interval) = verdict.end {
            let mark = axis.mark(interval.from, interval.to, interval.likely, "end");
            if !chart.ends.contains(&mark) {
                chart.ends.push(mark);
            }
            end = end.max(Some(interval.likely));
        }
    }
    if ask.verdicts.iter().filter(accusing).any(|verdict| verdict.end.is_none()) {
        end = None;
    }
    chart.caption = caption(ask, &axis, [onset, end], &targets, &shown, &beside);
    Some(chart)
}

fn heading(protocol: Protocol, methods: Option<&[Method]>) -> String {
    let name = words::protocol(protocol);
    match methods {
        Some(methods) => {
            let labels: Vec<String> = methods.iter().map(|&one| words::label(one).into()).collect();
            format!("{name}: share of client-windows affected ({})", listed(&labels))
        }
        None => format!("{name}: share of client-windows that failed as under any method"),
    }
}

/// Both sides, step by step.
fn steps(ask: &Ask<'_>, axis: &Axis, methods: &[Method]) -> (Vec<Tally>, Vec<Tally>) {
    let mut targets = vec![Tally::default(); axis.count];
    let mut controls = targets.clone();
    for cell in ask.cells.iter().filter(|cell| cell.unit.protocol == ask.protocol) {
        // A window may have begun before the period.
        let begin = cell.window.from.max(axis.from);
        let Some(at) = axis.step_of(begin).filter(|_| cell.window.to > axis.from) else { continue };
        if cell.unit.service == ask.service {
            targets[at].add(cell, methods);
        } else if cell.unit.role == Role::Control {
            controls[at].add(cell, methods);
        }
    }
    (targets, controls)
}

/// The figure in a paragraph: for those who cannot see it, and for quoting.
fn caption(
    ask: &Ask<'_>,
    axis: &Axis,
    [onset, end]: [Option<u64>; 2],
    targets: &[Tally],
    shown: &[Option<Tally>],
    beside: &[Option<Tally>],
) -> String {
    let sum = |tallies: &[Option<Tally>], from: usize, to: usize| {
        tallies[from..to].iter().flatten().fold(Tally::default(), |sum, one| sum.sum(*one)).shown()
    };
    // Writing to a string cannot fail, here and below.
    let both = |from, to| (sum(shown, from, to), sum(beside, from, to));
    let step = |time: Option<u64>| time.and_then(|time| axis.step_of(time));
    let (first, (before, controls)) = (step(onset), both(0, step(onset).unwrap_or(axis.count)));
    let mut text = match first {
        Some(_) => {
            format!("Before the onset: {before} client-windows, beside {controls} of controls.")
        }
        None => format!("{before} client-windows, beside {controls} of controls."),
    };
    if let Some(first) = first {
        let last = step(end).filter(|&last| last >= first).unwrap_or(axis.count);
        let (share, controls) = both(first, last);
        let _ = write!(text, " Since: {share}, beside {controls}.");
        if last < axis.count {
            let (share, controls) = both(last, axis.count);
            let _ = write!(text, " After its end: {share}, beside {controls}.");
        }
    }
    let silent = targets.iter().filter(|one| one.n == 0).count() as u64;
    if silent > 0 {
        let steps = plural(silent, "step");
        let _ = write!(text, " In {steps} ({}) nothing of it was seen", length(silent * axis.step));
        let absent: u64 = ask.absent.iter().map(|gap| gap.to.saturating_sub(gap.from)).sum();
        if absent > 0 {
            let _ = write!(text, "; nobody watched for {}", length(absent));
        }
        text.push('.');
    }
    let few = targets.iter().zip(shown).filter(|(one, shown)| one.n > 0 && shown.is_none()).count();
    if few > 0 {
        let least = plural(ask.k, "network");
        let steps = plural(few as u64, "step");
        let verb = if few == 1 { "is" } else { "are" };
        let _ = write!(text, " {steps} with clients of fewer than {least} {verb} withheld.");
    }
    text
}

fn rows(
    axis: &Axis,
    targets: &[Tally],
    shown: &[Option<Tally>],
    beside: &[Option<Tally>],
) -> Vec<Row> {
    let text = |tally: Option<Tally>| match tally {
        None => "none shown".to_owned(),
        Some(tally) => {
            let (low, high) = wilson(tally.share(), tally.n);
            format!("{} ({}\u{2013}{})", tally.shown(), percent(low), percent(high))
        }
    };
    (0..axis.count)
        .filter(|&at| targets[at].n > 0 || beside[at].is_some())
        .map(|at| Row {
            when: brief(axis.start(at)),
            machine: machine(axis.start(at)),
            target: if targets[at].n == 0 { "nothing seen".into() } else { text(shown[at]) },
            control: text(beside[at]),
        })
        .collect()
}

/// Time from left to right.
struct Axis {
    from: u64,
    to: u64,
    step: u64,
    count: usize,
}

impl Axis {
    fn of(ask: &Ask<'_>) -> Self {
        let lengths = ask.cells.iter().map(|cell| cell.window.to.saturating_sub(cell.window.from));
        let window = lengths.filter(|&length| length > 0).min().unwrap_or(WINDOW);
        let Period { from, to } = ask.period;
        let length = to.saturating_sub(from).max(window);
        let step = window * length.div_ceil(window).div_ceil(STEPS_MAX);
        let count = length.div_ceil(step);
        Self { from, to: from + length, step, count: count as usize }
    }

    fn start(&self, at: usize) -> u64 {
        self.from + at as u64 * self.step
    }

    fn step_of(&self, time: u64) -> Option<usize> {
        let at = (time.checked_sub(self.from)? / self.step) as usize;
        (at < self.count).then_some(at)
    }

    /// Where a time lies, from 0 to 1.
    fn place(&self, time: u64) -> f64 {
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
    fn spans(&self, wanted: impl Fn(usize) -> bool) -> Vec<Span> {
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

    fn bars(&self, shown: &[Option<Tally>], most: u64) -> Vec<Span> {
        let bar = |(at, tally): (usize, &Option<Tally>)| {
            let height = tally.as_ref()?.n as f64 / most.max(1) as f64 * HIGH;
            Some(self.span(self.x(at), self.x(at + 1), height))
        };
        shown.iter().enumerate().filter_map(bar).collect()
    }

    /// A line of steps and the band around it, each broken where there is nothing.
    fn lines(&self, shown: &[Option<Tally>]) -> (Vec<String>, Vec<String>) {
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

    fn mark(&self, from: u64, to: u64, likely: u64, label: &str) -> Mark {
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
    fn ticks(&self) -> Vec<Tick> {
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
