//! What is recorded of a finding: everything but who it was.

use std::net::IpAddr;

use super::row::{FindingRow, SignatureRow};
use crate::{
    attribute::outcome::Network,
    evidence::{OCTETS_MAX, PACKETS_MAX, Packet},
    report::{Finding, finding::canonical},
    targets::{Service, TargetSet},
};

/// Ports below are system ports (RFC 6335): a higher one may be somebody's choice.
pub(crate) const SYSTEM_PORTS: u16 = 1_024;

/// A finding as it is recorded.
///
/// What the user asked for is known of targets and controls only, and of their names only as far as
/// there are many who ask for them: `id-of-somebody.linkedin.com` becomes `*.linkedin.com`. Of all
/// others the server's network is kept, and which detectors spoke; figures and words may hold names and
/// addresses that were asked for. Wherever the client's address turns up all the same (a block page
/// that says whom it blocks, say), the piece that has it is left out.
pub(super) fn row(finding: &Finding, number: u64, targets: &TargetSet) -> FindingRow {
    let server = canonical(finding.server);
    let service = service(finding, targets);
    let client = Traces::of(finding.client.ip());
    let signatures = finding.signatures.iter().map(|signature| {
        let known = service.is_some()
            && !client.are_in(&signature.words)
            && !signature.measured.values().any(|value| client.are_in(&value.to_string()));
        SignatureRow {
            id: signature.id.to_owned(),
            class: signature.class,
            confidence: signature.confidence,
            measured: if known { signature.measured.clone() } else { serde_json::Map::new() },
            words: if known { signature.words.clone() } else { String::new() },
        }
    });
    let fingerprints = finding.fingerprints.iter().filter_map(|fingerprint| {
        let value = serde_json::to_value(fingerprint).ok()?;
        (!client.are_in(&value.to_string())).then_some(value)
    });
    FindingRow {
        id: 0,
        run: 0,
        number,
        time: finding.time,
        protocol: finding.protocol,
        verdict: finding.verdict,
        confidence: finding.confidence,
        service: service.map(|service| service.id.clone()),
        role: service.map(|service| service.role),
        name: service.and_then(|service| name(finding.name.as_deref()?, service)),
        network: Network::of(server.ip()),
        server: service.map(|_| server),
        port: (service.is_some() || server.port() < SYSTEM_PORTS).then_some(server.port()),
        position: finding.position,
        injector_hops: finding.injector_hops,
        injector_hops_range: finding.injector_hops_range,
        server_hops: finding.server_hops,
        stage: finding.stage,
        frames: finding.frames.clone(),
        signatures: signatures.collect(),
        fingerprints: fingerprints.collect(),
        revisions: 0,
    }
}

/// The target or control that a finding is about.
fn service<'a>(finding: &Finding, targets: &'a TargetSet) -> Option<&'a Service> {
    let by_id = |id: &String| targets.services().iter().find(|service| service.id == *id);
    match (&finding.service, &finding.name) {
        (Some(id), _) => by_id(id),
        (None, Some(name)) => targets.service_of_name(name),
        (None, None) => targets.service_of_address(finding.server.ip()),
    }
}

/// What is kept of a name of `service`.
fn name(name: &str, service: &Service) -> Option<String> {
    let suffix = service
        .suffixes
        .iter()
        .filter(|suffix| {
            name.strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
        .max_by_key(|suffix| suffix.len())?;
    Some(match name.strip_suffix(suffix.as_str()) {
        Some("" | "www.") => name.to_owned(),
        _ => format!("*.{suffix}"),
    })
}

/// The packets of a finding that may be kept, and how many may not. Whoever made them has replaced the
/// client; where its address turns up all the same, the packet is left out. Of others than targets and
/// controls none is kept: there is a server in each.
pub(super) fn evidence(finding: &Finding, row: &FindingRow) -> (Vec<Packet>, u64) {
    if row.service.is_none() {
        return (Vec::new(), 0);
    }
    let client = Traces::of(finding.client.ip());
    let kept: Vec<Packet> = finding
        .packets
        .iter()
        .take(PACKETS_MAX)
        .filter(|packet| {
            packet.bytes.len() <= OCTETS_MAX
                && !client.are_in_octets(&packet.bytes)
                && !client.are_in(&packet.note)
        })
        .cloned()
        .collect();
    let refused = (finding.packets.len() - kept.len()) as u64;
    (kept, refused)
}

/// What an address leaves in text and packets.
pub(crate) struct Traces {
    octets: Vec<u8>,
    words: Vec<String>,
}

impl Traces {
    pub(crate) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let hex = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let mut words = vec![address.to_string(), hex];
        if let IpAddr::V6(address) = address {
            // As some programs write it, in full.
            let segments = address.segments().map(|segment| format!("{segment:04x}"));
            words.push(segments.join(":"));
        }
        Self { octets, words }
    }

    /// Whether the address is in a text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.words.iter().any(|word| text.contains(word.as_str()))
    }

    /// Whether the address is in a packet, as octets or as text.
    pub(super) fn are_in_octets(&self, packet: &[u8]) -> bool {
        packet.windows(self.octets.len()).any(|window| window == self.octets)
            || self.are_in(&String::from_utf8_lossy(packet))
    }
}
