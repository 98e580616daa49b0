//! A network that was watched for a day and a half, as it might have been on 17 November 2016.

use std::collections::BTreeMap;

use probe_common::counter::{Counter, Kind};
use probe_user::{
    attribute::{
        Cell, Method, Verdict,
        cell::Affected,
        outcome::{Network, Protocol},
        sketch::Range,
        verdict::{
            Controls, Distance, Evidence, Explanation, Figures, Interval, Onset, Part, Pattern,
            Period, Residual, Rival, Spans, Spread, Standing, Unit,
        },
    },
    page::{Count, Device, Limits, Report, Service, Share, Vantage},
    report::{
        finding::{Confidence, Position, Protocol as Spoken, Verdict as Finding},
        summary::{Clock, ClockSource, TargetsUsed},
    },
    targets::Role,
};

use super::evidence;
use crate::craft::Rng;

/// A minute in nanoseconds.
pub const MINUTE: u64 = 60_000_000_000;

/// A day.
pub const DAY: u64 = 24 * 60 * MINUTE;

/// 17 November 2016, 00:00 UTC.
pub const START: u64 = 1_479_340_800 * 1_000_000_000;

/// Length of a window.
const WINDOW: u64 = 5 * MINUTE;

/// When the blocking begins: 14:05.
const ONSET: u64 = START + 845 * MINUTE;

/// How a part of a service fares in a window: the share that fails by a method.
type Fate = fn(u64) -> Option<(Method, f64)>;

pub(super) fn service(id: &str, title: &str, role: Role) -> Service {
    Service { id: id.into(), title: title.into(), role }
}

fn unit(service: &str, role: Role, address: &str, asn: u32, protocol: Protocol) -> Unit {
    Unit {
        service: service.into(),
        role,
        network: Network::of(address.parse().expect("an address")),
        asn: Some(asn),
        protocol,
        vantage: 0,
    }
}

pub(super) const fn exactly(number: u64) -> Range {
    Range { least: number, most: number }
}

/// The cells of one unit: a day's curve of clients, with a hole where `seen` says that there is one.
pub(super) fn cells(
    unit: &Unit,
    busy: f64,
    seed: u64,
    seen: fn(u64) -> bool,
    fate: Fate,
) -> Vec<Cell> {
    let mut rng = Rng::new(seed);
    let windows = (0..36 * 12).map(|index| START + index * WINDOW).filter(|&time| seen(time));
    windows
        .map(|from| {
            let hour = (from - START) as f64 / (60.0 * MINUTE as f64);
            let curve = 0.55 - 0.45 * ((hour - 3.0) / 24.0 * std::f64::consts::TAU).cos();
            let n = (busy * curve) as u64 + rng.word() % ((busy / 8.0) as u64 + 2) + 1;
            let noise = (rng.word() % 100) as f64 / 100.0;
            let mut methods = BTreeMap::new();
            let base = 0.004 * noise;
            let (method, share) = fate(from).unwrap_or((Method::SniReset, 0.0));
            let share = (share * (0.97 + 0.05 * noise) + base).min(1.0);
            let clients = (share * n as f64).round() as u64;
            if clients > 0 {
                let proven = if method.leaves_no_packet() { 0 } else { clients * 9 / 10 };
                methods.insert(
                    method,
                    Affected {
                        flows: clients * 2,
                        proven,
                        share: clients as f64 / n as f64,
                        clients,
                    },
                );
            }
            Cell {
                unit: unit.clone(),
                window: Period { from, to: from + WINDOW },
                flows: n * 2,
                failed: clients * 2 + n / 80,
                n,
                methods,
                clients: exactly(n),
                client_networks: exactly((n / 3).max(12)),
            }
        })
        .collect()
}

/// The probe was restarted in the morning, and stood still for a while.
pub(super) fn watched(time: u64) -> bool {
    !(START + 400 * MINUTE..START + 470 * MINUTE).contains(&time)
}

fn rivals() -> Vec<Rival> {
    [
        (Explanation::Uplink, "99.6% of 61,204 client-windows of controls were served in the same windows"),
        (Explanation::Path, "of other names at the same addresses, 99.5% of 8,112 were served"),
        (Explanation::Server, "in 7,611 client-windows packets prove a hand that is not the server's: it went on answering after \"its\" reset"),
        (Explanation::Overload, "no rise of the round trip (median 31 ms before, 31 ms after), and failures do not follow the hour's load"),
        (Explanation::ClientSide, "1,122 of 1,310 clients in 402 networks are affected"),
        (Explanation::VantageBlind, "both directions were seen of 98.7% of flows"),
    ]
    .into_iter()
    .map(|(name, why)| Rival { name, standing: Standing::Lost, why: why.into() })
    .collect()
}

/// A verdict that accuses, with everything there is to say.
fn accusation(unit: Unit, method: Method, share: f64, n: u64) -> Verdict {
    let proven = if method.leaves_no_packet() { 0 } else { (share * n as f64 * 0.93) as u64 };
    Verdict {
        unit,
        method,
        period: Period { from: ONSET, to: START + 36 * 60 * MINUTE },
        evidence: Evidence {
            against_controls: 212.4,
            against_near: Some(41.7),
            for_health: -180.0,
            proven,
            proven_clients: Range { least: 901, most: 1_122 },
        },
        target: Figures {
            flows: n * 2,
            n,
            share,
            clients: Range { least: 1_180, most: 1_390 },
            client_networks: Range { least: 388, most: 431 },
            affected: Range { least: 1_010, most: 1_204 },
        },
        controls: Controls {
            n: 61_204,
            share: 0.0021,
            failing: 0.0094,
            near_n: 8_112,
            near_share: 0.0031,
        },
        pattern: Some(Pattern {
            spread: Spread::All,
            share: share - 0.002,
            paths: (16, 16),
            clients_entirely: 0.86,
        }),
        onset: Some(Onset::Between(Interval {
            from: ONSET - 10 * MINUTE,
            to: ONSET + 5 * MINUTE,
            likely: ONSET,
        })),
        end: None,
        rivals: rivals(),
        distance: Some(Distance {
            n: 7_611,
            hops: Some(Spans { median: 4, range: [3, 5] }),
            server_hops: Some(Spans { median: 13, range: [12, 14] }),
            agreement: 0.97,
            position: Position::Upstream,
        }),
        residual: None,
        names: vec![
            Part { name: "linkedin.com".into(), flows: n + n / 3, share },
            Part { name: "licdn.com".into(), flows: n / 2, share: share * 0.98 },
            Part { name: "lnkd.in".into(), flows: n / 40, share: 0.0 },
        ],
    }
}

/// A verdict that accuses nobody.
fn innocent(unit: Unit, method: Method, share: f64, n: u64) -> Verdict {
    let mut verdict = accusation(unit, method, share, n);
    verdict.period.from = START;
    verdict.evidence = Evidence {
        against_controls: -3.1,
        against_near: None,
        for_health: 8.6,
        proven: 0,
        proven_clients: exactly(0),
    };
    (verdict.pattern, verdict.onset, verdict.distance) = (None, None, None);
    (verdict.rivals, verdict.names) = (Vec::new(), Vec::new());
    verdict.target.affected = exactly((share * 40.0) as u64);
    verdict
}

fn limits() -> Limits {
    let lost = Counter::ALL
        .iter()
        .filter(|counter| counter.kind() == Kind::Lost)
        .map(|counter| (counter.name().to_owned(), 0))
        .chain([
            ("events_ring_full".into(), 214),
            ("flows_evicted".into(), 1_903),
            ("judge_replies_dropped".into(), 7),
        ]);
    Limits {
        packets: 48_112_907_331,
        flows: 811_204_117,
        tcp_flows: 640_118_450,
        dns_replies: 121_004_377,
        lost: lost.collect(),
        one_way: Some(Share { part: 8_321_540, of: 640_118_450 }),
        sampled: None,
        runs: 2,
        notes: vec!["2016-11-17T06:40:00Z: the system was restarted".into()],
        absent: vec![Period { from: START + 400 * MINUTE, to: START + 470 * MINUTE }],
        clock: Some(Clock { source: ClockSource::System, synchronised: Some(true) }),
        kernels: vec!["6.18.0-router".into()],
        versions: vec!["0.1.0".into()],
        targets: vec![TargetsUsed {
            hash: "9f2c7e0b41d8a36f5c90e7b12d4488aa07c1f36be95d20417a8c6d3f9b5e1124".into(),
            services: ["linkedin", "wiki", "video"].map(str::to_owned).to_vec(),
            controls: ["connectivity", "microsoft-front", "neutral"].map(str::to_owned).to_vec(),
        }],
    }
}

pub(super) fn controls() -> Vec<Service> {
    vec![
        service(
            "connectivity",
            "Connectivity checks of operating systems and browsers",
            Role::Control,
        ),
        service(
            "microsoft-front",
            "Microsoft services on the front that LinkedIn shares",
            Role::Control,
        ),
        service("neutral", "Reserved names and software updates", Role::Control),
    ]
}

fn control_cells() -> Vec<Cell> {
    let of = |id, address, asn, protocol, busy, seed| {
        cells(&unit(id, Role::Control, address, asn, protocol), busy, seed, watched, |_| None)
    };
    let mut cells = of("connectivity", "13.107.4.52", 8_068, Protocol::TcpTls, 160.0, 11);
    cells.extend(of("microsoft-front", "13.107.42.14", 8_068, Protocol::TcpTls, 90.0, 12));
    cells.extend(of("neutral", "199.232.30.132", 54_113, Protocol::TcpTls, 40.0, 13));
    cells.extend(of("neutral", "9.9.9.9", 19_281, Protocol::Dns, 240.0, 14));
    cells.extend(of("neutral", "199.232.30.132", 54_113, Protocol::Quic, 60.0, 15));
    cells
}

pub(super) const fn blocked(time: u64) -> Option<(Method, f64)> {
    if time >= ONSET { Some((Method::SniReset, 0.86)) } else { None }
}

const fn lied_to(time: u64) -> Option<(Method, f64)> {
    if time >= ONSET + 35 * MINUTE { Some((Method::DnsInjection, 0.31)) } else { None }
}

const fn throttled_for_an_evening(time: u64) -> Option<(Method, f64)> {
    let evening = time >= START + 18 * 60 * MINUTE && time < START + 22 * 60 * MINUTE;
    if evening { Some((Method::QuicDrop, 0.58)) } else { None }
}

/// One observer; LinkedIn is blocked in two ways, another service was for an evening, a third is not.
pub(super) fn typical() -> Report {
    let linkedin = unit("linkedin", Role::Target, "108.174.10.10", 14_413, Protocol::TcpTls);
    let resolver = unit("linkedin", Role::Target, "8.8.8.8", 15_169, Protocol::Dns);
    let six = unit("linkedin", Role::Target, "2620:109:c00a::1", 14_413, Protocol::TcpTls);
    let video = unit("video", Role::Target, "142.250.74.78", 15_169, Protocol::Quic);
    let wiki = unit("wiki", Role::Target, "91.198.174.192", 14_907, Protocol::TcpTls);
    let mut all = control_cells();
    all.extend(cells(&linkedin, 70.0, 1, watched, blocked));
    all.extend(cells(&resolver, 80.0, 2, watched, lied_to));
    all.extend(cells(&video, 60.0, 3, watched, throttled_for_an_evening));
    all.extend(cells(&wiki, 50.0, 4, watched, |_| None));
    let mut forged = accusation(resolver, Method::DnsInjection, 0.31, 11_402);
    forged.onset = Some(Onset::Between(Interval {
        from: ONSET + 30 * MINUTE,
        to: ONSET + 40 * MINUTE,
        likely: ONSET + 35 * MINUTE,
    }));
    forged.pattern = Some(Pattern {
        spread: Spread::SomePaths,
        share: 0.31,
        paths: (5, 16),
        clients_entirely: 0.3,
    });
    forged.evidence.against_controls = 88.2;
    forged.residual = Some(Residual {
        seconds: 180,
        range: [168, 191],
        share: 0.93,
        known: vec!["Great Firewall (180 s)".into()],
    });
    let mut ended = accusation(video, Method::QuicDrop, 0.58, 2_870);
    ended.period = Period { from: START + 18 * 60 * MINUTE, to: START + 22 * 60 * MINUTE };
    ended.onset = Some(Onset::Between(Interval {
        from: START + 1_075 * MINUTE,
        to: START + 1_085 * MINUTE,
        likely: START + 1_080 * MINUTE,
    }));
    let end = START + 22 * 60 * MINUTE;
    ended.end = Some(Interval { from: end - 5 * MINUTE, to: end + 10 * MINUTE, likely: end });
    (ended.distance, ended.names) = (None, Vec::new());
    ended.evidence.against_near = None;
    ended.pattern = Some(Pattern {
        spread: Spread::SomeClients,
        share: 0.57,
        paths: (16, 16),
        clients_entirely: 0.55,
    });
    let mut doubtful = innocent(six, Method::Inconclusive, 0.4, 212);
    doubtful.rivals = vec![Rival {
        name: Explanation::Path,
        standing: Standing::Stands,
        why: "no other name at the same addresses was asked for: 0 client-windows of nearest controls".into(),
    }];
    Report {
        made: Some(START + 37 * 60 * MINUTE),
        period: Period { from: START, to: START + 36 * 60 * MINUTE },
        vantages: vec![Vantage { number: 0, name: "AS64496, edge router 2".into() }],
        services: [
            service("linkedin", "LinkedIn", Role::Target),
            service("video", "Example Video", Role::Target),
            service("wiki", "Wikipedia", Role::Target),
            service("forum", "A forum that nobody visits", Role::Target),
        ]
        .into_iter()
        .chain(controls())
        .collect(),
        verdicts: vec![
            accusation(linkedin, Method::SniReset, 0.86, 8_211),
            forged,
            doubtful,
            ended,
            innocent(wiki, Method::None, 0.0024, 14_008),
        ],
        cells: all,
        findings: vec![
            count(Some("linkedin"), Spoken::Tcp, Finding::Injected, Confidence::C3, 13_877),
            count(Some("linkedin"), Spoken::Dns, Finding::Injected, Confidence::C3, 3_502),
            count(Some("linkedin"), Spoken::Tcp, Finding::Suspect, Confidence::C1, 118),
            count(None, Spoken::Tcp, Finding::Suspect, Confidence::C1, 2_204),
        ],
        devices: vec![
            device(
                "fp-401535a69bf1",
                13_877,
                &[
                    "Henan's provincial firewall: RST+ACK with ten counted octets (CN, since 2023-08)",
                ],
            ),
            device("fp-77d01be2c904", 3_502, &[]),
        ],
        evidence: vec![evidence::resets(), evidence::answers(), evidence::silence()],
        limits: limits(),
        ..Report::default()
    }
}

fn count(
    service: Option<&str>,
    protocol: Spoken,
    verdict: Finding,
    confidence: Confidence,
    count: u64,
) -> Count {
    Count { service: service.map(str::to_owned), protocol, verdict, confidence, count }
}

pub(super) fn device(id: &str, count: u64, names: &[&str]) -> Device {
    Device {
        id: id.into(),
        count,
        servers: 19,
        first: ONSET,
        last: START + 36 * 60 * MINUTE - MINUTE,
        names: names.iter().map(|&name| name.to_owned()).collect(),
    }
}
