//! What is said beside findings, in each form.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Bench, says, stop};

const CONFIG: &str = "interfaces = [\"lo\"]\n[state]\nrecord = false\n";

/// Lines that are not of the report at the end.
fn said(log: &str) -> Vec<&str> {
    log.lines().take_while(|line| !line.starts_with("-- ")).collect()
}

#[test]
fn each_form_is_what_it_is_for() {
    let bench = Bench::new(CONFIG);
    let log = stop(bench.run(bench.forgewatch().arg("run")));
    let lines = said(&log);
    assert!(lines.iter().any(|line| line.starts_with("forgewatch: watching lo (")), "{log}");
    assert!(lines.iter().any(|line| line.starts_with("forgewatch: warning: the driver")), "{log}");

    let log = stop(bench.run(bench.forgewatch().args(["run", "--log", "journal"])));
    let lines = said(&log);
    assert!(lines.iter().any(|line| line.starts_with("<6>watching lo (")), "{log}");
    assert!(lines.iter().any(|line| line.starts_with("<4>the driver")), "{log}");

    let log = stop(bench.run(bench.forgewatch().args(["run", "--log", "json"])));
    let lines = said(&log);
    assert!(lines.len() >= 2, "{log}");
    for line in lines {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for key in ["time", "level", "message", "target"] {
            assert!(line[key].is_string(), "no {key} in {line}");
        }
    }
}

/// Findings as JSON are for programs, and so is silence beside them.
#[test]
fn the_level_is_as_configured() {
    let bench = Bench::new(&format!("json = true\n{CONFIG}"));
    let end = |process: probe_tests::lab::process::Process| {
        says(&process, "the driver does not run XDP");
        process.signal(Signal::SIGTERM).expect("it runs");
        says(&process, "\"record\":\"summary\"");
        process.log()
    };
    assert!(!end(bench.run(bench.forgewatch().arg("run"))).contains("watching lo"));
    bench.configure(&format!("json = true\n{CONFIG}[log]\nlevel = \"info\"\n"));
    assert!(end(bench.run(bench.forgewatch().arg("run"))).contains("watching lo"));
}

/// One place in the source that speaks too often is cut short, and that is told.
#[test]
fn too_many_of_one_kind_are_counted_instead() {
    let bench = Bench::new(CONFIG);
    let process = bench.run(bench.forgewatch().arg("run"));
    // A reload for each value, until all of them were seen: signals that come too soon are one.
    for number in 1..=15 {
        bench.configure(&format!("{CONFIG}keep_days = {number}\n"));
        process.signal(Signal::SIGHUP).expect("it runs");
        if number <= 10 {
            says(&process, &format!("state.keep_days is now {number};"));
        }
    }
    bench.configure("nonsense = 1\n");
    process.signal(Signal::SIGHUP).expect("it runs");
    says(&process, "unknown key `nonsense`");
    let log = stop(process);
    assert_eq!(log.matches("state.keep_days is now").count(), 10, "{log}");
}
