//! The report as a page, and its evidence as a capture: for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use serde_json::Value;

use super::{
    ExportError,
    publish::{Publication, Published},
};
use crate::{
    attribute::verdict::Period,
    evidence::{self, Evidence, Packet, Reason, pcapng},
    ledger::row::{NoticeKind, Run, RunClock, RunKind, RunState},
    page::{self, Cells, Count, Device, Limits, Report, Service, Vantage},
    report::{
        finding::{Confidence, Protocol, Verdict},
        rfc3339,
        summary::{Clock, ClockSource, TargetsUsed},
    },
    targets::Role,
};

/// Findings of one kind that are shown packet by packet.
const TYPICAL_MAX: usize = 3;

/// Kinds of findings that are told apart.
const KINDS_MAX: usize = 256;

/// Handwritings listed.
const DEVICES_MAX: usize = 64;

/// Findings of one file of evidence.
const CHAPTERS_MAX: usize = 4_096;

/// Notices listed.
const NOTICES_MAX: usize = 64;

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

/// Writes the packets of findings that may leave, as pcapng.
///
/// # Errors
/// As for [`write()`].
pub fn write_evidence(
    publication: &Publication<'_>,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    publication.begin();
    let mut chapters = Vec::new();
    let mut left_out = 0u64;
    publication.findings(|finding| {
        // Of what nobody watches there are no packets to be shown.
        if finding.row.service.is_none() {
            return Ok(());
        }
        let packets = publication.evidence(&finding)?;
        if packets.is_empty() {
            return Ok(());
        }
        if chapters.len() == CHAPTERS_MAX {
            left_out += 1;
            return Ok(());
        }
        chapters.push(chapter(&finding, packets));
        Ok(())
    })?;
    chapters.sort_by_key(|chapter: &pcapng::Chapter| chapter.begin);
    let origins = origins(publication, left_out)?;
    pcapng::write(output, &origins, &chapters)
        .map_err(|error| ExportError::of_io("the evidence", &error))
}

/// The minute of a finding in a lab, otherwise the hour or day that may be told of it.
const fn begin(finding: &Published) -> u64 {
    const MINUTE: u64 = 60_000_000_000;
    let (time, within) = finding.time;
    if within == 0 { time - time % MINUTE } else { time }
}

fn chapter(finding: &Published, packets: Vec<Packet>) -> pcapng::Chapter {
    let row = &finding.row;
    let words = row.signatures.first().map_or("", |signature| &signature.words);
    let name = row.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    pcapng::Chapter {
        begin: begin(finding),
        title: format!(
            "{}{name}, {} {} {}: {words}",
            finding.service,
            row.protocol.as_str(),
            row.verdict.as_str(),
            row.confidence.as_str()
        ),
        packets,
    }
}

fn origins(publication: &Publication<'_>, left_out: u64) -> Result<pcapng::Origins, ExportError> {
    let runs = publication.runs()?;
    let limits = limits(publication, &runs)?;
    let (period, terms) = (publication.period()?, publication.terms());
    let lost: Vec<String> = limits
        .lost
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let mut lines = vec![
        "Evidence of Forgewatch: packets of typical findings, rebuilt without their clients."
            .to_owned(),
        format!(
            "Every client is {} or {}, port from {} on, one for each finding. Sequence numbers and \
             timestamps count from the first. Payload is there of forged packets only.",
            evidence::CLIENT_V4,
            evidence::CLIENT_V6,
            evidence::CLIENT_PORT
        ),
        format!(
            "Findings are of {} to {}. Each begins at the full minute, or at the hour or day that may be \
             told of it; times within it are exact.",
            rfc3339(period.from),
            rfc3339(period.to)
        ),
        format!(
            "Seen: {} packets, {} flows. Lost: {}.",
            limits.packets,
            limits.flows,
            if lost.is_empty() { "nothing that was counted".into() } else { lost.join(", ") }
        ),
        if terms.lab() {
            "LAB: single clients may show in it. Not for publication.".to_owned()
        } else {
            format!(
                "Findings like each come from clients of at least {} networks in its hour or day; {} \
                 others are withheld.",
                terms.k,
                publication.withheld().findings
            )
        },
    ];
    if left_out > 0 {
        lines.push(format!("{left_out} more findings found no room."));
    }
    for targets in &limits.targets {
        lines.push(format!("Targets: SHA-256 {}.", targets.hash));
    }
    lines.push(match limits.clock {
        Some(Clock { source: ClockSource::Capture, .. }) => "Clock: the captures'.".into(),
        Some(Clock { synchronised: Some(true), .. }) => "Clock: synchronised.".into(),
        Some(Clock { synchronised: Some(false), .. }) => "Clock: NOT synchronised.".into(),
        _ => "Clock: not known to be synchronised.".to_owned(),
    });
    Ok(pcapng::Origins {
        comment: lines.join("\n"),
        system: (!limits.kernels.is_empty())
            .then(|| format!("Linux {}", limits.kernels.join(", "))),
        program: format!("forgewatch {}", limits.versions.join(", ")),
        place: place(publication).unwrap_or_else(|| "forgewatch".into()),
    })
}

/// What may be said of where it was seen.
fn place(publication: &Publication<'_>) -> Option<String> {
    let terms = publication.terms();
    let asn = terms.probe_asn.map(|asn| format!("AS{asn}"));
    let parts: Vec<String> = asn.into_iter().chain(terms.probe_cc.clone()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
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

fn limits(publication: &Publication<'_>, runs: &[Run]) -> Result<Limits, ExportError> {
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

/// What tells findings apart for showing typical ones: service, what was done, by which reason, in whose
/// handwriting.
type Kind = (String, Protocol, Verdict, String, String);

/// Findings as they are read.
#[derive(Debug, Default)]
struct Found {
    counts: BTreeMap<(String, Protocol, Verdict, Confidence), u64>,
    devices: BTreeMap<String, (Device, BTreeSet<String>)>,
    typical: BTreeMap<Kind, (u64, Vec<Evidence>)>,
}

impl Found {
    fn take(
        &mut self,
        publication: &Publication<'_>,
        finding: &Published,
    ) -> Result<(), ExportError> {
        let row = &finding.row;
        let service = row.service.clone().unwrap_or_default();
        let key = (service.clone(), row.protocol, row.verdict, row.confidence);
        *self.counts.entry(key).or_default() += 1;
        for fingerprint in &row.fingerprints {
            self.device(finding, fingerprint);
        }
        if service.is_empty() {
            return Ok(());
        }
        let reason = row.signatures.first().map_or_else(String::new, |first| first.id.clone());
        let writing = row.fingerprint_ids().next().unwrap_or_default().to_owned();
        let kind = (service, row.protocol, row.verdict, reason, writing);
        if self.typical.len() == KINDS_MAX && !self.typical.contains_key(&kind) {
            return Ok(());
        }
        let (count, shown) = self.typical.entry(kind).or_default();
        *count += 1;
        if shown.len() < TYPICAL_MAX {
            let packets = publication.evidence(finding)?;
            if !packets.is_empty() {
                shown.extend(shown_of(publication, finding, &packets));
            }
        }
        Ok(())
    }

    fn device(&mut self, finding: &Published, fingerprint: &Value) {
        let Some(id) = fingerprint["id"].as_str() else { return };
        let (from, seconds) = finding.time;
        let to = from + u64::from(seconds) * 1_000_000_000;
        let (device, servers) = self.devices.entry(id.to_owned()).or_insert_with(|| {
            let device = Device {
                id: id.to_owned(),
                count: 0,
                servers: 0,
                first: from,
                last: to,
                names: labels(fingerprint),
            };
            (device, BTreeSet::new())
        });
        device.count += 1;
        device.first = device.first.min(from);
        device.last = device.last.max(to);
        if let Some(server) = finding.server.filter(|_| servers.len() < DEVICES_MAX) {
            servers.insert(server.ip().to_string());
        }
        device.servers = servers.len() as u64;
    }

    fn counts(&self) -> Vec<Count> {
        let count = |((service, protocol, verdict, confidence), &count): (
            &(String, Protocol, Verdict, Confidence),
            &u64,
        )| Count {
            service: (!service.is_empty()).then(|| service.clone()),
            protocol: *protocol,
            verdict: *verdict,
            confidence: *confidence,
            count,
        };
        let mut counts: Vec<Count> = self.counts.iter().map(count).collect();
        // What is watched first; the strongest first.
        counts.sort_by(|one, other| {
            let rank =
                |count: &Count| (count.service.is_none(), count.service.clone(), count.verdict);
            rank(one).cmp(&rank(other)).then(other.confidence.cmp(&one.confidence))
        });
        counts
    }

    fn devices(&self) -> Vec<Device> {
        let mut devices: Vec<Device> =
            self.devices.values().map(|(device, _)| device.clone()).collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.count));
        devices.truncate(DEVICES_MAX);
        devices
    }

    /// One of each kind first, of the strongest and most frequent kinds first; then the second of each.
    fn evidence(self) -> Vec<Evidence> {
        let mut kinds: Vec<(u64, Vec<Evidence>)> = self.typical.into_values().collect();
        kinds.retain(|(_, shown)| !shown.is_empty());
        kinds.sort_by_key(|(count, shown)| {
            let accuses = shown[0].verdict != Verdict::Suspect;
            std::cmp::Reverse((accuses, shown[0].confidence, *count))
        });
        let mut all = Vec::new();
        for turn in 0..TYPICAL_MAX {
            all.extend(kinds.iter().filter_map(|(_, shown)| shown.get(turn).cloned()));
        }
        all
    }
}

/// Known devices that write so, a line each.
fn labels(fingerprint: &Value) -> Vec<String> {
    let labels = fingerprint["labels"].as_array();
    let line = |label: &Value| {
        let title = label["title"].as_str()?;
        let parts: Vec<&str> =
            ["source", "valid"].iter().filter_map(|name| label[*name].as_str()).collect();
        let dated = if label["dated"] == true { "; seen outside of these dates" } else { "" };
        let other = label["ambiguous"].as_str().map(|other| format!("; looks the same: {other}"));
        Some(format!("{title} ({}{dated}){}", parts.join(", "), other.unwrap_or_default()))
    };
    labels.into_iter().flatten().filter_map(line).collect()
}

fn shown_of(
    publication: &Publication<'_>,
    finding: &Published,
    packets: &[Packet],
) -> Option<Evidence> {
    let row = &finding.row;
    Some(Evidence {
        time: begin(finding),
        within: finding.time.1,
        crowd: publication.terms().k,
        protocol: row.protocol,
        verdict: row.verdict,
        confidence: row.confidence,
        reasons: row
            .signatures
            .iter()
            .map(|signature| Reason {
                id: signature.id.clone(),
                class: signature.class,
                confidence: signature.confidence,
                words: signature.words.clone(),
            })
            .collect(),
        server: finding.server?,
        name: row.name.clone(),
        service: row.service.clone(),
        stage: row.stage,
        position: row.position,
        hops: row.injector_hops,
        hops_range: row.injector_hops_range,
        server_hops: row.server_hops,
        fingerprints: row.fingerprint_ids().map(str::to_owned).collect(),
        packets: evidence::exhibits(packets),
    })
}
