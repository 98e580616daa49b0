//! What the ledger keeps, gives back, and says when it cannot.

mod clocks;
mod keeping;
mod losses;
mod recording;
mod versions;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    Clocks, DAY_NANOS, Entry, FILE, HOUR_NANOS, Keep, Ledger, LedgerError, Now, Options, Reader,
    Recorder, RunStart, SystemClocks, Totals,
    row::{FindingRow, NoticeKind, RunClock, RunKind, RunState, Window},
    schema,
};
use crate::{
    attribute::{
        Cell, Method, Verdict,
        cell::Affected,
        outcome::{Network, Protocol as Spoken},
        sketch::Range,
        verdict::{Controls, Evidence, Figures, Period, Unit},
    },
    evidence::{End, Origin, Packet, Packets, Standing},
    report::{
        Finding, Summary,
        finding::{self, Confidence, EvidenceClass, Position, Protocol, Signature, Stage, Told},
    },
    targets::{Role, TargetSet},
};

/// 2026-11-24T10:00:00Z.
const NOON: u64 = 1_795_514_400_000_000_000;

fn start() -> RunStart {
    RunStart {
        kind: RunKind::Live,
        started: NOON,
        version: "0.1.0".into(),
        kernel: Some("6.18.0".into()),
        interfaces: vec!["eth0".into()],
        clock: RunClock::Synchronised,
        targets: Arc::new(TargetSet::builtin()),
    }
}

fn finding(number: u64) -> Finding {
    let client = [10, 71, (number / 250) as u8, (number % 250) as u8 + 1];
    Finding {
        time: NOON + number * 1_000_000,
        protocol: Protocol::Tcp,
        verdict: finding::Verdict::Injected,
        confidence: Confidence::C3,
        signatures: vec![Signature {
            id: "DATA_AFTER_RST",
            class: EvidenceClass::S,
            confidence: Confidence::C3,
            measured: serde_json::json!({ "after_ms": 20.5 })
                .as_object()
                .cloned()
                .unwrap_or_default(),
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

fn unit() -> Unit {
    Unit {
        service: "linkedin".into(),
        role: Role::Target,
        network: Network::of("108.174.10.10".parse().expect("an address")),
        asn: Some(14_413),
        protocol: Spoken::TcpTls,
        vantage: 0,
    }
}

fn cell(window: u64) -> Cell {
    let affected = Affected { flows: 9, proven: 8, share: 0.75, clients: 7 };
    Cell {
        unit: unit(),
        window: Period {
            from: NOON + window * 60_000_000_000,
            to: NOON + (window + 1) * 60_000_000_000,
        },
        flows: 12,
        failed: 9,
        n: 10,
        methods: [(Method::SniReset, affected)].into(),
        clients: Range { least: 10, most: 10 },
        client_networks: Range { least: 4, most: 5 },
    }
}

fn verdict(method: Method) -> Verdict {
    Verdict {
        unit: unit(),
        method,
        period: Period { from: NOON, to: NOON + HOUR_NANOS },
        evidence: Evidence {
            against_controls: 7.5,
            against_near: None,
            for_health: -3.0,
            proven: 8,
            proven_clients: Range { least: 7, most: 7 },
        },
        target: Figures::default(),
        controls: Controls::default(),
        pattern: None,
        onset: None,
        end: None,
        rivals: vec![],
        distance: None,
        residual: None,
        names: vec![],
    }
}

fn packet(octet: u8) -> Packet {
    Packet {
        offset: -5,
        from: End::Server,
        standing: Standing::Forged,
        origin: Origin::Packet,
        bytes: vec![0x45, octet],
        note: "a reset".into(),
    }
}

fn shown(number: u64, packets: impl Into<Vec<Packet>>) -> Finding {
    Finding { packets: packets.into().into(), ..finding(number) }
}

/// Clocks that tests set.
#[derive(Clone)]
struct Set {
    steady: Arc<AtomicU64>,
    apart: Arc<AtomicI64>,
}

impl Set {
    fn at_noon() -> Self {
        let apart = AtomicI64::new(NOON.cast_signed());
        Self { steady: Arc::new(AtomicU64::new(1_000)), apart: Arc::new(apart) }
    }
}

impl Clocks for Set {
    fn wall(&self) -> u64 {
        self.steady().saturating_add_signed(self.apart.load(Ordering::Relaxed))
    }

    fn steady(&self) -> u64 {
        self.steady.load(Ordering::Relaxed)
    }

    fn synchronised(&self) -> bool {
        false
    }
}

fn recorder(dir: &Path) -> Recorder {
    let options = Options { patient: true, ..Options::default() };
    Recorder::start(dir, start(), options, Box::new(Set::at_noon())).expect("a ledger")
}

fn findings(reader: &Reader) -> Vec<FindingRow> {
    let mut all = Vec::new();
    reader
        .findings::<LedgerError>(&Window::ALL, |row| {
            all.push(row);
            Ok(())
        })
        .expect("findings");
    all
}

fn cells(reader: &Reader) -> Vec<Cell> {
    let mut all = Vec::new();
    reader
        .cells::<LedgerError>(&Window::ALL, |row| {
            all.push(row.cell);
            Ok(())
        })
        .expect("cells");
    all
}

fn notices(reader: &Reader) -> Vec<NoticeKind> {
    reader.notices(&Window::ALL).expect("notices").iter().map(|notice| notice.kind).collect()
}

fn recorded(dir: &Path, many: u64) -> Ledger {
    let mut ledger = Ledger::open(dir).expect("a ledger");
    ledger.begin(&start()).expect("a run");
    let targets = TargetSet::builtin();
    let entries: Vec<Entry> = (0..many)
        .map(|number| {
            let row = super::scrub::row(&finding(number), number + 1, &targets);
            Entry::Finding(Box::new(row), vec![])
        })
        .chain((0..many).map(|window| Entry::Cell(Box::new(cell(window)))))
        .collect();
    for batch in entries.chunks(500) {
        ledger.write(batch, NOON).expect("a batch");
    }
    ledger
}

fn count(ledger: &Ledger, table: &str) -> i64 {
    ledger
        .connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        .expect("a count")
}
