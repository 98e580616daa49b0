//! Octets to begin with: what the lab's own packets, pages and files look like.

use std::{fs, path::PathBuf, sync::Arc};

use probe_common::config::Config;
use probe_user::{
    judge::{Judge, Settings, Telling},
    report::Finding,
    source::{capture::CaptureReader, event::Event, local::Local},
    targets::TargetSet,
};
use zerocopy::IntoBytes as _;

use super::joined;
use crate::{
    corpus::apps,
    craft::{Rng, SEED, dns, quic, shape, talk},
    docs,
};

/// Golden captures whose packets are seeds.
const CAPTURES: [&str; 4] = [
    "henan-v4-after-upstream",
    "gfw-type2-v4-after-upstream",
    "dns-gfw-all-v4-first-known",
    "innocent-ports-reused-after-reset-v4",
];

/// Packets of a capture that make a seed.
const PACKETS: usize = 12;

/// Seeds of the target `name`, each with a name of its own.
///
/// # Panics
///
/// If a file of the project that they are made of cannot be read, or there is no such target.
pub fn of(name: &str) -> Vec<(String, Vec<u8>)> {
    match name {
        "packets" => CAPTURES
            .map(|case| (case.to_owned(), frames_of(case)))
            .into_iter()
            .chain(shapes())
            .collect(),
        "events" => CAPTURES.map(|case| (case.to_owned(), events_of(case))).into(),
        "dns" => messages(),
        "tls" => hellos(),
        "quic" => datagrams(),
        "http" => pages(),
        "capture" => CAPTURES.map(|case| (case.to_owned(), capture_of(case))).into(),
        "targets" => vec![("example".into(), file("docs/targets.md"))]
            .into_iter()
            .chain(services())
            .collect(),
        "config" => vec![("example".into(), configuration())],
        "ledger" => vec![("nothing".into(), Vec::new()), ("a-few".into(), changes())],
        _ => panic!("no target {name}"),
    }
}

fn file(path: &str) -> Vec<u8> {
    let path = docs::root().join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden(case: &str) -> PathBuf {
    docs::root().join("tests/goldens").join(case).join("capture.pcap")
}

/// The beginning of the golden capture `case`.
fn packets(case: &str) -> Vec<Vec<u8>> {
    let mut reader = CaptureReader::open(&golden(case)).expect("a golden capture");
    let mut packets = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        packets.push(frame.data.to_vec());
    }
    packets.truncate(PACKETS);
    packets
}

fn frames_of(case: &str) -> Vec<u8> {
    framed(packets(case))
}

/// Frames, each on the wire as long as it is, with its dial in front.
fn framed(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let dialled: Vec<Vec<u8>> =
        packets.into_iter().map(|packet| [&[0][..], &packet].concat()).collect();
    joined(dialled.iter().map(Vec::as_slice))
}

/// One packet of each combination of headers, a dozen to a seed, and of these every sixth; of long ones the
/// beginning.
fn shapes() -> Vec<(String, Vec<u8>)> {
    const LONG: usize = 400;
    let cut = |data: Vec<u8>| data[..data.len().min(LONG)].to_vec();
    let all: Vec<Vec<u8>> = shape::shapes().into_iter().map(|shape| cut(shape.data)).collect();
    let seeds = all.chunks(PACKETS).step_by(6).enumerate();
    seeds.map(|(at, some)| (format!("shapes-{at}"), framed(some.to_vec()))).collect()
}

/// What the engine tells of the golden capture `case`.
fn told(case: &str, mut sink: impl FnMut(&Event<'_>)) {
    let mut reader = CaptureReader::open(&golden(case)).expect("a golden capture");
    let config = Config::replay();
    let mut engine = Local::new(config);
    engine.watch_names(&TargetSet::builtin().names(config.hash_key));
    while let Ok(Some(frame)) = reader.next_frame() {
        engine.packet(&frame, |event| sink(&event));
    }
}

fn events_of(case: &str) -> Vec<u8> {
    let mut events = Vec::new();
    told(case, |event| {
        if events.len() < PACKETS {
            let (record, payload) = match event {
                Event::Tcp(event, payload) => (event.as_bytes(), payload),
                Event::Dns(event, payload) => (event.as_bytes(), payload),
                Event::Quic(event, payload) => (event.as_bytes(), payload),
            };
            events.push([record, payload].concat());
        }
    });
    joined(events.iter().map(Vec::as_slice))
}

/// What the judge finds in these captures.
pub(super) fn findings() -> Vec<Finding> {
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets });
    let mut findings = Vec::new();
    for case in CAPTURES {
        told(case, |event| judge.event(event, |finding| findings.push(finding)));
        judge.finish(|finding| findings.push(finding));
    }
    findings
}

fn messages() -> Vec<(String, Vec<u8>)> {
    let addresses =
        ["203.0.113.7".parse().expect("an address"), "2001:db8::7".parse().expect("one")];
    let name = "www.linkedin.com";
    vec![
        ("query".into(), dns::query(7, name, 1, true)),
        ("reply".into(), dns::reply(7, 0x8180, name, 1, &addresses[..1])),
        ("reply-v6-opt".into(), dns::with_opt(dns::reply(7, 0x8180, name, 28, &addresses[1..]))),
        ("no-such-name".into(), dns::reply(7, 0x8183, name, 1, &[])),
    ]
}

fn hellos() -> Vec<(String, Vec<u8>)> {
    let mut rng = Rng::new(SEED);
    let mut hello = |name, post_quantum| {
        apps::client_hello(name, post_quantum, &mut crate::corpus::rng::Rng::new(rng.word()))
            .to_vec()
    };
    vec![
        ("usual".into(), hello("www.linkedin.com", false)),
        ("post-quantum".into(), hello("static.licdn.com", true)),
        ("padded".into(), talk::client_hello("www.linkedin.com", 400)),
    ]
}

fn datagrams() -> Vec<(String, Vec<u8>)> {
    let initial = quic::Initial::new(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let seed = |name, padding| {
        let flight = quic::flight(&initial, name, padding);
        joined(flight.iter().map(Vec::as_slice))
    };
    vec![
        ("one".into(), seed("www.linkedin.com", 0)),
        ("several".into(), seed("www.linkedin.com", 2_000)),
        ("negotiation".into(), joined([&quic::negotiation()[..]])),
    ]
}

fn pages() -> Vec<(String, Vec<u8>)> {
    let mut rng = crate::corpus::rng::Rng::new(SEED);
    vec![
        ("get".into(), apps::get("www.linkedin.com", "/").to_vec()),
        ("redirect".into(), apps::redirect(302, "http://warning.example/?id=1").to_vec()),
        ("ok".into(), apps::ok(200, &mut rng).to_vec()),
    ]
}

fn capture_of(case: &str) -> Vec<u8> {
    let mut capture = file(&format!("tests/goldens/{case}/capture.pcap"));
    capture.truncate(super::INPUT_MAX / 4);
    capture
}

fn services() -> Vec<(String, Vec<u8>)> {
    let text = "[[service]]\nid = \"example\"\ntitle = \"An example\"\nrole = \"target\"\nasns = [64500]\n\n\
        [[service.names]]\nsuffixes = [\"example.org\"]\nsource = \"RFC 2606\"\n";
    vec![("small".into(), text.into())]
}

/// The example of a configuration, with all that is in it said.
fn configuration() -> Vec<u8> {
    let text = String::from_utf8(file("docs/forgewatch.toml")).expect("text");
    let said = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.contains(" = ") && !key.starts_with(' ') => key,
        _ => line,
    });
    said.fold(String::new(), |text, line| text + line + "\n").into()
}

/// A few octets that are others, over the first pages of a ledger.
fn changes() -> Vec<u8> {
    let mut rng = Rng::new(SEED);
    (0..8).flat_map(|_| [0, rng.word() as u8, rng.word() as u8, rng.word() as u8]).collect()
}
