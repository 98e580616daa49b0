//! One vector for each entry, look-alikes that must not be labelled, ids that must not move.

use std::path::Path;

use probe_common::{
    dns::DnsRecord,
    wire::{Packet, option, quirk, tcp_flag},
};
use proptest::prelude::*;

use super::{vector::*, *};
use crate::{data::noon, names::dns::Dns, sinkholes::Sinkholes};

const RST: u16 = tcp_flag::RST;
const ACK: u16 = tcp_flag::ACK;
const PSH: u16 = tcp_flag::PSH;
const FIN: u16 = tcp_flag::FIN;
const RST_ACK: u16 = RST | ACK;
const PSH_ACK: u16 = PSH | ACK;
const PAGE: &[u8] = b"HTTP/1.1 302 Found\r\n\r\n";
const TRIGGER: Trigger = Trigger { ip_id: 0x4321, window: 63 };

/// A packet of an injector in a hurry: 20 microseconds after the one before.
fn packet(flags: u16) -> Packet {
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
fn burst(count: u32, shape: impl Fn(&mut Packet, u32), flags: u16) -> Vec<Packet> {
    (0..count)
        .map(|index| {
            let mut packet = packet(flags);
            packet.time = 1_000_000_000 + u64::from(index) * 20_000;
            shape(&mut packet, index);
            packet
        })
        .collect()
}

fn one(flags: u16, shape: impl Fn(&mut Packet)) -> Vec<Packet> {
    burst(1, |packet, _| shape(packet), flags)
}

fn vector(packets: &[Packet], payload: &[u8]) -> Vector {
    towards(packets, payload, Direction::ToClient)
}

fn towards(packets: &[Packet], payload: &[u8], direction: Direction) -> Vector {
    let forged: Vec<Forged<'_>> = packets.iter().map(|packet| Forged { packet, payload }).collect();
    Vector::of(&forged, direction, Some(TRIGGER)).unwrap()
}

fn with_data(mut packets: Vec<Packet>, payload: &[u8]) -> Vector {
    for packet in &mut packets {
        packet.payload = payload.len() as u32;
    }
    vector(&packets, payload)
}

const SOMEBODY: [u8; 4] = [203, 0, 113, 7];

/// A question for twitter.com with an OPT record.
fn asked() -> DnsRecord {
    DnsRecord { query_ip_id: TRIGGER.ip_id, query_opt: 1_232, queries: 1, ..DnsRecord::default() }
}

/// The reply of an injector to it: one address, for `ttl` seconds.
fn reply(flags: u16, ttl: u32, address: [u8; 4]) -> Vec<u8> {
    let mut octets = vec![0x12, 0x34];
    octets.extend(flags.to_be_bytes());
    octets.extend([0, 1, 0, 1, 0, 0, 0, 0]);
    octets.extend(b"\x07twitter\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01");
    octets.extend(ttl.to_be_bytes());
    octets.extend([0, 4]);
    octets.extend(address);
    octets
}

fn dns(shape: impl Fn(&mut Packet), flags: u16, ttl: u32, address: [u8; 4]) -> Vector {
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
fn linux() -> Vec<Packet> {
    one(RST, |packet| {
        (packet.ip_id, packet.window, packet.ack) = (0, 0, 0);
        packet.quirks = quirk::DF;
    })
}

/// A vector for each entry, by the entry's id.
fn known() -> Vec<(&'static str, Vector)> {
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

fn labels<'a>(catalogue: &'a Catalogue, vector: &Vector, day: &str) -> Vec<&'a str> {
    let found = catalogue.labels(vector, noon(day.parse().unwrap()));
    found.iter().map(|label| label.fact.id.as_str()).collect()
}

#[test]
fn every_file_loads_and_every_entry_is_met() {
    let mut ids = std::collections::HashSet::new();
    for (name, text) in catalogue::BUILTIN {
        for entry in file::parse(Path::new(name), text).unwrap() {
            assert!(ids.insert(entry.fact.id.clone()), "{} is given twice", entry.fact.id);
        }
    }
    let catalogue = Catalogue::builtin();
    assert_eq!(catalogue.entries().len(), ids.len());
    for (id, vector) in known() {
        let met = labels(&catalogue, &vector, "2026-01-01");
        assert!(met.contains(&id), "{id}: {met:?} for {vector:#?}");
        assert!(ids.remove(id), "{id} is in the table twice, or in no file");
    }
    assert!(ids.is_empty(), "no vector for {ids:?}");
}

#[test]
fn the_stacks_own_reset_has_one_ambiguous_label_at_most() {
    let catalogue = Catalogue::builtin();
    let vector = vector(&linux(), b"");
    let found = catalogue.labels(&vector, noon("2026-01-01".parse().unwrap()));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].fact.id, "linux-reject");
    assert!(found[0].fact.ambiguous.is_some() && found[0].describe().contains("ambiguous"));
}

#[test]
fn a_sockets_own_reset_has_no_label() {
    // RST+ACK of a connected socket: IP-ID of its counter, DF, its window, timestamps.
    let own = one(RST_ACK, |packet| {
        (packet.ip_id, packet.window) = (41_635, 64);
        (packet.quirks, packet.options) = (quirk::DF, option::TIMESTAMPS);
    });
    assert_eq!(labels(&Catalogue::builtin(), &vector(&own, b""), "2026-01-01"), [""; 0]);
    // The text that some stacks append to a reset (RFC 9293, section 3.5.3) is nobody's mark.
    let text = with_data(own, b"Go away, we're not home");
    assert_eq!(labels(&Catalogue::builtin(), &text, "2026-01-01"), [""; 0]);
}

#[test]
fn the_most_special_entry_within_its_dates_comes_first() {
    let catalogue = Catalogue::builtin();
    let ramp = vector(
        &burst(3, |p, index| (p.hops, p.window) = (60 + index as u8, 9 + index as u16), RST_ACK),
        b"",
    );
    assert_eq!(
        labels(&catalogue, &ramp, "2026-01-01"),
        ["gfw-2023-ramp", "gfw-ramp", "gfw-2025-port-443"]
    );
    let old = catalogue.labels(&ramp, noon("2010-01-01".parse().unwrap()));
    assert!(old.iter().all(|label| label.dated), "beyond their dates, not hidden");
    assert_eq!(serde_json::to_value(old[0]).unwrap()["dated"], true);
    assert!(old[0].describe().contains("which was described"), "{}", old[0].describe());
}

#[test]
fn what_the_path_and_the_flow_do_does_not_move_the_id() {
    let base = burst(3, |packet, _| packet.quirks = quirk::DF, RST_ACK);
    let id = |packets: &[Packet], direction| {
        FingerprintId::of(&towards(packets, b"", direction)).to_string()
    };
    let elsewhere: Vec<Packet> = base
        .iter()
        .map(|packet| Packet {
            time: packet.time * 3,
            hops: 40,
            class: 8,
            ip_id: 999,
            window: 777,
            seq: packet.seq.wrapping_sub(5_000),
            ack: 77,
            source_port: 1,
            destination_port: 2,
            ..*packet
        })
        .collect();
    assert_eq!(id(&base, Direction::ToClient), id(&elsewhere, Direction::ToServer));
    // Triggered again by a retransmission.
    let mut again = base.clone();
    again.extend(base.iter().map(|packet| Packet { time: packet.time + 300_000_000, ..*packet }));
    assert_eq!(id(&base, Direction::ToClient), id(&again, Direction::ToClient));
    let without_df = burst(3, |_, _| {}, RST_ACK);
    assert_ne!(id(&base, Direction::ToClient), id(&without_df, Direction::ToClient));
}

#[test]
fn ids_of_version_1_are_pinned() {
    let canonical = id::canonical(&vector(&linux(), b""));
    assert_eq!(
        canonical,
        "v1 ip=4 kind=reset flags=RST burst=1 ttl=64 id=zero df=1 win=zero opt= seq=single ack0=1 data=0"
    );
    assert_eq!(FingerprintId::of(&vector(&linux(), b"")).to_string(), "fp-83669d8889e0");
    let henan = with_data(one(RST_ACK, |p| p.ip_id = 1), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
    assert_eq!(
        id::canonical(&henan),
        "v1 ip=4 kind=reset flags=RST+ACK burst=1 ttl=64 id=1 df=0 win=single opt= seq=single \
         ack0=0 data=01020304050607080900/10"
    );
    assert_eq!(FingerprintId::of(&henan).to_string(), "fp-fac358ed9351");
}

#[test]
fn an_answer_is_described_without_the_question() {
    let vector = dns(|packet| packet.hops = 53, 0x8590, 60, SOMEBODY);
    let canonical = id::canonical(&vector);
    assert_eq!(
        canonical,
        "v1 ip=4 kind=dns burst=1 ttl=64 id=single df=0 msg=0x8580 counts=1/1/0/0 rr=60 to=public \
         owner=pointer edns=0 more=0"
    );
    assert_eq!(FingerprintId::of(&vector).to_string(), "fp-2810ef7efcfd");
    let json = serde_json::to_value(&vector).unwrap();
    assert_eq!((&json["kind"], &json["payload"]["head"]), (&"dns".into(), &"".into()));
    assert_eq!((&json["dns"]["opt"], &json["dns"]["owner"]), (&"lost".into(), &"pointer".into()));
    // What the path and the question do does not move the id; what the device does moves it.
    let id = |shape: fn(&mut Packet), flags, ttl, address| {
        FingerprintId::of(&dns(shape, flags, ttl, address))
    };
    let base = id(|_| {}, 0x8580, 60, SOMEBODY);
    assert_eq!(base, id(|packet| packet.hops = 40, 0x8590, 60, [198, 51, 100, 1]));
    assert_ne!(base, id(|_| {}, 0x8180, 60, SOMEBODY));
    assert_ne!(base, id(|_| {}, 0x8580, 61, SOMEBODY));
    assert_ne!(base, id(|_| {}, 0x8580, 60, [10, 10, 34, 35]));
    assert_ne!(base, id(|packet| packet.quirks = quirk::DF, 0x8580, 60, SOMEBODY));
}

#[test]
fn a_resolvers_own_answer_has_no_label_but_an_ambiguous_one() {
    // unbound on Linux, to a question without EDNS: DF, an IP-ID of its own, a TTL that runs down.
    let own = |packet: &mut Packet| (packet.quirks, packet.ip_id) = (quirk::DF, 41_635);
    let own = dns(own, 0x8180, 211, SOMEBODY);
    let catalogue = Catalogue::builtin();
    let found = catalogue.labels(&own, noon("2026-01-01".parse().unwrap()));
    assert!(found.iter().all(|label| label.fact.ambiguous.is_some()), "{found:#?}");
}

#[test]
fn where_an_answer_leads_is_a_label() {
    let (catalogue, sinkholes) = (Catalogue::builtin(), Sinkholes::builtin());
    let mut vector = dns(|_| {}, 0x8180, 60, [10, 10, 34, 35]);
    vector.dns.as_mut().unwrap().sinkholes = vec!["iran-page".into()];
    let labels = |day: &str| {
        let time = noon(day.parse().unwrap());
        let labels = catalogue.labels_of(&vector, time, &sinkholes);
        labels.iter().map(|label| (label.fact.id.clone(), label.dated)).collect::<Vec<_>>()
    };
    assert_eq!(labels("2026-01-01")[0], ("iran-page".into(), false));
    assert!(labels("2010-01-01").contains(&("iran-page".into(), true)));
    let time = noon("2026-01-01".parse().unwrap());
    let line = catalogue.labels_of(&vector, time, &sinkholes)[0].describe();
    assert!(line.starts_with("answer as of Iran: "), "{line}");
}

#[test]
fn devices_that_answer_the_same_question_are_described_apart() {
    let packets: Vec<Packet> = [0, 0, 0x7777]
        .into_iter()
        .flat_map(|ip_id| one(0, move |packet| packet.ip_id = ip_id))
        .collect();
    let parse = |flags| Dns::parse(&reply(flags, 60, SOMEBODY)).unwrap();
    let messages = [parse(0x8400), parse(0x8400), parse(0x8580)];
    let replies: Vec<Answered<'_>> = packets
        .iter()
        .zip(&messages)
        .map(|(packet, dns)| Answered { packet, dns, asked: None, capitals: None, sinkhole: None })
        .collect();
    let groups = message::split(&replies);
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert!(message::vector(&[]).is_none());
}

#[test]
fn devices_with_other_flags_are_described_apart() {
    let packets = [burst(1, |_, _| {}, RST), burst(3, |_, _| {}, RST_ACK)].concat();
    let forged: Vec<Forged<'_>> =
        packets.iter().map(|packet| Forged { packet, payload: b"" }).collect();
    let groups = split(&forged);
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3]);
    let mixed = Vector::of(&forged, Direction::ToClient, None).unwrap();
    assert_eq!(mixed.flags, ["RST", "RST+ACK"]);
    assert!(Vector::of(&[], Direction::ToClient, None).is_none());
}

#[test]
fn a_vector_is_readable_as_json() {
    let json = serde_json::to_value(vector(&linux(), b"")).unwrap();
    assert_eq!(json["ttl"]["initial"], 64);
    assert_eq!(json["ip_id"]["behaviour"], "zero");
    assert_eq!(json["direction"], "to-client");
}

#[test]
fn ipv6_has_no_ip_id_and_no_df() {
    let six = vector(&one(RST, |packet| (packet.version, packet.ip_id) = (6, 0)), b"");
    assert_eq!((six.ip_id.behaviour, six.df), (Behaviour::None, None));
    assert!(!labels(&Catalogue::builtin(), &six, "2026-01-01").contains(&"gfw-1"));
}

#[test]
fn clusters_are_bounded_and_keep_what_comes_back() {
    let mut clusters = Clusters::with_capacity(4);
    let server = |last: u8| std::net::IpAddr::from([192, 0, 2, last]);
    let device = vector(&linux(), b"");
    for time in 0..3 {
        clusters.add(&device, time, server(time as u8));
    }
    for window in 0..10 {
        let noise = one(RST, |packet| packet.window = 1 << window);
        clusters.add(&vector(&noise, b""), 10 + window, server(9));
    }
    assert_eq!((clusters.len(), clusters.evicted()), (4, 7));
    let kept = clusters.iter().next().unwrap();
    assert_eq!((kept.count, kept.first, kept.last, kept.servers.len()), (3, 0, 2, 3));
    assert_eq!((kept.id, kept.ip_id), (FingerprintId::of(&device), Some(0)));
    assert_eq!(serde_json::to_value(kept).unwrap()["servers"], 3);
    for last in 0..200 {
        clusters.add(&device, 20, server(last));
    }
    let kept = clusters.get(FingerprintId::of(&device)).unwrap();
    assert!(kept.servers.len() == clusters::SERVERS_MAX && kept.more_servers);
}

/// A file that is right.
const RIGHT: &str = "[[fingerprint]]
id = \"one\"
title = \"T\"
kind = \"reset\"
source = \"s\"
valid_from = \"2024\"
when = { flags = [\"RST\"], count = [1, 2] }
";

#[track_caller]
fn refused(from: &str, to: &str, place: &str, words: &[&str]) {
    let text = RIGHT.replacen(from, to, 1);
    assert_ne!(text, RIGHT);
    let message = file::parse(Path::new("0.toml"), &text).unwrap_err().to_string();
    assert!(message.starts_with("fingerprint file 0.toml, "), "{message}");
    for word in [place].iter().chain(words) {
        assert!(message.contains(word), "{word} is not in: {message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn refusals_say_where_and_what_is_allowed() {
    assert_eq!(file::parse(Path::new("0.toml"), RIGHT).unwrap().len(), 1);
    refused("count", "cuont", "line 7,", &["cuont", "`count`"]);
    refused("title = \"T\"\n", "", "line 1,", &["missing field `title`"]);
    refused("\"reset\"", "\"rst\"", "line 4, column 8", &["rst", "`reset`", "`http`"]);
    refused("\"reset\"", "\"other\"", "line 4, column 8", &["reset, http"]);
    refused("\"one\"", "\"One\"", "line 2, column 6", &["a-z"]);
    refused("\"RST\"", "\"RTS\"", "line 7, column 19", &["RTS", "SYN, FIN, RST"]);
    refused("[1, 2]", "[2, 1]", "line 7,", &["smaller number first"]);
    refused("\"s\"", "\" \"", "line 5, column 10", &["source is empty"]);
    refused("\"2024\"", "\"24\"", "line 6, column 14", &["2026-06"]);
    refused("count = [1, 2]", "payload = \"0x01\"", "line 7,", &["two digits an octet"]);
    refused("count = [1, 2]", "dns = { flag = [1] }", "line 7,", &["flag", "`leads_to`"]);
    refused("count = [1, 2]", "dns = { owner = [\"up\"] }", "line 7,", &["`pointer`"]);
    refused("count = [1, 2]", "dns = { answers = [2, 1] }", "line 7,", &["smaller number first"]);
    refused("count = [1, 2]", "seq_is = [\"up\"]", "line 7,", &["`same`", "`grows`"]);
    refused("count = [1, 2]", "options_absent = [\"ts\"]", "line 7,", &["timestamps"]);
    refused("{ flags = [\"RST\"], count = [1, 2] }", "{ }", "line 7,", &["when is empty"]);
    refused("id = ", "id == ", "line 2,", &[]);
    let twice = [RIGHT, RIGHT].concat();
    let message = file::parse(Path::new("0.toml"), &twice).unwrap_err().to_string();
    assert!(message.contains("line 9") && message.contains("given once"), "{message}");
    let missing = Catalogue::load(&["/nonexistent/x.toml".into()]).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/x.toml") && missing.contains("docs/fingerprints.md"));
}

prop_compose! {
    fn any_packet()(
        bytes in proptest::collection::vec(any::<u8>(), size_of::<Packet>())
    ) -> Packet {
        zerocopy::FromBytes::read_from_bytes(&bytes[..]).unwrap()
    }
}

proptest! {
    #[test]
    fn takes_any_packets(
        packets in proptest::collection::vec(any_packet(), 1..40),
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        trigger in proptest::option::of((any::<u16>(), any::<u16>())),
        time in any::<u64>(),
    ) {
        let forged: Vec<Forged<'_>> =
            packets.iter().map(|packet| Forged { packet, payload: &payload }).collect();
        let trigger = trigger.map(|(ip_id, window)| Trigger { ip_id, window });
        let vector = Vector::of(&forged, Direction::ToServer, trigger).unwrap();
        for label in Catalogue::builtin().labels(&vector, time) {
            prop_assert_eq!(label.describe().lines().count(), 1);
        }
        prop_assert_eq!(id::canonical(&vector).lines().count(), 1);
        prop_assert_eq!(FingerprintId::of(&vector).to_string().len(), 15);
    }

    #[test]
    fn takes_any_text(text in ".{0,200}") {
        let _ = file::parse(Path::new("0.toml"), &text);
    }
}
