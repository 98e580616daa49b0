//! Each entry is met, look-alikes are not labelled, ids do not move.

mod devices;

use std::path::Path;

use probe_common::wire::{Packet, option, quirk};
use proptest::prelude::*;

use self::devices::*;
use super::{vector::*, *};
use crate::{data::noon, names::dns::Dns, sinkholes::Sinkholes};

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
