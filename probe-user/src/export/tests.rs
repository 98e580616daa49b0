//! What leaves, and as when.

use std::sync::Arc;

use tempfile::TempDir;

use super::{Publication, Terms, ndjson, ooni, publish::K, radar};
use crate::{
    evidence::Packets,
    ledger::{
        Options, Reader, Recorder, RunStart, SystemClocks, Totals,
        row::{RunClock, RunKind, Window},
    },
    report::{
        Finding,
        finding::{Confidence, EvidenceClass, Position, Protocol, Signature, Stage, Verdict},
        summary::Stages,
    },
    targets::TargetSet,
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
