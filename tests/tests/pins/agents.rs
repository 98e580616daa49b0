//! Agents that pin, and what is seen of them from outside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use nix::sys::signal::Signal;
use probe_tests::lab::{
    Lab,
    agent::{self, Attachments, Finding, attached},
    namespace::{Namespace, own_file_systems},
    network::OTHER,
    process::{self, Process},
    wait,
};
use probe_user::source::kernel::pins::USUAL;
use serde_json::Value;

/// On a busy machine the kernel takes its time to look through programs.
pub(super) const SOON: Duration = Duration::from_secs(40);

pub(super) fn lab() -> Lab {
    let lab = Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs");
    own_file_systems().expect("root may");
    lab
}

/// An agent whose lines, of either kind, go to one file.
pub(super) struct Pinned {
    pub(super) process: Process,
    pub(super) log: PathBuf,
}

impl Pinned {
    pub(super) fn start(lab: &Lab, name: &str, ifaces: &[&str], more: &[&str]) -> Self {
        Self::start_in(&lab.network.router, lab.directory(), name, ifaces, more)
    }

    /// Starts it, and waits until it watches and has given up its privileges.
    pub(super) fn start_in(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        ifaces: &[&str],
        more: &[&str],
    ) -> Self {
        let mut command = namespace.command(agent::path().expect("which agent to test"));
        command.args(["run", "--pin", "--json", "--no-state", "--all"]).args(more);
        for iface in ifaces {
            command.args(["--iface", iface]);
        }
        command.env("FORGEWATCH_CONFIG", "").env("FORGEWATCH_LOG", "info");
        let process =
            Process::start_logged(name, &mut command, directory).expect("it can be started");
        let pinned = Self { process, log: directory.join(format!("{name}.log")) };
        pinned.says("confined:");
        pinned
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("it has a log")
    }

    #[track_caller]
    pub(super) fn says(&self, words: &str) {
        wait::until(words, SOON, || self.log().contains(words).then_some(()))
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
    }

    pub(super) fn records(&self, kind: &str) -> Vec<Value> {
        let log = self.log();
        let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|record| record["record"] == kind).collect()
    }

    /// The accusations so far, each connection once.
    pub(super) fn injected(&self) -> Vec<Finding> {
        let read = |record| serde_json::from_value(record).expect("a finding as documented");
        let findings: Vec<Finding> = self.records("finding").into_iter().map(read).collect();
        agent::last_words(&findings).into_iter().cloned().collect()
    }

    #[track_caller]
    pub(super) fn wait_for_injected(&self, number: usize) {
        let enough = || (self.injected().len() >= number).then_some(());
        wait::until("what is forged to be found", SOON, enough)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
    }

    pub(super) fn kill(mut self) -> String {
        self.process.signal(Signal::SIGKILL).expect("it was running");
        self.process.wait(SOON).expect("it is dead");
        self.log()
    }

    /// Ends it, and returns its summary.
    pub(super) fn stop(&mut self) -> Value {
        self.process.signal(Signal::SIGTERM).expect("it was running");
        let status = self.process.wait(SOON).expect("it ends");
        assert!(status.success(), "{status}\n{}", self.log());
        self.records("summary").pop().unwrap_or_else(|| panic!("no summary\n{}", self.log()))
    }
}

/// A figure of a summary.
#[track_caller]
pub(super) fn figure(summary: &Value, name: &str) -> u64 {
    [&summary["lost"][name], &summary["counters"][name], &summary[name]]
        .into_iter()
        .find_map(Value::as_u64)
        .unwrap_or_else(|| panic!("no `{name}` in the summary: {summary}"))
}

pub(super) fn forgewatch(namespace: &Namespace, arguments: &[&str]) -> Output {
    let mut command = namespace.command(agent::path().expect("which agent to test"));
    command.args(arguments).env("FORGEWATCH_CONFIG", "");
    process::output("forgewatch", &mut command, wait::READY).expect("it ends")
}

pub(super) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[track_caller]
pub(super) fn assert_watched(namespace: &Namespace, ifaces: &[&str]) {
    for iface in ifaces {
        let at = attached(namespace, iface).expect("it is there");
        assert!(at.xdp && at.tcx == 1, "{iface}: {at:?}");
    }
}

/// Takes everything off, and sees that nothing is left: neither on interfaces nor in the file system.
#[track_caller]
pub(super) fn assert_detaches(namespace: &Namespace, ifaces: &[&str]) {
    let output = forgewatch(namespace, &["detach", "--iface", ifaces[0]]);
    assert!(output.status.success(), "{}", said(&output));
    for iface in ifaces {
        assert!(
            said(&output).contains(&format!("the XDP program of {iface}")),
            "{}",
            said(&output)
        );
        let left = attached(namespace, iface).expect("it is there");
        assert!(!Attachments::any(left), "{iface}: {left:?}");
    }
    let left = fs::read_dir(USUAL).expect("it is there").count();
    assert_eq!(left, 0, "something is pinned still");
}

/// Fewer pings than a fast machine has time for while one agent is killed and the next one starts.
pub(super) const ENOUGH: usize = 10;

/// Pings through the router fifty times a second.
pub(super) struct Pings(Process);

impl Pings {
    pub(super) fn start(lab: &Lab) -> Self {
        let mut ping = lab.network.client.command("ping");
        ping.args(["-n", "-i", "0.02", "-W", "2", &OTHER.v4.to_string()]);
        Self(Process::start_logged("ping", &mut ping, lab.directory()).expect("ping runs"))
    }

    /// Ends it: every ping was answered, but for those that are on their way.
    pub(super) fn assert_all_answered(mut self) {
        self.0.signal(Signal::SIGINT).expect("ping was running");
        self.0.wait(SOON).expect("ping ends");
        let log = self.0.log();
        let number = |line: &str| line.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok();
        let mut answered: Vec<usize> = log.lines().filter_map(number).collect();
        answered.sort_unstable();
        assert!(answered.len() > ENOUGH, "{log}");
        assert_eq!(answered, (1..=answered.len()).collect::<Vec<_>>());
    }
}

/// Packets that went in and out of an interface, as it counts them.
pub(super) fn passed(namespace: &Namespace, iface: &str) -> u64 {
    let table = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/dev"));
    let table = table.expect("in the namespace").expect("a table of devices");
    let line = table.lines().find_map(|line| line.trim().strip_prefix(iface)?.strip_prefix(':'));
    let cells: Vec<u64> = line
        .expect("it is in the table")
        .split_whitespace()
        .map(|cell| cell.parse().expect("a number"))
        .collect();
    cells[1] + cells[9]
}
