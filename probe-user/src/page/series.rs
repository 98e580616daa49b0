//! The time series of one service and protocol: what share of client-windows was affected, beside that
//! of controls, with onset, gaps, and how many there were.
//!
//! Geometry only ([`Axis`]); drawing is the template's.

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
    axis::{Axis, Mark, Span, Tick},
    numbers::{brief, grouped, length, listed, machine, percent, plural, share_of, wilson},
    words,
};

/// Part of the axis that a label takes on a phone: of moments nearer than that to one with a label, only the
/// lines are drawn.
const LABEL: f64 = 0.25;

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
pub(super) struct Tally {
    pub(super) n: u64,
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

    pub(super) fn share(self) -> f64 {
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
