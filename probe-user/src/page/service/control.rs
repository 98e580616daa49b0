//! What the services are held against.

use crate::targets::Role;

use super::super::{
    numbers::{grouped, listed, lowered, part_of, visible},
    report::{Report, Service},
    words,
};

/// A control's line.
#[derive(Debug)]
pub(in crate::page) struct ControlRow {
    pub(in crate::page) title: String,
    pub(in crate::page) n: String,
    pub(in crate::page) flows: String,
    pub(in crate::page) failed: String,
    pub(in crate::page) verdict: String,
}

/// The controls, as far as they may be shown.
pub(in crate::page) fn controls(report: &Report) -> Vec<ControlRow> {
    report
        .services
        .iter()
        .filter(|service| service.role == Role::Control)
        .map(|service| control(report, service))
        .collect()
}

fn control(report: &Report, service: &Service) -> ControlRow {
    let cells = || report.cells.iter().filter(|cell| cell.unit.service == service.id);
    let networks = cells().map(|cell| cell.client_networks.least).max().unwrap_or(0);
    let title = visible(&service.title);
    let none = || "\u{2013}".to_owned();
    if cells().next().is_none() || networks < report.k {
        let verdict = if cells().next().is_none() { "not seen" } else { "withheld" };
        let verdict = verdict.to_owned();
        return ControlRow { title, n: none(), flows: none(), failed: none(), verdict };
    }
    let (flows, failed) =
        (cells().map(|cell| cell.flows).sum(), cells().map(|cell| cell.failed).sum());
    let verdicts = report.verdicts.iter().filter(|one| one.unit.service == service.id);
    let mut labels: Vec<String> = verdicts
        .filter(|verdict| verdict.is_publishable(report.k))
        .map(|verdict| lowered(words::label(verdict.method)))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    ControlRow {
        title,
        n: grouped(cells().map(|cell| cell.n).sum()),
        flows: grouped(flows),
        failed: part_of(failed, flows),
        verdict: if labels.is_empty() { none() } else { listed(&labels) },
    }
}
