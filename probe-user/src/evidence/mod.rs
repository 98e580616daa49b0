//! The packets behind a finding, with nothing of the client in them.
//!
//! An [`Evidence`] is made once, from packets that are in memory, and is safe from then on: it can be
//! stored, shown and sent. What is not in it is decided here and nowhere else; see `docs/evidence.md`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::report::finding::{Confidence, EvidenceClass, Position, Protocol, Stage, Verdict};

/// One finding, packet by packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The minute in which the first packet passed, nanoseconds since 1970-01-01 UTC. Not finer: with
    /// the moment, whoever has logs of the network would have the client.
    pub minute: u64,
    /// What the flow spoke.
    pub protocol: Protocol,
    /// What was done.
    pub verdict: Verdict,
    /// Worth of all reasons together.
    pub confidence: Confidence,
    /// Why, strongest first.
    pub reasons: Vec<Reason>,
    /// The pseudonym of the client.
    pub client: String,
    /// The end that was asked.
    pub server: SocketAddr,
    /// Name asked for, normalised.
    pub name: Option<String>,
    /// Id of the watched service.
    pub service: Option<String>,
    /// How far the connection had come. TCP only.
    pub stage: Option<Stage>,
    /// Where the device stands.
    pub position: Position,
    /// Hops between the observer and the device, estimated from the TTL of what it sent.
    pub hops: Option<u8>,
    /// The least and the most that `hops` may be.
    pub hops_range: Option<[u8; 2]>,
    /// Hops between the observer and the server, estimated likewise.
    pub server_hops: Option<u8>,
    /// Ids of the handwriting, as `fp-401535a69bf1`.
    pub fingerprints: Vec<String>,
    /// The packets, in the order they passed.
    pub packets: Vec<Exhibit>,
    /// Packets of the case that found no room here.
    pub left_out: u64,
}

/// One reason of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Name of the detector.
    pub id: String,
    /// Kind of evidence.
    pub class: EvidenceClass,
    /// Worth of this piece alone.
    pub confidence: Confidence,
    /// In half a sentence.
    pub words: String,
}

/// In whose name a packet passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The end that asked.
    Client,
    /// The end that was asked.
    Server,
}

/// What a packet is held to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Not of the end that it names as its sender.
    Forged,
    /// Nothing speaks against its sender.
    Genuine,
}

/// Where what is told of a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The packet itself.
    Packet,
    /// The record of its flow, which keeps a part of it.
    Record,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// Nanoseconds since the first packet.
    pub offset: u64,
    /// In whose name it passed.
    pub from: End,
    /// What it is held to be.
    pub standing: Standing,
    /// Where this comes from.
    pub origin: Origin,
    /// IP header fields. `None` for what a client sent itself: they would say where it stands and what
    /// it is.
    pub ip: Option<Ip>,
    /// TCP header fields. `None` for UDP.
    pub tcp: Option<Tcp>,
    /// Octets of payload on the wire.
    pub length: u32,
    /// Payload as far as it was captured: of forged packets only, clients' addresses taken out.
    #[serde(with = "hexadecimal")]
    pub payload: Vec<u8>,
    /// What it says or is, in a few words: `the name is asked for`. May be empty.
    pub note: String,
}

/// Fields of the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// TTL or hop limit.
    pub hops: u8,
    /// Type of service or traffic class.
    pub class: u8,
    /// IPv4 identification. `None` for IPv6.
    pub id: Option<u16>,
    /// IPv4 "don't fragment". `None` for IPv6.
    pub df: Option<bool>,
    /// IPv6 flow label. `None` for IPv4.
    pub flow_label: Option<u32>,
}

/// Fields of the TCP header. Numbers are relative to the first of their side; those of timestamps, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// As the 13th and 14th octets have them: see [`probe_common::wire::tcp_flag`].
    pub flags: u16,
    /// Sequence number less the sender's initial one.
    pub seq: u32,
    /// Acknowledgment number less the peer's initial one. `None` where the field is 0 on the wire,
    /// which some devices set.
    pub ack: Option<u32>,
    /// Window field, unscaled. `None` for what a client sent itself.
    pub window: Option<u16>,
    /// Urgent pointer.
    pub urgent: u16,
    /// The options as they stood, but for numbers, cookies and keys. Empty for what a client sent itself.
    #[serde(with = "hexadecimal")]
    pub options: Vec<u8>,
}

impl Evidence {
    /// How many of the packets are held to be forged.
    #[must_use]
    pub fn forged(&self) -> usize {
        self.packets.iter().filter(|packet| packet.standing == Standing::Forged).count()
    }
}

/// Octets as text.
mod hexadecimal {
    use std::fmt::Write as _;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        octets: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = octets.iter().fold(String::new(), |mut text, octet| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        });
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let digits = digits.ok_or_else(|| D::Error::custom("octets are pairs of hex digits"))?;
        Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
    }
}
