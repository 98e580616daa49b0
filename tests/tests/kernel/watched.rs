//! What is watched, and what is no longer after a time, by the maps of the object in the kernel.

use std::net::Ipv4Addr;

use probe_common::{
    config::{Config, FLAG_STAMPED},
    counter::Counter,
    wire::{
        Address,
        tcp_flag::{ACK, RST, SYN},
    },
};
use probe_tests::craft::{DAY, MS, Packet, frame, net::Ip, segment::Segment};
use probe_user::source::kernel::{
    replay::KernelReplay,
    watched::{NAMES_MINUTES, RESETS_MINUTES},
};

/// Where a name has led to.
const LED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Of which a connection was reset.
const RESET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Of which nothing is known.
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);

struct Bench {
    kernel: KernelReplay,
    sent: u64,
}

impl Bench {
    /// A segment of a server's.
    fn send(&mut self, server: Ipv4Addr, flags: u16) {
        let ip = Ip { source: server.into(), ..Ip::v4().back() };
        let segment = Segment { ports: (443, 40_000), seq: 1, ack: 1, flags, ..Segment::default() };
        self.sent += 1;
        let data = frame::ethernet(&segment.packet(&ip));
        let packet = Packet::whole(DAY + self.sent * MS, data);
        self.kernel.packet(&packet.frame(self.sent), |_| ()).expect("run");
    }

    /// Which of the servers are watched.
    fn watched(&mut self) -> Vec<Ipv4Addr> {
        let mut passed = |server| {
            let before = self.kernel.counts().expect("counts")[Counter::TcpUnwatched as usize];
            self.send(server, ACK);
            self.kernel.counts().expect("counts")[Counter::TcpUnwatched as usize] == before
        };
        [LED, RESET, OTHER].into_iter().filter(|&server| passed(server)).collect()
    }

    fn minutes(&mut self, minutes: u32) {
        (0..minutes).for_each(|_| self.kernel.minute());
    }
}

#[test]
fn resets_are_forgotten_within_the_hour_and_names_within_two_days() {
    let config = Config { flags: FLAG_STAMPED, ..Config::replay() };
    let mut bench = Bench { kernel: KernelReplay::new(&config).expect("object"), sent: 0 };
    assert!(bench.watched().is_empty());
    bench.kernel.watch(Address::v4(u32::from(LED)));
    bench.send(RESET, SYN | ACK);
    assert_eq!(bench.watched(), [LED]);
    bench.send(RESET, RST | ACK);
    assert_eq!(bench.watched(), [LED, RESET]);
    bench.minutes(RESETS_MINUTES - 1);
    assert_eq!(bench.watched(), [LED, RESET]);
    bench.minutes(1);
    assert_eq!(bench.watched(), [LED]);
    bench.minutes(NAMES_MINUTES - RESETS_MINUTES);
    assert_eq!(bench.watched(), [LED], "led to in the day before");
    bench.minutes(NAMES_MINUTES);
    assert!(bench.watched().is_empty());
}
