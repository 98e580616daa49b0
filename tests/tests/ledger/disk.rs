//! No room, no rights.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use nix::mount::{MsFlags, mount};
use probe_tests::lab::{
    agent,
    disk::{self, fill, make_room},
    process::Process,
    wait,
};
use probe_user::{
    ledger::{
        FILE, LOCK, Options, Reader, Recorder, RunStart, SystemClocks, WAITING_MAX,
        row::{NoticeKind, RunClock, RunKind, RunState, Window},
    },
    targets::TargetSet,
};

use super::{captures, fail, findings, forgewatch, formats, recorded, replay, run, succeed};

fn start() -> RunStart {
    RunStart {
        kind: RunKind::Live,
        started: formats::NOON,
        version: "0.1.0".into(),
        kernel: None,
        interfaces: vec![],
        clock: RunClock::Synchronised,
        targets: Arc::new(TargetSet::builtin()),
    }
}

#[test]
fn on_a_full_disk_the_agent_finds_what_it_finds_and_says_what_was_not_recorded() {
    disk::small(2 << 20, |disk| {
        let state = disk.join("state");
        succeed(&mut replay(&state));
        let all = findings(&Reader::open(&state).expect("a ledger")).len();
        assert!(all > 5);
        fill(disk);
        let mut command = replay(&state);
        let output = run(command.arg("--json"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Somebody waits for a replay, and has to hear of it.
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
        let file = state.join(FILE).display().to_string();
        for part in ["no space is left", "detection goes on", "counted", "not recorded", &file] {
            assert!(stderr.contains(part), "no `{part}` in: {stderr}");
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            stdout.lines().filter(|line| line.contains(r#""record":"finding""#)).count(),
            all
        );
        let summary: serde_json::Value =
            serde_json::from_str(stdout.lines().last().expect("a summary")).expect("JSON");
        assert!(summary["lost"]["ledger_unrecorded"].as_u64() >= Some(all as u64), "{summary}");
        // What was there before is there, and can be read although there is no room.
        assert_eq!(findings(&Reader::open(&state).expect("a ledger")).len(), all);
        make_room(disk);
        succeed(&mut replay(&state));
        assert_eq!(findings(&Reader::open(&state).expect("a ledger")).len(), 2 * all);
    });
}

#[test]
fn a_replay_says_what_it_found_before_it_says_that_no_report_can_be_made() {
    // There is room for the capture's directory, and not for a ledger.
    disk::small(64 << 10, |disk| {
        let report = disk.join("report");
        let output =
            run(forgewatch().args(["replay", "--json", "--report"]).arg(&report).args(captures()));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let last = stderr.lines().last().expect("a line");
        assert!(last.contains(&format!("the reports in {}", report.display())), "{last}");
        assert!(last.contains("no space is left") && !last.contains(".ledger-"), "{last}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.lines().last().is_some_and(|line| line.contains(r#""record":"summary""#)));
    });
    let dir = tempfile::tempdir().expect("a directory");
    let report = dir.path().join("report");
    fs::create_dir_all(report.join("report.html")).expect("something in the way");
    let output =
        run(forgewatch().args(["replay", "--json", "--report"]).arg(&report).args(captures()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("report.html") && stderr.contains("s a directory"), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""record":"summary""#));
}

#[test]
fn what_is_recorded_is_whole_also_if_the_reader_of_the_output_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (state, report) = (dir.path().join("state"), dir.path().join("report"));
    succeed(&mut replay(&state));
    let all = findings(&Reader::open(&state).expect("a ledger")).len();
    let mut command = replay(&state);
    command.arg("--report").arg(&report).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("forgewatch runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("forgewatch ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    let reader = Reader::open(&state).expect("a ledger");
    assert_eq!(findings(&reader).len(), 2 * all);
    let runs = reader.runs(&Window::ALL).expect("runs");
    assert!(runs.iter().all(|run| run.state == RunState::Ended), "{runs:?}");
    assert!(report.join("report.html").exists());
}

/// Waits until everything that was handed over is recorded or given up.
fn settled(recorder: &Recorder, entries: u64) {
    wait::until("nothing is waiting", Duration::from_secs(60), || {
        let lost: u64 = recorder.losses().values().sum();
        (recorder.counters()["ledger_recorded"] + lost >= entries).then_some(())
    })
    .expect("it is recorded");
}

#[test]
fn what_waits_while_the_disk_is_full_is_recorded_when_there_is_room() {
    disk::small(16 << 20, |disk| {
        let state = disk.join("state");
        let options = Options { patient: true, ..Options::default() };
        let mut recorder =
            Recorder::start(&state, start(), options, Box::new(SystemClocks)).expect("a ledger");
        recorder.finding(&formats::finding(0));
        settled(&recorder, 3);
        fill(disk);
        // Of each finding there are three entries: itself, and the counts of its hour and day.
        for number in 1..500 {
            recorder.finding(&formats::finding(number));
        }
        // A writer whose disk is full has to have tried: a report sees nothing new.
        wait::until("it has tried", Duration::from_secs(10), || {
            recorder.is_in_trouble().then_some(())
        })
        .expect("it tries");
        assert_eq!(findings(&Reader::open(&state).expect("a ledger")).len(), 1);
        make_room(disk);
        settled(&recorder, 3 * 500);
        assert_eq!(recorder.losses().values().sum::<u64>(), 0);

        // More than waits: what is too much is counted, and the ledger says so.
        fill(disk);
        let many = WAITING_MAX as u64;
        for number in 500..500 + many {
            recorder.finding(&formats::finding(number));
        }
        wait::until("it has tried", Duration::from_secs(10), || {
            recorder.is_in_trouble().then_some(())
        })
        .expect("it tries");
        wait::until("some are given up", Duration::from_secs(60), || {
            (recorder.losses()["ledger_unrecorded"] > 0).then_some(())
        })
        .expect("it counts");
        make_room(disk);
        settled(&recorder, 3 * (500 + many));
        recorder.stop();
        let lost = recorder.losses()["ledger_unrecorded"];
        let reader = Reader::open(&state).expect("a ledger");
        let rows = findings(&reader);
        let missing = 500 + many - rows.len() as u64;
        assert!(missing > 0 && missing <= lost, "{missing} of {lost}");
        let notices = reader.notices(&Window::ALL).expect("notices");
        let told = notices.iter().filter(|notice| notice.kind == NoticeKind::Unrecorded);
        let words: Vec<&str> = told.map(|notice| notice.words.as_str()).collect();
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(
            words[0].contains(" 0 entries") && words[1].contains(&format!(" {lost} entries")),
            "{words:?}"
        );
    });
}

#[test]
fn a_ledger_that_cannot_be_made_for_want_of_room_is_made_later() {
    disk::small(1 << 20, |disk| {
        fill(disk);
        let state = disk.join("state");
        let options = Options { patient: true, ..Options::default() };
        let mut recorder =
            Recorder::start(&state, start(), options, Box::new(SystemClocks)).expect("it goes on");
        assert!(recorder.is_in_trouble());
        recorder.finding(&formats::finding(0));
        make_room(disk);
        settled(&recorder, 3);
        recorder.stop();
        let reader = Reader::open(&state).expect("a ledger");
        assert_eq!(findings(&reader).len(), 1);
        assert_eq!(reader.notices(&Window::ALL).expect("notices").len(), 1);
    });
}

#[test]
fn what_is_read_only_is_reported_from_and_not_recorded_in() {
    disk::small(4 << 20, |disk| {
        let state = disk.join("state");
        succeed(&mut replay(&state));
        let none = None::<&str>;
        mount(none, disk, none, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, none).expect("read-only");
        fail(&mut replay(&state), 7, &["Read-only file system", "must be writable"]);
        fail(&mut replay(&disk.join("other")), 7, &["Read-only file system"]);
        let report = succeed(forgewatch().args(["report", "--k", "1", "--state"]).arg(&state));
        let report = String::from_utf8_lossy(&report);
        assert!(
            report.lines().last().is_some_and(|line| line.contains(r#""record":"end""#)),
            "{report}"
        );
    });
}

#[test]
fn anybody_who_may_read_may_report() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("a mode");
    let program = dir.path().join("forgewatch");
    let built = agent::path().expect("which agent to test");
    fs::copy(built, &program).expect("room for the program");
    let state = dir.path().join("state");
    let report = || {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.arg(&program).args(["report", "--k", "1", "--state"]).arg(&state);
        let text = String::from_utf8_lossy(&succeed(&mut command)).into_owned();
        text.lines().filter(|line| line.contains(r#""record":"finding""#)).count()
    };
    // After a run that ended.
    succeed(&mut replay(&state));
    let all = findings(&Reader::open(&state).expect("a ledger")).len();
    assert_eq!(report(), all);
    // While one writes, and after it was killed.
    let mut command = replay(&state);
    for _ in 0..200 {
        command.args(captures());
    }
    let mut process =
        Process::start("forgewatch", command.stdout(Stdio::null())).expect("it starts");
    let more = |count: &u64| *count > all as u64;
    wait::until("it records", Duration::from_secs(60), || recorded(&state).filter(more))
        .expect("more");
    assert!(report() > all);
    process.kill();
    assert!(report() > all);
    // And nobody writes who may not.
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(&program).args(["replay", "--state"]).arg(&state).args(captures());
    fail(&mut command, 7, &["ermission denied"]);
    assert!(state.join(LOCK).exists());
}

#[test]
fn what_is_no_ledger_of_this_version_is_told_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    fail(
        forgewatch().arg("report").arg("--state").arg(dir.path()),
        7,
        &["no ledger in", "--state"],
    );
    let state = dir.path().join("state");
    succeed(&mut replay(&state));
    let ledger = rusqlite::Connection::open(state.join("ledger.sqlite")).expect("a file");
    ledger.pragma_update(None, "user_version", 1_000).expect("a version");
    drop(ledger);
    fail(&mut replay(&state), 7, &["schema version 1000", "newer Forgewatch", "left as it is"]);
    fail(forgewatch().arg("report").arg("--state").arg(&state), 7, &["schema version 1000"]);
    fs::write(state.join("ledger.sqlite"), [0x5a; 4_096]).expect("a file");
    fail(&mut replay(&state), 7, &["no ledger of Forgewatch"]);
    let lock = File::create(state.join(LOCK)).expect("a file");
    lock.lock().expect("a lock");
    fail(&mut replay(&state), 7, &["in use by another agent"]);
    // And times that are none.
    let mut report = forgewatch();
    report.args(["report", "--from", "1d", "--to", "2d", "--state"]).arg(&state);
    assert_eq!(run(&mut report).status.code(), Some(7), "the ledger comes first");
}
