//! Hellos that go on in another segment, to servers that nobody watches: the rest goes up, and nothing that comes
//! after it.
//!
//! Those of today's browsers do, with their post-quantum key shares. If a server were watched from then on, all that
//! it ever sends would be looked at.

use probe_common::{
    config::{Config, FLAG_STAMPED},
    counter::Counter,
    event::kind,
    wire::tcp_flag::{ACK, PSH, SYN},
};
use probe_tests::{
    craft::{
        DAY, MS, Packet, frame,
        net::Ip,
        segment::{Segment, syn_options},
        talk::client_hello,
    },
    duel::{Duel, Told},
};

const PORTS: (u16, u16) = (40_000, 443);

/// Both engines, as live, and a connection.
struct Bench {
    duel: Duel,
    /// Of client and server.
    ends: [Ip; 2],
    next: [u32; 2],
    sent: u64,
}

impl Bench {
    fn new(ip: &Ip) -> Self {
        let config = Config { flags: FLAG_STAMPED, ..Config::replay() };
        let duel = Duel::new(config).expect("both engines");
        let ends = [ip.clone(), ip.back()];
        let mut bench = Self { duel, ends, next: [1_000, 900_000], sent: 0 };
        bench.send(0, SYN, &[]);
        bench.send(1, SYN | ACK, &[]);
        bench.send(0, ACK, &[]);
        bench
    }

    /// Sends a segment of client (0) or server (1); returns the kinds of the events that come of it.
    fn send(&mut self, from: usize, flags: u16, payload: &[u8]) -> Vec<u16> {
        let ports = if from == 0 { PORTS } else { (PORTS.1, PORTS.0) };
        let segment = Segment {
            ports,
            seq: self.next[from],
            ack: if flags & ACK == 0 { 0 } else { self.next[1 - from] },
            flags,
            window: 502,
            options: if flags & SYN == 0 { Vec::new() } else { syn_options(1, 0) },
            payload: payload.to_vec(),
            ..Segment::default()
        };
        self.next[from] += payload.len() as u32 + u32::from(flags & SYN != 0);
        self.sent += 1;
        let data = frame::ethernet(&segment.packet(&self.ends[from]));
        let packet = Packet::whole(DAY + self.sent * MS, data);
        let told = self.duel.packet("hellos", &packet.frame(self.sent));
        let kind = |told: &Told| match told {
            Told::Tcp(event, _) => event.header.kind,
            other => panic!("{other:?}"),
        };
        told.iter().map(kind).collect()
    }

    fn unwatched(&self) -> u64 {
        self.duel.counted(Counter::TcpUnwatched)
    }
}

#[test]
fn the_rest_of_a_hello_goes_up_and_its_server_is_not_watched_for_it() {
    for ip in [Ip::v4(), Ip::v6()] {
        let mut bench = Bench::new(&ip);
        let hello = client_hello("example.org", 1_700);
        let passed = bench.unwatched();
        assert_eq!(bench.send(0, ACK, &hello[..1_400]), [kind::OPENING]);
        assert_eq!(bench.send(0, PSH | ACK, &hello[1_400..]), [kind::OPENING]);
        assert_eq!(bench.unwatched(), passed, "both were looked at");
        for _ in 0..8 {
            assert!(bench.send(1, ACK, &[0x17; 1_400]).is_empty());
            assert!(bench.send(0, ACK, &[]).is_empty());
            assert!(bench.send(0, PSH | ACK, &[0x17; 1_400]).is_empty());
        }
        assert_eq!(bench.unwatched(), passed + 24, "a flow that nobody watches was looked at");
        bench.duel.compare_tables();
    }
}

#[test]
fn a_hello_of_many_segments_is_followed_to_its_end() {
    let mut bench = Bench::new(&Ip::v4());
    let hello = client_hello("example.org", 3_500);
    let pieces: Vec<Vec<u16>> =
        hello.chunks(1_400).map(|piece| bench.send(0, ACK, piece)).collect();
    assert!(pieces.len() == 3 && pieces.iter().all(|told| told == &[kind::OPENING]), "{pieces:?}");
    assert_eq!(
        bench.send(0, PSH | ACK, &[0x17; 300]),
        [kind::OPENING],
        "as far as anybody can tell"
    );
    let passed = bench.unwatched();
    assert!(bench.send(0, PSH | ACK, &[0x17; 300]).is_empty());
    assert_eq!(bench.unwatched(), passed + 1);
}
