//! Innocent connections, seen by observers of other kinds than a router that sees all: what they did not see, saw
//! twice, or saw late is held against nobody.

use std::collections::{BTreeMap, BTreeSet};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use probe_tests::{
    corpus::build,
    craft::{Capture, MS, Packet},
};
use probe_user::report::finding::Verdict;

use crate::heard::{Heard, case};

/// What a frame is, as far as an observer chooses by it.
struct Segment {
    /// Both ends, in order.
    ends: [Vec<u8>; 2],
    from_client: bool,
    opens: bool,
    resets: bool,
}

/// What of a capture an observer has.
type Observer = fn(Vec<Packet>) -> Vec<Packet>;

const OBSERVERS: [(&str, Observer); 11] = [
    ("sees the server's direction only", |all| of_direction(all, false)),
    ("sees the client's direction only", |all| of_direction(all, true)),
    ("begins in the middle", |all| {
        let begin = all.len() / 3;
        all.into_iter().skip(begin).collect()
    }),
    ("has not seen the SYN of who takes ports again", later_syns_lost),
    ("loses 10 ms before each connection's first reset", |all| burst_lost(all, 10 * MS)),
    ("loses 60 ms before each connection's first reset", |all| burst_lost(all, 60 * MS)),
    ("sees each packet at two routers", |all| at_routers(all, 2, |_| true)),
    ("sees each packet at three routers", |all| at_routers(all, 3, |_| true)),
    ("sees the server's packets at three routers", |all| {
        at_routers(all, 3, |segment| !segment.from_client)
    }),
    ("sees the server's direction 3 ms late", |all| late(all, 3 * MS)),
    ("has a clock that is set back by a second", set_back),
];

/// What is innocent, and accused all the same by such an observer: see docs/limitations.md.
const KNOWN: [(&str, &str); 5] = [
    ("has not seen the SYN of who takes ports again", "ports-reused-after-reset"),
    ("loses 10 ms before each connection's first reset", "rough-tab-closed"),
    ("loses 60 ms before each connection's first reset", "rough-tab-closed"),
    ("loses 60 ms before each connection's first reset", "anycast-balanced"),
    ("loses 60 ms before each connection's first reset", "balanced-by-packet-abort"),
];

/// Those that are injected, or made to look so on purpose.
const NOT_INNOCENT: [&str; 4] = ["blind-resets", "challenge", "fake-", "old-reset"];

#[test]
fn what_an_observer_did_not_see_is_held_against_nobody() {
    let (mut wrong, mut known) = (BTreeMap::new(), BTreeSet::new());
    for (name, behaviour) in innocents() {
        let whole = case(&name);
        for (observer, sees) in OBSERVERS {
            let packets = sees(whole.packets.clone());
            let heard = Heard::of_capture(&Capture { name: name.clone(), packets });
            let accused =
                heard.findings.iter().filter(|one| one.verdict != Verdict::Suspect).count();
            if accused == 0 {
                continue;
            }
            match KNOWN.iter().find(|one| **one == (observer, &*behaviour)) {
                Some(one) => drop(known.insert(*one)),
                None => drop(wrong.insert(format!("{name}, by who {observer}"), heard.words())),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(known, BTreeSet::from(KNOWN), "what is known does not happen any more");
}

/// Names of the cases over IPv4, and their behaviours.
fn innocents() -> Vec<(String, String)> {
    let names = build::plans().into_iter().map(|plan| plan.name());
    let innocents = names.filter_map(|name| {
        let behaviour = name.strip_prefix("innocent-")?.strip_suffix("-v4")?.to_owned();
        let out = behaviour.starts_with("dns-")
            || NOT_INNOCENT.iter().any(|other| behaviour.starts_with(other));
        (!out).then_some((name, behaviour))
    });
    let innocents: Vec<_> = innocents.collect();
    assert!(innocents.len() > 60, "only {} innocents: they are no longer found", innocents.len());
    innocents
}

fn segment(packet: &Packet) -> Option<Segment> {
    let frame = SlicedPacket::from_ethernet(&packet.data).ok()?;
    let (from, to) = match frame.net? {
        NetSlice::Ipv4(ip) => (ip.header().source().to_vec(), ip.header().destination().to_vec()),
        NetSlice::Ipv6(ip) => (ip.header().source().to_vec(), ip.header().destination().to_vec()),
        NetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = frame.transport? else { return None };
    let end = |mut address: Vec<u8>, port: u16| {
        address.extend(port.to_be_bytes());
        address
    };
    let from_client = tcp.source_port() > tcp.destination_port();
    let mut ends = [end(from, tcp.source_port()), end(to, tcp.destination_port())];
    ends.sort();
    Some(Segment { ends, from_client, opens: tcp.syn() && !tcp.ack(), resets: tcp.rst() })
}

fn of_direction(mut all: Vec<Packet>, client: bool) -> Vec<Packet> {
    all.retain(|packet| segment(packet).is_none_or(|one| one.from_client == client));
    all
}

fn later_syns_lost(mut all: Vec<Packet>) -> Vec<Packet> {
    let mut opened = Vec::new();
    all.retain(|packet| match segment(packet).filter(|one| one.opens) {
        Some(one) if opened.contains(&one.ends) => false,
        Some(one) => {
            opened.push(one.ends);
            true
        }
        None => true,
    });
    all
}

/// The ring of the capture has overflowed shortly before a reset; SYNs have been seen.
fn burst_lost(mut all: Vec<Packet>, span: u64) -> Vec<Packet> {
    let mut first = BTreeMap::new();
    for packet in &all {
        if let Some(one) = segment(packet).filter(|one| one.resets) {
            first.entry(one.ends).or_insert(packet.time);
        }
    }
    all.retain(|packet| {
        let Some(one) = segment(packet).filter(|one| !one.opens) else { return true };
        let reset = first.get(&one.ends).copied().unwrap_or_default();
        !(packet.time < reset && reset - packet.time <= span)
    });
    all
}

/// A mirror shows packets before and behind routers, 20 us each.
fn at_routers(all: Vec<Packet>, many: u64, seen: fn(&Segment) -> bool) -> Vec<Packet> {
    let mut packets = Vec::new();
    for packet in all {
        let copies = if segment(&packet).is_some_and(|one| seen(&one)) { many } else { 1 };
        let mut data = packet.data.clone();
        for copy in 0..copies {
            let time = packet.time + copy * MS / 50;
            packets.push(Packet { time, wire_len: packet.wire_len, data: data.clone() });
            a_hop_on(&mut data);
        }
    }
    packets.sort_by_key(|packet| packet.time);
    packets
}

/// As a router passes on what came over IPv4 behind Ethernet (RFC 1141 for the checksum).
fn a_hop_on(frame: &mut [u8]) {
    const TTL: usize = 14 + 8;
    const SUM: usize = 14 + 10;
    if frame[14] >> 4 != 4 {
        return;
    }
    frame[TTL] -= 1;
    let sum = u32::from(u16::from_be_bytes([frame[SUM], frame[SUM + 1]])) + 0x100;
    let sum = (sum + (sum >> 16)) as u16;
    frame[SUM..SUM + 2].copy_from_slice(&sum.to_be_bytes());
}

fn late(mut all: Vec<Packet>, span: u64) -> Vec<Packet> {
    for packet in &mut all {
        if segment(packet).is_some_and(|one| !one.from_client) {
            packet.time += span;
        }
    }
    all.sort_by_key(|packet| packet.time);
    all
}

/// At the first reset.
fn set_back(mut all: Vec<Packet>) -> Vec<Packet> {
    let reset = |packet: &&Packet| segment(packet).is_some_and(|one| one.resets);
    let Some(at) = all.iter().find(reset).map(|packet| packet.time) else { return all };
    for packet in &mut all {
        if packet.time >= at {
            packet.time -= 1_000 * MS;
        }
    }
    all
}
