//! What leaves, and as when.

use std::{net::SocketAddr, sync::Arc};

use tempfile::TempDir;

use super::{Publication, Terms, ndjson, ooni, publish::K, radar};
use crate::{
    attribute::{
        Cell,
        outcome::{Network, Protocol as Spoken},
        sketch::Range,
        verdict::{Period, Unit},
    },
    evidence::{End, Origin, Packet, Packets, Standing},
    ledger::{
        Options, Reader, Recorder, RunStart, SystemClocks, Totals,
        row::{RunClock, RunKind, Window},
    },
    report::{
        Finding,
        finding::{Confidence, EvidenceClass, Position, Protocol, Signature, Stage, Verdict},
        summary::Stages,
    },
    targets::{Role, TargetSet},
};

/// 2026-11-24T00:00:00Z.
const MIDNIGHT: u64 = 1_795_478_400_000_000_000;
const HOUR: u64 = 3_600_000_000_000;

fn finding(hour: u64, network: u8, protocol: Protocol) -> Finding {
    Finding {
        time: MIDNIGHT + hour * HOUR + u64::from(network) * 1_000_000_007,
        protocol,
        verdict: Verdict::Injected,
        confidence: Confidence::C3,
        signatures: vec![],
        client: format!("10.71.{network}.3:40000").parse().expect("an address"),
        server: "108.174.10.10:443".parse().expect("an address"),
        name: Some("linkedin.com".into()),
        service: Some("linkedin".into()),
        position: Position::Upstream,
        injector_hops: None,
        injector_hops_range: None,
        server_hops: None,
        frames: vec![7],
        stage: Some(Stage::PostPsh),
        fingerprints: vec![],
        revises: None,
        packets: Packets::default(),
    }
}

fn recorded(findings: impl IntoIterator<Item = Finding>) -> (TempDir, Reader) {
    recorded_with(findings, |_| {})
}

fn recorded_with(
    findings: impl IntoIterator<Item = Finding>,
    more: impl FnOnce(&mut Recorder),
) -> (TempDir, Reader) {
    let dir = TempDir::new().expect("a directory");
    let start = RunStart {
        kind: RunKind::Replay,
        started: MIDNIGHT,
        version: "0.1.0".into(),
        kernel: None,
        interfaces: vec![],
        clock: RunClock::Capture,
        targets: Arc::new(TargetSet::builtin()),
    };
    let options = Options { patient: true, ..Options::default() };
    let mut recorder =
        Recorder::start(dir.path(), start, options, Box::new(SystemClocks)).expect("a ledger");
    for finding in findings {
        recorder.finding(&finding);
    }
    more(&mut recorder);
    let mut stages = Stages::default();
    for _ in 0..3 {
        stages.from_client.add(Stage::PostPsh);
    }
    stages.silent.add(Stage::PostSyn);
    stages.from_server.add(Stage::PostAck);
    recorder.traffic(MIDNIGHT, Totals { packets: 50, tcp_flows: 10, stages });
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    (dir, reader)
}

fn publication(reader: &Reader, k: u64) -> Publication<'_> {
    let terms = Terms { k, probe_asn: None, probe_cc: None, created: MIDNIGHT };
    Publication::new(reader, Window::ALL, terms).expect("a publication")
}

fn times(publication: &Publication<'_>) -> Vec<(u64, u32)> {
    let mut times = Vec::new();
    publication.begin();
    publication
        .findings(|finding| {
            assert_eq!(finding.row.frames.is_empty(), finding.time.1 > 0);
            times.push(finding.time);
            Ok(())
        })
        .expect("findings");
    times
}

#[test]
fn a_finding_leaves_with_its_hour_or_its_day_or_stays() {
    let k = K as u8;
    // Enough networks within one hour; enough over the day; too few; and two clients of one network.
    let hour = (0..k).map(|network| finding(3, network, Protocol::Tcp));
    let day = (0..k).map(|network| finding(u64::from(network), network, Protocol::Http));
    let few = (1..k).map(|network| finding(5, network, Protocol::Dns));
    let neighbour = Finding {
        client: "10.71.1.99:40000".parse().expect("an address"),
        ..finding(5, 1, Protocol::Dns)
    };
    let (_dir, reader) = recorded(hour.chain(day).chain(few).chain([neighbour]));
    let public = publication(&reader, K);
    let all = times(&public);
    let mut expected = vec![(MIDNIGHT + 3 * HOUR, 3_600); k.into()];
    expected.extend(vec![(MIDNIGHT, 86_400); k.into()]);
    assert_eq!(all, expected);
    let withheld = public.withheld();
    assert_eq!((withheld.findings, withheld.findings_by_day), (K, K));

    let lab = publication(&reader, 1);
    let all = times(&lab);
    assert_eq!(all.len(), 3 * usize::from(k));
    assert_eq!(all[1], (finding(3, 1, Protocol::Tcp).time, 0));
    assert_eq!(lab.withheld().findings, 0);
}

#[test]
fn reports_are_the_same_each_time() {
    let (_dir, reader) = recorded((0..12).map(|network| finding(3, network, Protocol::Tcp)));
    let public = publication(&reader, K);
    let write = || {
        let (mut lines, mut measurements, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        ndjson::write(&public, &mut lines).expect("NDJSON");
        ooni::write(&public, &mut measurements).expect("OONI");
        radar::write(&public, &mut shares).expect("Radar");
        (lines, measurements, shares)
    };
    assert_eq!(write(), write());
}

#[test]
fn shares_are_of_all_connections() {
    let (_dir, reader) = recorded([]);
    let mut text = Vec::new();
    radar::write(&publication(&reader, K), &mut text).expect("Radar");
    let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let shares = &value["result"]["summary_0"];
    let expected = serde_json::json!({ "post_syn": "10.000000", "post_ack": "0.000000",
        "post_psh": "30.000000", "later_in_flow": "0.000000", "no_match": "60.000000" });
    assert_eq!(*shares, expected);
    assert_eq!(value["result"]["x_summary_from_server"]["post_ack"], "10.000000");
}

#[test]
fn what_a_forged_answer_says_is_in_the_words_of_ooni() {
    let answers = [
        ("10.10.34.36", Some("dns_bogon_error")),
        ("203.0.113.66 10.0.0.1", Some("dns_bogon_error")),
        ("31.13.94.37", None),
        ("no address (rcode 3)", Some("dns_nxdomain_error")),
        ("no address (rcode 0)", Some("dns_no_answer")),
        ("::1", Some("dns_bogon_error")),
    ];
    let findings = answers.iter().enumerate().map(|(number, (answer, _))| {
        let measured = serde_json::json!({ "forged_answer": answer });
        Finding {
            signatures: vec![Signature {
                id: "DNS_DUAL",
                class: EvidenceClass::D,
                confidence: Confidence::C3,
                measured: measured.as_object().cloned().unwrap_or_default(),
                words: String::new(),
            }],
            ..finding(1, number as u8, Protocol::Dns)
        }
    });
    let (_dir, reader) = recorded(findings);
    let mut text = Vec::new();
    ooni::write(&publication(&reader, 1), &mut text).expect("OONI");
    let told: Vec<serde_json::Value> = String::from_utf8_lossy(&text)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|measurement| measurement["test_keys"]["queries"][0]["failure"].clone())
        .collect();
    let expected: Vec<serde_json::Value> =
        answers.iter().map(|(_, failure)| (*failure).into()).collect();
    assert_eq!(told, expected);
}

/// A resolver of a client's own, asked through the censor by one household, among `k` others at a resolver that
/// all ask.
fn at_resolvers() -> (TempDir, Reader) {
    let own: SocketAddr = "192.168.77.1:5353".parse().expect("an address");
    let signature = |words: &str| Signature {
        id: "DNS_DUAL",
        class: EvidenceClass::D,
        confidence: Confidence::C3,
        measured: serde_json::Map::new(),
        words: words.into(),
    };
    let mut findings: Vec<Finding> =
        (0..K as u8).map(|network| finding(3, network, Protocol::Dns)).collect();
    for finding in &mut findings[1..] {
        finding.server = "9.9.9.9:53".parse().expect("an address");
    }
    findings[0].server = own;
    findings[0].packets = vec![Packet {
        offset: 0,
        from: End::Server,
        standing: Standing::Forged,
        origin: Origin::Packet,
        bytes: vec![0x45, 1],
        note: "an answer".into(),
    }]
    .into();
    findings[0].signatures =
        vec![signature("two answers of 192.168.77.1"), signature("two answers")];
    let (dir, reader) = recorded_with(findings, |recorder| {
        recorder.cell(dns_cell("9.9.9.9", K));
        recorder.cell(dns_cell("192.168.77.1", 1));
    });
    (dir, reader)
}

fn dns_cell(resolver: &str, networks: u64) -> Cell {
    Cell {
        unit: Unit {
            service: "linkedin".into(),
            role: Role::Target,
            network: Network::of(resolver.parse().expect("an address")),
            asn: None,
            protocol: Spoken::Dns,
            vantage: 0,
        },
        window: Period { from: MIDNIGHT, to: MIDNIGHT + HOUR },
        flows: networks,
        failed: 0,
        n: networks,
        methods: [].into(),
        clients: Range { least: networks, most: networks },
        client_networks: Range { least: networks, most: networks },
    }
}

#[test]
fn a_resolver_is_named_only_if_enough_are_known_to_ask_it() {
    let (_dir, reader) = at_resolvers();
    let public = publication(&reader, K);
    let (mut lines, mut measurements, mut page) = (Vec::new(), Vec::new(), Vec::new());
    ndjson::write(&public, &mut lines).expect("NDJSON");
    assert_eq!((public.withheld().findings, public.withheld().resolvers), (0, 1));
    ooni::write(&public, &mut measurements).expect("OONI");
    super::page::write(&public, &mut page).expect("a page");
    for text in [&lines, &measurements, &page] {
        assert!(!String::from_utf8_lossy(text).contains("192.168.77"), "a household's resolver");
    }
    let json = |text: &[u8]| -> Vec<serde_json::Value> {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let findings: Vec<_> =
        json(&lines).into_iter().filter(|line| line["record"] == "finding").collect();
    assert_eq!(findings.len(), K as usize);
    let (own, other) = (&findings[0], &findings[1]);
    assert_eq!(
        (&own["server"], &own["network"], &own["port"]),
        (&None::<String>.into(), &None::<String>.into(), &None::<u16>.into())
    );
    assert_eq!(
        (&own["signatures"][0]["words"], &own["signatures"][1]["words"]),
        (&"".into(), &"two answers".into())
    );
    assert_eq!((&other["server"], &other["network"]), (&"9.9.9.9:53".into(), &"9.9.9.0/24".into()));
    // The question is told all the same.
    let queries: Vec<_> = json(&measurements)
        .into_iter()
        .filter(|one| one["test_keys"]["x_tampering"]["kind"] == "finding")
        .map(|one| one["test_keys"]["queries"][0].clone())
        .collect();
    assert_eq!(queries.len(), K as usize);
    assert!(queries.iter().all(|query| query["hostname"] == "linkedin.com"), "{queries:?}");
    assert!(queries[0]["resolver_address"].is_null());
    assert_eq!(queries[1]["resolver_address"], "9.9.9.9:53");

    let lab = publication(&reader, 1);
    let mut lines = Vec::new();
    ndjson::write(&lab, &mut lines).expect("NDJSON");
    assert_eq!(lab.withheld().resolvers, 0);
    assert!(String::from_utf8_lossy(&lines).contains("192.168.77.1:5353"));
}

#[test]
fn packets_stay_with_a_resolver_that_stays() {
    let (_dir, reader) = at_resolvers();
    let packets = |k| {
        let (public, mut counts) = (publication(&reader, k), Vec::new());
        public
            .findings(|finding| {
                counts.push(public.evidence(&finding)?.len());
                Ok(())
            })
            .expect("findings");
        counts
    };
    assert_eq!((packets(K)[0], packets(1)[0]), (0, 1));
}
