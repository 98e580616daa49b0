//! QUIC: a client's Initial packets as it seals them, and what a server may answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::{
    Side,
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{DirectionalKeys, Keys, Version},
};

use super::{Capture, DAY, MS, Packet, Rng, dns, frame, icmp, net::Ip, talk};

/// Version 1, RFC 9000.
pub const V1: u32 = 1;
/// Version 2, RFC 9369.
pub const V2: u32 = 0x6b33_43cf;

/// Payload of a datagram that carries an Initial, as most clients pad it.
pub const DATAGRAM: usize = 1_250;

/// A client's Initial packet.
#[derive(Clone, Debug)]
pub struct Initial {
    /// Version field.
    pub version: u32,
    /// What the client's keys follow from.
    pub id: Vec<u8>,
    /// What a server gave in a Retry.
    pub token: Vec<u8>,
    /// Packet number.
    pub number: u8,
}

impl Initial {
    /// The first one of a connection with this id.
    pub fn new(id: &[u8]) -> Self {
        Self { version: V1, id: id.to_vec(), token: Vec::new(), number: 0 }
    }

    /// A datagram of `length` octets with one packet of these frames.
    pub fn datagram(&self, frames: &[u8], length: usize) -> Vec<u8> {
        let keys = self.keys();
        let kind = if self.version == V2 { 0x10 } else { 0 };
        let mut header = vec![0xc0 | kind];
        header.extend(self.version.to_be_bytes());
        header.push(self.id.len() as u8);
        header.extend(&self.id);
        header.push(0);
        header.extend(varint(self.token.len()));
        header.extend(&self.token);
        // Two octets of length, one of packet number, sixteen of tag.
        let room = length.saturating_sub(header.len() + 2 + 1 + 16);
        let mut payload = frames.to_vec();
        payload.resize(room.max(frames.len()).max(4), 0);
        header.extend((0x4000 | (1 + payload.len() + 16) as u16).to_be_bytes());
        header.push(self.number);
        let sealed = keys.packet.encrypt_in_place(self.number.into(), &header, &mut payload);
        payload.extend(sealed.expect("within what one key may seal").as_ref());
        let number_at = header.len() - 1;
        let mut packet = [header, payload].concat();
        let (head, rest) = packet.split_at_mut(number_at);
        let (number, rest) = rest.split_at_mut(1);
        // The sample begins four octets behind the beginning of the number (RFC 9001, 5.4.2).
        let sample = &rest[3..3 + keys.header.sample_len()];
        keys.header.encrypt_in_place(sample, &mut head[0], number).expect("a sample");
        packet
    }

    fn keys(&self) -> DirectionalKeys {
        let version = if self.version == V2 { Version::V2 } else { Version::V1 };
        let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3");
        let quic = suite.quic.expect("a suite for QUIC");
        Keys::initial(version, suite, quic, &self.id, Side::Client).local
    }
}

/// A CRYPTO frame.
pub fn crypto(offset: usize, piece: &[u8]) -> Vec<u8> {
    [&[6][..], &varint(offset), &varint(piece.len()), piece].concat()
}

fn varint(value: usize) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        _ => (0x4000 | value as u16).to_be_bytes().to_vec(),
    }
}

/// The datagrams of a client's first flight: a hello for `name`, padded by `padding` octets, over as
/// many datagrams as it takes.
pub fn flight(initial: &Initial, name: &str, padding: usize) -> Vec<Vec<u8>> {
    // Without the header of the TLS record.
    flight_of(initial, &talk::client_hello(name, padding)[5..])
}

/// The same of any hello.
pub fn flight_of(initial: &Initial, hello: &[u8]) -> Vec<Vec<u8>> {
    const PIECE: usize = 1_100;
    let pieces = hello.chunks(PIECE).enumerate();
    pieces
        .map(|(place, piece)| {
            let number = initial.number.wrapping_add(place as u8);
            let initial = Initial { number, ..initial.clone() };
            initial.datagram(&crypto(place * PIECE, piece), DATAGRAM)
        })
        .collect()
}

/// A server's datagram of long header type `kind` (RFC 9000, section 17.2): 0 Initial, 2 Handshake,
/// 3 Retry; with what nobody but the client can read.
pub fn answer(version: u32, kind: u8, length: usize) -> Vec<u8> {
    let kind = if version == V2 { (kind + 1) & 3 } else { kind };
    let mut octets = vec![0xc0 | kind << 4];
    octets.extend(version.to_be_bytes());
    octets.extend([0, 8]);
    octets.resize(length.max(octets.len()), 0x5a);
    octets
}

/// A server's list of versions.
pub fn negotiation() -> Vec<u8> {
    [&[0xaa, 0, 0, 0, 0, 0, 8][..], &[0x5a; 8], &V1.to_be_bytes(), &V2.to_be_bytes()].concat()
}

/// Captures of connections that are begun, answered or not, refused, and of what only looks so. In the
/// first each has ports of its own; in the second they come round again.
pub fn captures(rng: &mut Rng) -> Vec<Capture> {
    (0..2_u64)
        .map(|part| {
            let mut capture = Capture::new(format!("quic-{part}"));
            for number in 0..120 {
                let start = DAY + part * 3_600_000 * MS + rng.below(60_000) as u64 * MS;
                // Now and then the port of the server itself.
                let port = match part {
                    0 => 40_000 + number,
                    _ if rng.once_in(10) => 443,
                    _ => 50_000 + rng.below(4) as u16,
                };
                capture.packets.extend(connection(rng, start, port));
            }
            capture.packets.sort_by_key(|packet| packet.time);
            capture
        })
        .collect()
}

fn connection(rng: &mut Rng, start: u64, port: u16) -> Vec<Packet> {
    let client = rng.below(12) as u8;
    let (from, to): (IpAddr, IpAddr) = if rng.once_in(4) {
        let end = |net, host: u8| Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host.into());
        (end(1, client).into(), end(44, 43).into())
    } else {
        (Ipv4Addr::new(192, 0, 2, client).into(), Ipv4Addr::new(198, 51, 100, 43).into())
    };
    let link = rng.of(&frame::LINKS[..6]).1;
    let there = Ip { id: rng.word() as u16, ..Ip::new(from, to) };
    let back = Ip { hops: 55, ..there.back() };
    let mut initial = Initial::new(&rng.word().to_be_bytes());
    initial.version = *rng.of(&[V1, V1, V2, 0x1a2a_3a4a, 0xff00_001d]);
    let hello = *rng.of(&["www.linkedin.com", "example.org"]);
    let flight = flight(&initial, hello, *rng.of(&[0, 1_300]));
    let mut now = start;
    let mut packets = Vec::new();
    let mut put = |now: u64, packet: Vec<u8>| packets.push(Packet::whole(now, link(&packet)));
    for attempt in 0..[1, 1, 2, 4, 9][rng.below(5)] {
        for datagram in &flight {
            put(now, dns::datagram(&there, (port, 443), datagram));
        }
        now += (1_000 * MS) << attempt.min(4);
    }
    match rng.below(8) {
        0 | 1 => {}
        2 => put(start + 30 * MS, dns::datagram(&back, (443, port), &negotiation())),
        3 => put(start + 30 * MS, dns::datagram(&back, (443, port), &answer(V1, 3, 90))),
        4 => {
            let packet = dns::datagram(&there, (port, 443), &flight[0]);
            let error = icmp::message(&back, if to.is_ipv6() { 1 } else { 3 }, 3, &packet[..60]);
            put(start + 30 * MS, error);
        }
        _ => {
            for (wait, kind) in [(30, 0), (31, 2), (31, 2)] {
                let octets = answer(initial.version, kind, 1_200);
                put(start + wait * MS, dns::datagram(&back, (443, port), &octets));
            }
            for wait in 32..40 {
                // What an established connection sends.
                put(start + wait * MS, dns::datagram(&back, (443, port), &[0x4a; 1_200]));
                put(start + wait * MS, dns::datagram(&there, (port, 443), &[0x4b; 40]));
            }
        }
    }
    // What begins no connection: too short, of another type, of another protocol.
    if rng.once_in(3) {
        let odd: [&[u8]; 5] =
            [&[], &[0xc3], &[0xc3, 0, 0, 0, 1, 8], &[0xe3; 1_200], &flight[0][..400]];
        put(start + 50 * MS, dns::datagram(&there, (port, 443), rng.of::<&[u8]>(&odd)));
    }
    packets
}
