//! A finding: one flow, what happened to it, and why we think so.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::time::rfc3339;
use crate::fingerprint::{FingerprintId, Label, Vector};

/// What the flow spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, when the interference is with the transport: resets, silence.
    Tcp,
    /// DNS over UDP or TCP.
    Dns,
    /// HTTP content.
    Http,
    /// TLS content.
    Tls,
    /// QUIC.
    Quic,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A packet was made that its supposed sender never sent.
    Injected,
    /// A packet of the sender was changed on its way.
    Rewritten,
    /// The real resolver, or a device that answers in its place, gave a false answer.
    Lied,
    /// Packets were taken out of the flow.
    Dropped,
    /// Evidence that is not enough for any of the others.
    Suspect,
}

/// How much one piece of evidence, or a finding, is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Confidence {
    /// Statistical: means something only in numbers and against a control.
    C1,
    /// Strong: needs a second piece of another class.
    C2,
    /// Impossible for the endpoints: one flow is enough.
    C3,
}

/// Which kind of evidence. Pieces of different classes are independent; two of one class are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EvidenceClass {
    /// Sequence and acknowledgement numbers.
    S,
    /// Header lineage: TTL, IP-ID, DF, options against what the sender does otherwise.
    H,
    /// A known constant of a known device.
    K,
    /// Time: an answer sooner than light or the path allows.
    T,
    /// Duplicate: two packets that contradict each other.
    D,
    /// Negative: silence where there should be a packet.
    N,
    /// Population: this name fails where others do not.
    P,
    /// Residual: what fails after a trigger.
    R,
}

/// Where the device stands, seen from the observed interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Between the observer and the server.
    Upstream,
    /// Between the observer and the client.
    Downstream,
    /// Not established.
    #[default]
    Unknown,
}

/// How far a TCP connection had come when it was reset or fell silent: the stages of Cloudflare Radar
/// (`tcp_resets_timeouts`), under its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// After a SYN only.
    PostSyn,
    /// After the handshake, before data.
    PostAck,
    /// After the first data packet.
    PostPsh,
    /// After more than one data packet.
    LaterInFlow,
    /// None of these.
    NoMatch,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signature {
    /// Name of the detector, as in `DATA_AFTER_RST`.
    pub id: &'static str,
    /// Kind of evidence.
    pub class: EvidenceClass,
    /// Worth of this piece alone.
    pub confidence: Confidence,
    /// The figures it rests on, named with their unit. No client address, port or payload.
    pub measured: serde_json::Map<String, serde_json::Value>,
    /// The same for people, half a sentence: `the server went on sending 512 bytes after "its" RST`.
    /// No client address, port or payload.
    pub words: String,
}

/// One flow that somebody interfered with, or may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Nanoseconds since 1970-01-01 UTC: when the first packet judged forged passed, or when silence
    /// was established.
    pub time: u64,
    /// What the flow spoke.
    pub protocol: Protocol,
    /// What was done.
    pub verdict: Verdict,
    /// Worth of all evidence together.
    pub confidence: Confidence,
    /// The evidence, strongest first.
    pub signatures: Vec<Signature>,
    /// The end that asked. Never written as it is, unless the user wants clear clients.
    pub client: SocketAddr,
    /// The end that was asked.
    pub server: SocketAddr,
    /// Name asked for, normalised.
    pub name: Option<String>,
    /// Id of the watched service.
    pub service: Option<String>,
    /// Where the device stands.
    pub position: Position,
    /// Hops between the observer and the device, estimated from the TTL of what it sent.
    pub injector_hops: Option<u8>,
    /// The least and the most that `injector_hops` may be.
    pub injector_hops_range: Option<[u8; 2]>,
    /// Hops between the observer and the server, estimated likewise.
    pub server_hops: Option<u8>,
    /// 1-based numbers, in the capture, of the packets judged forged. Empty when live.
    pub frames: Vec<u64>,
    /// How far the connection had come. TCP only.
    pub stage: Option<Stage>,
    /// What the forged packets have in common, and whose they look like: a label, never a reason.
    pub fingerprints: Vec<Fingerprint>,
    /// What was told of this flow before, if there is more now: this finding takes its place.
    pub revises: Option<Told>,
    /// The packets that show it, with nothing of the client in them. Not part of the record.
    pub packets: crate::evidence::Packets,
}

/// What was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The verdict.
    pub verdict: Verdict,
    /// The confidence.
    pub confidence: Confidence,
}

/// The handwriting of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fingerprint {
    /// The same wherever the device is met.
    pub id: FingerprintId,
    /// Known devices that write so, the most special first.
    pub labels: Vec<Label<'static>>,
    /// The header fields that it is made of.
    pub vector: Vector,
}

/// A finding as one JSON object: the order of the fields is the contract's, additions last.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    record: &'static str,
    time: String,
    protocol: Protocol,
    verdict: Verdict,
    confidence: Confidence,
    signatures: &'a [Signature],
    client: &'a str,
    server: SocketAddr,
    name: Option<&'a str>,
    service: Option<&'a str>,
    position: Position,
    injector_hops: Option<u8>,
    frames: &'a [u64],
    server_hops: Option<u8>,
    stage: Option<Stage>,
    fingerprints: &'a [Fingerprint],
    revises: Option<Told>,
    injector_hops_range: Option<[u8; 2]>,
}

impl<'a> Record<'a> {
    /// `client` is what to say of the client: its pseudonym, or its address.
    pub(super) fn new(finding: &'a Finding, client: &'a str) -> Self {
        Self {
            record: "finding",
            time: rfc3339(finding.time),
            protocol: finding.protocol,
            verdict: finding.verdict,
            confidence: finding.confidence,
            signatures: &finding.signatures,
            client,
            server: canonical(finding.server),
            name: finding.name.as_deref(),
            service: finding.service.as_deref(),
            position: finding.position,
            injector_hops: finding.injector_hops,
            frames: &finding.frames,
            server_hops: finding.server_hops,
            stage: finding.stage,
            fingerprints: &finding.fingerprints,
            revises: finding.revises,
            injector_hops_range: finding.injector_hops_range,
        }
    }
}

/// IPv4 mapped into IPv6, as the flow table keys it, back to IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Protocol {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Quic => "quic",
        }
    }
}

impl Verdict {
    /// All, in the order of reports.
    pub const ALL: [Self; 5] =
        [Self::Injected, Self::Rewritten, Self::Lied, Self::Dropped, Self::Suspect];

    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Rewritten => "rewritten",
            Self::Lied => "lied",
            Self::Dropped => "dropped",
            Self::Suspect => "suspect",
        }
    }
}

impl Confidence {
    /// All, strongest first.
    pub const ALL: [Self; 3] = [Self::C3, Self::C2, Self::C1];

    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::C3 => "C3",
        }
    }
}

impl Stage {
    /// All, in the order of a connection's life.
    pub const ALL: [Self; 5] =
        [Self::PostSyn, Self::PostAck, Self::PostPsh, Self::LaterInFlow, Self::NoMatch];

    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostSyn => "post_syn",
            Self::PostAck => "post_ack",
            Self::PostPsh => "post_psh",
            Self::LaterInFlow => "later_in_flow",
            Self::NoMatch => "no_match",
        }
    }
}
