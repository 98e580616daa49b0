//! The demo as a user runs it: what it ends with, and that it leaves nothing behind, however it
//! ends.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probe_tests::{
    case2016::{
        Plan, Truth, check,
        plan::{DAY, HOUR, Provider},
        traffic::{self, Volume},
    },
    lab::{Lab, agent, namespace::Namespace, process, process::Process, wait},
    pages::browser::{Browser, Scheme},
};
use probe_user::attribute::Method;

/// What the demo is given: a minute is what it promises.
const LIMIT: Duration = Duration::from_secs(60);

const SOON: Duration = Duration::from_secs(30);

/// Runs in a namespace of its own, as a child that ends with this process.
fn demo(namespace: &Namespace) -> Command {
    namespace.command(env!("CARGO_BIN_EXE_demo"))
}

fn namespace() -> Namespace {
    Namespace::alone("demo").expect("a namespace; this takes root")
}

/// Namespaces that the process `pid` has made.
fn namespaces_of(pid: Pid) -> Vec<String> {
    let prefix = format!("fw{pid}-");
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

/// Directories that the process `pid` has made for labs.
fn directories_of(pid: Pid) -> Vec<String> {
    let prefix = format!("forgewatch-lab-{pid}-");
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

/// Processes whose command line names `directory`: nginx and unbound of one lab.
fn processes_in(directory: &str) -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(directory)).count()
}

#[test]
fn a_censor_is_found() {
    let namespace = namespace();
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("page.html");
    let mut command = demo(&namespace);
    command.arg("--page").arg(&page);
    let output = process::output("demo", &mut command, LIMIT).expect("it ends in time");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Everything censored was found"), "{said}");
    assert!(said.contains("-- linkedin at 10.71.4.0/24, tcp-tls: SNI-RESET"), "{said}");
    assert_readable(&page);
    assert!(said.contains("INJECTED C3   tcp   www.linkedin.com (linkedin)"), "{said}");
    let rows = said.lines().filter(|line| line.contains("example.org") && line.ends_with("clean"));
    assert_eq!(rows.count(), 4, "{said}");
    // The second resolver, which lies.
    assert!(said.contains("LIED C3       dns   www.linkedin.com (linkedin)"), "{said}");
    let lies =
        said.lines().filter(|line| line.contains("a lie 2x") && line.contains("lied 2x (C3)"));
    assert_eq!(lies.count(), 2, "{said}");
}

/// Looks at the page on a phone, by day and by night.
fn assert_readable(page: &Path) {
    let html = fs::read_to_string(page).expect("a page");
    assert!(
        html.contains("Reset by name in TLS"),
        "the page does not say by what LinkedIn is blocked"
    );
    for scheme in [Scheme::Light, Scheme::Dark] {
        let browser = Browser::new().expect("a browser");
        let (measured, complaints) =
            browser.measure(&[("demo", &html)], &[390], scheme).expect("measures");
        assert!(complaints.is_empty(), "the browser complained: {complaints:#?}");
        let [one] = &measured[..] else { panic!("{} measures", measured.len()) };
        assert!(one.closed <= 390 && one.open <= 390 && one.outside.is_empty(), "{one:#?}");
        assert!(one.texts > 20 && one.faint.is_empty() && one.small.is_empty(), "{one:#?}");
        assert!(one.unreachable.is_empty() && one.broken.is_empty(), "{one:#?}");
    }
    let picture = page.with_extension("png");
    let browser = Browser::new().expect("a browser");
    browser.picture(page, (390, 2_000), Scheme::Light, &picture).expect("a picture");
    assert!(fs::metadata(&picture).expect("a picture").len() > 10_000);
}

#[test]
fn without_a_censor_nothing_is_found() {
    let namespace = namespace();
    let mut command = demo(&namespace);
    command.arg("--no-censor");
    let output = process::output("demo", &mut command, LIMIT).expect("it ends in time");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains("found     nothing") && !said.contains("INJECTED") && !said.contains("LIED"),
        "{said}"
    );
}

#[test]
fn a_flood_of_syns_changes_no_verdict() {
    const SYNS: u64 = 2_000_000;
    let namespace = namespace();
    let mut command = demo(&namespace);
    command.args(["--flood", &SYNS.to_string()]);
    let output = process::output("demo", &mut command, 2 * LIMIT).expect("it ends in time");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("are the same without and with the flood"), "{said}");
    // And it was one: more connections were pushed out than the table has places, times ten.
    let evicted = said.lines().rev().find_map(|line| line.split_once("flows_evicted "));
    let (_, evicted) = evicted.unwrap_or_else(|| panic!("no connection was pushed out: {said}"));
    let evicted = evicted.split(", ").next().unwrap_or_default().trim().replace(',', "");
    let evicted: u64 = evicted.parse().unwrap_or_else(|error| panic!("{error}: {evicted}: {said}"));
    assert!((655_360..=SYNS + 300_000).contains(&evicted), "{evicted}: {said}");
}

/// An agent that says nothing: the demo must notice.
#[test]
fn a_censor_that_is_not_found_is_a_failure() {
    let namespace = namespace();
    let directory = tempfile::tempdir().expect("a directory");
    let agent = agent::path().expect("which agent to test");
    let script = directory.path().join("agent");
    let text = format!("#!/bin/sh\nexec '{}' \"$@\" >/dev/null\n", agent.display());
    fs::write(&script, text).expect("room for a script");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = demo(&namespace);
    command.env(agent::VARIABLE, &script);
    let output = process::output("demo", &mut command, LIMIT).expect("it ends in time");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("MISSED 2"), "{said}");
}

/// Starts the demo and waits until its network is up and its agent watches.
fn running(namespace: &Namespace) -> (Process, String) {
    let mut command = demo(namespace);
    command.args(["--runs", "5"]).stdout(Stdio::null());
    let mut demo = Process::start("demo", &mut command).expect("it starts");
    let pid = demo.pid();
    let directory = demo
        .ready(|| {
            let here = directories_of(pid).pop()?;
            let up = namespaces_of(pid).len() == 4 && processes_in(&here) == 2;
            up.then_some(here)
        })
        .expect("its network comes up");
    (demo, directory)
}

fn assert_nothing_left(pid: Pid, directory: &str) {
    wait::until("everything to be removed", SOON, || {
        let gone = namespaces_of(pid).is_empty() && processes_in(directory) == 0;
        gone.then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}", namespaces_of(pid)));
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let namespace = namespace();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut demo, directory) = running(&namespace);
        demo.signal(signal).expect("it was running");
        let status = demo.wait(SOON).expect("it ends");
        assert_eq!(status.code(), Some(128 + signal as i32), "{status}");
        assert_nothing_left(demo.pid(), &directory);
        assert!(directories_of(demo.pid()).is_empty(), "{directory} is left");
    }
}

#[test]
fn what_a_kill_leaves_behind_is_removed_by_the_next() {
    let namespace = namespace();
    let (mut demo, directory) = running(&namespace);
    let pid = demo.pid();
    // Itself alone, not its group, as the kernel does when memory is short.
    kill(pid, Signal::SIGKILL).expect("it was running");
    demo.wait(SOON).expect("it ends");
    // Not looked at in between: another suite's lab that begins just now removes them as well.
    let mut command = namespace.command(env!("CARGO_BIN_EXE_demo"));
    command.args(["--no-censor"]);
    let output = process::output("demo", &mut command, LIMIT).expect("it ends in time");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_nothing_left(pid, &directory);
    assert!(directories_of(pid).is_empty(), "{directory} is left");
}

#[test]
fn a_lab_that_fails_on_the_way_leaves_nothing_behind() {
    let before = namespaces_of(Pid::this());
    let panicked = std::thread::spawn(|| {
        let lab = Lab::new().expect("a lab");
        assert!(lab.directory().exists());
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert_eq!(namespaces_of(Pid::this()), before);
}

/// Changes what is written about a provider.
type Lie = fn(&mut Provider);

/// Plays two days of the case into `dir`.
fn case(dir: &Path, truth: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkedin-2016"));
    command.arg("--brief").arg("--out").arg(dir);
    if let Some(truth) = truth {
        command.arg("--truth").arg(truth);
    }
    process::output("linkedin-2016", &mut command, Duration::from_secs(300)).expect("it ends")
}

#[test]
fn the_case_is_told_rightly_and_a_truth_that_is_none_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = case(dir.path(), None);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("All of it is right."), "{said}");
    let page = fs::read_to_string(dir.path().join("report/report.html")).expect("a page");
    assert!(page.contains("provider F"), "the page does not tell observers apart");
    let said = check::read(&dir.path().join("report/report.ndjson")).expect("a report");
    let truth = Truth::read(&dir.path().join("truth.json")).expect("a truth");
    let wrong = |truth: &Truth| -> Vec<usize> {
        let lines = check::check(truth, &said).into_iter().enumerate();
        lines.filter(|(_, line)| !line.wrong.is_empty()).map(|(at, _)| at).collect()
    };
    assert_eq!(wrong(&truth), [0; 0]);
    // Each of these is one lie.
    let lies: [(usize, Lie); 6] = [
        (1, |one| one.method = Method::DnsInjection),
        (3, |one| one.onset = one.onset.map(|onset| onset + 4 * HOUR)),
        (4, |one| one.onset = one.onset.map(|onset| onset - HOUR)),
        (0, |one| one.hops = Some(9)),
        (2, |one| *one = Provider { method: Method::None, onset: None, ..one.clone() }),
        (5, |one| one.method = Method::SniReset),
    ];
    for (at, lie) in lies {
        let mut changed = truth.clone();
        lie(&mut changed.providers[at]);
        assert_eq!(wrong(&changed), [at], "{:?}", changed.providers[at]);
    }
    let mut changed = truth;
    changed.providers[3].method = Method::None;
    let path = dir.path().join("changed.json");
    changed.write(&path).expect("room");
    let output = case(&dir.path().join("again"), Some(&path));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("NOT all of it is right."), "{said}");
}

#[test]
fn the_same_seed_makes_the_same_captures() {
    let volume = Volume { from: 3 * DAY, to: 3 * DAY + HOUR, ..Volume::BRIEF };
    for number in 0..2 {
        let made = |seed| traffic::capture(&Plan::week().draw(seed), number, volume);
        let (one, other) = (made(1), made(1));
        assert!(one.records.len() > 1_000);
        assert!(one.octets == other.octets && made(2).octets != one.octets);
    }
}
