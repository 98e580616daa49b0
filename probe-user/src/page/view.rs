//! The page as the template takes it: sentences and geometry, nothing left to compute.

use askama::Template;

use crate::targets::Role;

use super::{
    limits::{self, Line, Loss},
    numbers::{self, grouped, machine, moment, plural, visible},
    report::Report,
    service::{self, ControlRow, Section},
};

/// The page.
#[derive(Template)]
#[template(path = "page/page.html")]
pub(super) struct Page {
    title: String,
    period: String,
    from: String,
    to: String,
    made: Option<String>,
    vantages: Vec<String>,
    several: bool,
    lab: bool,
    targets: Vec<Section>,
    controls: Vec<ControlRow>,
    devices: Vec<DeviceRow>,
    findings: Vec<FindingRow>,
    limits: Vec<Line>,
    losses: Vec<Loss>,
    zero: String,
    origin: Vec<(&'static str, String)>,
    cite: String,
}

/// A handwriting.
struct DeviceRow {
    id: String,
    names: Vec<String>,
    count: String,
    servers: String,
    seen: String,
}

/// Findings of a service.
struct FindingRow {
    service: String,
    protocol: &'static str,
    verdict: &'static str,
    confidence: &'static str,
    count: String,
}

impl Page {
    /// The page of a report.
    pub(super) fn of(report: &Report) -> Self {
        let targets: Vec<Section> = report
            .services
            .iter()
            .filter(|service| service.role == Role::Target)
            .enumerate()
            .map(|(number, service)| service::section(report, service, number + 1))
            .collect();
        let vantages: Vec<String> =
            report.vantages.iter().map(|vantage| visible(&vantage.name)).collect();
        let (losses, zero) = limits::losses(report);
        let period = numbers::period(report.period);
        Self {
            title: title(&targets, &period),
            from: machine(report.period.from),
            to: machine(report.period.to),
            made: report.made.map(moment),
            several: vantages.len() > 1,
            lab: report.k <= 1,
            controls: service::controls(report),
            devices: devices(report),
            findings: findings(report),
            limits: limits::lines(report),
            losses,
            zero,
            origin: limits::origin(report),
            cite: cite(report, &vantages, &period),
            targets,
            vantages,
            period,
        }
    }
}

/// For the window and for search: what is blocked, and when.
fn title(targets: &[Section], period: &str) -> String {
    let blocked: Vec<String> = targets
        .iter()
        .filter(|section| section.class == "blocked")
        .map(|section| section.title.clone())
        .collect();
    match blocked.len() {
        0 => format!("Forgewatch report, {period}"),
        1..=3 => format!("{} blocked: Forgewatch report, {period}", numbers::listed(&blocked)),
        many => format!("{many} services blocked: Forgewatch report, {period}"),
    }
}

fn cite(report: &Report, vantages: &[String], period: &str) -> String {
    let mut parts = vec!["Forgewatch report".to_owned()];
    if !vantages.is_empty() {
        parts.push(vantages.join("; "));
    }
    parts.push(period.to_owned());
    parts.extend(report.made.map(|made| format!("made {}", moment(made))));
    parts.extend(report.limits.versions.first().map(|one| format!("version {}", visible(one))));
    parts.extend(limits::targets(report).map(|hash| format!("targets {hash}")));
    format!("{}.", parts.join(". "))
}

fn devices(report: &Report) -> Vec<DeviceRow> {
    let row = |device: &super::Device| DeviceRow {
        id: visible(&device.id),
        names: device.names.iter().map(|name| visible(name)).collect(),
        count: grouped(device.count),
        servers: grouped(device.servers),
        seen: numbers::period(crate::attribute::verdict::Period {
            from: device.first,
            to: device.last,
        }),
    };
    report.devices.iter().map(row).collect()
}

fn findings(report: &Report) -> Vec<FindingRow> {
    let title = |id: &str| {
        let known = report.services.iter().find(|service| service.id == id);
        visible(known.map_or(id, |service| &service.title))
    };
    let row = |count: &super::Count| FindingRow {
        service: count.service.as_deref().map_or_else(|| "all others".into(), title),
        protocol: count.protocol.as_str(),
        verdict: count.verdict.as_str(),
        confidence: count.confidence.as_str(),
        count: plural(count.count, "finding"),
    };
    report.findings.iter().filter(|count| count.count > 0).map(row).collect()
}
