//! The ledger and what is made of it, by the program itself: killed, without room, without rights, read
//! by others; and nobody in it.

mod crash;
mod described;
mod disk;
mod formats;
mod privacy;

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use probe_tests::{
    docs, golden,
    lab::{agent, process},
};
use probe_user::ledger::{FILE, LedgerError, Reader, row::FindingRow, row::Window};

const LIMIT: Duration = Duration::from_secs(60);

/// The program, without a ledger of this machine's.
fn forgewatch() -> Command {
    let mut command = Command::new(agent::path().expect("which agent to test"));
    command
        .env("FORGEWATCH_STATE", "")
        .env("FORGEWATCH_CONFIG", "")
        .env_remove("FORGEWATCH_LOG")
        .stdin(Stdio::null());
    // What ends a process of the lab ends its group.
    command.process_group(0);
    command
}

fn run(command: &mut Command) -> Output {
    process::output("forgewatch", command, LIMIT).expect("forgewatch runs and ends")
}

/// Runs it and checks that it says nothing but what it was asked for.
#[track_caller]
fn succeed(command: &mut Command) -> Vec<u8> {
    let output = run(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    output.stdout
}

/// Runs it and checks that it ends with `code` and one line, which has all of `says`.
#[track_caller]
fn fail(command: &mut Command, code: i32, says: &[&str]) {
    let output = run(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "no `{part}` in: {stderr}");
    }
}

/// Small captures, some with interference.
fn captures() -> Vec<PathBuf> {
    let folder = docs::root().join("tests/goldens");
    golden::CASES.iter().map(|case| folder.join(case).join("capture.pcap")).collect()
}

/// A replay of them that records in `state`.
fn replay(state: &Path) -> Command {
    let mut command = forgewatch();
    command.arg("replay").arg("--state").arg(state).args(captures());
    command
}

/// How many findings are recorded by now.
fn recorded(state: &Path) -> Option<u64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = rusqlite::Connection::open_with_flags(state.join(FILE), flags).ok()?;
    ledger.query_row("SELECT count(*) FROM findings", [], |row| row.get(0)).ok()
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
