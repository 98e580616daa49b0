//! What has to be said beside what was found: who watched when, and what was lost.

use std::collections::BTreeSet;

use super::super::{ExportError, publish::Publication};
use crate::{
    attribute::verdict::Period,
    ledger::row::{NoticeKind, Run, RunClock, RunKind, RunState},
    page::Limits,
    report::{
        rfc3339,
        summary::{Clock, ClockSource, TargetsUsed},
    },
    targets::Role,
};

/// Notices listed.
const NOTICES_MAX: usize = 64;

pub(super) fn limits(publication: &Publication<'_>, runs: &[Run]) -> Result<Limits, ExportError> {
    let mut limits = Limits { runs: runs.len() as u64, ..Limits::default() };
    for run in runs {
        let figure = |name: &str| {
            run.summary.as_ref().and_then(|summary| summary.get(name)?.as_u64()).unwrap_or(0)
        };
        limits.packets += figure("packets");
        limits.flows += figure("flows");
        limits.tcp_flows += figure("tcp_flows");
        limits.dns_replies += figure("dns_replies");
        let lost = run.summary.as_ref().and_then(|summary| summary.get("lost")?.as_object());
        for (name, count) in lost.into_iter().flatten() {
            *limits.lost.entry(name.clone()).or_default() += count.as_u64().unwrap_or(0);
        }
        once(&mut limits.kernels, run.kernel.clone());
        once(&mut limits.versions, Some(run.version.clone()));
        if run.state == RunState::CutShort {
            limits.notes.push(format!(
                "run {} was cut short: up to a second before {} is missing",
                run.id,
                rfc3339(run.seen)
            ));
        }
    }
    for targets in runs.iter().map(|run| &run.targets).collect::<BTreeSet<_>>() {
        let mut used = TargetsUsed { hash: targets.clone(), ..TargetsUsed::default() };
        for row in publication.services(runs)?.iter().filter(|row| row.targets == *targets) {
            let list =
                if row.role == Role::Control { &mut used.controls } else { &mut used.services };
            list.push(row.service.clone());
        }
        limits.targets.push(used);
    }
    limits.clock = clock(runs);
    limits.absent = absent(publication.period()?, runs);
    let notices = publication.notices()?;
    let told = notices.iter().filter(|notice| notice.kind != NoticeKind::CutShort);
    limits.notes.extend(
        told.take(NOTICES_MAX).map(|notice| format!("{}: {}", rfc3339(notice.time), notice.words)),
    );
    Ok(limits)
}

fn once(list: &mut Vec<String>, text: Option<String>) {
    list.extend(text.filter(|text| !list.contains(text)));
}

/// The worst of the clocks: a report is as sure of its times as the least sure of its runs.
fn clock(runs: &[Run]) -> Option<Clock> {
    let live = runs.iter().filter(|run| run.clock != RunClock::Capture);
    let state = |run: &Run| match run.clock {
        RunClock::Free | RunClock::Doubted => 0,
        RunClock::Unknown => 1,
        RunClock::Synchronised | RunClock::Capture => 2,
    };
    match live.map(state).min() {
        Some(state) => Some(Clock {
            source: ClockSource::System,
            synchronised: [Some(false), None, Some(true)][state],
        }),
        None if runs.is_empty() => None,
        None => Some(Clock { source: ClockSource::Capture, synchronised: None }),
    }
}

/// Times within `period` at which no agent ran, if any of the runs is live.
fn absent(period: Period, runs: &[Run]) -> Vec<Period> {
    let mut live: Vec<Period> = runs
        .iter()
        .filter(|run| run.kind == RunKind::Live)
        .map(|run| Period { from: run.started, to: run.ended.unwrap_or(run.seen) })
        .collect();
    if live.is_empty() {
        return Vec::new();
    }
    live.sort_unstable();
    let mut gaps = Vec::new();
    let mut at = period.from;
    for run in live {
        if run.from > at && at < period.to {
            gaps.push(Period { from: at, to: run.from.min(period.to) });
        }
        at = at.max(run.to);
    }
    if at < period.to {
        gaps.push(Period { from: at, to: period.to });
    }
    gaps
}
