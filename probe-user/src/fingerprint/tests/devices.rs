//! Packets as devices, stacks and resolvers send them, and one vector for each entry of the catalogue.

use probe_common::{
    dns::DnsRecord,
    wire::{Packet, option, quirk, tcp_flag},
};

use super::super::{vector::*, *};
use crate::names::dns::Dns;

pub(super) const RST: u16 = tcp_flag::RST;
pub(super) const ACK: u16 = tcp_flag::ACK;
pub(super) const PSH: u16 = tcp_flag::PSH;
pub(super) const FIN: u16 = tcp_flag::FIN;
pub(super) const RST_ACK: u16 = RST | ACK;
pub(super) const PSH_ACK: u16 = PSH | ACK;
pub(super) const PAGE: &[u8] = b"HTTP/1.1 302 Found\r\n\r\n";
pub(super) const TRIGGER: Trigger = Trigger { ip_id: 0x4321, window: 63 };

/// A packet of an injector in a hurry: 20 microseconds after the one before.
pub(super) fn packet(flags: u16) -> Packet {
    Packet {
        version: 4,
        protocol: 6,
        hops: 60,
        ip_id: 0x7777,
        window: 300,
        seq: 1_000,
        ack: 500,
        flags,
        ..Packet::default()
    }
}

/// `count` packets made by `shape` from their index.
pub(super) fn burst(count: u32, shape: impl Fn(&mut Packet, u32), flags: u16) -> Vec<Packet> {
    (0..count)
        .map(|index| {
            let mut packet = packet(flags);
            packet.time = 1_000_000_000 + u64::from(index) * 20_000;
            shape(&mut packet, index);
            packet
        })
        .collect()
}

pub(super) fn one(flags: u16, shape: impl Fn(&mut Packet)) -> Vec<Packet> {
    burst(1, |packet, _| shape(packet), flags)
}

pub(super) fn vector(packets: &[Packet], payload: &[u8]) -> Vector {
    towards(packets, payload, Direction::ToClient)
}

pub(super) fn towards(packets: &[Packet], payload: &[u8], direction: Direction) -> Vector {
    let forged: Vec<Forged<'_>> = packets.iter().map(|packet| Forged { packet, payload }).collect();
    Vector::of(&forged, direction, Some(TRIGGER)).unwrap()
}

pub(super) fn with_data(mut packets: Vec<Packet>, payload: &[u8]) -> Vector {
    for packet in &mut packets {
        packet.payload = payload.len() as u32;
    }
    vector(&packets, payload)
}

pub(super) const SOMEBODY: [u8; 4] = [203, 0, 113, 7];

/// A question for twitter.com with an OPT record.
pub(super) fn asked() -> DnsRecord {
    DnsRecord { query_ip_id: TRIGGER.ip_id, query_opt: 1_232, queries: 1, ..DnsRecord::default() }
}

/// The reply of an injector to it: one address, for `ttl` seconds.
pub(super) fn reply(flags: u16, ttl: u32, address: [u8; 4]) -> Vec<u8> {
    let mut octets = vec![0x12, 0x34];
    octets.extend(flags.to_be_bytes());
    octets.extend([0, 1, 0, 1, 0, 0, 0, 0]);
    octets.extend(b"\x07twitter\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01");
    octets.extend(ttl.to_be_bytes());
    octets.extend([0, 4]);
    octets.extend(address);
    octets
}

pub(super) fn dns(shape: impl Fn(&mut Packet), flags: u16, ttl: u32, address: [u8; 4]) -> Vector {
    let packets = one(0, |packet| {
        packet.protocol = 17;
        shape(packet);
    });
    let (dns, asked) = (Dns::parse(&reply(flags, ttl, address)).unwrap(), asked());
    let sinkhole = None;
    let reply =
        Answered { packet: &packets[0], dns: &dns, asked: Some(&asked), capitals: None, sinkhole };
    message::vector(&[reply]).unwrap()
}

/// The Linux kernel's answer where it has no socket.
pub(super) fn linux() -> Vec<Packet> {
    one(RST, |packet| {
        (packet.ip_id, packet.window, packet.ack) = (0, 0, 0);
        packet.quirks = quirk::DF;
    })
}

/// A vector for each entry, by the entry's id.
pub(super) fn known() -> Vec<(&'static str, Vector)> {
    let ladder = |steps: &'static [u32]| {
        move |packet: &mut Packet, index: u32| {
            packet.seq = steps[index as usize];
        }
    };
    let ramp = |packet: &mut Packet, index: u32| {
        packet.hops += index as u8;
        packet.window += index as u16;
    };
    let id = |value: u16| move |packet: &mut Packet| packet.ip_id = value;
    let scapy = |packet: &mut Packet| (packet.ip_id, packet.window) = (1, 8192);
    let six = |packet: &mut Packet| (packet.version, packet.ip_id, packet.window) = (6, 0, 0);
    let df = |packet: &mut Packet, _| packet.quirks = quirk::DF;
    let mut train = one(RST_ACK, |packet| packet.options = option::TIMESTAMPS);
    for pause in [200_000_000, 600_000_000] {
        let again = Packet { time: train[0].time + pause, ..train[0] };
        train.push(again);
    }
    let mut saudi = burst(3, |_, _| {}, PSH_ACK);
    for (packet, length) in saudi.iter_mut().zip([43, 1300, 1300]) {
        packet.payload = length;
    }
    vec![
        ("gfw-1", vector(&one(RST, id(0)), b"")),
        ("gfw-2", vector(&burst(3, df, RST_ACK), b"")),
        ("gfw-3", vector(&one(RST_ACK, |packet| (packet.ip_id, packet.hops) = (0x9920, 240)), b"")),
        ("henan", with_data(one(RST_ACK, id(1)), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0])),
        ("gfw-2006-ladder", vector(&burst(3, ladder(&[0, 1460, 4380]), RST), b"")),
        ("gfw-2008-ipid-64", vector(&one(RST, id(64)), b"")),
        ("gfw-2008-ipid-minus-26", vector(&one(RST, id(TRIGGER.ip_id - 26)), b"")),
        ("gfw-2008-seq-1460", vector(&burst(2, ladder(&[0, 1460]), RST), b"")),
        ("gfw-2008-rae", vector(&one(RST_ACK | tcp_flag::AE, |_| {}), b"")),
        ("gfw-type-1", vector(&one(RST, |packet| packet.ack = 0), b"")),
        ("gfw-type-2", vector(&burst(3, ladder(&[0, 1460, 4380]), RST_ACK), b"")),
        ("gfw-ramp", vector(&burst(2, ramp, RST), b"")),
        ("gfw-2023-ramp", vector(&burst(3, ramp, RST_ACK), b"")),
        ("gfw-2025-port-443", vector(&burst(3, ramp, RST_ACK), b"")),
        (
            "gfw-http-301",
            with_data(one(PSH_ACK, |p| (p.hops, p.window, p.ip_id) = (251, 502, 0x99b3)), PAGE),
        ),
        (
            "gfw-http-302",
            with_data(
                one(FIN | PSH_ACK, |p| (p.hops, p.window, p.ip_id) = (251, 65535, 0x4c57)),
                PAGE,
            ),
        ),
        (
            "great-cannon",
            with_data(
                burst(
                    3,
                    |packet, index| {
                        (packet.hops, packet.window) = (201 + index as u8, 767 + index as u16);
                    },
                    PSH_ACK,
                ),
                PAGE,
            ),
        ),
        ("tspu-rewrite", vector(&train, b"")),
        ("tspu-syn-ack", vector(&one(RST_ACK, |packet| packet.options = option::MSS), b"")),
        ("ru-passive-dpi", with_data(one(PSH_ACK, id(7)), PAGE)),
        ("iran-http-page", with_data(one(FIN | PSH_ACK, |_| {}), &[PAGE, &[b' '; 328]].concat())),
        ("iran-http-reset", vector(&one(RST | PSH_ACK, |_| {}), b"")),
        (
            "iran-2013-resets",
            towards(&burst(5, ladder(&[0, 0, 0, 30, 30]), RST), b"", Direction::ToServer),
        ),
        ("iran-empty-push", vector(&one(PSH_ACK, id(TRIGGER.ip_id)), b"")),
        ("airtel-page", with_data(one(FIN | PSH_ACK, id(242)), PAGE)),
        ("airtel-reset", vector(&one(RST, id(242)), b"")),
        ("tajikistan-zeros", with_data(one(RST_ACK, |_| {}), &[0; 22])),
        ("brunei-mirror", vector(&one(RST, id(TRIGGER.ip_id)), b"")),
        ("saudi-page", vector(&saudi, PAGE)),
        ("sandvine-reset", vector(&one(RST, id(13330)), b"")),
        ("sandvine-redirect", with_data(one(FIN | PSH_ACK, id(13330)), PAGE)),
        ("sandvine-egypt", vector(&one(RST, id(0x1234)), b"")),
        (
            "sandvine-comcast",
            vector(
                &burst(
                    2,
                    |packet, index| {
                        packet.seq += index * 12503;
                        packet.ip_id += 4 * index as u16;
                    },
                    RST,
                ),
                b"",
            ),
        ),
        ("perftech", with_data(one(PSH_ACK, |packet| packet.window = 1), PAGE)),
        ("linux-reject", vector(&linux(), b"")),
        ("linux-reject-6", vector(&one(RST, six), b"")),
        (
            "tcpkill",
            vector(
                &burst(
                    6,
                    |packet, index| {
                        packet.seq += 63 * [0, 1, 3, 0, 1, 3][index as usize];
                        packet.ip_id = packet.ip_id.wrapping_add((20_011 * index) as u16);
                        packet.window = 0;
                    },
                    RST,
                ),
                b"",
            ),
        ),
        ("hping3", vector(&one(RST, |packet| packet.window = 512), b"")),
        (
            "zeek-aux-rst",
            vector(
                &burst(
                    3,
                    |packet, index| {
                        packet.seq += 1460 * index;
                        packet.ip_id += 2 * index as u16;
                        (packet.hops, packet.window) = (250, 0);
                    },
                    RST_ACK,
                ),
                b"",
            ),
        ),
        ("suricata-reject", vector(&one(RST_ACK, |packet| packet.window = TRIGGER.window), b"")),
        (
            "suricata-reject-6",
            vector(
                &one(RST_ACK, |packet| {
                    six(packet);
                    packet.window = TRIGGER.window;
                }),
                b"",
            ),
        ),
        ("gfw-dns-1", dns(id(0x7777), 0x8580, 60, [8, 7, 198, 46])),
        (
            "gfw-dns-2",
            dns(|packet| (packet.quirks, packet.hops) = (quirk::DF, 201), 0x8180, 187, SOMEBODY),
        ),
        ("gfw-dns-3", dns(id(0), 0x8400, 211, SOMEBODY)),
        ("gfw-dns-3-2020", dns(id(0), 0x8180, 211, SOMEBODY)),
        ("turkmenistan-dns", dns(id(0x7777), 0x8180, 300, [127, 0, 0, 1])),
        ("dnsspoof", dns(id(0x7777), 0x8180, 60, SOMEBODY)),
        ("ettercap-dns", dns(id(0x7ee7), 0x8400, 3600, SOMEBODY)),
        ("bettercap-dns", dns(id(0), 0x8000, 1024, SOMEBODY)),
        ("scapy-dns", dns(id(1), 0x8500, 10, SOMEBODY)),
        ("scapy-reset", vector(&one(RST, scapy), b"")),
        ("scapy-page", with_data(one(PSH_ACK, scapy), PAGE)),
    ]
}
