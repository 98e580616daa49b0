//! What is said of one service: the sentence, the figures, and why.

mod control;
mod sentence;
mod unit;

use crate::attribute::{Method, Verdict, outcome::Protocol};

pub(super) use self::control::{ControlRow, controls};
use self::{
    sentence::{sentence, state, support},
    unit::{Unit, UnitRow, evidence, row, unit},
};
use super::{
    ladder::{Ladder, ladder},
    numbers::{count, listed, plural, share_of, visible},
    report::{Report, Service},
    series::{Ask, Chart, chart},
    words,
};

/// Findings shown packet by packet of one service: typical ones, not all.
const LADDERS_MAX: usize = 12;

/// Verdicts of one service shown in full; the table has all.
const UNITS_MAX: usize = 24;

/// A service's part of the page.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    /// What comes before and after the title in the sentence.
    pub(super) before: String,
    pub(super) after: String,
    /// What it rests on.
    pub(super) support: Vec<String>,
    /// For the table at the top.
    pub(super) glance: Glance,
    pub(super) how: Vec<(&'static str, &'static str)>,
    pub(super) charts: Vec<Chart>,
    pub(super) rows: Vec<UnitRow>,
    pub(super) more_rows: Option<String>,
    /// The strongest verdict first.
    pub(super) units: Vec<Unit>,
    pub(super) ladders: Vec<Ladder>,
    pub(super) more_ladders: Option<String>,
}

/// A line of the table at the top.
#[derive(Debug, Default)]
pub(super) struct Glance {
    pub(super) how: String,
    pub(super) since: String,
    pub(super) failed: String,
    pub(super) controls: String,
    pub(super) evidence: String,
}

/// The part of `service`, the `number`th.
pub(super) fn section(report: &Report, service: &Service, number: usize) -> Section {
    let all: Vec<&Verdict> =
        report.verdicts.iter().filter(|one| one.unit.service == service.id).collect();
    let mut verdicts: Vec<&Verdict> =
        all.iter().copied().filter(|verdict| verdict.is_publishable(report.k)).collect();
    verdicts.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
    let state = state(report, service, &verdicts, all.len());
    let (class, mark) = state.mark();
    let (before, after) = sentence(report, state, &verdicts);
    let charts: Vec<Chart> = [Protocol::TcpTls, Protocol::TcpHttp, Protocol::Quic, Protocol::Dns]
        .into_iter()
        .filter_map(|protocol| {
            chart(&Ask {
                id: format!("s{number}-{}", words::protocol(protocol).to_lowercase()),
                service: &service.id,
                protocol,
                period: report.period,
                cells: &report.cells,
                verdicts: &verdicts,
                absent: &report.limits.absent,
                k: report.k,
            })
        })
        .collect();
    let mut how: Vec<Method> =
        verdicts.iter().map(|one| one.method).filter(|method| method.accuses()).collect();
    how.sort_unstable();
    how.dedup();
    // A flow is somebody's: it is shown only if flows like it are enough others'.
    let evidence = || {
        let of_this = |one: &&crate::evidence::Evidence| one.service.as_ref() == Some(&service.id);
        report.evidence.iter().filter(of_this).filter(|one| one.crowd >= report.k)
    };
    let more = evidence().count().saturating_sub(LADDERS_MAX) as u64;
    let withheld = (all.len() - verdicts.len()) as u64;
    Section {
        id: format!("s{number}"),
        title: visible(&service.title),
        class,
        mark,
        before,
        after,
        support: support(report, service, state, &verdicts),
        glance: glance(&verdicts, &how),
        how: how.iter().map(|&method| (words::label(method), words::how(method))).collect(),
        charts,
        rows: verdicts.iter().map(|verdict| row(report, verdict)).collect(),
        more_rows: (withheld > 0).then(|| {
            format!(
                "{} withheld: clients of fewer than {} stand behind them.",
                plural(withheld, "verdict"),
                plural(report.k, "network")
            )
        }),
        units: verdicts
            .iter()
            .take(UNITS_MAX)
            .filter_map(|verdict| unit(report, verdict))
            .collect(),
        ladders: evidence()
            .take(LADDERS_MAX)
            .enumerate()
            .map(|(index, one)| ladder(format!("s{number}-e{index}"), one))
            .collect(),
        more_ladders: (more > 0).then(|| {
            format!("{} more, in the file of evidence.", count(more, "finding is", "findings are"))
        }),
    }
}

/// Accusations first, lasting ones before those that have ended, then by evidence or by size.
fn rank(verdict: &Verdict) -> f64 {
    let class = match (verdict.method.accuses(), verdict.end) {
        (true, None) => 2e9,
        (true, Some(_)) => 1e9,
        (false, _) => return (verdict.target.n as f64).min(9e8),
    };
    class + verdict.evidence.against_controls.clamp(0.0, 1e6)
}

fn glance(verdicts: &[&Verdict], how: &[Method]) -> Glance {
    let Some(first) = verdicts.first() else {
        let none = || "\u{2013}".to_owned();
        return Glance {
            how: none(),
            since: none(),
            failed: none(),
            controls: none(),
            evidence: none(),
        };
    };
    let accuses = first.method.accuses();
    let labels: Vec<String> = how.iter().map(|&method| words::label(method).into()).collect();
    Glance {
        how: if accuses { listed(&labels) } else { "\u{2013}".into() },
        since: if accuses { words::onset(first.onset) } else { "\u{2013}".into() },
        failed: share_of(first.target.share, first.target.n),
        controls: share_of(
            if accuses { first.controls.share } else { first.controls.failing },
            first.controls.n,
        ),
        evidence: evidence(first),
    }
}
