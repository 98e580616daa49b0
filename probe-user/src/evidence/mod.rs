//! The packets behind a finding, with nothing of the client in them.
//!
//! ```text
//!  judge ─► choose ─► scrub, frame ─► Packet ─► ledger ─► Evidence ─► page
//!                                                   └────────────► pcapng
//! ```
//!
//! A [`Packet`] is made once, while its connection is in memory, and is safe from then on: it can be
//! stored, shown and sent. What is not in it is decided here and nowhere else; see `docs/evidence.md`.

mod choose;
mod frame;
mod packets;
pub mod pcapng;
mod read;
mod scrub;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub use choose::{of_case, of_exchange, of_silent};
pub use packets::Packets;
pub use read::exhibits;

use serde::{Deserialize, Serialize};

use crate::report::finding::{Confidence, EvidenceClass, Position, Protocol, Stage, Verdict};

/// Packets kept of one finding: a handshake, a burst, and what comes after it.
pub const PACKETS_MAX: usize = 16;

/// Octets kept of a packet, its headers included: enough for a block page's first lines.
pub const OCTETS_MAX: usize = 512;

/// What stands for every client (RFC 5737, RFC 3849). One and the same: a pseudonym would tell which
/// findings are of one client, and nobody needs to know.
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The same for IPv6.
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// What stands for every client's port.
pub const CLIENT_PORT: u16 = 50_000;

/// One packet as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds since the finding's time; negative for what came before.
    pub offset: i64,
    /// In whose name it passed.
    pub from: End,
    /// What it is held to be.
    pub standing: Standing,
    /// Where this comes from.
    pub origin: Origin,
    /// The IP packet from its IP header on, as far as it is kept: client replaced, numbers relative,
    /// checksums right. Its length field says how long it was.
    pub bytes: Vec<u8>,
    /// What to say of it, in a few words. May be empty.
    pub note: String,
}

/// What stands for a client that talks to `server`.
#[must_use]
pub const fn stand_in(server: IpAddr) -> SocketAddr {
    let ip = match server {
        IpAddr::V4(_) => IpAddr::V4(CLIENT_V4),
        IpAddr::V6(_) => IpAddr::V6(CLIENT_V6),
    };
    SocketAddr::new(ip, CLIENT_PORT)
}

/// One finding, packet by packet, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Beginning of the period that it happened in, nanoseconds since 1970-01-01 UTC: with the moment,
    /// whoever has logs of the network would have the client.
    pub time: u64,
    /// Length of that period in seconds; 0 in a lab, whose times are exact.
    pub within: u32,
    /// Networks of clients that findings like it come from in that period, as far as is known at least.
    pub crowd: u64,
    /// What the flow spoke.
    pub protocol: Protocol,
    /// What was done.
    pub verdict: Verdict,
    /// Worth of all reasons together.
    pub confidence: Confidence,
    /// Why, strongest first.
    pub reasons: Vec<Reason>,
    /// The end that was asked.
    pub server: SocketAddr,
    /// Name asked for, as far as many ask for it.
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
    /// Of that end, and changed on its way.
    Rewritten,
    /// What a finding that accuses nobody of making it is about: a suspicion, or a resolver's lie.
    Questioned,
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
    /// Payload as far as it was captured: of forged packets and false answers only, clients' addresses taken
    /// out.
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
    /// How many of the packets are held to be forged or rewritten.
    #[must_use]
    pub fn forged(&self) -> usize {
        self.packets.iter().filter(|packet| packet.standing.accuses()).count()
    }
}

impl Standing {
    /// What a finding with this verdict says of the packets that it points at.
    #[must_use]
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Injected => Self::Forged,
            Verdict::Rewritten => Self::Rewritten,
            Verdict::Lied | Verdict::Dropped | Verdict::Suspect => Self::Questioned,
        }
    }

    /// Whether somebody else than the ends is said to have had a hand in it.
    #[must_use]
    pub const fn accuses(self) -> bool {
        matches!(self, Self::Forged | Self::Rewritten)
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
