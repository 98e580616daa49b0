//! Kinds of events, and the packets that give rise to them.

use probe_common::{bench::Vary, wire::tcp_flag};

use crate::{
    bench::{
        object::{Bench, Program},
        packets::{self, Below, From, QUESTIONS, Varied, WATCHED},
    },
    corpus::{apps, rng::Rng},
    craft::segment::{Segment, timestamps},
};

/// The name that is asked for.
const NAME: &str = "www.linkedin.com";

/// Where the hop limit stands in a frame with an IPv4 header.
const HOPS_AT: usize = 14 + 8;

/// Where its checksum stands.
const SUM_AT: usize = 14 + 10;

/// What happens on each of many connections, or is asked by each of many clients.
pub struct Kind {
    /// For people.
    pub name: &'static str,
    /// Its packets, in order.
    pub packets: Vec<Varied>,
}

impl Kind {
    /// Has it happen on `count` connections, the first of which is `first`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn happen(&self, bench: &mut Bench, first: u64, count: u32) -> anyhow::Result<()> {
        for Varied { frame, vary } in &self.packets {
            bench.vary(Vary { sequence: first, ..*vary })?;
            bench.run(Program::Probe, frame, count)?;
        }
        Ok(())
    }
}

/// All kinds.
pub fn all() -> [Kind; 4] {
    let hello = apps::client_hello(NAME, false, &mut Rng::new(1)).to_vec();
    let end = 1 + hello.len() as u32;
    let opened = || packets::handshake(Below::V4, WATCHED).to_vec();
    let sent = |from, flags, seq, ack, payload: Vec<u8>| {
        let options = if payload.is_empty() { Vec::new() } else { timestamps(7, 9) };
        let segment =
            Segment { flags, seq, ack, window: 501, options, payload, ..Segment::default() };
        packets::segment(Below::V4, from, WATCHED, &segment)
    };
    let asked = || {
        let hello = sent(From::Client, tcp_flag::PSH | tcp_flag::ACK, 1, 1, hello.clone());
        [opened(), vec![hello]].concat()
    };
    let refused = sent(From::Server, tcp_flag::RST | tcp_flag::ACK, 1, end, Vec::new());
    // What only one who stands beside the way sends: all the same, more than there is to answer, and
    // from another distance.
    let forged = [47; RESETS].map(|hops| {
        let flags = tcp_flag::RST | tcp_flag::ACK;
        let mut forged = sent(From::Server, flags, 1, end, Vec::new());
        distant(&mut forged.frame, hops);
        forged
    });
    let lookup = packets::lookup(Below::V4, NAME).to_vec();
    [
        Kind { name: "ClientHellos", packets: anew(asked()) },
        Kind {
            name: "resets of the server's own",
            packets: anew([asked(), vec![refused]].concat()),
        },
        Kind {
            name: "forged resets, four each",
            packets: anew([asked(), forged.to_vec()].concat()),
        },
        Kind { name: "DNS replies, watched name", packets: lookup },
    ]
}

/// Forged packets of a connection.
pub const RESETS: usize = 4;

/// Connections in a round of DNS ids.
pub const ROUND: u64 = QUESTIONS;

/// Each on a connection of its own.
fn anew(mut packets: Vec<Varied>) -> Vec<Varied> {
    for Varied { vary, .. } in &mut packets {
        vary.mask = u64::MAX;
    }
    packets
}

/// Sets the hop limit, and mends the checksum (RFC 1624).
fn distant(frame: &mut [u8], hops: u8) {
    let sum = u32::from(!u16::from_be_bytes([frame[SUM_AT], frame[SUM_AT + 1]]));
    let sum = sum + (0xffff - (u32::from(frame[HOPS_AT]) << 8)) + (u32::from(hops) << 8);
    let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[SUM_AT..SUM_AT + 2].copy_from_slice(&folded.to_be_bytes());
    frame[HOPS_AT] = hops;
}
