//! The report as a page, and its evidence as a capture: for people.
//!
//! * `packets` writes the packets of findings.
//! * `found` gathers findings as they are read; `limits` what has to be said beside them.

mod found;
mod limits;
mod packets;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

pub use self::packets::write_evidence;
use self::{found::Found, limits::limits};
use super::{ExportError, publish::Publication};
use crate::{
    attribute::verdict::Period,
    ledger::row::{Run, RunKind},
    page::{self, Cells, Report, Service, Vantage},
    targets::Role,
};

/// Writes the page.
///
/// # Errors
/// When the ledger cannot be read or the output not written.
pub fn write(publication: &Publication<'_>, output: &mut impl Write) -> Result<(), ExportError> {
    let html = page::render(&report(publication)?).map_err(|error| ExportError::Output {
        what: "the page".into(),
        reason: error.to_string(),
    })?;
    output.write_all(html.as_bytes()).map_err(|error| ExportError::of_io("the page", &error))
}

/// The report that a page is made of.
///
/// # Errors
/// When the ledger cannot be read.
pub fn report(publication: &Publication<'_>) -> Result<Report, ExportError> {
    publication.begin();
    let runs = publication.runs()?;
    let mut verdicts: Vec<_> = publication.verdicts()?;
    verdicts.retain(|(_, stands)| *stands);
    let verdicts: Vec<_> = verdicts.into_iter().map(|(row, _)| row.verdict).collect();
    let period = period(publication.period()?, &verdicts);
    let mut cells = Cells::new(period);
    publication.cells(|row| {
        cells.add(row.cell);
        Ok(())
    })?;
    let mut found = Found::default();
    publication.findings(|finding| found.take(publication, &finding))?;
    let mut numbers: BTreeSet<u16> = verdicts.iter().map(|verdict| verdict.unit.vantage).collect();
    numbers.insert(0);
    let withheld = publication.withheld();
    Ok(Report {
        made: Some(publication.terms().created),
        period,
        vantages: vantages(publication, &runs, &numbers),
        services: services(publication, &runs)?,
        verdicts,
        cells: cells.finish(),
        findings: found.counts(),
        devices: found.devices(),
        evidence: found.evidence(),
        limits: limits(publication, &runs)?,
        k: publication.terms().k,
        withheld: withheld.findings + withheld.cells + withheld.verdicts,
    })
}

/// The period, with the windows that verdicts rest on: they may begin before the first packet.
fn period(period: Period, verdicts: &[crate::attribute::Verdict]) -> Period {
    let to = verdicts.iter().map(|verdict| verdict.period.to).fold(period.to, u64::max);
    Period { from: period.from, to }
}

fn vantages(publication: &Publication<'_>, runs: &[Run], numbers: &BTreeSet<u16>) -> Vec<Vantage> {
    let place = place(publication);
    if numbers.len() < 2 {
        return place.into_iter().map(|name| Vantage { number: 0, name }).collect();
    }
    let given = |number: u16| {
        let replays = runs.iter().filter(|run| run.kind == RunKind::Replay);
        replays.filter_map(|run| run.interfaces.get(usize::from(number)).cloned()).next_back()
    };
    let name = |number: u16| match (given(number), &place) {
        (Some(name), _) => name,
        (None, Some(place)) => format!("{place}, observer {number}"),
        (None, None) => format!("observer {number}"),
    };
    numbers.iter().map(|&number| Vantage { number, name: name(number) }).collect()
}

fn services(publication: &Publication<'_>, runs: &[Run]) -> Result<Vec<Service>, ExportError> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for row in publication.services(runs)? {
        let service = Service { id: row.service.clone(), title: row.title, role: row.role };
        services.insert(row.service, service);
    }
    let mut services: Vec<Service> = services.into_values().collect();
    services.sort_by_key(|service| service.role == Role::Control);
    Ok(services)
}

/// What may be said of where it was seen.
fn place(publication: &Publication<'_>) -> Option<String> {
    let terms = publication.terms();
    let asn = terms.probe_asn.map(|asn| format!("AS{asn}"));
    let parts: Vec<String> = asn.into_iter().chain(terms.probe_cc.clone()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
