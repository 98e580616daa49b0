//! Reports, read with what others read them with.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use probe_tests::docs;
use probe_user::{
    attribute::{
        Cell, Method, Verdict,
        cell::Affected,
        outcome::{Network, Protocol as Spoken},
        sketch::Range,
        verdict::{Controls, Evidence, Figures, Interval, Onset, Period, Unit},
    },
    evidence::Packets,
    ledger::{
        Options, Recorder, RunStart, SystemClocks, Totals,
        row::{RunClock, RunKind},
    },
    report::{
        Finding, Summary,
        finding::{self, Confidence, EvidenceClass, Position, Protocol, Signature, Stage},
        summary::Stages,
    },
    targets::{Role, TargetSet},
};
use serde_json::Value;

use super::{captures, forgewatch, succeed};

/// 2026-11-24T10:00:00Z.
pub(crate) const NOON: u64 = 1_795_514_400_000_000_000;

/// A Python that has what reads the formats; `cargo xtask setup --tests` makes it.
const PYTHON: &str = "target/tools/python/bin/python3";

/// A finding about a connection of a client of its own network.
pub(crate) fn finding(number: u64) -> Finding {
    let client = [10, (number / 250) as u8, (number % 250) as u8, 7];
    Finding {
        time: NOON + number * 1_000_000,
        protocol: Protocol::Tcp,
        verdict: finding::Verdict::Injected,
        confidence: Confidence::C3,
        signatures: vec![Signature {
            id: "DATA_AFTER_RST",
            class: EvidenceClass::S,
            confidence: Confidence::C3,
            measured: serde_json::Map::new(),
            words: "the server went on".into(),
        }],
        client: SocketAddr::from((client, 40_000)),
        server: "108.174.10.10:443".parse().expect("an address"),
        name: Some("www.linkedin.com".into()),
        service: Some("linkedin".into()),
        position: Position::Upstream,
        injector_hops: Some(5),
        injector_hops_range: Some([4, 6]),
        server_hops: Some(11),
        frames: vec![],
        stage: Some(Stage::PostPsh),
        fingerprints: vec![],
        revises: None,
        packets: Packets::default(),
    }
}

fn unit(role: Role) -> Unit {
    Unit {
        service: if role == Role::Target { "linkedin" } else { "neutral" }.into(),
        role,
        network: Network::of("108.174.10.10".parse().expect("an address")),
        asn: Some(14_413),
        protocol: Spoken::TcpTls,
        vantage: 0,
    }
}

fn cell(window: u64, role: Role, networks: u64) -> Cell {
    let affected = Affected { flows: 9, proven: 8, share: 0.75, clients: 7 };
    let methods = match role {
        Role::Target => [(Method::SniReset, affected), (Method::IpDrop, affected)].into(),
        Role::Control => [].into(),
    };
    Cell {
        unit: unit(role),
        window: Period {
            from: NOON + window * 60_000_000_000,
            to: NOON + (window + 1) * 60_000_000_000,
        },
        flows: 12,
        failed: 9,
        n: 10,
        methods,
        clients: Range { least: networks, most: networks },
        client_networks: Range { least: networks, most: networks },
    }
}

fn verdict(method: Method, networks: u64) -> Verdict {
    let range = Range { least: networks, most: networks };
    Verdict {
        unit: unit(Role::Target),
        method,
        period: Period { from: NOON, to: NOON + 600_000_000_000 },
        evidence: Evidence {
            against_controls: 7.5,
            against_near: None,
            for_health: -3.0,
            proven: 8,
            proven_clients: Range { least: 7, most: 7 },
        },
        target: Figures { client_networks: range, ..Figures::default() },
        controls: Controls::default(),
        pattern: None,
        onset: Some(Onset::Between(Interval { from: NOON, to: NOON + 1_000, likely: NOON + 500 })),
        end: None,
        rivals: vec![],
        distance: None,
        residual: None,
        names: vec![],
    }
}

/// A ledger of an hour: findings of 12 networks of clients about one service, of 3 about another, and
/// cells and verdicts of many and few.
pub(crate) fn ledger(dir: &Path) {
    let start = RunStart {
        kind: RunKind::Live,
        started: NOON,
        version: "0.1.0".into(),
        kernel: Some("6.18.0".into()),
        interfaces: vec!["eth0".into()],
        clock: RunClock::Synchronised,
        targets: Arc::new(TargetSet::builtin()),
    };
    let options = Options { patient: true, ..Options::default() };
    let mut recorder =
        Recorder::start(dir, start, options, Box::new(SystemClocks)).expect("a ledger");
    for number in 0..12 {
        recorder.finding(&finding(number));
    }
    for number in 20..23 {
        recorder.finding(&Finding {
            service: None,
            name: Some("somewhere.example".into()),
            server: "198.51.100.9:443".parse().expect("an address"),
            ..finding(number)
        });
    }
    for window in 0..3 {
        recorder.cell(cell(window, Role::Target, 12));
        recorder.cell(cell(window, Role::Control, 40));
    }
    recorder.cell(cell(3, Role::Target, 9));
    recorder.verdict(verdict(Method::Inconclusive, 3));
    recorder.verdict(verdict(Method::SniReset, 12));
    let mut stages = Stages::default();
    stages.from_client.add(Stage::PostPsh);
    stages.silent.add(Stage::PostSyn);
    recorder.traffic(NOON, Totals { packets: 900, tcp_flows: 40, stages });
    recorder.summary(&Summary { packets: 900, tcp_flows: 40, ..Summary::default() });
    recorder.stop();
}

/// Has Python read a report, and returns how many records there are of each kind.
fn read(report: &Path) -> Value {
    let python = docs::root().join(PYTHON);
    assert!(python.exists(), "no {PYTHON}; `cargo xtask setup --tests` makes it");
    let mut command = Command::new(python);
    command
        .arg(docs::root().join("tests/tests/ledger/formats.py"))
        .arg(report)
        .arg(docs::root().join("tests/schemas/ooni-measurement.schema.json"));
    serde_json::from_slice(&succeed(&mut command)).expect("JSON")
}

#[test]
fn every_form_is_what_it_says_and_all_have_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let (state, report) = (dir.path().join("state"), dir.path().join("report"));
    ledger(&state);
    let forms = ["--format", "ndjson,ooni,parquet,radar"];
    succeed(
        forgewatch().arg("report").args(forms).arg("--state").arg(&state).arg("--out").arg(&report),
    );
    let counts = read(&report);
    assert_eq!(counts["finding"], 12, "{counts}");
    assert_eq!(counts["cell"], 6);
    assert_eq!(counts["verdict"], 1);

    let lab = dir.path().join("lab");
    let mut command = forgewatch();
    command
        .arg("report")
        .args(forms)
        .args(["--k", "1", "--state"])
        .arg(&state)
        .arg("--out")
        .arg(&lab);
    succeed(&mut command);
    let counts = read(&lab);
    assert_eq!(
        (&counts["finding"], &counts["cell"], &counts["verdict"]),
        (&15.into(), &7.into(), &2.into())
    );
}

#[test]
fn a_replay_makes_reports_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let report = dir.path().join("report");
    let mut command = forgewatch();
    command.args(["replay", "--json", "--k", "1", "--report"]).arg(&report).args(captures());
    let told = succeed(&mut command);
    let told = String::from_utf8_lossy(&told);
    let told = told.lines().filter(|line| line.contains(r#""record":"finding""#)).count();
    assert!(told > 5);
    let counts = read(&report);
    assert_eq!(counts["finding"], told, "{counts}");
    let mut there: Vec<String> = std::fs::read_dir(&report)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    // No ledger is left: it has what may not be published.
    let files = ["cells.parquet", "findings.parquet", "ooni.jsonl", "radar.json", "report.ndjson"];
    for file in files {
        assert!(there.iter().any(|name| name == file), "{there:?}");
    }
    assert!(!there.iter().any(|name| name.contains("ledger")), "{there:?}");
}

/// As root, what is put in the place of `/dev/stdout` is there for everybody.
#[test]
fn a_report_to_what_is_open_already_replaces_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    ledger(&state);
    let log = dir.path().join("log");
    std::fs::write(&log, "before\n").expect("a file");
    let report = || {
        let mut command = forgewatch();
        command.args(["report", "--out", "/proc/self/fd/1", "--state"]).arg(&state);
        command
    };
    let text = String::from_utf8(succeed(&mut report())).expect("text");
    assert!(text.lines().last().is_some_and(|line| line.contains(r#""record":"end""#)), "{text}");
    let open = std::fs::File::options().append(true).open(&log).expect("a file");
    let status = report().stdout(open).status().expect("forgewatch runs");
    assert!(status.success(), "{status}");
    let logged = std::fs::read_to_string(&log).expect("text");
    assert_eq!(logged.lines().next(), Some("before"));
    assert_eq!(logged.lines().count(), 1 + text.lines().count());
}

#[test]
fn what_too_few_stand_behind_stays_and_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    ledger(dir.path());
    let lines = |more: &[&str]| -> Vec<Value> {
        let text = succeed(forgewatch().arg("report").args(more).arg("--state").arg(dir.path()));
        let text = String::from_utf8(text).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let of = |lines: &[Value], kind: &str| -> Vec<Value> {
        lines.iter().filter(|line| line["record"] == kind).cloned().collect()
    };
    let public = lines(&[]);
    let last = public.last().expect("an end");
    let withheld = serde_json::json!({ "findings": 3, "findings_by_day": 0, "resolvers": 0, "cells": 1, "verdicts": 1 });
    assert_eq!((&last["record"], &last["withheld"]), (&"end".into(), &withheld));
    assert_eq!((&public[0]["k"], &public[0]["lab"]), (&10.into(), &false.into()));
    for finding in of(&public, "finding") {
        assert_eq!(finding["service"], "linkedin");
        // Twelve networks within the hour: that is as when it is told.
        assert_eq!(finding["time"], "2026-11-24T10:00:00.000000000Z");
        assert_eq!(finding["time_within_s"], 3_600);
    }
    assert_eq!(
        of(&public, "verdict")[0]["onset"]["between"]["from"],
        "2026-11-24T10:00:00.000000000Z"
    );

    let all = lines(&["--k", "1"]);
    assert_eq!(all[0]["lab"], true);
    let others: Vec<Value> =
        of(&all, "finding").into_iter().filter(|finding| finding["service"] == "other").collect();
    assert_eq!(others.len(), 3);
    for other in &others {
        for field in ["name", "network", "server"] {
            assert!(other[field].is_null(), "{other}");
        }
        assert_eq!(other["time_within_s"], 0);
    }
    let text = format!("{all:?}");
    assert!(!text.contains("somewhere.example") && !text.contains("198.51.100"), "{text}");

    // A part of it.
    let part = lines(&["--from", "2026-11-24T10:01:00Z", "--to", "2026-11-24T10:02:00Z"]);
    assert_eq!(of(&part, "cell").len(), 2);
    assert!(of(&part, "finding").is_empty());
    let ooni = lines(&["--format", "ooni", "--probe-asn", "64500", "--probe-cc", "ru"]);
    assert_eq!((&ooni[0]["probe_asn"], &ooni[0]["probe_cc"]), (&"AS64500".into(), &"RU".into()));
    assert_eq!(ooni[0]["test_name"], "x_passive_tampering");
}
