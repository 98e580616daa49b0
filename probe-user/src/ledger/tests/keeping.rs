//! How long things are kept, and how many.

use super::*;

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
    let plan = format!("EXPLAIN QUERY PLAN {}", super::super::write::WITH_EVIDENCE);
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
        100 - super::super::EVIDENCE_FINDINGS_MAX as u64
    );
    let reader = Reader::open(dir.path()).expect("a ledger");
    let with: Vec<u64> = findings(&reader)
        .iter()
        .filter(|row| !reader.evidence(row.id).expect("packets").is_empty())
        .map(|row| row.number)
        .collect();
    assert_eq!(with.len(), super::super::EVIDENCE_FINDINGS_MAX);
    assert_eq!((with[0], with[15], with[31]), (1, 16, 100));
}

#[test]
fn what_stands_does_not_push_everything_else_out() {
    let dir = TempDir::new().expect("a directory");
    let mut ledger = recorded(dir.path(), 400);
    let of_unit = |number: u16| {
        let [above, below] = number.to_be_bytes();
        let network = Network::of([108, above, below, 1].into());
        Entry::Verdict(Box::new(Verdict {
            unit: Unit { network, ..unit() },
            ..verdict(Method::SniReset)
        }))
    };
    let entries: Vec<Entry> = (0..4_000).map(of_unit).collect();
    for batch in entries.chunks(500) {
        ledger.write(batch, NOON).expect("a batch");
    }
    let keep = Keep { octets: ledger.octets().expect("octets") / 10 * 8, ..Keep::default() };
    let now = Now { wall: NOON, lasted: 0, synchronised: true };
    for _ in 0..10 {
        assert_eq!(ledger.expire(&keep, now).expect("what may go").by_octets, 0);
        assert!(!ledger.is_full(&keep), "it would be tried with each batch");
    }
    assert_eq!([count(&ledger, "findings"), count(&ledger, "cells")], [400, 400]);
    assert_eq!(count(&ledger, "verdicts"), 4_000);
    // The others are bounded all the same.
    let entries: Vec<Entry> =
        (0..6_000).map(|window| Entry::Cell(Box::new(cell(window)))).collect();
    for batch in entries.chunks(500) {
        ledger.write(batch, NOON).expect("a batch");
    }
    assert!(ledger.is_full(&keep));
    assert!(ledger.expire(&keep, now).expect("room").by_octets > 0);
    assert!(count(&ledger, "cells") < 6_000 && !ledger.is_full(&keep));
    drop(ledger);
    let reader = Reader::open(dir.path()).expect("a ledger");
    let notices = reader.notices(&Window::ALL).expect("notices");
    let told = notices.iter().filter(|notice| notice.words.contains("verdicts that stand"));
    assert_eq!(told.count(), 1, "{notices:?}");
}
