//! Killed at any moment, nothing that was recorded is lost.

use std::{fs, process::Stdio, thread, time::Duration};

use probe_tests::lab::{process::Process, wait};
use probe_user::ledger::{
    FILE, Ledger, Reader,
    row::{FindingRow, NoticeKind, RunState, Window},
    schema,
};

use super::{captures, findings, forgewatch, recorded, replay, succeed};

/// How often it is killed.
const ROUNDS: usize = 6;

#[test]
fn what_was_recorded_before_a_kill_is_there_after_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut before: Vec<FindingRow> = Vec::new();
    for round in 0..ROUNDS {
        // More than it will come to.
        let mut command = forgewatch();
        command.arg("replay").arg("--state").arg(dir.path());
        for _ in 0..200 {
            command.args(captures());
        }
        let mut process =
            Process::start("forgewatch", command.stdout(Stdio::null())).expect("it starts");
        let enough = (before.len() + 5 * round) as u64;
        wait::until("more findings", Duration::from_secs(60), || {
            recorded(dir.path()).filter(|&count| count > enough)
        })
        .expect("it records");
        before = findings(&Reader::open(dir.path()).expect("a ledger"));
        process.kill();

        let reader = Reader::open(dir.path()).expect("the ledger is readable as it was left");
        let after = findings(&reader);
        assert!(after.len() >= before.len());
        assert_eq!(after[..before.len()], before, "what was recorded has changed");
        // Within a run no number is missing: a batch is there as a whole or not at all.
        let last = after.last().expect("findings").run;
        let numbers = after.iter().filter(|row| row.run == last).map(|row| row.number);
        assert!(numbers.eq(1..=after.iter().filter(|row| row.run == last).count() as u64));
        drop(reader);
        // Opened by a writer, it is looked through entirely, since the run has no end.
        drop(Ledger::open(dir.path()).expect("the ledger is whole"));
        before = after;
    }
    succeed(&mut replay(dir.path()));
    let reader = Reader::open(dir.path()).expect("a ledger");
    let runs = reader.runs(&Window::ALL).expect("runs");
    let (last, killed) = runs.split_last().expect("runs");
    assert_eq!(last.state, RunState::Ended);
    assert_eq!(killed.len(), ROUNDS);
    assert!(killed.iter().all(|run| run.state == RunState::CutShort), "{killed:?}");
    let notices = reader.notices(&Window::ALL).expect("notices");
    assert!(notices.iter().filter(|notice| notice.kind == NoticeKind::CutShort).count() >= ROUNDS);
}

#[test]
fn killed_while_a_ledger_is_made_or_brought_up_to_date_it_can_be_opened() {
    for milliseconds in [0, 2, 4, 7, 11, 16, 22, 30, 45, 70] {
        for version in 0..schema::MIGRATIONS.len() {
            let dir = tempfile::tempdir().expect("a directory");
            if version > 0 {
                let old = rusqlite::Connection::open(dir.path().join(FILE)).expect("a file");
                schema::make(&old, version).expect("an older ledger");
                old.execute("INSERT INTO meta VALUES ('ledger', '00000000deadbeef')", [])
                    .expect("a name");
            }
            let mut command = replay(dir.path());
            let mut process =
                Process::start("forgewatch", command.stdout(Stdio::null())).expect("it starts");
            // Wherever this is: nothing depends on it.
            thread::sleep(Duration::from_millis(milliseconds));
            process.kill();
            drop(Ledger::open(dir.path()).expect("a ledger"));
            let reader = Reader::open(dir.path()).expect("a ledger");
            if version > 0 {
                assert_eq!(reader.name().expect("a name"), "00000000deadbeef");
            }
            assert!(fs::metadata(dir.path().join(FILE)).expect("the file").len() > 0);
        }
    }
}
