//! The header vector: what the forged packets of one connection from one side have in common.
//!
//! An injector often sends several packets at once. What they have in common, and how they differ
//! from one to the next, is the device's handwriting; so most fields describe the first *burst*,
//! the packets that came within [`BURST_GAP`] of each other. A device that was triggered again by a
//! retransmission wrote another burst, which would only blur the first.

use probe_common::{
    seq,
    wire::{Packet, option, quirk, tcp_flag},
};
use serde::Serialize;

use super::message::Message;

/// Longest pause within a burst, in nanoseconds: 100 ms. Measured bursts last less than 1 ms; the
/// shortest retransmission that could trigger the device again comes after 200 ms.
pub const BURST_GAP: u64 = 100_000_000;

/// Octets of payload kept: enough for every blob that a device is known to append.
pub const HEAD_MAX: usize = 16;

/// Packets of a burst that are described one by one; injectors of bursts send some ten.
pub const PACKETS_MAX: usize = 32;

/// Largest step from one IP-ID, TTL or window to the next that is a counter's.
pub const STEP_MAX: u16 = 64;

/// A packet judged forged.
#[derive(Clone, Copy, Debug)]
pub struct Forged<'a> {
    /// Its headers.
    pub packet: &'a Packet,
    /// Its payload, as far as it was captured.
    pub payload: &'a [u8],
}

/// The packet that the forged ones answer, where it is known: what a device could have copied.
#[derive(Clone, Copy, Debug)]
pub struct Trigger {
    /// IP-ID; 0 cannot be told from a copy and is not compared.
    pub ip_id: u16,
    /// Window field, unscaled.
    pub window: u16,
}

/// Whom the forged packets were sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the end that began the connection, in the server's name.
    ToClient,
    /// To the server, in the client's name.
    ToServer,
}

/// What kind of packets a vector is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// TCP resets.
    Reset,
    /// TCP segments whose payload begins an HTTP/1 response.
    Http,
    /// Other TCP segments.
    Segment,
    /// Answers of DNS.
    Dns,
    /// Anything else.
    Other,
}

/// How a header field behaves over a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// The header has no such field (IP-ID and DF in IPv6).
    None,
    /// There is one packet, so nothing to compare.
    Single,
    /// Always zero.
    Zero,
    /// Always the value that the trigger had.
    Mirrors,
    /// Always the same.
    Constant,
    /// Steps of 1 to [`STEP_MAX`], upwards.
    Increments,
    /// Anything else.
    Varies,
}

/// How sequence numbers follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sequence {
    /// There is one packet.
    Single,
    /// All the same.
    Same,
    /// Each beyond the one before.
    Grows,
    /// Anything else.
    Varies,
}

/// The acknowledgment field, set or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledgment {
    /// Zero in all packets.
    Zero,
    /// The same in all packets, or there is one.
    Same,
    /// Anything else.
    Varies,
}

/// TTL or hop limit over the burst, as observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ttl {
    /// Of the first packet.
    pub first: u8,
    /// Of the last.
    pub last: u8,
    /// Smallest.
    pub min: u8,
    /// Largest.
    pub max: u8,
    /// What the sender presumably began with: the least of 32, 64, 128, 255 that is not below the
    /// largest. Means nothing where a device draws its TTLs.
    pub initial: u8,
    /// From packet to packet.
    pub behaviour: Behaviour,
}

/// A 16-bit field over the burst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The values in the order they came, repetitions in a row left out.
    pub values: Vec<u16>,
    /// From packet to packet.
    pub behaviour: Behaviour,
}

impl Field {
    /// The value, if there is only one.
    #[must_use]
    pub fn constant(&self) -> Option<u16> {
        match self.values[..] {
            [value] if self.behaviour != Behaviour::None => Some(value),
            _ => None,
        }
    }
}

/// Payload over the burst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// The first [`HEAD_MAX`] octets of the first payload, in hex.
    pub head: String,
    /// Length in octets of each packet's payload.
    pub lengths: Vec<u32>,
}

/// The header vector. See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vector {
    /// IP version.
    pub version: u8,
    /// What the packets are.
    pub kind: Kind,
    /// Whom they were sent to.
    pub direction: Direction,
    /// Packets in all, later bursts included.
    pub packets: usize,
    /// Packets in the first burst.
    pub count: usize,
    /// Bursts.
    pub bursts: usize,
    /// Sequence numbers of the first packets of the bursts.
    pub train: Sequence,
    /// Shortest pause between two bursts, in microseconds; None if there is one burst.
    pub pause_us: Option<u64>,
    /// Sets of flags, each once, sorted: `RST`, `RST+ACK`.
    pub flags: Vec<String>,
    /// TTL or hop limit.
    pub ttl: Ttl,
    /// IPv4 identification.
    pub ip_id: Field,
    /// IP-ID less the trigger's, where both are not zero and it is the same for all packets.
    pub ip_id_from_trigger: Option<i16>,
    /// "Don't fragment": None for IPv6, or if it is set on some packets only.
    pub df: Option<bool>,
    /// TCP window.
    pub window: Field,
    /// Names of the TCP options that any packet had, sorted.
    pub options: Vec<&'static str>,
    /// Payload.
    pub payload: Payload,
    /// Sequence numbers.
    pub sequence: Sequence,
    /// Steps of the sequence number from packet to packet.
    pub strides: Vec<i32>,
    /// Acknowledgment field.
    pub acknowledgment: Acknowledgment,
    /// Longest time between two packets of the burst, in microseconds; None if there is one packet.
    pub spacing_us: Option<u64>,
    /// Of answers of DNS, what they say. Such a vector has no flags, window, options or numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Message>,
}

impl Vector {
    /// Describes packets in the order they came. None without any.
    ///
    /// Packets with different sets of flags are better described apart: see [`split`].
    #[must_use]
    pub fn of(
        forged: &[Forged<'_>],
        direction: Direction,
        trigger: Option<Trigger>,
    ) -> Option<Self> {
        let first = forged.first()?;
        let starts: Vec<usize> =
            (0..forged.len()).filter(|&at| at == 0 || gap(forged, at) > BURST_GAP).collect();
        let count = starts.get(1).copied().unwrap_or(forged.len());
        let burst = &forged[..count.min(PACKETS_MAX)];
        let packets = || burst.iter().map(|forged| forged.packet);
        let trains: Vec<u32> = starts.iter().map(|&at| forged[at].packet.seq).collect();
        let numbers: Vec<u32> = packets().map(|packet| packet.seq).collect();
        Some(Self {
            version: first.packet.version,
            kind: kind(burst),
            direction,
            packets: forged.len(),
            count,
            bursts: starts.len(),
            train: sequence(&trains),
            pause_us: starts.iter().skip(1).map(|&at| gap(forged, at) / 1_000).min(),
            flags: sorted(sorted(packets().map(|packet| packet.flags)).into_iter().map(flag_names)),
            ttl: ttl(burst),
            ip_id: if first.packet.version == 4 {
                field(packets().map(|packet| packet.ip_id), trigger.map(|trigger| trigger.ip_id))
            } else {
                Field { values: Vec::new(), behaviour: Behaviour::None }
            },
            ip_id_from_trigger: trigger.and_then(|trigger| offset(burst, trigger.ip_id)),
            df: agreed(packets().map(|packet| packet.quirks & quirk::DF != 0))
                .filter(|_| first.packet.version == 4),
            window: field(
                packets().map(|packet| packet.window),
                trigger.map(|trigger| trigger.window),
            ),
            options: sorted(packets().flat_map(option_names)),
            payload: payload(burst),
            sequence: sequence(&numbers),
            strides: strides(&numbers),
            acknowledgment: if packets().all(|packet| packet.ack == 0) {
                Acknowledgment::Zero
            } else if agreed(packets().map(|packet| packet.ack)).is_some() {
                Acknowledgment::Same
            } else {
                Acknowledgment::Varies
            },
            spacing_us: (1..burst.len()).map(|at| gap(burst, at) / 1_000).max(),
            dns: None,
        })
    }

    /// The same of packets that are answers of DNS, over UDP or as segments of TCP.
    pub(super) fn with_message(self, message: Message) -> Self {
        Self {
            kind: Kind::Dns,
            train: Sequence::Single,
            flags: Vec::new(),
            window: Field { values: Vec::new(), behaviour: Behaviour::None },
            options: Vec::new(),
            sequence: Sequence::Single,
            strides: Vec::new(),
            acknowledgment: Acknowledgment::Zero,
            dns: Some(message),
            ..self
        }
    }
}

/// Divides packets by their set of flags, in the order of the first of each: two devices on one
/// path often answer the same trigger, one with `RST`, one with `RST+ACK`.
#[must_use]
pub fn split<'a>(forged: &[Forged<'a>]) -> Vec<Vec<Forged<'a>>> {
    let mut groups: Vec<Vec<Forged<'a>>> = Vec::new();
    for one in forged {
        match groups.iter_mut().find(|group| group[0].packet.flags == one.packet.flags) {
            Some(group) => group.push(*one),
            None => groups.push(vec![*one]),
        }
    }
    groups
}

/// Names of flags in the order of their worth, as `FIN+PSH+ACK`; `none` without any.
#[must_use]
pub fn flag_names(flags: u16) -> String {
    let names: Vec<&str> =
        FLAGS.iter().filter(|(_, bit)| flags & bit != 0).map(|(name, _)| *name).collect();
    if names.is_empty() { "none".into() } else { names.join("+") }
}

/// Flags by name, in the order they are written in.
pub(super) const FLAGS: [(&str, u16); 9] = [
    ("SYN", tcp_flag::SYN),
    ("FIN", tcp_flag::FIN),
    ("RST", tcp_flag::RST),
    ("PSH", tcp_flag::PSH),
    ("ACK", tcp_flag::ACK),
    ("URG", tcp_flag::URG),
    ("ECE", tcp_flag::ECE),
    ("CWR", tcp_flag::CWR),
    ("AE", tcp_flag::AE),
];

/// Options by name.
pub(super) const OPTIONS: [(&str, u8); 8] = [
    ("mss", option::MSS),
    ("window-scale", option::WINDOW_SCALE),
    ("sack-permitted", option::SACK_PERMITTED),
    ("sack", option::SACK),
    ("timestamps", option::TIMESTAMPS),
    ("fast-open", option::FAST_OPEN),
    ("other", option::OTHER),
    ("broken", option::BROKEN),
];

fn option_names(packet: &Packet) -> impl Iterator<Item = &'static str> {
    let present = packet.options;
    OPTIONS.iter().filter(move |(_, bit)| present & bit != 0).map(|(name, _)| *name)
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = items.collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// The value that all have.
fn agreed<T: PartialEq>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.all(|item| item == first).then_some(first)
}

fn gap(forged: &[Forged<'_>], at: usize) -> u64 {
    forged[at].packet.time.saturating_sub(forged[at - 1].packet.time)
}

fn kind(burst: &[Forged<'_>]) -> Kind {
    const TCP: u8 = 6;
    if burst[0].packet.protocol != TCP {
        return Kind::Other;
    }
    if burst.iter().all(|forged| forged.packet.has(tcp_flag::RST)) {
        return Kind::Reset;
    }
    let http = first_payload(burst).is_some_and(|payload| payload.starts_with(b"HTTP/1."));
    if http { Kind::Http } else { Kind::Segment }
}

fn first_payload<'a>(burst: &[Forged<'a>]) -> Option<&'a [u8]> {
    burst.iter().map(|forged| forged.payload).find(|payload| !payload.is_empty())
}

fn payload(burst: &[Forged<'_>]) -> Payload {
    let head = first_payload(burst).unwrap_or_default();
    Payload {
        head: head[..head.len().min(HEAD_MAX)].iter().map(|byte| format!("{byte:02x}")).collect(),
        lengths: burst.iter().map(|forged| forged.packet.payload).collect(),
    }
}

fn ttl(burst: &[Forged<'_>]) -> Ttl {
    let values: Vec<u8> = burst.iter().map(|forged| forged.packet.hops).collect();
    let max = values.iter().copied().max().unwrap_or_default();
    Ttl {
        first: values.first().copied().unwrap_or_default(),
        last: values.last().copied().unwrap_or_default(),
        min: values.iter().copied().min().unwrap_or_default(),
        max,
        initial: [32, 64, 128].into_iter().find(|&initial| max <= initial).unwrap_or(255),
        behaviour: behaviour(&values.iter().copied().map(u16::from).collect::<Vec<_>>()),
    }
}

fn field(values: impl Iterator<Item = u16>, trigger: Option<u16>) -> Field {
    let mut values: Vec<u16> = values.collect();
    let mirrors =
        trigger.is_some_and(|copied| copied != 0 && values.iter().all(|&value| value == copied));
    let behaviour = if mirrors { Behaviour::Mirrors } else { behaviour(&values) };
    values.dedup();
    Field { values, behaviour }
}

fn behaviour(values: &[u16]) -> Behaviour {
    if values.iter().all(|&value| value == 0) {
        Behaviour::Zero
    } else if values.len() == 1 {
        Behaviour::Single
    } else if agreed(values.iter()).is_some() {
        Behaviour::Constant
    } else if values.windows(2).all(|two| (1..=STEP_MAX).contains(&two[1].wrapping_sub(two[0]))) {
        Behaviour::Increments
    } else {
        Behaviour::Varies
    }
}

fn offset(burst: &[Forged<'_>], copied: u16) -> Option<i16> {
    let value = agreed(burst.iter().map(|forged| forged.packet.ip_id))?;
    // The distance is on a circle, like that of sequence numbers.
    (value != 0 && copied != 0).then(|| value.wrapping_sub(copied).cast_signed())
}

fn strides(numbers: &[u32]) -> Vec<i32> {
    numbers.windows(2).map(|two| seq::distance(two[1], two[0])).collect()
}

fn sequence(numbers: &[u32]) -> Sequence {
    let strides = strides(numbers);
    if strides.is_empty() {
        Sequence::Single
    } else if strides.iter().all(|&stride| stride == 0) {
        Sequence::Same
    } else if strides.iter().all(|&stride| stride > 0) {
        Sequence::Grows
    } else {
        Sequence::Varies
    }
}
