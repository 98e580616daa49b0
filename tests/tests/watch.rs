//! Which connections the engine follows when it does not follow all: only those of which it looks
//! at every segment may be judged by what their ends have sent.

use etherparse::{PacketBuilder, TcpHeader};
use probe_common::{
    config::Config,
    event::kind,
    flow::{FlowRecord, Side, state},
};
use probe_user::source::{capture::Frame, event::Event, local::Local};

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const WATCHED: [u8; 4] = [198, 51, 100, 1];
const OTHER: [u8; 4] = [203, 0, 113, 1];

/// A hello as it begins, in one segment.
fn hello(len: usize) -> Vec<u8> {
    let mut octets = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    octets.resize(len, 0);
    octets
}

/// An engine, and a clock that moves a millisecond with each packet.
struct Bench {
    engine: Local,
    time: u64,
    kinds: Vec<u16>,
    /// Payload that went up.
    payload: Vec<Vec<u8>>,
    /// The servers' port.
    service: u16,
}

/// One connection's two ends and where their numbers stand.
#[derive(Clone, Copy)]
struct Connection {
    server: [u8; 4],
    port: u16,
    client_next: u32,
    server_next: u32,
}

impl Bench {
    fn new() -> Self {
        let config = Config { flags: 0, dns_ports: [53, 5_353, 0, 0], ..Config::replay() };
        Self {
            engine: Local::new(config),
            time: 1_000_000_000,
            kinds: Vec::new(),
            payload: Vec::new(),
            service: 443,
        }
    }

    fn pass(&mut self, from_client: bool, one: Connection, header: TcpHeader, payload: &[u8]) {
        let (from, to) = if from_client { (CLIENT, one.server) } else { (one.server, CLIENT) };
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(from, to, 60)
            .tcp_header(header)
            .write(&mut frame, payload)
            .expect("a packet");
        self.time += 1_000_000;
        let frame = Frame {
            number: 1,
            time: self.time,
            interface: 0,
            wire_len: frame.len() as u32,
            data: &frame,
        };
        let Self { engine, kinds, payload: up, .. } = self;
        engine.packet(&frame, |event| {
            if let Event::Tcp(event, payload) = event {
                kinds.push(event.header.kind);
                up.push(payload.to_vec());
            }
        });
    }

    /// A segment of the client with `flags` set on it.
    fn client(&mut self, one: &mut Connection, flags: impl FnOnce(&mut TcpHeader), data: &[u8]) {
        let mut header = TcpHeader::new(one.port, self.service, one.client_next, 64_000);
        header.acknowledgment_number = one.server_next;
        header.ack = true;
        flags(&mut header);
        self.pass(true, *one, header.clone(), data);
        one.client_next = one.client_next.wrapping_add(data.len() as u32 + u32::from(header.syn));
    }

    fn server(&mut self, one: &mut Connection, flags: impl FnOnce(&mut TcpHeader), data: &[u8]) {
        let mut header = TcpHeader::new(self.service, one.port, one.server_next, 64_000);
        header.acknowledgment_number = one.client_next;
        header.ack = true;
        flags(&mut header);
        self.pass(false, *one, header.clone(), data);
        one.server_next = one.server_next.wrapping_add(data.len() as u32 + u32::from(header.syn));
    }

    /// A handshake whose numbers begin at `client` and `server`.
    fn open(&mut self, server: [u8; 4], port: u16, isn: (u32, u32)) -> Connection {
        let mut one = Connection { server, port, client_next: isn.0, server_next: isn.1 };
        let acknowledged = one.server_next;
        one.server_next = 0;
        self.client(&mut one, |tcp| (tcp.syn, tcp.ack) = (true, false), &[]);
        one.server_next = acknowledged;
        self.server(&mut one, |tcp| tcp.syn = true, &[]);
        self.client(&mut one, |_| {}, &[]);
        one
    }

    /// Makes a server watched, as the agent does when a name has led there: here by the reset of another connection.
    fn watch(&mut self, server: [u8; 4]) {
        let mut other = self.open(server, 50_000, (5, 7));
        self.server(&mut other, |tcp| tcp.rst = true, &[]);
    }

    fn record(&self, one: Connection) -> FlowRecord {
        let mut records = self.engine.flows().map(|(_, record)| record);
        let found =
            records.find(|record| [record.key.low_port, record.key.high_port].contains(&one.port));
        found.expect("the connection is on record")
    }

    fn is_followed(&self, one: Connection) -> bool {
        self.record(one).is(state::FOLLOWED)
    }
}

/// A reset makes its server watched. That says nothing about other servers of the same client.
#[test]
fn a_reset_elsewhere_does_not_make_a_connection_followed() {
    let mut bench = Bench::new();
    let mut first = bench.open(WATCHED, 40_001, (1_000, 2_000));
    bench.server(&mut first, |tcp| tcp.rst = true, &[]);

    let mut other = bench.open(OTHER, 40_002, (1_000, 2_000));
    bench.client(&mut other, |_| {}, &hello(300));
    for _ in 0..3 {
        bench.server(&mut other, |_| {}, &[0; 1_000]);
    }
    let record = bench.record(other);
    let server = if record.initiator() == Side::Low { record.halves[1] } else { record.halves[0] };
    assert_eq!(server.data_segments, 0, "the download passes unseen");
    assert!(!bench.is_followed(other), "so what the server has sent is not known");

    // The next to the server that was reset is followed from its beginning.
    let again = bench.open(WATCHED, 40_003, (1_000, 2_000));
    assert!(bench.is_followed(again));
}

/// Half of all numbers lie "before" the zero that a SYN has in place of an acknowledgment.
#[test]
fn the_first_acknowledgment_counts_whatever_its_number() {
    for isn in [1, 0x7fff_fff0, 0x8000_0001, 0xffff_fff0] {
        let mut bench = Bench::new();
        let mut one = bench.open(WATCHED, 40_001, (5, isn));
        bench.client(&mut one, |_| {}, &hello(1_000));
        let record = bench.record(one);
        assert_eq!(record.half(record.initiator()).acked, isn.wrapping_add(1), "{isn:#x}");
    }
}

/// The agent watches the server during the handshake, in which nothing can have passed unseen.
#[test]
fn a_connection_can_be_followed_from_its_first_data_on() {
    let mut bench = Bench::new();
    let mut one = bench.open(WATCHED, 40_001, (5, 7));
    assert!(!bench.is_followed(one));
    bench.watch(WATCHED);
    bench.client(&mut one, |_| {}, &hello(1_000));
    assert!(bench.is_followed(one));
    bench.server(&mut one, |_| {}, &[0; 1_000]);
    let record = bench.record(one);
    assert_eq!(record.half(record.initiator().other()).end, one.server_next);
}

/// The agent reads the name in the hello and watches the server before its answer comes.
#[test]
fn a_connection_can_be_followed_from_the_first_answer_on() {
    let mut bench = Bench::new();
    let mut one = bench.open(WATCHED, 40_001, (5, 7));
    bench.client(&mut one, |_| {}, &hello(300));
    bench.watch(WATCHED);
    assert!(!bench.is_followed(one));
    let mut early = one;
    early.client_next -= 1;
    early.server_next += 1;
    bench.server(&mut early, |_| {}, &[0; 10]);
    assert!(!bench.is_followed(one), "an octet is missing");

    let mut other = bench.open(OTHER, 40_003, (5, 7));
    bench.client(&mut other, |_| {}, &hello(300));
    bench.watch(OTHER);
    bench.server(&mut other, |_| {}, &[0; 1_000]);
    assert!(bench.is_followed(other));
}

/// A hello of two segments is read to its end before that.
#[test]
fn a_connection_can_be_followed_from_the_first_answer_to_a_long_hello_on() {
    let long = hello(1_900);
    for lost in [false, true] {
        let mut bench = Bench::new();
        let mut one = bench.open(WATCHED, 40_001, (5, 7));
        bench.client(&mut one, |_| {}, &long[..1_400]);
        if lost {
            one.client_next += 500;
        } else {
            bench.client(&mut one, |_| {}, &long[1_400..]);
        }
        assert!(!bench.is_followed(one), "nobody watches the server for it");
        bench.watch(WATCHED);
        bench.server(&mut one, |_| {}, &[0; 1_000]);
        assert_eq!(bench.is_followed(one), !lost);
    }
}

/// Once more data has passed, there is no telling how much.
#[test]
fn a_connection_that_began_unseen_stays_unfollowed() {
    let mut bench = Bench::new();
    let mut one = bench.open(WATCHED, 40_001, (5, 7));
    bench.client(&mut one, |_| {}, &hello(300));
    bench.server(&mut one, |_| {}, &[0; 1_000]);
    bench.watch(WATCHED);
    bench.client(&mut one, |_| {}, &hello(1_000));
    bench.server(&mut one, |_| {}, &[0; 1_000]);
    assert!(!bench.is_followed(one));
}

/// The agent watches a server only after a connection's hello; its reset is told all the same.
#[test]
fn the_reset_of_a_connection_that_became_watched_is_told() {
    let mut bench = Bench::new();
    let mut one = bench.open(WATCHED, 40_001, (5, 7));
    bench.client(&mut one, |_| {}, &hello(300));
    bench.watch(WATCHED);
    bench.kinds.clear();
    bench.time += 1_000_000_000;
    bench.server(&mut one, |tcp| tcp.rst = true, &[]);
    assert_eq!(bench.kinds, [kind::RESET]);
}

/// DNS over TCP: whoever is asked, what both sides say first goes up, and all of it is looked at.
#[test]
fn a_connection_to_a_dns_port_is_followed_and_read() {
    for (service, read) in [(53, true), (5_353, true), (54, false)] {
        let mut bench = Bench::new();
        bench.service = service;
        let mut one = bench.open(OTHER, 40_001, (5, 7));
        assert_eq!(bench.is_followed(one), read, "port {service}");
        bench.client(&mut one, |_| {}, b"\x00\x1dquestion");
        bench.server(&mut one, |_| {}, b"\x01\x00answer");
        let expected: &[&[u8]] = if read { &[b"\x00\x1dquestion", b"\x01\x00answer"] } else { &[] };
        assert_eq!(bench.payload, expected, "port {service}");
    }
}
