//! Captures made here, the same ones at each run: the packets that the suites live on.
//!
//! They need no file. What is at hand besides, below the directory named by `FORGEWATCH_CORPUS`, is
//! read by [`corpus`] and only adds to them; a suite that runs without has done its work.
//!
//! ```text
//!  frame   Ethernet, VLAN, Q-in-Q, PPPoE, MPLS
//!  net     IPv4 with options and fragments, IPv6 with extension headers, GRE, IP in IP, 6in4
//!  segment, dns, icmp   what lies above
//!  shape   one packet of each combination
//!  talk    whole conversations: handshake, hello, resets, what comes after them
//!  lookup  DNS questions, answers, forged answers
//!  quic    QUIC connections, answered, refused, left without an answer
//!  ask     one look-up after the other, written down packet by packet
//!  mutate  all of these, damaged
//! ```

pub mod ask;
pub mod corpus;
pub mod dns;
pub mod frame;
pub mod icmp;
pub mod lookup;
pub mod mutate;
pub mod net;
pub mod quic;
pub mod rng;
pub mod segment;
pub mod shape;
pub mod talk;

use probe_user::source::capture::Frame;

pub use rng::Rng;

/// 2016-11-17 00:00:00 UTC, in nanoseconds: the morning on which the names began to fail.
pub const DAY: u64 = 1_479_340_800_000_000_000;

/// A millisecond, in nanoseconds.
pub const MS: u64 = 1_000_000;

/// One packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Its length on the wire: more than `data` has if the capture was cut.
    pub wire_len: u32,
    /// The frame, from its Ethernet header on.
    pub data: Vec<u8>,
}

/// Packets in the order they were captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// What is in it.
    pub name: String,
    /// The packets.
    pub packets: Vec<Packet>,
}

impl Packet {
    /// A packet that was captured whole.
    pub fn whole(time: u64, data: Vec<u8>) -> Self {
        Self { time, wire_len: data.len() as u32, data }
    }

    /// As the engines take it, as number `number`.
    pub fn frame(&self, number: u64) -> Frame<'_> {
        Frame { number, time: self.time, interface: 0, wire_len: self.wire_len, data: &self.data }
    }
}

impl Capture {
    /// An empty one.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), packets: Vec::new() }
    }

    /// As the engines take it.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.packets.iter().zip(1..).map(|(packet, number)| packet.frame(number))
    }
}

/// The seed of everything that is drawn here.
pub const SEED: u64 = 0x2016_1117;

/// All of it: shapes, conversations, look-ups, QUIC, and mutations of each.
pub fn captures() -> Vec<Capture> {
    let mut rng = Rng::new(SEED);
    let mut captures = vec![shape::capture()];
    captures.extend(talk::captures(&mut rng));
    captures.extend(lookup::captures(&mut rng));
    captures.extend(quic::captures(&mut rng));
    let whole: Vec<Vec<u8>> = captures
        .iter()
        .flat_map(|capture| capture.packets.iter().map(|packet| packet.data.clone()))
        .collect();
    captures.extend(mutate::captures(&mut rng, &whole));
    captures
}
