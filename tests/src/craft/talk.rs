//! TCP conversations, with a censor and without.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use probe_common::wire::tcp_flag::{ACK, FIN, PSH, RST, SYN};

use super::{
    Capture, DAY, MS, Packet, Rng, frame, icmp,
    net::Ip,
    segment::{Segment, syn_options, timestamps},
};

/// How many conversations there are.
const TALKS: usize = 240;

/// Several captures of several conversations each, interleaved by time.
pub fn captures(rng: &mut Rng) -> Vec<Capture> {
    let mut captures = Vec::new();
    for part in 0..8 {
        let mut capture = Capture::new(format!("conversations-{part}"));
        for _ in 0..TALKS / 8 {
            let start = DAY + part * 3_600_000 * MS + rng.below(20_000) as u64 * MS;
            let mut talk = Talk::begin(rng, start);
            talk.hold();
            capture.packets.extend(talk.packets);
        }
        capture.packets.sort_by_key(|packet| packet.time);
        captures.push(capture);
    }
    captures
}

/// A TLS ClientHello that asks for `name` (RFC 8446, section 4.1.2; RFC 6066, section 3), with
/// `padding` octets of padding (RFC 7685).
pub fn client_hello(name: &str, padding: usize) -> Vec<u8> {
    let sized = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes(), octets].concat();
    let entry = [&[0][..], &sized(name.as_bytes())].concat();
    let server_name = [&[0, 0][..], &sized(&sized(&entry))].concat();
    let filler = [&[0, 21][..], &sized(&vec![0; padding])].concat();
    let mut body = vec![3, 3];
    body.extend([0x42; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    // Padding first: the name is then the last thing to arrive.
    body.extend(sized(&[filler, server_name].concat()));
    let mut handshake = vec![1, 0];
    handshake.extend(sized(&body));
    [&[0x16, 3, 1][..], &sized(&handshake)].concat()
}

/// Names asked for: watched ones and others.
const NAMES: &[&str] = &[
    "www.linkedin.com",
    "WWW.LinkedIn.com",
    "static.licdn.com",
    "example.org",
    "www.wikipedia.org",
];

struct Talk<'a> {
    rng: &'a mut Rng,
    packets: Vec<Packet>,
    link: frame::Link,
    /// Client's IP header and server's.
    ends: [Ip; 2],
    ports: [u16; 2],
    /// Next sequence number of each.
    next: [u32; 2],
    timestamps: bool,
    now: u64,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl<'a> Talk<'a> {
    fn begin(rng: &'a mut Rng, now: u64) -> Self {
        // Few clients and few ports: ports come round again, and meet their old records.
        let client = rng.below(12) as u8;
        let server = rng.below(6) as u8;
        let (from, to): (IpAddr, IpAddr) = if rng.once_in(3) {
            let end = |net, host: u8| Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host.into());
            (end(1, client).into(), end(2, server).into())
        } else {
            let end = |net, host| Ipv4Addr::new(net, 0, 2, host);
            // Of both orders, so that either end is the low one.
            let (low, high) = if rng.once_in(2) { (192, 203) } else { (203, 192) };
            (end(low, client).into(), end(high, server).into())
        };
        let there =
            Ip { hops: 64, id: rng.word() as u16, df: !rng.once_in(4), ..Ip::new(from, to) };
        let back = Ip { hops: 52, id: rng.word() as u16, df: !rng.once_in(4), ..there.back() };
        let port = *rng.of(&[443, 443, 443, 80, 8443]);
        Self {
            packets: Vec::new(),
            link: rng.of(&frame::LINKS[..6]).1,
            ends: [there, back],
            ports: [40_000 + rng.below(30) as u16, port],
            next: [rng.word() as u32, rng.word() as u32],
            timestamps: !rng.once_in(3),
            now,
            rng,
        }
    }

    /// From the SYN, or the middle, to whatever end.
    fn hold(&mut self) {
        let midstream = self.rng.once_in(12);
        if !midstream && !self.shake_hands() {
            return;
        }
        if self.rng.once_in(15) {
            self.reset();
        }
        self.ask();
        for _ in 0..self.rng.below(12) {
            self.wait(30);
            match self.rng.below(10) {
                0 => self.reset(),
                1 => self.error(),
                2 => self.repeat(),
                3 => self.send(CLIENT, ACK, 0),
                4 => {
                    let len = 1 + self.rng.below(1448);
                    self.send(CLIENT, ACK | PSH, len);
                }
                _ => {
                    let len = 1 + self.rng.below(1448);
                    self.send(SERVER, ACK, len);
                }
            }
        }
        match self.rng.below(4) {
            0 => {
                self.reset();
                // The one whom the reset was not from goes on.
                self.send(SERVER, ACK | PSH, 512);
                self.send(CLIENT, ACK, 0);
            }
            1 => self.genuine_reset(),
            2 => {
                self.send(CLIENT, FIN | ACK, 0);
                self.send(SERVER, FIN | ACK, 0);
                self.send(CLIENT, ACK, 0);
            }
            _ => {}
        }
    }

    fn shake_hands(&mut self) -> bool {
        self.send(CLIENT, SYN, 0);
        if self.rng.once_in(10) {
            self.repeat();
        }
        match self.rng.below(12) {
            0 => return false,
            1 => {
                self.genuine_reset();
                return false;
            }
            _ => {}
        }
        self.wait(40);
        self.send(SERVER, SYN | ACK, 0);
        self.wait(5);
        self.send(CLIENT, ACK, 0);
        true
    }

    /// Hello or request, in one segment or in several.
    fn ask(&mut self) {
        let name = *self.rng.of(NAMES);
        let padding = if self.rng.once_in(3) { 1700 } else { 0 };
        let octets = if self.ports[SERVER] == 80 {
            format!("GET /feed HTTP/1.1\r\nHost: {name}\r\n\r\n").into_bytes()
        } else {
            client_hello(name, padding)
        };
        let piece = *self.rng.of(&[1448, 1448, 5, 90]);
        for piece in octets.chunks(piece.max(octets.len() / 8)) {
            self.wait(1);
            self.push(CLIENT, ACK | PSH, piece.to_vec());
        }
    }

    fn wait(&mut self, most: usize) {
        self.now += self.rng.below(most * 1000) as u64 * 1000;
    }

    fn send(&mut self, from: usize, flags: u16, len: usize) {
        let payload = self.rng.octets(len);
        self.push(from, flags, payload);
    }

    /// A genuine segment.
    fn push(&mut self, from: usize, flags: u16, payload: Vec<u8>) {
        let to = 1 - from;
        let tick = (self.now / MS) as u32;
        let options = match (self.timestamps, flags & SYN != 0) {
            (true, true) => syn_options(tick, 0),
            (false, true) => vec![2, 4, 5, 0xb4],
            (true, false) => timestamps(tick, tick.wrapping_sub(20)),
            (false, false) => Vec::new(),
        };
        let len = payload.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let segment = Segment {
            ports: (self.ports[from], self.ports[to]),
            seq: self.next[from],
            ack: if flags & ACK != 0 { self.next[to] } else { 0 },
            flags,
            window: 502,
            options,
            payload,
            ..Segment::default()
        };
        self.next[from] = self.next[from].wrapping_add(len);
        self.ends[from].id = self.ends[from].id.wrapping_add(1);
        let packet = segment.packet(&self.ends[from]);
        self.put(&packet);
        self.wait(2);
    }

    fn put(&mut self, packet: &[u8]) {
        let data = (self.link)(packet);
        let mut packet = Packet::whole(self.now, data);
        // Some captures are cut: what does not fit is gone, but its length is known.
        if self.rng.once_in(40) {
            let keep = 60 + self.rng.below(200);
            packet.data.truncate(keep);
        }
        self.packets.push(packet);
    }

    /// The last packet once more, sent again or captured twice.
    fn repeat(&mut self) {
        if let Some(last) = self.packets.last() {
            let mut again = last.clone();
            self.now += 1000 * MS;
            again.time = self.now;
            self.packets.push(again);
        }
    }

    /// What the peer's own stack sends.
    fn genuine_reset(&mut self) {
        let from = self.rng.below(2);
        self.push(from, RST | ACK, Vec::new());
    }

    /// One to five forged resets, with this and that wrong about them.
    fn reset(&mut self) {
        let from = self.rng.below(2);
        let to = 1 - from;
        let bait = Ip {
            hops: 30 + self.rng.below(100) as u8,
            id: if self.rng.once_in(2) { self.ends[to].id } else { self.rng.word() as u16 },
            df: self.rng.once_in(2),
            class: *self.rng.of(&[0, 0x20, 0xb8]),
            ..self.ends[from].clone()
        };
        let flags = *self.rng.of(&[RST, RST | ACK, RST | ACK, RST | PSH | ACK, RST | 0x200]);
        let step = *self.rng.of(&[0, 1460, 4380, u32::MAX - 99]);
        let window = self.rng.word() as u16;
        for place in 0..1 + self.rng.below(5) as u32 {
            let seq = self.next[from].wrapping_add(step.wrapping_mul(place));
            let payload = if self.rng.once_in(6) { self.rng.octets(100) } else { Vec::new() };
            let segment = Segment {
                ports: (self.ports[from], self.ports[to]),
                seq,
                ack: if flags & ACK != 0 { self.next[to].wrapping_add(place) } else { 0 },
                flags,
                window: window.wrapping_add(place as u16),
                payload,
                ..Segment::default()
            };
            let ip = Ip { hops: bait.hops + place as u8, ..bait.clone() };
            let packet = segment.packet(&ip);
            self.put(&packet);
            self.now += self.rng.below(3) as u64 * 100_000;
        }
    }

    /// An ICMP error about the client's next segment.
    fn error(&mut self) {
        let segment = Segment {
            ports: (self.ports[CLIENT], self.ports[SERVER]),
            seq: self.next[CLIENT],
            flags: ACK,
            ..Segment::default()
        };
        let quoted = segment.packet(&self.ends[CLIENT]);
        let router = Ip { hops: 250, ..self.ends[SERVER].clone() };
        let keep = if self.rng.once_in(2) { quoted.len() } else { quoted.len() - 12 };
        let packet = icmp::time_exceeded(&router, &quoted[..keep]);
        self.put(&packet);
    }
}
