//! DNS exchanges: answered, forged, forged several times, never answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Capture, DAY, MS, Packet, Rng, dns, frame, net::Ip};

const NAMES: &[&str] =
    &["www.linkedin.com", "wWw.LiNkEdIn.cOm", "licdn.com", "example.org", "a.b.c.d.e.example", "."];

/// Captures of look-ups.
pub fn captures(rng: &mut Rng) -> Vec<Capture> {
    (0..4_u64)
        .map(|part| {
            let mut capture = Capture::new(format!("look-ups-{part}"));
            for _ in 0..120 {
                let start = DAY + part * 3_600_000 * MS + rng.below(30_000) as u64 * MS;
                capture.packets.extend(exchange(rng, start));
            }
            capture.packets.sort_by_key(|packet| packet.time);
            capture
        })
        .collect()
}

fn exchange(rng: &mut Rng, start: u64) -> Vec<Packet> {
    let client = rng.below(20) as u8;
    let (from, to): (IpAddr, IpAddr) = if rng.once_in(4) {
        let end = |net, host: u8| Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host.into());
        (end(1, client).into(), end(53, 53).into())
    } else {
        (Ipv4Addr::new(192, 0, 2, client).into(), Ipv4Addr::new(198, 51, 100, 53).into())
    };
    let link = rng.of(&frame::LINKS[..6]).1;
    let there = Ip { id: rng.word() as u16, ..Ip::new(from, to) };
    let back = Ip { hops: 55, id: rng.word() as u16, df: false, ..there.back() };
    // Few ports and few ids, so that both come round again.
    let port = 50_000 + rng.below(6) as u16;
    let id = rng.below(5) as u16;
    let name = *rng.of(NAMES);
    let kind = *rng.of(&[1, 28, 65]);
    let mut now = start;
    let mut packets = Vec::new();
    let mut put = |now: u64, ip: &Ip, ports, message: &[u8]| {
        packets.push(Packet::whole(now, link(&dns::datagram(ip, ports, message))));
    };
    let question = dns::query(id, name, kind, rng.once_in(2));
    if !rng.once_in(12) {
        put(now, &there, (port, 53), &question);
    }
    if rng.once_in(6) {
        now += 1000 * MS;
        put(now, &there, (port, 53), &question);
    }
    let sound: &[IpAddr] =
        &[Ipv4Addr::new(203, 0, 113, 80).into(), Ipv4Addr::new(203, 0, 113, 81).into()];
    for _ in 0..[0, 0, 1, 1, 2, 3][rng.below(6)] {
        now += rng.below(4_000) as u64 * 1_000;
        let forged = Ip { hops: 40 + rng.below(80) as u8, id: rng.word() as u16, ..back.clone() };
        let address = IpAddr::V4(Ipv4Addr::from_bits(rng.word() as u32));
        let flags = *rng.of(&[0x8180, 0x8580, 0x8183]);
        put(now, &forged, (53, port), &dns::reply(id, flags, name, kind, &[address]));
    }
    if !rng.once_in(8) {
        now += (10 + rng.below(40)) as u64 * MS;
        put(now, &back, (53, port), &dns::reply(id, 0x8180, name, kind, sound));
        if rng.once_in(6) {
            put(now + 10_000, &back, (53, port), &dns::reply(id, 0x8180, name, kind, sound));
        }
    }
    packets
}
