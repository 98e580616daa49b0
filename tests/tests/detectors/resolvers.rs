//! Questions and replies that no case of the corpus has.

use std::net::{IpAddr, Ipv4Addr};

use probe_tests::craft::{Capture, DAY, MS, Packet, dns, frame, net::Ip};

const NAME: &str = "www.linkedin.com";
const GENUINE: Ipv4Addr = Ipv4Addr::new(108, 174, 10, 10);
const FORGED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

/// TTL of the resolver's packets.
const TTL: u8 = 57;

/// A client and a resolver.
struct Lookups {
    capture: Capture,
    there: Ip,
    back: Ip,
}

impl Lookups {
    fn new() -> Self {
        let ends = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(198, 18, 0, 53)].map(IpAddr::from);
        let there = Ip::new(ends[0], ends[1]);
        let back = Ip { hops: TTL, ..there.back() };
        Self { capture: Capture::new("look-ups"), there, back }
    }

    /// Question `number`, asked at second `number`.
    fn ask(&mut self, number: u16, of: &str) {
        let query = dns::query(number, of, 1, false);
        let packet = dns::datagram(&self.there, (50_000 + number, 53), &query);
        self.put(u64::from(number) * 1_000_000, &packet);
    }

    /// A reply to it so many microseconds later.
    fn reply(
        &mut self,
        number: u16,
        micros: u64,
        hops: u8,
        of: &str,
        rcode: u16,
        address: Ipv4Addr,
    ) {
        let addresses: &[IpAddr] = if rcode == 0 { &[address.into()] } else { &[] };
        let reply = dns::reply(number, 0x8180 | rcode, of, 1, addresses);
        let ip = Ip { hops, id: number ^ micros as u16, ..self.back.clone() };
        let packet = dns::datagram(&ip, (53, 50_000 + number), &reply);
        self.put(u64::from(number) * 1_000_000 + micros, &packet);
    }

    fn put(&mut self, micros: u64, packet: &[u8]) {
        self.capture
            .packets
            .push(Packet::whole(DAY + micros * (MS / 1_000), frame::ethernet(packet)));
    }
}

/// Two replies to one question; the first one says `rcode`, or another address than the second.
fn two_replies(rcode: u16) -> Capture {
    let mut lookups = Lookups::new();
    lookups.ask(0, NAME);
    lookups.reply(0, 9_000, TTL, NAME, rcode, FORGED);
    lookups.reply(0, 30_000, TTL, NAME, 0, GENUINE);
    lookups.capture
}

pub(crate) fn two_addresses() -> Capture {
    two_replies(0)
}

pub(crate) fn failure_beside_an_answer() -> Capture {
    two_replies(2)
}

/// Thirty answers that took so long, then one that takes a millisecond, from `hops` away.
fn sudden(delay: impl Fn(u64) -> u64, hops: u8) -> Capture {
    let mut lookups = Lookups::new();
    for number in 0..30 {
        let name = format!("{number}.example.org");
        lookups.ask(number, &name);
        lookups.reply(number, delay(number.into()), TTL, &name, 0, Ipv4Addr::new(192, 0, 2, 7));
    }
    lookups.ask(31, NAME);
    lookups.reply(31, 1_000, hops, NAME, 0, FORGED);
    lookups.capture
}

pub(crate) fn sooner_than_ever() -> Capture {
    sudden(|number| 30_000 + number * 20, TTL + 20)
}

/// A resolver that was only seen with names that it had to look up.
pub(crate) fn first_cached_name() -> Capture {
    sudden(|number| 30_000 + number * 17_000, TTL)
}
