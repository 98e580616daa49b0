//! Every fault that a router meets, while it forwards: traffic never stops, what is forged is found before and
//! after, and what was recorded stays. Each test ends with the same checks: [`Scene::ends`].
//!
//! Clocks and suspend are not for tests to play with on this machine: `docs/operation.md` says how they are tried.

mod disk;
mod interface;
mod pressure;
mod process;
mod programs;
mod several;
mod traffic;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use probe_tests::lab::{
    Lab,
    agent::{Agent, Finding, Form, Report, attached},
    injector::{Injector, Settings, model::Model},
    namespace::Namespace,
    network::OWN,
    wait,
};
use probe_user::ledger::{
    FILE, Ledger, LedgerError, Reader,
    row::{FindingRow, Window},
};

use self::traffic::Traffic;

/// How long a thing may take that is done at once.
const SOON: Duration = Duration::from_secs(10);

/// A router between clients and servers, an agent on it that records, a censor; and a second client, whose
/// traffic passes all the while.
struct Scene {
    agent: Option<Agent>,
    traffic: Option<Traffic>,
    second: Namespace,
    _injector: Injector,
    state: PathBuf,
    ifaces: Vec<&'static str>,
    /// What the ledger had before the fault.
    before: Vec<FindingRow>,
    /// Findings of agents that are no more.
    found: usize,
    lab: Lab,
}

impl Scene {
    /// With an agent on `ifaces` that records in a directory of the lab's.
    fn new(ifaces: &[&'static str]) -> Self {
        Self::with(ifaces, None, |_| {}, |_| {})
    }

    /// With an agent that records in `state`, and whose command is changed by `change`, after `prepare` has
    /// changed the network.
    fn with(
        ifaces: &[&'static str],
        state: Option<&Path>,
        prepare: impl FnOnce(&Self),
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let lab = Lab::new().expect(
            "a lab; this takes root and the tools that `cargo xtask setup --tests` installs",
        );
        let second = lab.network.second_client().expect("a second client");
        let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
            .expect("the censor works");
        let state = state.map_or_else(|| lab.directory().join("state"), |dir| dir.join("state"));
        let ifaces = ifaces.to_vec();
        let mut scene = Self {
            agent: None,
            traffic: None,
            second,
            _injector: injector,
            state,
            ifaces,
            before: Vec::new(),
            found: 0,
            lab,
        };
        prepare(&scene);
        scene.start_agent(change);
        scene.traffic = Some(Traffic::start(&scene.lab, &scene.second));
        scene.finds();
        scene.recorded();
        scene
    }

    fn router(&self) -> &Namespace {
        &self.lab.network.router
    }

    fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("an agent")
    }

    /// Starts an agent; what it says goes where [`said`](Self::said) reads it.
    fn start_agent(&mut self, change: impl FnOnce(&mut Command)) {
        let log = File::options().create(true).append(true).open(self.log()).expect("a log");
        let state = self.state.to_str().expect("text");
        let more = ["--state", state];
        let mut command = Agent::command(self.router(), Form::Json, &self.ifaces, &more)
            .expect("which agent to test");
        command.stderr(Stdio::from(log));
        change(&mut command);
        let agent = Agent::start_by(&mut command, self.router(), &self.ifaces, |_| {});
        self.agent = Some(agent.unwrap_or_else(|error| panic!("{error:#}: {}", self.said())));
    }

    /// Kills it, by `how` if it does not do so itself, and waits until nothing is attached.
    fn agent_dies(&mut self, how: impl FnOnce(&Agent)) {
        let mut agent = self.agent.take().expect("an agent");
        how(&agent);
        agent.process.wait(SOON).expect("it dies");
        self.found += accused(&agent.findings());
        for iface in &self.ifaces {
            let gone = || attached(self.router(), iface).is_ok_and(|at| !at.any()).then_some(());
            wait::until("programs to be taken off", SOON, gone).expect("nothing stays attached");
        }
    }

    fn log(&self) -> PathBuf {
        self.lab.directory().join("agent.log")
    }

    /// What agents have said so far.
    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Waits until the agent has said `words`.
    #[track_caller]
    fn says(&self, words: &str) {
        let said = wait::until(words, SOON * 2, || self.said().contains(words).then_some(()));
        assert!(said.is_ok(), "no `{words}` in: {}", self.said());
    }

    /// A connection is reset by the censor, and that is found.
    #[track_caller]
    fn finds(&self) {
        let before = accused(&self.agent().findings());
        self.lab.https_until_reset("static.licdn.com", OWN.v4).expect("it is censored");
        let enough = |findings: &[Finding]| accused(findings) > before;
        let found = self.agent().wait_for("a finding", SOON, enough);
        found.unwrap_or_else(|error| panic!("{error:#}; it said: {}", self.said()));
    }

    /// Waits until all that the agent has found is in the ledger, and keeps that.
    #[track_caller]
    fn recorded(&mut self) {
        let all = self.found + accused(&self.agent().findings());
        let rows = wait::until("the ledger to have it", SOON, || {
            let rows = rows(&self.state).ok()?;
            (rows.len() >= all).then_some(rows)
        });
        self.before = rows.expect("it is recorded");
    }

    /// What holds after each fault: the agent is well and finds, traffic never stopped, and the ledger has all.
    #[track_caller]
    fn ends(mut self) -> Report {
        self.finds();
        let kept = std::mem::take(&mut self.before);
        self.recorded();
        self.traffic.take().expect("traffic").never_stopped();
        let agent = self.agent.take().expect("an agent");
        let report = agent.stop().expect("a summary");
        assert!(report.status.success(), "{}: {}", report.status, self.said());
        for iface in &self.ifaces {
            if let Ok(at) = attached(self.router(), iface) {
                assert!(!at.any(), "{at:?} stays on {iface}");
            }
        }
        self.is_clean(&kept);
        report
    }

    /// The ledger opens without a complaint, and has all of `kept`, as it was.
    #[track_caller]
    fn is_clean(&self, kept: &[FindingRow]) {
        let rows = rows(&self.state).expect("the ledger can be read");
        // One that was told again with more evidence is written in its place.
        let stays = |(before, now): (&FindingRow, &FindingRow)| {
            let place = |row: &FindingRow| (row.id, row.run, row.number, row.time);
            place(before) == place(now)
                && (before == now || before.revisions < now.revisions)
                && before.verdict == now.verdict
        };
        let all = rows.len() >= kept.len() && kept.iter().zip(&rows).all(stays);
        assert!(all, "what was recorded has changed: {kept:#?}\n{rows:#?}");
        // A writer looks through it entirely where a run has no end.
        drop(Ledger::open(&self.state).expect("the ledger is whole"));
        let file = rusqlite::Connection::open(self.state.join(FILE)).expect("a file");
        let check: String =
            file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it is checked");
        assert_eq!(check, "ok");
    }
}

/// Accusations: each connection of these tests once.
fn accused(findings: &[Finding]) -> usize {
    probe_tests::lab::agent::last_words(findings).len()
}

fn rows(state: &Path) -> Result<Vec<FindingRow>, LedgerError> {
    let mut rows = Vec::new();
    Reader::open(state)?.findings::<LedgerError>(&Window::ALL, |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}
