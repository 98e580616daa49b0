//! The packets of findings, as a capture.

use std::io::Write;

use super::{
    super::{
        ExportError,
        publish::{Publication, Published},
    },
    limits::limits,
    place,
};
use crate::{
    evidence::{self, Packet, pcapng},
    report::{
        rfc3339,
        summary::{Clock, ClockSource},
    },
};

/// Findings of one file of evidence.
const CHAPTERS_MAX: usize = 4_096;

/// Writes the packets of findings that may leave, as pcapng.
///
/// # Errors
/// As for [`write()`](super::write()).
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

/// The minute of a finding in a lab, otherwise the hour or day that may be told of it.
pub(super) const fn begin(finding: &Published) -> u64 {
    const MINUTE: u64 = 60_000_000_000;
    let (time, within) = finding.time;
    if within == 0 { time - time % MINUTE } else { time }
}
