//! What the ledger keeps, gives back, and says when it cannot.

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
    evidence::{End, Origin, Packet, Standing},
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
        packets: Vec::new(),
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
    Finding { packets: packets.into(), ..finding(number) }
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

#[test]
fn what_is_recorded_is_read_again_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    recorder.finding(&shown(1, [packet(1), packet(2)]));
    recorder.cell(cell(0));
    recorder.verdict(verdict(Method::Inconclusive));
    recorder.verdict(verdict(Method::SniReset));
    let mut totals = Totals { packets: 100, tcp_flows: 10, ..Totals::default() };
    totals.stages.from_server.add(Stage::PostPsh);
    recorder.traffic(NOON + 5, totals);
    totals.packets = 150;
    recorder.traffic(NOON + HOUR_NANOS, totals);
    recorder.summary(&Summary { packets: 150, ..Summary::default() });
    recorder.stop();
    assert_eq!(recorder.losses().values().sum::<u64>(), 0);

    let reader = Reader::open(dir.path()).expect("a ledger");
    let rows = findings(&reader);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.run, row.number, row.time), (1, 1, NOON + 1_000_000));
    assert_eq!(row.service.as_deref(), Some("linkedin"));
    assert_eq!(row.role, Some(Role::Target));
    assert_eq!(row.name.as_deref(), Some("www.linkedin.com"));
    assert_eq!(row.network.to_string(), "108.174.10.0/24");
    assert_eq!(row.server, Some("108.174.10.10:443".parse().expect("an address")));
    assert_eq!(row.injector_hops_range, Some([4, 6]));
    assert_eq!(row.stage, Some(Stage::PostPsh));
    assert_eq!(row.signatures[0].id, "DATA_AFTER_RST");
    assert_eq!(reader.evidence(row.id).expect("packets"), [packet(1), packet(2)]);
    assert_eq!(cells(&reader), [cell(0)]);
    let verdicts = reader.verdicts(&Window::ALL).expect("verdicts");
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[1].verdict, verdict(Method::SniReset));
    let hours = reader.hours(&Window::ALL).expect("hours");
    assert_eq!(hours.iter().map(|hour| hour.packets).collect::<Vec<_>>(), [100, 50]);
    assert_eq!(hours[0].from_server.post_psh, 1);
    assert_eq!(hours[1].from_server.post_psh, 0);
    let runs = reader.runs(&Window::ALL).expect("runs");
    assert_eq!((runs[0].state, runs[0].interfaces[0].as_str()), (RunState::Ended, "eth0"));
    assert_eq!(runs[0].summary.as_ref().expect("a summary")["packets"], 150);
    assert!(
        reader.services().expect("services").iter().any(|service| service.service == "linkedin")
    );
    drop(reader);

    let mut again = self::recorder(dir.path());
    again.finding(&finding(2));
    again.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(
        findings(&reader).iter().map(|row| (row.run, row.number)).collect::<Vec<_>>(),
        [(1, 1), (2, 1)]
    );
    assert_eq!(notices(&reader), []);
}

#[test]
fn a_finding_that_is_told_again_takes_its_place() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    let first = Finding { confidence: Confidence::C2, ..finding(1) };
    recorder.finding(&Finding { packets: vec![packet(1)], ..first.clone() });
    recorder.finding(&finding(2));
    let told = Told { verdict: first.verdict, confidence: first.confidence };
    recorder.finding(&Finding { revises: Some(told), ..shown(1, [packet(2)]) });
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let rows = findings(&reader);
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].number, rows[0].confidence, rows[0].revisions), (1, Confidence::C3, 1));
    assert_eq!(reader.evidence(rows[0].id).expect("packets"), [packet(2)]);
}

#[test]
fn packets_of_every_standing_are_kept() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    let standings =
        [Standing::Forged, Standing::Rewritten, Standing::Questioned, Standing::Genuine];
    let packets = standings.map(|standing| Packet { standing, ..packet(1) });
    recorder.finding(&shown(1, packets.clone()));
    recorder.stop();
    assert_eq!(recorder.losses().values().sum::<u64>(), 0);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(reader.evidence(findings(&reader)[0].id).expect("packets"), packets);
}

#[test]
fn clients_are_counted_and_nothing_else_of_them_is_kept() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    for number in 0..600 {
        // Each of 300 clients twice, of two networks.
        recorder.finding(&finding(number % 300));
    }
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let crowds = reader.crowds(&Window::ALL).expect("crowds");
    assert_eq!(crowds.iter().map(|crowd| crowd.seconds).collect::<Vec<_>>(), [86_400, 3_600]);
    for crowd in crowds {
        assert!((crowd.clients.least..=crowd.clients.most).contains(&300), "{crowd:?}");
        assert_eq!(crowd.networks, Range { least: 2, most: 2 });
    }
}

#[test]
fn of_others_than_targets_no_destination_is_kept() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    recorder.finding(&Finding {
        name: Some("private.example".into()),
        service: None,
        server: "198.51.100.7:8443".parse().expect("an address"),
        ..finding(1)
    });
    recorder.finding(&Finding { name: Some("in-jane.linkedin.com".into()), ..finding(2) });
    let mut tattling = finding(3);
    tattling.signatures[0].words = "a page that blocks 10.71.0.4".into();
    let mut carrying = packet(3);
    carrying.bytes = [&[0x45; 20][..], &[10, 71, 0, 4]].concat();
    tattling.packets = vec![carrying, packet(3)];
    recorder.finding(&tattling);
    recorder.stop();
    assert_eq!(recorder.counters()["ledger_evidence_refused"], 1);

    let reader = Reader::open(dir.path()).expect("a ledger");
    let rows = findings(&reader);
    assert_eq!((&rows[0].name, rows[0].server, rows[0].port), (&None, None, None));
    assert_eq!(rows[0].network.to_string(), "198.51.100.0/24");
    assert_eq!(rows[0].signatures[0].words, "");
    assert!(rows[0].signatures[0].measured.is_empty());
    assert_eq!(rows[1].name.as_deref(), Some("*.linkedin.com"));
    assert_eq!(rows[2].signatures[0].words, "");
    assert_eq!(reader.evidence(rows[2].id).expect("packets"), [packet(3)]);
}

/// Rows of a ledger of version 1, as that version wrote them.
const VERSION_1: &str = "
    INSERT INTO meta VALUES ('ledger', '0123456789abcdef'), ('created', '1795514400000000000');
    INSERT INTO runs VALUES (1, 'live', 1795514400000000000, 1795514400000000001, 1795514400000000001,
        '0.0.9', '6.1.0', 'hash', '[\"eth0\"]', 'synchronised', NULL);
    INSERT INTO findings VALUES (7, 1, 3, 1795514400000000000, 'tcp', 'injected', 'C3', 'linkedin',
        'target', 'linkedin.com', '108.174.10.0/24', '108.174.10.10:443', 443, 'upstream', 5, 4, 6, 11,
        'post_psh', '[]', '[]', '[]', 0);";

/// The same of a later one.
const VERSION_2: &str =
    "INSERT INTO evidence VALUES (7, 0, -5, 'to-client', 'forged', x'4501', 'a reset');";

#[test]
fn an_older_ledger_is_read_as_it_is_and_brought_up_to_date_by_a_run() {
    for version in 1..schema::MIGRATIONS.len() {
        let dir = TempDir::new().expect("a directory");
        let old = Connection::open(dir.path().join(FILE)).expect("a file");
        schema::make(&old, version).expect("an older ledger");
        old.execute_batch(VERSION_1).expect("rows");
        if version >= 2 {
            old.execute_batch(VERSION_2).expect("rows");
        }
        drop(old);

        let before = fs::read(dir.path().join(FILE)).expect("the file");
        let reader = Reader::open(dir.path()).expect("a ledger");
        assert_eq!(findings(&reader)[0].id, 7);
        let packets = if version >= 2 { vec![packet(1)] } else { vec![] };
        assert_eq!(reader.evidence(7).expect("packets"), packets);
        drop(reader);
        assert_eq!(
            fs::read(dir.path().join(FILE)).expect("the file"),
            before,
            "reading changes nothing"
        );

        let mut recorder = recorder(dir.path());
        recorder.finding(&shown(1, [packet(1)]));
        recorder.stop();
        let reader = Reader::open(dir.path()).expect("a ledger");
        let rows = findings(&reader);
        assert_eq!(rows.iter().map(|row| (row.id, row.run)).collect::<Vec<_>>(), [(7, 1), (8, 2)]);
        assert_eq!(reader.evidence(8).expect("packets").len(), 1);
        assert_eq!(notices(&reader), [NoticeKind::Migrated]);
        assert_eq!(reader.name().expect("a name"), "0123456789abcdef");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_older_ledger() {
    let dir = TempDir::new().expect("a directory");
    let old = Connection::open(dir.path().join(FILE)).expect("a file");
    schema::make(&old, 1).expect("an older ledger");
    old.execute_batch("CREATE TABLE evidence (in_the_way INTEGER)").expect("a table");
    drop(old);
    assert!(Ledger::open(dir.path()).is_err());
    let old = Connection::open(dir.path().join(FILE)).expect("a file");
    let version: i64 =
        old.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    assert_eq!(version, 1);
}

fn words<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> String {
    let words = result.expect_err("a refusal").to_string();
    assert!(!words.contains('\n') && !words.contains("  "), "{words:?}");
    words
}

#[test]
fn what_is_newer_foreign_or_damaged_is_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join(FILE);
    drop(Ledger::open(dir.path()).expect("a ledger"));
    let newer = Connection::open(&path).expect("a file");
    newer.pragma_update(None, "user_version", 99).expect("a version");
    drop(newer);
    for words in [words(Ledger::open(dir.path())), words(Reader::open(dir.path()))] {
        assert!(words.contains("schema version 99"), "{words}");
    }

    fs::write(
        &path,
        "not a database, but longer than its header, which SQLite looks at before it says so: \
        it has a hundred octets",
    )
    .expect("a file");
    let words_of = words(Ledger::open(dir.path()));
    assert!(words_of.contains("no ledger of Forgewatch"), "{words_of}");

    fs::remove_file(&path).expect("no file");
    let mut recorder = recorder(dir.path());
    for number in 0..2_000 {
        recorder.finding(&finding(number));
    }
    recorder.stop();
    let mut octets = fs::read(&path).expect("the file");
    let end = octets.len();
    octets[8_192..end.min(200_000)].fill(0xa5);
    fs::write(&path, &octets).expect("a damaged file");
    let refused = match Ledger::open(dir.path()) {
        Err(error) => error.to_string(),
        Ok(mut ledger) => {
            words(ledger.begin(&start()).and_then(|_| ledger.write(&[], NOON)).and_then(|_| {
                ledger.expire(
                    &Keep { age: 1, octets: 1 },
                    Now { wall: NOON * 2, lasted: 1, synchronised: true },
                )
            }))
        }
    };
    assert!(refused.contains("is damaged") && refused.contains(".recover"), "{refused}");
    let there = fs::read(&path).expect("the file");
    assert_eq!(there[8_192..9_000], octets[8_192..9_000], "what is damaged is left");
}

#[test]
fn two_agents_do_not_write_one_ledger() {
    let dir = TempDir::new().expect("a directory");
    let first = Ledger::open(dir.path()).expect("a ledger");
    let refused = words(Ledger::open(dir.path()));
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    Reader::open(dir.path()).expect("reading is always possible");
    drop(first);
    Ledger::open(dir.path()).expect("a ledger");
}

#[test]
fn no_ledger_and_no_directory_are_told_apart() {
    let dir = TempDir::new().expect("a directory");
    assert!(words(Reader::open(dir.path())).starts_with("no ledger in"));
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    for result in [Ledger::open(&file), Ledger::open(&file.join("below"))] {
        assert!(words(result).contains("state directory"));
    }
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

#[test]
fn a_clock_that_jumps_is_noted_and_nothing_is_reordered_or_lost() {
    let dir = TempDir::new().expect("a directory");
    let clocks = Set::at_noon();
    let mut recorder = Recorder::start(
        dir.path(),
        RunStart { clock: RunClock::Free, ..start() },
        Options { patient: true, ..Options::default() },
        Box::new(clocks.clone()),
    )
    .expect("a ledger");
    recorder.finding(&finding(10));
    clocks.apart.fetch_sub(5_000_000_000, Ordering::Relaxed);
    let earlier = Finding { time: NOON - 5_000_000_000, ..finding(11) };
    recorder.finding(&earlier);
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let times: Vec<u64> = findings(&reader).iter().map(|row| row.time).collect();
    assert_eq!(times, [NOON + 10_000_000, NOON - 5_000_000_000]);
    let notices = reader.notices(&Window::ALL).expect("notices");
    assert_eq!(notices.len(), 1);
    assert!(notices[0].words.contains("jumped back by 5.000 s"), "{}", notices[0].words);
    drop(reader);

    // And back between two runs.
    let mut ledger = Ledger::open(dir.path()).expect("a ledger");
    ledger.begin(&RunStart { started: NOON - 100_000_000_000, ..start() }).expect("a run");
    drop(ledger);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(self::notices(&reader), [NoticeKind::Clock, NoticeKind::Clock]);
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

#[test]
fn what_is_too_old_goes_and_the_standing_verdict_stays() {
    let dir = TempDir::new().expect("a directory");
    let mut ledger = recorded(dir.path(), 100);
    let verdicts = [Method::Inconclusive, Method::SniReset]
        .map(|method| Entry::Verdict(Box::new(verdict(method))));
    ledger.write(&verdicts, NOON).expect("verdicts");
    let keep = Keep { age: DAY_NANOS, ..Keep::default() };
    let at = |wall| Now { wall, lasted: 0, synchronised: true };
    assert_eq!(ledger.expire(&keep, at(NOON + DAY_NANOS / 2)).expect("nothing").by_age, 0);
    ledger.expire(&keep, at(NOON + 2 * DAY_NANOS)).expect("rows");
    assert_eq!(
        ["findings", "cells", "cell_methods", "verdicts"].map(|table| count(&ledger, table)),
        [0, 0, 0, 1]
    );
}

#[test]
fn a_clock_that_is_not_to_be_believed_throws_nothing_away() {
    let dir = TempDir::new().expect("a directory");
    let ledger = recorded(dir.path(), 10);
    drop(ledger);
    let keep = Keep { age: DAY_NANOS, ..Keep::default() };
    // Twice in the year 2038, with a clock that nobody has set.
    let doomsday = 2_147_483_647_000_000_000;
    for clock in [RunClock::Free, RunClock::Unknown] {
        let mut ledger = Ledger::open(dir.path()).expect("a ledger");
        ledger.begin(&RunStart { started: doomsday, clock, ..start() }).expect("a run");
        ledger.write(&[], doomsday).expect("a batch");
        let now = Now { wall: doomsday, lasted: 60_000_000_000, synchronised: false };
        assert_eq!(ledger.expire(&keep, now).expect("nothing").by_age, 0);
        assert_eq!(count(&ledger, "findings"), 10);
    }
    // A clock that is not synchronised is believed as far as time has passed here.
    let mut ledger = Ledger::open(dir.path()).expect("a ledger");
    let started = NOON + DAY_NANOS;
    ledger.begin(&RunStart { started, clock: RunClock::Free, ..start() }).expect("a run");
    let now = |lasted| Now { wall: started + lasted, lasted, synchronised: false };
    assert_eq!(ledger.expire(&keep, now(60)).expect("nothing").by_age, 0);
    assert!(ledger.expire(&keep, now(2 * DAY_NANOS)).expect("rows").by_age > 0);
}

#[test]
fn the_ledger_stays_within_its_octets_and_keeps_the_latest() {
    let dir = TempDir::new().expect("a directory");
    let mut ledger = recorded(dir.path(), 4_000);
    let before = ledger.octets().expect("octets");
    let keep = Keep { octets: before / 2, ..Keep::default() };
    let now = Now { wall: NOON, lasted: 0, synchronised: true };
    let expired = ledger.expire(&keep, now).expect("room");
    assert!(expired.by_octets > 0);
    assert!(ledger.octets().expect("octets") <= keep.octets);
    let size = fs::metadata(ledger.path()).expect("the file").len();
    assert!(size <= before, "{size} of {before}");
    let left: (i64, i64) = ledger
        .connection
        .query_row("SELECT min(number), max(number) FROM findings", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("findings");
    assert!(left.0 > 1 && left.1 == 4_000, "{left:?}");
    drop(ledger);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert!(notices(&reader).contains(&NoticeKind::Expired));
}

/// However many findings of a kind there are: a writer that goes through all of them falls behind.
#[test]
fn findings_with_packets_are_found_without_a_look_at_all_others() {
    let dir = TempDir::new().expect("a directory");
    drop(Ledger::open(dir.path()).expect("a ledger"));
    let file = Connection::open(dir.path().join(FILE)).expect("a file");
    let plan = format!("EXPLAIN QUERY PLAN {}", super::write::WITH_EVIDENCE);
    let mut plan = file.prepare(&plan).expect("a query");
    let steps = plan.query_map(["linkedin", "tcp", "injected"], |row| row.get::<_, String>(3));
    let steps: Vec<String> = steps.expect("a plan").map(|step| step.expect("a step")).collect();
    assert!(
        steps.iter().any(|step| step.contains("SEARCH f USING INTEGER PRIMARY KEY")),
        "{steps:?}"
    );
    let scans = steps.iter().filter(|step| step.starts_with("SCAN"));
    assert!(
        scans.clone().count() > 0 && scans.clone().all(|step| step == "SCAN kept"),
        "{steps:?}"
    );
}

#[test]
fn packets_are_kept_of_the_first_and_the_latest_of_a_kind() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    for number in 0..100 {
        recorder.finding(&shown(number, [packet(number as u8)]));
    }
    recorder.stop();
    assert_eq!(
        recorder.counters()["ledger_evidence_replaced"],
        100 - super::EVIDENCE_FINDINGS_MAX as u64
    );
    let reader = Reader::open(dir.path()).expect("a ledger");
    let with: Vec<u64> = findings(&reader)
        .iter()
        .filter(|row| !reader.evidence(row.id).expect("packets").is_empty())
        .map(|row| row.number)
        .collect();
    assert_eq!(with.len(), super::EVIDENCE_FINDINGS_MAX);
    assert_eq!((with[0], with[15], with[31]), (1, 16, 100));
}

#[test]
fn a_run_without_an_end_is_marked() {
    let dir = TempDir::new().expect("a directory");
    drop(recorded(dir.path(), 1));
    let state =
        |dir: &Path| Reader::open(dir).and_then(|reader| reader.runs(&Window::ALL)).expect("runs");
    assert_eq!(state(dir.path())[0].state, RunState::Open);
    recorder(dir.path()).stop();
    let runs = state(dir.path());
    assert_eq!([runs[0].state, runs[1].state], [RunState::CutShort, RunState::Ended]);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(notices(&reader), [NoticeKind::CutShort]);
}

#[test]
fn a_queue_that_nobody_empties_refuses_and_counts() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder =
        Recorder::start(dir.path(), start(), Options::default(), Box::new(SystemClocks))
            .expect("a ledger");
    for number in 0..8_000 {
        recorder.finding(&finding(number));
    }
    recorder.stop();
    let (lost, counted) =
        (recorder.losses()["ledger_refused"], recorder.counters()["ledger_recorded"]);
    assert_eq!(lost + counted, 3 * 8_000, "every entry is recorded or counted");
}

/// A clock that panics when it is told to, once.
struct Trap(Arc<AtomicU64>);

impl Clocks for Trap {
    fn wall(&self) -> u64 {
        NOON
    }

    fn steady(&self) -> u64 {
        assert_ne!(self.0.swap(0, Ordering::Relaxed), 1, "on purpose");
        1_000
    }

    fn synchronised(&self) -> bool {
        true
    }
}

#[test]
fn a_thread_that_panics_goes_on_anew_and_every_entry_is_recorded_or_counted() {
    let dir = TempDir::new().expect("a directory");
    let trap = Arc::new(AtomicU64::new(0));
    let clocks = Box::new(Trap(Arc::clone(&trap)));
    let mut recorder =
        Recorder::start(dir.path(), start(), Options::default(), clocks).expect("a ledger");
    let wait = |recorder: &Recorder, done: &dyn Fn(&Recorder) -> bool| {
        while !done(recorder) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    recorder.finding(&finding(0));
    wait(&recorder, &|recorder| recorder.counters()["ledger_recorded"] == 3);
    // It holds this one when it panics.
    recorder.finding(&finding(1));
    trap.store(1, Ordering::Relaxed);
    wait(&recorder, &|recorder| recorder.restarts() == 1);
    recorder.finding(&finding(2));
    recorder.stop();
    let recorded = recorder.counters()["ledger_recorded"];
    let lost = recorder.losses().values().sum::<u64>();
    // The notice that nothing could be written for a while is an entry as well.
    assert_eq!(recorded + lost, 3 * 3 + 1, "recorded {recorded}, lost {lost}");
    assert!(lost > 0, "it held something");
    let reader = Reader::open(dir.path()).expect("a ledger");
    let times: Vec<_> = findings(&reader).iter().map(|row| row.time).collect();
    assert!(times.contains(&finding(0).time) && times.contains(&finding(2).time), "{times:?}");
    assert!(notices(&reader).contains(&NoticeKind::Unrecorded), "{:?}", notices(&reader));
}
