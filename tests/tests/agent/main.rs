//! The agent as somebody runs it for a year: told by a file, told anew, watched over.

mod config;
mod log;
mod metrics;
mod notify;
mod pressure;
mod reload;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use nix::sys::signal::Signal;
use probe_tests::lab::{agent, namespace::Namespace, process::Process, wait};

/// How long a thing may take that the agent does at once.
const SOON: Duration = Duration::from_secs(10);

/// A namespace with loopback, a directory with a configuration, and what runs by it.
struct Bench {
    namespace: Namespace,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(config: &str) -> Self {
        let namespace = Namespace::alone("agent").expect("a namespace; this takes root");
        namespace.ip("link set lo up").expect("loopback");
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Self { namespace, directory };
        bench.configure(config);
        bench
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("forgewatch.toml")
    }

    fn configure(&self, config: &str) {
        fs::write(self.config(), config).expect("room for a configuration");
    }

    /// The program, told nothing but where the configuration is.
    fn forgewatch(&self) -> Command {
        let mut command = self.namespace.command(agent::path().expect("which agent to test"));
        command.env("FORGEWATCH_CONFIG", self.config());
        for variable in ["FORGEWATCH_STATE", "FORGEWATCH_LOG", "NOTIFY_SOCKET", "JOURNAL_STREAM"] {
            command.env_remove(variable);
        }
        command
    }

    /// A run that watches, and what it says goes to a file.
    fn run(&self, command: &mut Command) -> Process {
        let mut process = Process::start_logged("forgewatch", command, self.directory.path())
            .expect("forgewatch runs");
        let attached = || agent::attached(&self.namespace, "lo").ok().filter(|at| at.any());
        process.ready(attached).expect("it watches");
        process
    }
}

/// Waits until a run has said `words`.
#[track_caller]
fn says(process: &Process, words: &str) {
    let said = wait::until(words, SOON, || process.log().contains(words).then_some(()));
    assert!(said.is_ok(), "no `{words}` in: {}", process.log());
}

/// Ends a run, which has to end well and with its summary.
fn stop(mut process: Process) -> String {
    process.signal(Signal::SIGTERM).expect("it was running");
    let status = process.wait(SOON).expect("it ends");
    let log = process.log();
    assert!(status.success() && log.contains("-- summary"), "{status}: {log}");
    log
}
