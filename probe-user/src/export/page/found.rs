//! Findings as they are read: counted, and typical ones kept to be shown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    super::{
        ExportError,
        publish::{Publication, Published},
    },
    packets::begin,
};
use crate::{
    evidence::{self, Evidence, Packet, Reason},
    page::{Count, Device},
    report::finding::{Confidence, Protocol, Verdict},
};

/// Findings of one kind that are shown packet by packet.
const TYPICAL_MAX: usize = 3;

/// Kinds of findings that are told apart.
const KINDS_MAX: usize = 256;

/// Handwritings listed.
const DEVICES_MAX: usize = 64;

/// What tells findings apart for showing typical ones: service, what was done, by which reason, in whose
/// handwriting.
type Kind = (String, Protocol, Verdict, String, String);

/// Findings as they are read.
#[derive(Debug, Default)]
pub(super) struct Found {
    counts: BTreeMap<(String, Protocol, Verdict, Confidence), u64>,
    devices: BTreeMap<String, (Device, BTreeSet<String>)>,
    typical: BTreeMap<Kind, (u64, Vec<Evidence>)>,
}

impl Found {
    pub(super) fn take(
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

    pub(super) fn counts(&self) -> Vec<Count> {
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

    pub(super) fn devices(&self) -> Vec<Device> {
        let mut devices: Vec<Device> =
            self.devices.values().map(|(device, _)| device.clone()).collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.count));
        devices.truncate(DEVICES_MAX);
        devices
    }

    /// One of each kind first, of the strongest and most frequent kinds first; then the second of each.
    pub(super) fn evidence(self) -> Vec<Evidence> {
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
