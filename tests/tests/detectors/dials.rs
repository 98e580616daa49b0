//! QUIC connections that get no answer, and hellos whose names are encrypted. In pairs, as in
//! [`by_hand`](crate::by_hand).

use std::net::SocketAddr;

use probe_tests::{
    corpus::segment::{
        End::Client,
        flag::{ACK, PSH},
    },
    craft::{
        Capture, DAY, MS, Packet, dns, frame, icmp,
        net::Ip,
        quic::{self, Initial, V1},
    },
};

use crate::{
    by_hand::{OTHER, WATCHED},
    talk::{FAR, Talk, later, together},
};

/// The server that both names are at.
const SERVER: &str = "198.18.0.1:443";

/// One that nobody asks for a watched name.
const ELSEWHERE: &str = "198.18.0.2:443";

const ECH: u16 = 0xfe0d;
const ESNI: u16 = 0xffce;

/// A hello without its record: a name, if there is one, an extension, and padding to `length`.
fn hello(name: Option<&str>, extension: Option<(u16, Vec<u8>)>, length: usize) -> Vec<u8> {
    let sized = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes(), octets].concat();
    let mut extensions = Vec::new();
    if let Some((kind, content)) = extension {
        extensions.extend([&kind.to_be_bytes()[..], &sized(&content)].concat());
    }
    if let Some(name) = name {
        let entry = [&[0][..], &sized(name.as_bytes())].concat();
        extensions.extend([&[0, 0][..], &sized(&sized(&entry))].concat());
    }
    let rest = length.saturating_sub(extensions.len() + 51);
    extensions.extend([&[0, 21][..], &sized(&vec![0; rest])].concat());
    let body = [&[3, 3][..], &[0x42; 32], &[0, 0, 2, 0x13, 1, 1, 0], &sized(&extensions)].concat();
    [&[1, 0][..], &sized(&body)].concat()
}

/// The outer extension with key number `id`: RFC 9849, section 5.
fn outer(id: u8) -> Option<(u16, Vec<u8>)> {
    let content =
        [&[0, 0, 1, 0, 1, id, 0, 32][..], &[id; 32], &[0, 208], &[id.wrapping_add(1); 208]];
    Some((ECH, content.concat()))
}

/// A QUIC connection that is being written down.
struct Dial {
    packets: Vec<Packet>,
    client: SocketAddr,
    server: SocketAddr,
    now: u64,
}

impl Dial {
    /// Client `number` to a server, `second` seconds after the beginning.
    fn new(number: u16, server: &str, second: u64) -> Self {
        Self {
            packets: Vec::new(),
            client: SocketAddr::from(([10, 0, 0, 1], 50_000 + number)),
            server: server.parse().expect("address and port"),
            now: DAY + second * 1_000 * MS,
        }
    }

    fn ip(&self) -> Ip {
        Ip::new(self.client.ip(), self.server.ip())
    }

    fn put(&mut self, packet: &[u8]) {
        self.packets.push(Packet::whole(self.now, frame::ethernet(packet)));
        self.now += MS / 20;
    }

    /// What the client sends first.
    fn flight(&self, hello: &[u8]) -> Vec<Vec<u8>> {
        let initial = Initial::new(&[self.client.port().to_be_bytes().repeat(4)].concat());
        let ports = (self.client.port(), self.server.port());
        let flight = quic::flight_of(&initial, hello);
        flight.iter().map(|datagram| dns::datagram(&self.ip(), ports, datagram)).collect()
    }

    /// The client tries so often, waiting longer each time.
    fn tries(mut self, hello: &[u8], times: u32) -> Self {
        for time in 0..times {
            for packet in self.flight(hello) {
                self.put(&packet);
            }
            self.now += (1_000 * MS) << time;
        }
        self
    }

    /// The client asks, and the server answers with a datagram.
    fn answered(mut self, hello: &[u8]) -> Self {
        for packet in self.flight(hello) {
            self.put(&packet);
        }
        self.now += FAR * MS;
        let ports = (self.server.port(), self.client.port());
        let answer = dns::datagram(&self.ip().back(), ports, &quic::answer(V1, 0, 1_200));
        self.put(&answer);
        self
    }

    /// The client asks, and a router says that its datagrams may not pass.
    fn refused(mut self, hello: &[u8]) -> Self {
        let packet = self.flight(hello).swap_remove(0);
        let mut dial = self.tries(hello, 3);
        dial.now += MS;
        let router = Ip::new([198, 18, 9, 9].into(), dial.client.ip());
        dial.put(&icmp::message(&router, 3, 13, &packet[..28]));
        self = dial;
        self
    }
}

/// One capture of connections over QUIC and TCP.
fn beside(talks: impl IntoIterator<Item = Talk>, dials: impl IntoIterator<Item = Dial>) -> Capture {
    let mut capture = together(talks);
    capture.packets.extend(dials.into_iter().flat_map(|dial| dial.packets));
    capture.packets.sort_by_key(|packet| packet.time);
    capture
}

/// A connection over TCP that the server answers, at the beginning, and one of somebody else at the end.
fn tcp(end: u64) -> [Talk; 2] {
    let mut talk = Talk::new(0, SERVER, 0);
    talk.served(OTHER);
    talk.close();
    [talk, later(end)]
}

fn plain(name: &str) -> Vec<u8> {
    hello(Some(name), None, 600)
}

/// How many seconds apart the attempts are.
const APART: u64 = 20;

/// Ten attempts each for two names at one address, in turn, of which the second is answered and the first
/// is not, but for the attempt numbered `exception`.
fn two_names(exception: Option<u16>) -> impl Iterator<Item = Dial> {
    (0..20).map(move |number| {
        let dial = Dial::new(number, SERVER, 1 + APART * u64::from(number));
        if number % 2 == 0 {
            dial.answered(&plain(OTHER))
        } else if Some(number) == exception {
            dial.answered(&plain(WATCHED))
        } else {
            dial.tries(&plain(WATCHED), 4)
        }
    })
}

pub(crate) fn one_name_unanswered() -> Capture {
    beside(tcp(450), two_names(None))
}

pub(crate) fn one_name_unanswered_sometimes() -> Capture {
    beside(tcp(450), two_names(Some(3)))
}

/// Nobody is answered over QUIC, whatever the name and the server.
pub(crate) fn udp_is_blocked() -> Capture {
    let dials = (0..20).map(|number| {
        let server = if number % 3 == 0 { ELSEWHERE } else { SERVER };
        let name = if number % 2 == 0 { OTHER } else { WATCHED };
        Dial::new(number, server, 1 + APART * u64::from(number)).tries(&plain(name), 4)
    });
    beside(tcp(450), dials)
}

/// A client that others answer over QUIC; this server does so for nobody.
pub(crate) fn server_without_quic() -> Capture {
    let dials = (0..20).map(|number| {
        let second = 1 + APART * u64::from(number);
        if number % 2 == 0 {
            Dial::new(number, ELSEWHERE, second).answered(&plain(OTHER))
        } else {
            Dial::new(number, SERVER, second).tries(&plain(WATCHED), 4)
        }
    });
    beside(tcp(450), dials)
}

/// The same with what happens to every second attempt.
fn every_second(fate: impl Fn(Dial) -> Dial) -> Capture {
    let dials = (0..20).map(|number| {
        let dial = Dial::new(number, SERVER, 1 + APART * u64::from(number));
        if number % 2 == 0 { dial.answered(&plain(OTHER)) } else { fate(dial) }
    });
    beside(tcp(450), dials)
}

pub(crate) fn client_gives_up() -> Capture {
    every_second(|dial| dial.tries(&plain(WATCHED), 2))
}

pub(crate) fn refused_by_a_filter() -> Capture {
    every_second(|dial| dial.refused(&plain(WATCHED)))
}

/// A server that answered over QUIC until it stopped; the watched name was asked for only afterwards.
pub(crate) fn server_stops_quic() -> Capture {
    let dials = (0..20).map(|number| {
        let dial = Dial::new(number, SERVER, 1 + APART * u64::from(number));
        if number < 10 { dial.answered(&plain(OTHER)) } else { dial.tries(&plain(WATCHED), 4) }
    });
    beside(tcp(450), dials)
}

/// No connection over TCP was ever answered.
pub(crate) fn host_without_tcp() -> Capture {
    beside([later(450)], two_names(None))
}

/// A minute after the last of them, the same client asks for a name that is not watched.
fn afterwards(name: &str) -> Capture {
    let last = Dial::new(99, SERVER, 1 + APART * 20).tries(&plain(name), 4);
    beside(tcp(500), two_names(None).chain([last]))
}

pub(crate) fn harmless_name_unanswered_after() -> Capture {
    afterwards("www.example.com")
}

pub(crate) fn same_name_unanswered_again() -> Capture {
    afterwards(WATCHED)
}

/// Ten hellos with Encrypted ClientHello for one outer name get no answer, and ten with GREASE for
/// another name do.
fn encrypted(outer_name: &str, id: fn(u16) -> u8) -> Capture {
    let dials = (0..20).map(|number| {
        let dial = Dial::new(number, SERVER, 1 + APART * u64::from(number));
        if number % 2 == 0 {
            dial.answered(&hello(Some(OTHER), outer((31 * number) as u8), 1_800))
        } else {
            dial.tries(&hello(Some(outer_name), outer(id(number)), 1_800), 4)
        }
    });
    beside(tcp(450), dials)
}

pub(crate) fn encrypted_hello_unanswered() -> Capture {
    encrypted("cloudflare-ech.com", |_| 0xf2)
}

pub(crate) fn grease_unanswered() -> Capture {
    encrypted(WATCHED, |number| (29 * number) as u8)
}

/// A connection over TCP whose hello, of as many segments as it takes, is answered or not.
fn over_tcp(number: u16, hello: &[u8], answered: bool) -> Talk {
    let record = [&[0x16, 3, 1][..], &(hello.len() as u16).to_be_bytes(), hello].concat();
    let mut talk = Talk::new(number, SERVER, 8 * u64::from(number));
    talk.connect();
    let mut segments = Vec::new();
    for piece in record.chunks(1_400) {
        let mut segment = talk.segment(Client, PSH | ACK);
        segment.payload = piece.to_vec().into();
        talk.sent(&segment);
        segments.push(segment);
    }
    if answered {
        talk.answer(600);
        talk.close();
        return talk;
    }
    for wait in [300, 600, 1_200] {
        talk.wait(wait);
        segments.iter().for_each(|segment| talk.put(segment));
    }
    talk
}

/// Every second hello disappears, and the others are answered.
fn swallowed(lost: impl Fn(u16) -> Vec<u8>, served: impl Fn(u16) -> Vec<u8>) -> Capture {
    let talks = (0..24).map(|number| match number % 2 {
        0 => over_tcp(number, &served(number), true),
        _ => over_tcp(number, &lost(number), false),
    });
    together(talks.chain([later(220)]))
}

pub(crate) fn encrypted_hello_swallowed() -> Capture {
    swallowed(
        |_| hello(Some("cloudflare-ech.com"), outer(0xf2), 1_800),
        |number| hello(Some(OTHER), outer((31 * number) as u8), 1_800),
    )
}

pub(crate) fn grease_swallowed() -> Capture {
    swallowed(
        |number| hello(Some(WATCHED), outer((29 * number) as u8), 1_800),
        |number| hello(Some(OTHER), outer((31 * number) as u8), 1_800),
    )
}

fn encrypted_name() -> Vec<u8> {
    hello(None, Some((ESNI, vec![0x13; 366])), 1_800)
}

pub(crate) fn encrypted_name_swallowed() -> Capture {
    swallowed(|_| encrypted_name(), |_| hello(Some(OTHER), None, 1_800))
}

pub(crate) fn large_hello_swallowed() -> Capture {
    swallowed(|_| encrypted_name(), |_| hello(Some(OTHER), None, 600))
}
