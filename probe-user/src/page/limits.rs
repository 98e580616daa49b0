//! What the report did not see.

use probe_common::counter::Counter;

use crate::report::summary::ClockSource;

use super::{
    numbers::{grouped, length, part_of, period, plural, visible},
    report::Report,
};

/// Digits shown of a hash where it stands for the whole.
const HASH_SHOWN: usize = 12;

/// A line: what, how much, and what that means.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) how_much: String,
    pub(super) meaning: String,
}

/// A counter that does not stand at 0.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) name: String,
    pub(super) count: String,
    pub(super) meaning: &'static str,
}

/// What was seen, and what was not.
pub(super) fn lines(report: &Report) -> Vec<Line> {
    let limits = &report.limits;
    let mut lines = vec![Line {
        what: "Seen",
        how_much: plural(limits.packets, "packet"),
        meaning: format!(
            "{} of all kinds, of them {}; {}. In {}, each as a whole.",
            plural(limits.flows, "flow"),
            plural(limits.tcp_flows, "TCP connection"),
            super::numbers::count(limits.dns_replies, "DNS reply", "DNS replies"),
            super::numbers::count(limits.runs, "run of the agent", "runs of the agent"),
        ),
    }];
    let lost: u64 = limits.lost.values().sum();
    lines.push(Line {
        what: "Lost",
        how_much: match (limits.lost.is_empty(), lost) {
            (true, _) => "not measured".into(),
            (false, 0) => "nothing".into(),
            (false, _) => plural(lost, "item"),
        },
        meaning: if limits.lost.is_empty() {
            "No counter of losses came with the figures: take every absence below as unknown."
                .into()
        } else {
            format!(
                "{} of losses were read, {} at 0; those that are not are listed below.",
                plural(limits.lost.len() as u64, "counter"),
                grouped(limits.lost.values().filter(|count| **count == 0).count() as u64)
            )
        },
    });
    lines.push(match limits.sampled {
        None => Line {
            what: "Sampled",
            how_much: "no".into(),
            meaning: "Every flow of a watched service was looked at, but for the losses.".into(),
        },
        Some(share) => Line {
            what: "Sampled",
            how_much: part_of(share.part, share.of),
            meaning: "Flows that were looked at, of all: counts are of these, shares estimate all."
                .into(),
        },
    });
    lines.push(match limits.one_way {
        None => Line {
            what: "One way only",
            how_much: "not measured".into(),
            meaning: "Silence of a connection of which one direction was seen means nothing."
                .into(),
        },
        Some(share) => Line {
            what: "One way only",
            how_much: part_of(share.part, share.of),
            meaning:
                "TCP connections of which one direction was seen; their silence is not counted."
                    .into(),
        },
    });
    lines.push(absent(report));
    lines.push(Line {
        what: "Withheld",
        how_much: withheld(report),
        meaning: if report.k <= 1 {
            "Nothing is withheld: this is a lab\u{2019}s report, and single clients can show in it."
                .into()
        } else {
            format!(
                "Figures behind which clients of fewer than {} (a /24 or a /48 each) stand.",
                plural(report.k, "network")
            )
        },
    });
    lines.push(clock(report));
    lines.extend(notes(report));
    lines
}

fn absent(report: &Report) -> Line {
    let gaps = &report.limits.absent;
    let total: u64 = gaps.iter().map(|gap| gap.to.saturating_sub(gap.from)).sum();
    let listed: Vec<String> = gaps.iter().take(5).map(|&gap| period(gap)).collect();
    Line {
        what: "Nobody watched",
        how_much: if total == 0 { "never".into() } else { length(total) },
        meaning: match gaps.len() {
            0 => "The observer ran for the whole period.".into(),
            1..=5 => format!("{}.", listed.join("; ")),
            many => format!("{}; and {} more.", listed.join("; "), many - listed.len()),
        },
    }
}

fn withheld(report: &Report) -> String {
    let k = report.k;
    let verdicts = report.verdicts.iter().filter(|one| !one.is_publishable(k)).count() as u64;
    match report.withheld + verdicts {
        0 => "nothing".into(),
        many => plural(many, "figure"),
    }
}

fn clock(report: &Report) -> Line {
    let (how_much, meaning) = match report.limits.clock {
        None => ("not known", "Times cannot be compared with those of other observers."),
        Some(clock) => match (clock.source, clock.synchronised) {
            (ClockSource::Capture, _) => (
                "the captures\u{2019}",
                "Times are those that the captures have; how right they are is not in them.",
            ),
            (ClockSource::System, Some(true)) => (
                "synchronised",
                "Times are this machine\u{2019}s, which says that its clock is synchronised.",
            ),
            (ClockSource::System, Some(false)) => (
                "NOT synchronised",
                "Times are this machine\u{2019}s and may be off by any amount; differences within a flow hold.",
            ),
            (ClockSource::System, None) => (
                "not known",
                "Times are this machine\u{2019}s, which does not say whether its clock is synchronised.",
            ),
        },
    };
    Line { what: "Clock", how_much: how_much.into(), meaning: meaning.into() }
}

/// What happened meanwhile.
fn notes(report: &Report) -> Option<Line> {
    const SHOWN: usize = 8;
    let notes = &report.limits.notes;
    let shown: Vec<String> = notes.iter().take(SHOWN).map(|note| visible(note)).collect();
    let more = notes.len() - shown.len();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!notes.is_empty()).then(|| Line {
        what: "Meanwhile",
        how_much: plural(notes.len() as u64, "notice"),
        meaning: format!("{}{more}.", shown.join("; ")),
    })
}

/// Counters that do not stand at 0, and the names of those that do.
pub(super) fn losses(report: &Report) -> (Vec<Loss>, String) {
    let lost = &report.limits.lost;
    let loss = |(name, &count): (&String, &u64)| Loss {
        name: visible(name),
        count: grouped(count),
        meaning: Counter::ALL
            .iter()
            .find(|counter| counter.name() == name)
            .map_or("", |counter| counter.describe().trim()),
    };
    let zero: Vec<String> =
        lost.iter().filter(|(_, count)| **count == 0).map(|(name, _)| visible(name)).collect();
    (lost.iter().filter(|(_, count)| **count > 0).map(loss).collect(), zero.join(", "))
}

/// What made it.
pub(super) fn origin(report: &Report) -> Vec<(&'static str, String)> {
    let limits = &report.limits;
    let known = |list: &[String]| {
        let list: Vec<String> = list.iter().map(|text| visible(text)).collect();
        if list.is_empty() { "none took part".to_owned() } else { list.join(", ") }
    };
    let mut origin =
        vec![("Forgewatch", known(&limits.versions)), ("Kernel", known(&limits.kernels))];
    for targets in &limits.targets {
        origin.push(("Targets", format!("SHA-256 {}", visible(&targets.hash))));
        origin.push((
            "Watched",
            format!(
                "{}; beside the controls {}",
                visible(&targets.services.join(", ")),
                visible(&targets.controls.join(", "))
            ),
        ));
    }
    origin
}

/// The hash that stands for what was watched, shortened.
pub(super) fn targets(report: &Report) -> Option<String> {
    let first = report.limits.targets.first()?;
    Some(visible(&first.hash).chars().take(HASH_SHOWN).collect())
}
