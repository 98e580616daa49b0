//! One packet of each class, and how it is varied.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use probe_common::{bench::Vary, wire::tcp_flag};

use crate::craft::{
    dns,
    frame::{VLAN, ethernet, tagged},
    net::Ip,
    segment::{Segment, syn_options, timestamps},
};

/// What lies below the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// Ethernet and IPv4.
    V4,
    /// Ethernet and IPv6.
    V6,
    /// Ethernet, a VLAN tag, IPv4.
    Vlan,
}

/// Which end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The client, whose address and port are varied.
    Client,
    /// The server, which is always the same.
    Server,
}

/// A packet to be varied.
#[derive(Clone, Debug)]
pub struct Varied {
    /// The frame.
    pub frame: Vec<u8>,
    /// What is varied.
    pub vary: Vary,
}

/// How many flows there are: a million.
pub const FLOWS: u64 = 1 << 20;

/// Questions that are open at the same time.
pub const QUESTIONS: u64 = 1 << 13;

/// Octets of a segment of bulk data.
const BULK: usize = 1_448;

/// Where in a connection bulk data begins: what comes before may be told, which is another class.
const PAST: u32 = 1 << 16;

/// An odd factor, so that flows come in an order without an order.
const FACTOR: u32 = 0x9e37_79b1;

/// Server and resolver; the last part tells them apart.
pub fn server(below: Below, host: u8) -> IpAddr {
    match below {
        Below::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, host.into()).into(),
        Below::V4 | Below::Vlan => Ipv4Addr::new(198, 51, 100, host).into(),
    }
}

/// A host whose address is watched.
pub const WATCHED: u8 = 20;

/// A host whose address is not.
pub const UNWATCHED: u8 = 21;

/// The resolver.
const RESOLVER: u8 = 53;

const HTTPS: u16 = 443;
const DNS: u16 = 53;

/// A segment between a client and `host`.
pub fn segment(below: Below, from: From, host: u8, segment: &Segment) -> Varied {
    let ports = ends(from, HTTPS);
    let packet = Segment { ports, ..segment.clone() }.packet(&ip(below, from, host));
    varied(below, from, &packet, FLOWS - 1)
}

/// Bulk data; the number moves on with each round.
pub fn bulk(below: Below, from: From, host: u8) -> Varied {
    // Not the text of any protocol's first words.
    let payload = vec![0x5a; BULK];
    let flags = tcp_flag::ACK;
    let (seq, ack) = (1, 1);
    let options = timestamps(7, 9);
    let data = Segment { flags, seq, ack, window: 501, options, payload, ..Segment::default() };
    let Varied { frame, vary } = segment(below, from, host, &data);
    let number_at = vary.port_at / 2 * 2;
    let number_at = match from {
        From::Client => number_at + 4,
        From::Server => number_at + 2,
    };
    Varied { frame, vary: Vary { number_at, number: PAST, number_step: BULK as u32, ..vary } }
}

/// An acknowledgment without data.
pub fn ack(below: Below, host: u8) -> Varied {
    let ack = Segment {
        flags: tcp_flag::ACK,
        seq: 1,
        ack: 1,
        window: 501,
        options: timestamps(7, 9),
        ..Segment::default()
    };
    segment(below, From::Client, host, &ack)
}

/// The three segments of a handshake.
pub fn handshake(below: Below, host: u8) -> [Varied; 3] {
    let syn = Segment {
        flags: tcp_flag::SYN,
        window: 64_240,
        options: syn_options(7, 0),
        ..Segment::default()
    };
    let answer = Segment { flags: tcp_flag::SYN | tcp_flag::ACK, ack: 1, ..syn.clone() };
    [
        segment(below, From::Client, host, &syn),
        segment(below, From::Server, host, &answer),
        ack(below, host),
    ]
}

/// A segment with `flags` from a new client each time.
pub fn flood(below: Below, host: u8, flags: u16) -> Varied {
    let options = if flags == tcp_flag::SYN { syn_options(7, 0) } else { Vec::new() };
    let one = Segment { flags, window: 64_240, options, ..Segment::default() };
    let Varied { frame, vary } = segment(below, From::Client, host, &one);
    Varied { frame, vary: Vary { mask: u64::MAX, ..vary } }
}

/// A question for `name`, and its answer.
pub fn lookup(below: Below, name: &str) -> [Varied; 2] {
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 80));
    let query = dns::query(0, name, 1, true);
    let reply = dns::reply(0, 0x8180, name, 1, &[address]);
    [(From::Client, query), (From::Server, reply)].map(|(from, message)| {
        let packet = dns::datagram(&ip(below, from, RESOLVER), ends(from, DNS), &message);
        let Varied { frame, vary } = varied(below, from, &packet, QUESTIONS - 1);
        let flags = u32::from(u16::from_be_bytes([message[2], message[3]]));
        let number_at = transport_at(below) + 8;
        Varied { frame, vary: Vary { number_at, number: flags, number_step: 1 << 16, ..vary } }
    })
}

/// A datagram that is no DNS.
pub fn other(below: Below) -> Varied {
    let packet = dns::datagram(&ip(below, From::Client, UNWATCHED), (0, 4_500), &[0x5a; 1_200]);
    varied(below, From::Client, &packet, FLOWS - 1)
}

const fn ends(from: From, port: u16) -> (u16, u16) {
    match from {
        From::Client => (0, port),
        From::Server => (port, 0),
    }
}

fn ip(below: Below, from: From, host: u8) -> Ip {
    let client = match below {
        Below::V6 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0).into(),
        Below::V4 | Below::Vlan => Ipv4Addr::new(10, 0, 0, 0).into(),
    };
    let there = Ip { hops: 63, ..Ip::new(client, server(below, host)) };
    match from {
        From::Client => there,
        From::Server => there.back(),
    }
}

const fn network_at(below: Below) -> u32 {
    match below {
        Below::V4 | Below::V6 => 14,
        Below::Vlan => 18,
    }
}

const fn transport_at(below: Below) -> u32 {
    match below {
        Below::V6 => network_at(below) + 40,
        Below::V4 | Below::Vlan => network_at(below) + 20,
    }
}

fn varied(below: Below, from: From, packet: &[u8], mask: u64) -> Varied {
    let frame = match below {
        Below::V4 | Below::V6 => ethernet(packet),
        Below::Vlan => tagged(&[(VLAN, 7)], packet),
    };
    // The low 32 bits of source and destination.
    let [source, destination] = match below {
        Below::V6 => [20, 36],
        Below::V4 | Below::Vlan => [12, 16],
    };
    let (address, port) = match from {
        From::Client => (source, 0),
        From::Server => (destination, 2),
    };
    let vary = Vary {
        mask,
        address_at: network_at(below) + address,
        port_at: transport_at(below) + port,
        factor: FACTOR,
        ..Vary::default()
    };
    Varied { frame, vary }
}
