//! What the running agent has given up, as the kernel tells it, and that it still does all its work: finds,
//! records, reads its targets anew, takes its programs off. And that nothing but `run` needs root.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use nix::{sys::signal::Signal, sys::stat::Mode, unistd::mkfifo};
use probe_tests::lab::{
    Lab,
    agent::{self, Attachments, attached},
    clients::Outcome,
    injector::{Injector, Settings, model::Model},
    network::{LAN, OTHER, OWN, WAN},
    process::{self, Process},
    wait,
};
use probe_user::{
    ledger::{LedgerError, Reader, row::Window},
    privilege::{UserChoice, owner},
};

const SOON: Duration = Duration::from_secs(5);

const LIMIT: Duration = Duration::from_secs(20);

/// The user to run as, and one that has nothing to do with it: neither needs an entry.
const AGENT: u32 = 64_771;
const STRANGER: u32 = 64_772;

/// No capability.
const NONE: &str = "0000000000000000";

/// A capture with findings.
const CAPTURE: &str = "goldens/gfw-type2-v4-after-upstream/capture.pcap";

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

fn targets(name: &str, suffix: &str) -> String {
    format!(
        r#"[[service]]
id = "{name}"
title = "{name}"
role = "target"

[[service.names]]
source = "a test"
date = "2026-11-24"
suffixes = ["{suffix}"]
"#
    )
}

/// A running agent whose words go to a file.
struct Running {
    process: Process,
}

impl Running {
    fn start(lab: &Lab, more: &[&str]) -> Self {
        let router = &lab.network.router;
        let mut command = router.command(agent::path().expect("which agent to test"));
        command.args(["run", "--iface", LAN, "--iface", WAN]).args(more);
        // With findings as JSON, only warnings are said otherwise.
        command.env("FORGEWATCH_LOG", "info");
        let process = Process::start_logged("agent", &mut command, lab.directory());
        let mut process = process.expect("the agent can be started");
        process
            .ready(|| {
                let both =
                    || [LAN, WAN].iter().all(|at| attached(router, at).is_ok_and(Attachments::any));
                both().then_some(())
            })
            .expect("the agent watches");
        let running = Self { process };
        let filtered = if more.contains(&"off") { "0" } else { "2" };
        let confined = || {
            let is = |thread: &Status| {
                thread.field("CapEff") == NONE && thread.field("Seccomp") == filtered
            };
            running.threads().iter().all(is).then_some(())
        };
        wait::until("privileges to be given up", SOON, confined)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", running.process.log()));
        // It is said once it is done.
        running.says("confined: ");
        running
    }

    fn says(&self, words: &str) {
        wait::until(words, SOON, || self.process.log().contains(words).then_some(()))
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.process.log()));
    }

    /// What the kernel says of each of its threads.
    fn threads(&self) -> Vec<Status> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.pid())).expect("it runs");
        let read = |task: std::io::Result<fs::DirEntry>| {
            fs::read_to_string(task.expect("a thread").path().join("status")).ok().map(Status)
        };
        tasks.filter_map(read).collect()
    }

    fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM).expect("the agent was running");
        let status = self.process.wait(LIMIT).expect("it ends");
        assert!(status.success(), "{status}: {}", self.process.log());
    }
}

/// `/proc/PID/status`.
struct Status(String);

impl Status {
    fn field(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.0)).trim()
    }

    /// Nothing is left, and it runs as `uid`.
    fn assert_confined(&self, uid: u32) {
        let ids = [uid; 4].map(|id| id.to_string()).join("\t");
        assert_eq!((self.field("Uid"), self.field("Gid")), (ids.as_str(), ids.as_str()));
        assert_eq!(self.field("Groups"), "", "supplementary groups");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(self.field(set), NONE, "{set}");
        }
        assert_eq!(self.field("NoNewPrivs"), "1");
        assert_eq!(self.field("Seccomp"), "2", "system calls are filtered");
    }
}

fn assert_nothing_attached(lab: &Lab) {
    for iface in [LAN, WAN] {
        let gone = || attached(&lab.network.router, iface).is_ok_and(|at| !at.any()).then_some(());
        wait::until("programs to be taken off", SOON, gone).expect("nothing stays attached");
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("everybody may read it");
}

#[test]
fn a_confined_agent_finds_records_reloads_and_detaches() {
    let lab = lab();
    let dir = |name: &str| {
        let dir = lab.directory().join(name);
        fs::create_dir(&dir).expect("a directory");
        dir
    };
    let (etc, elsewhere, state) = (dir("etc"), dir("elsewhere"), lab.directory().join("state"));
    let file = etc.join("mine.toml");
    write(&file, &targets("debian", "debian.org"));
    let (uid, text) = (AGENT.to_string(), |path: &Path| path.display().to_string());
    let mut agent = Running::start(
        &lab,
        &[
            "--json",
            "--user",
            &uid,
            "--sandbox",
            "required",
            "--state",
            &text(&state),
            "--targets",
            &text(&file),
        ],
    );

    wait::until("the ledger's thread", SOON, || (agent.threads().len() > 1).then_some(()))
        .expect("it records");
    for thread in agent.threads() {
        thread.assert_confined(AGENT);
    }
    for file in fs::read_dir(&state).expect("a state directory") {
        let file = file.expect("a file");
        assert_eq!(file.metadata().expect("it is there").uid(), AGENT, "{:?}", file.path());
    }
    // An own address space that nobody reads: memory has addresses of clients.
    let memory = format!("/proc/{}/mem", agent.process.pid());
    assert_eq!(fs::metadata(memory).expect("it runs").uid(), 0, "it is not dumpable");

    // Targets are replaced as editors do it, by renaming.
    let next = etc.join("next.toml");
    write(&next, &targets("linkedin", "licdn.com"));
    fs::rename(&next, &file).expect("the same directory");
    agent.process.signal(Signal::SIGHUP).expect("the agent was running");
    agent.says("the targets were read anew");

    // What lies outside is refused, although everybody may read it; and told.
    let outside = elsewhere.join("other.toml");
    write(&outside, &targets("other", "example.org"));
    fs::rename(&file, etc.join("kept.toml")).expect("the same directory");
    symlink(&outside, &file).expect("a link");
    agent.process.signal(Signal::SIGHUP).expect("the agent was running");
    agent.says("what was watched before is watched still");
    assert!(agent.process.log().contains("ermission denied"), "{}", agent.process.log());

    // It finds, by what it has read anew.
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    lab.https_until_reset("static.licdn.com", OWN.v4).expect("it is censored");
    assert_eq!(lab.https("example.org", OTHER.v4).expect("curl runs"), Outcome::Answered(200));
    agent.says(r#""verdict":"injected""#);
    assert!(agent.process.log().contains(r#""service":"linkedin""#), "{}", agent.process.log());

    agent.stop();
    assert_nothing_attached(&lab);
    let ledger = Reader::open(&state).expect("the ledger opens clean");
    let mut recorded = 0;
    let count = |_| -> Result<(), LedgerError> {
        recorded += 1;
        Ok(())
    };
    ledger.findings(&Window::ALL, count).expect("it can be read");
    assert!(recorded > 0, "what was found is recorded");

    // A report of it is made by anybody who may read it.
    let output = run(stranger(&lab).args(["report", "--k", "1", "--state", &text(&state)]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("static.licdn.com") || said.contains("linkedin"), "{said}");
}

#[test]
fn root_keeps_no_capability_either_and_says_what_it_gave_up() {
    let lab = lab();
    let mut agent = Running::start(&lab, &["--no-state", "--user", "0"]);
    for thread in agent.threads() {
        thread.assert_confined(0);
    }
    let log = agent.process.log();
    let line = log.lines().find(|line| line.contains("confined: ")).expect("it says so");
    for part in [
        "no new privileges; bounding set empty; user root (0:0); capabilities none",
        "files Landlock",
        "nothing to write",
        "system calls",
    ] {
        assert!(line.contains(part), "no `{part}` in: {line}");
    }
    agent.stop();
    assert_nothing_attached(&lab);
}

#[test]
fn what_is_switched_off_is_told_and_privileges_go_all_the_same() {
    let lab = lab();
    let mut agent = Running::start(&lab, &["--no-state", "--sandbox", "off", "--json"]);
    for thread in agent.threads() {
        assert_eq!(thread.field("CapEff"), NONE);
        assert_eq!((thread.field("NoNewPrivs"), thread.field("Seccomp")), ("1", "0"));
    }
    assert!(agent.process.log().contains("LACKING: switched off"), "{}", agent.process.log());
    agent.stop();
    assert_nothing_attached(&lab);
}

/// The agent, for a user that has no privileges, no groups and no entry.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.uid(STRANGER).gid(STRANGER).current_dir("/").env("FORGEWATCH_STATE", "");
    command
}

/// The same, of a copy that everybody may execute: where it was built is not everybody's to enter.
fn stranger(lab: &Lab) -> Command {
    unprivileged(&copy(lab.directory()))
}

fn copy(dir: &Path) -> PathBuf {
    let copy = dir.join("forgewatch");
    fs::copy(agent::path().expect("which agent to test"), &copy).expect("room for a copy");
    copy
}

fn run(command: &mut Command) -> Output {
    process::output("forgewatch", command, LIMIT).expect("forgewatch runs and ends")
}

/// A directory that everybody may write to.
fn public() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("its rights");
    dir
}

#[test]
fn captures_and_reports_need_no_root() {
    let dir = public();
    let program = copy(dir.path());
    let capture = dir.path().join("capture.pcap");
    fs::copy(CAPTURE, &capture).expect("a capture");
    let (state, report) = (dir.path().join("state"), dir.path().join("report"));
    let mut command = unprivileged(&program);
    command.arg("replay").arg(&capture).arg("--state").arg(&state).arg("--report").arg(&report);
    let output = run(command.args(["--json", "--k", "1"]));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains(r#""verdict":"injected""#), "{stdout}");
    for file in ["report.html", "report.ndjson", "evidence.pcapng"] {
        assert!(report.join(file).is_file(), "{file}");
    }

    // Once more out of the ledger: to standard output, to a file, and into a directory.
    let ledger = |words: &[&str]| {
        let mut command = unprivileged(&program);
        command.current_dir(dir.path()).args(["report", "--k", "1", "--state"]).arg(&state);
        let output = run(command.args(words));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert!(!ledger(&[]).is_empty());
    ledger(&["--format", "html", "--out", "page.html"]);
    ledger(&["--format", "radar,ooni", "--out", "made/there"]);
    for file in ["page.html", "made/there/radar.json", "made/there/ooni.jsonl"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn who_reads_captures_is_confined_meanwhile() {
    let dir = public();
    let pipe = dir.path().join("capture");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
    let mut command = Command::new(agent::path().expect("which agent to test"));
    command.arg("replay").arg(&pipe).env("FORGEWATCH_STATE", "").process_group(0);
    let mut replay = Process::start_logged("replay", &mut command, dir.path()).expect("it starts");
    // It opens the pipe as its last step, and waits there for somebody who writes.
    let status = || {
        let status =
            fs::read_to_string(format!("/proc/{}/status", replay.pid())).ok().map(Status)?;
        (status.field("Seccomp") == "2").then_some(status)
    };
    let status = wait::until("the filter", SOON, status).expect("it is confined");
    assert_eq!(status.field("NoNewPrivs"), "1");
    fs::write(&pipe, fs::read(CAPTURE).expect("a capture")).expect("it is read");
    assert!(replay.wait(LIMIT).expect("it ends").success(), "{}", replay.log());
    assert!(replay.log().contains("INJECTED"), "{}", replay.log());
}

#[test]
fn users_that_cannot_be_are_refused_before_anything_is_attached() {
    let lab = lab();
    let program = copy(lab.directory());
    let command = || {
        let mut command = lab.network.router.command(&program);
        command.args(["run", "--iface", WAN, "--duration", "0"]);
        command
    };
    let fails = |command: &mut Command, code: i32, says: &str| {
        let output = run(command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "no `{says}` in: {stderr}");
    };
    fails(command().args(["--no-state", "--user", "no-such-user"]), 2, "useradd --system");
    let mut other = unprivileged(&program);
    other.args(["run", "--iface", "lo", "--duration", "0", "--no-state", "--user", "0"]);
    fails(&mut other, 3, "only root can switch");
    // A state directory that the user cannot reach.
    let closed = lab.directory().join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("its rights");
    let mut unreachable = command();
    unreachable.args(["--user", &AGENT.to_string(), "--state"]).arg(closed.join("state"));
    fails(&mut unreachable, 7, "ermission denied");
    assert_nothing_attached(&lab);
}

fn owner_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it exists").uid()
}

#[test]
fn a_ledger_is_handed_over_and_nothing_else() {
    let account = UserChoice::Named("65534".into()).account();
    let account = account.expect("it can be looked up").expect("nobody; this takes root");
    let hand_over = |path: &Path| owner::hand_over(path, &account).expect("it can be given away");
    let all = tempfile::tempdir().expect("a directory");
    let fresh = all.path().join("made/on/the/way");
    hand_over(&fresh);
    assert_eq!(owner_of(&fresh), 65_534);
    assert_eq!(owner_of(&all.path().join("made")), 0);

    let used = all.path().join("used");
    fs::create_dir(&used).expect("a directory");
    for name in ["ledger.sqlite", "notes", "elsewhere"] {
        fs::write(used.join(name), "SQLite format 3\0").expect("a file");
    }
    symlink(used.join("elsewhere"), used.join("ledger.sqlite-wal")).expect("a link");
    fs::hard_link(used.join("elsewhere"), used.join("lock")).expect("a second name");
    hand_over(&used);
    assert_eq!(owner_of(&used), 65_534);
    assert_eq!(owner_of(&used.join("ledger.sqlite")), 65_534);
    for name in ["notes", "elsewhere", "ledger.sqlite-wal", "lock"] {
        assert_eq!(owner_of(&used.join(name)), 0, "{name}");
    }

    // Named by mistake: letters, what another program locks, what only is called a ledger.
    for (name, words) in
        [("letters", ""), ("lock", ""), ("ledger.sqlite", "no database"), ("ledger.sqlite", "")]
    {
        let wrong = tempfile::tempdir_in(all.path()).expect("a directory");
        let file = wrong.path().join(name);
        fs::write(&file, words).expect("a file");
        hand_over(wrong.path());
        assert_eq!((owner_of(wrong.path()), owner_of(&file)), (0, 0), "{name} of {words:?}");
    }
}
