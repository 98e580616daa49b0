//! Conversations packet by packet, for captures that no case of the corpus has.

use std::net::SocketAddr;

use bytes::Bytes;
use probe_tests::{
    corpus::segment::{self, End, Pair, Segment, flag},
    craft::{Capture, DAY, MS, Packet, talk::client_hello},
};

/// TTL of the server's packets here: twelve hops from a first 64.
pub(crate) const SERVER_TTL: u8 = 52;

/// TTL of the client's.
const CLIENT_TTL: u8 = 63;

/// From the router to the server and back, in milliseconds.
pub(crate) const FAR: u64 = 40;

/// From the router to the client and back, in milliseconds.
pub(crate) const NEAR: u64 = 10;

/// A connection that is being written down.
pub(crate) struct Talk {
    packets: Vec<Packet>,
    pair: Pair,
    now: u64,
    /// The number behind what each end has sent.
    next: [u32; 2],
    ip_id: [u16; 2],
}

impl Talk {
    /// Client `number` to a server, `second` seconds after the beginning.
    pub(crate) fn new(number: u16, server: &str, second: u64) -> Self {
        let client = SocketAddr::from(([10, 0, 0, 1], 40_000 + number));
        let server: SocketAddr = server.parse().expect("address and port");
        Self {
            packets: Vec::new(),
            pair: Pair { client, server },
            now: DAY + second * 1_000 * MS,
            next: [1_000 + u32::from(number), 900_000 + u32::from(number)],
            ip_id: [100, 5_000],
        }
    }

    /// Of one server, that is nobody's.
    pub(crate) fn plain(second: u64) -> Self {
        Self::new(0, "198.18.0.1:443", second)
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += millis * MS;
    }

    /// The next IP-ID of `from`.
    pub(crate) fn set_ip_id(&mut self, from: End, ip_id: u16) {
        self.ip_id[from as usize] = ip_id;
    }

    /// An empty segment as `from` itself would send it now.
    pub(crate) fn segment(&self, from: End, flags: u16) -> Segment {
        let mut segment = Segment::empty(from);
        segment.ttl = if from == End::Client { CLIENT_TTL } else { SERVER_TTL };
        segment.ip_id = self.ip_id[from as usize];
        segment.flags = flags;
        segment.seq = self.next[from as usize];
        segment.ack = if flags & flag::ACK != 0 { self.next[from.other() as usize] } else { 0 };
        segment.window = 502;
        segment
    }

    /// Writes a segment down that neither end has sent.
    pub(crate) fn put(&mut self, segment: &Segment) {
        let mut data = Vec::new();
        segment::write(segment, &self.pair, &mut data);
        self.packets.push(Packet::whole(self.now, data));
        self.now += MS / 20;
    }

    /// Forges a segment: as `from` would send it, but for what `change` does to it.
    pub(crate) fn forge(&mut self, from: End, flags: u16, change: impl FnOnce(&mut Segment)) {
        let mut segment = self.segment(from, flags);
        change(&mut segment);
        self.put(&segment);
    }

    /// `from` sends something.
    pub(crate) fn send(&mut self, from: End, flags: u16, payload: impl Into<Bytes>) {
        let mut segment = self.segment(from, flags);
        segment.payload = payload.into();
        self.sent(&segment);
    }

    /// Writes down a segment that is the next of its end.
    pub(crate) fn sent(&mut self, segment: &Segment) {
        self.put(segment);
        let from = segment.from as usize;
        self.next[from] = segment.end();
        self.ip_id[from] = self.ip_id[from].wrapping_add(1);
    }

    /// SYN, SYN+ACK, ACK, at the pace of the way.
    pub(crate) fn connect(&mut self) {
        self.send(End::Client, flag::SYN, "");
        self.wait(FAR);
        self.send(End::Server, flag::SYN | flag::ACK, "");
        self.wait(NEAR);
        self.send(End::Client, flag::ACK, "");
    }

    /// The client's first data: a ClientHello for `name`.
    pub(crate) fn hello(&mut self, name: &str) {
        self.send(End::Client, flag::PSH | flag::ACK, client_hello(name, 0));
    }

    /// The server answers with so many octets, and the client acknowledges them.
    pub(crate) fn answer(&mut self, octets: usize) {
        self.wait(FAR);
        self.send(End::Server, flag::PSH | flag::ACK, vec![0x17; octets]);
        self.wait(NEAR);
        self.send(End::Client, flag::ACK, "");
    }

    /// Up to and with the server's answer to a hello for `name`.
    pub(crate) fn served(&mut self, name: &str) {
        self.connect();
        self.hello(name);
        self.answer(600);
    }

    /// Connects, and a hello for `name` is sent four times without any answer.
    pub(crate) fn swallowed(&mut self, name: &str) {
        self.connect();
        let mut hello = self.segment(End::Client, flag::PSH | flag::ACK);
        hello.payload = client_hello(name, 0).into();
        self.sent(&hello);
        for wait in [300, 600, 1_200] {
            self.wait(wait);
            self.put(&hello);
        }
    }

    /// A firewall on the way refuses in the server's name, as a stack without a socket would.
    pub(crate) fn refuse(&mut self) {
        self.wait(2);
        self.forge(End::Server, flag::RST, |forged| {
            (forged.ttl, forged.window, forged.ip_id) = (62, 0, 0);
        });
    }

    /// Both ends close.
    pub(crate) fn close(&mut self) {
        self.send(End::Client, flag::FIN | flag::ACK, "");
        self.wait(FAR);
        self.send(End::Server, flag::FIN | flag::ACK, "");
        self.wait(NEAR);
        self.send(End::Client, flag::ACK, "");
    }

    /// The capture.
    pub(crate) fn capture(self) -> Capture {
        together([self])
    }
}

/// An ordinary conversation of somebody else at that second: after it a capture goes on for as long as it
/// takes to notice that something fell silent before.
pub(crate) fn later(second: u64) -> Talk {
    let mut talk = Talk::new(9, "198.18.0.9:443", second);
    talk.served("www.example.net");
    talk.close();
    talk
}

/// One capture of several conversations.
pub(crate) fn together(talks: impl IntoIterator<Item = Talk>) -> Capture {
    let mut capture = Capture::new("written by hand");
    capture.packets = talks.into_iter().flat_map(|talk| talk.packets).collect();
    capture.packets.sort_by_key(|packet| packet.time);
    capture
}
