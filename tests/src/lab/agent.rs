//! Forgewatch in the lab: started on the router, read line by line, stopped or killed.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, bail};
use aya::programs::tc::{SchedClassifier, TcAttachType};
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::Value;

use super::{Lab, namespace::Namespace, process::Process, wait};

/// The agent that is tested. `cargo xtask` sets it.
pub const VARIABLE: &str = "FORGEWATCH_BIN";

/// How long the agent may take from a signal to its end.
const END: Duration = Duration::from_secs(10);

/// One line of type `finding`, as far as tests look at it.
#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    /// When the first forged packet passed.
    pub time: String,
    /// `tcp` or `dns`.
    pub protocol: String,
    /// `injected`, `suspect` and so on.
    pub verdict: String,
    /// `C1` to `C3`.
    pub confidence: String,
    /// The evidence.
    pub signatures: Vec<Signature>,
    /// Address and port.
    pub server: String,
    /// The name asked for.
    pub name: Option<String>,
    /// The watched service.
    pub service: Option<String>,
}

/// A piece of evidence.
#[derive(Clone, Debug, Deserialize)]
pub struct Signature {
    /// The detector.
    pub id: String,
}

impl Finding {
    /// Whether it is an accusation.
    pub fn is_injected(&self) -> bool {
        self.verdict == "injected"
    }

    /// Whether it rests on detector `id`, among others.
    pub fn has(&self, id: &str) -> bool {
        self.signatures.iter().any(|signature| signature.id == id)
    }
}

/// The accusations among `findings`, each connection or question once: of one that was told with
/// little evidence and again with more, the latter.
pub fn last_words(findings: &[Finding]) -> Vec<&Finding> {
    let mut last: Vec<&Finding> = Vec::new();
    for finding in findings {
        let same = |other: &&Finding| {
            (&other.server, &other.name) == (&finding.server, &finding.name)
                && is_same_moment(&other.time, &finding.time)
        };
        last.retain(|other| !same(other));
        last.push(finding);
    }
    last.retain(|finding| finding.is_injected());
    last
}

/// Whether two times, as the agent writes them, are of one packet. The clock may have been adjusted
/// between the two tellings, but nobody in the lab connects twice within this time.
pub fn is_same_moment(one: &str, other: &str) -> bool {
    const WITHIN: f64 = 0.002;
    let seconds = |time: &str| -> Option<f64> {
        let mut parts = time.split(['T', ' ']).nth(1)?.trim_end_matches('Z').split(':');
        let [hours, minutes, seconds] = [(); 3].map(|()| parts.next()?.parse::<f64>().ok());
        Some(hours? * 3_600.0 + minutes? * 60.0 + seconds?)
    };
    match (seconds(one), seconds(other)) {
        (Some(one), Some(other)) => (one - other).abs() < WITHIN,
        _ => one == other,
    }
}

/// The path of the agent.
///
/// # Errors
///
/// If nothing says which it is.
pub fn path() -> anyhow::Result<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from).with_context(|| {
        format!("{VARIABLE} is not set to the path of the agent; `cargo xtask` sets it")
    })
}

/// How the agent writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For programs.
    Json,
    /// For people.
    Lines,
}

/// What it has written to standard output so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    /// The process itself.
    pub process: Process,
    lines: Lines,
    reader: Option<JoinHandle<()>>,
}

/// What a run ended with.
#[derive(Debug)]
pub struct Report {
    /// All findings, in the order they were told.
    pub findings: Vec<Finding>,
    /// The summary.
    pub summary: Value,
    /// How the process ended.
    pub status: ExitStatus,
}

impl Report {
    /// The accusations, each connection or question once, with the last word on it.
    pub fn injected(&self) -> Vec<&Finding> {
        last_words(&self.findings)
    }

    /// A figure of the summary: of `lost` or `counters`, or a field of its own.
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    pub fn figure(&self, name: &str) -> u64 {
        let summary = &self.summary;
        [&summary["lost"][name], &summary["counters"][name], &summary[name]]
            .into_iter()
            .find_map(Value::as_u64)
            .unwrap_or_else(|| panic!("no `{name}` in the summary: {summary}"))
    }
}

impl Agent {
    /// Starts the agent on `ifaces` of the router, with JSON output, and waits until it watches.
    ///
    /// # Errors
    ///
    /// If it does not come so far.
    pub fn start(lab: &Lab, ifaces: &[&str], more: &[&str]) -> anyhow::Result<Self> {
        Self::start_as(lab, Form::Json, ifaces, more, |_| {})
    }

    /// The same with output of either form, each line of which is shown to `see` as it comes.
    ///
    /// # Errors
    ///
    /// If it does not come so far.
    pub fn start_as(
        lab: &Lab,
        form: Form,
        ifaces: &[&str],
        more: &[&str],
        see: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        Self::start_in(&lab.network.router, form, ifaces, more, see)
    }

    /// The same in a namespace of any kind.
    ///
    /// # Errors
    ///
    /// If it does not come so far.
    pub fn start_in(
        router: &Namespace,
        form: Form,
        ifaces: &[&str],
        more: &[&str],
        see: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut command = Self::command(router, form, ifaces, more)?;
        command.stderr(Stdio::inherit());
        Self::start_by(&mut command, router, ifaces, see)
    }

    /// The command that starts it.
    ///
    /// # Errors
    ///
    /// If nothing says which agent.
    pub fn command(
        router: &Namespace,
        form: Form,
        ifaces: &[&str],
        more: &[&str],
    ) -> anyhow::Result<Command> {
        let mut command = router.command(path()?);
        command.arg("run").args(more);
        // Not by the configuration of this machine.
        command.env("FORGEWATCH_CONFIG", "");
        // Not in this machine's ledger.
        if !more.contains(&"--state") {
            command.arg("--no-state");
        }
        if form == Form::Json {
            command.arg("--json");
        }
        for iface in ifaces {
            command.args(["--iface", iface]);
        }
        Ok(command)
    }

    /// Starts it by a command from [`command`](Self::command), to which something may have been added.
    ///
    /// # Errors
    ///
    /// If it does not come so far as to watch.
    pub fn start_by(
        command: &mut Command,
        router: &Namespace,
        ifaces: &[&str],
        see: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut process = Process::start("forgewatch", command.stdout(Stdio::piped()))?;
        let stdout = process.child().stdout.take().context("the agent's output is not a pipe")?;
        let lines = Lines::default();
        let reader = read(stdout, Arc::clone(&lines), see)?;
        let mut agent = Self { process, lines, reader: Some(reader) };
        let watching =
            || ifaces.iter().all(|iface| attached(router, iface).is_ok_and(Attachments::both));
        agent.process.ready(|| watching().then_some(()))?;
        Ok(agent)
    }

    /// What it has printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As long as the guard lives, nobody reads what it writes.
    pub fn unread(&self) -> impl Drop + '_ {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The findings so far.
    pub fn findings(&self) -> Vec<Finding> {
        parse(&self.lines()).0
    }

    /// Waits until `enough` says that it has found enough.
    ///
    /// # Errors
    ///
    /// If it does not within `limit`; with what it did find.
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        enough: impl Fn(&[Finding]) -> bool,
    ) -> anyhow::Result<()> {
        wait::until(what, limit, || enough(&self.findings()).then_some(()))
            .with_context(|| format!("found by then: {:#?}", self.findings()))
    }

    /// Ends it by SIGTERM and returns all it said. With [`Form::Lines`] that is only the status.
    ///
    /// # Errors
    ///
    /// If it does not end, or ends without a summary.
    pub fn stop(mut self) -> anyhow::Result<Report> {
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait(END)?;
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            bail!("the thread that reads the agent's output has panicked");
        }
        let (findings, summary) = parse(&self.lines());
        let Some(summary) = summary else {
            bail!("the agent ended ({status}) without a summary: {:#?}", self.lines());
        };
        Ok(Report { findings, summary, status })
    }

    /// Ends it by SIGTERM and returns all lines that it printed.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub fn stop_lines(mut self) -> anyhow::Result<(Vec<String>, ExitStatus)> {
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait(END)?;
        if let Some(reader) = self.reader.take() {
            // Had it panicked, lines would be missing, which the caller counts.
            let _ = reader.join();
        }
        Ok((self.lines(), status))
    }
}

fn read(
    stdout: ChildStdout,
    lines: Lines,
    see: impl Fn(&str) + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("agent's output".into());
    Ok(thread.spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            see(&line);
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })?)
}

/// Findings and summary among JSON lines; others are left out.
fn parse(lines: &[String]) -> (Vec<Finding>, Option<Value>) {
    let (mut findings, mut summary) = (Vec::new(), None);
    for line in lines {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        match record["record"].as_str() {
            Some("finding") => match serde_json::from_value(record) {
                Ok(finding) => findings.push(finding),
                Err(error) => panic!("not a finding as documented ({error}): {line}"),
            },
            Some("summary") => summary = Some(record),
            _ => panic!("not a record as documented: {line}"),
        }
    }
    (findings, summary)
}

/// What is attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachments {
    /// An XDP program.
    pub xdp: bool,
    /// Programs at egress: tcx links, or filters of clsact.
    pub tcx: usize,
    /// Whether these are tcx links.
    pub tcx_link: bool,
}

impl Attachments {
    /// Whether there is something at either end.
    pub const fn any(self) -> bool {
        self.xdp || self.tcx > 0
    }

    const fn both(self) -> bool {
        self.xdp && self.tcx > 0
    }
}

/// What is attached to `iface` in `namespace`, whoever did it.
///
/// # Errors
///
/// If that cannot be found out.
pub fn attached(namespace: &Namespace, iface: &str) -> anyhow::Result<Attachments> {
    let xdp = link(namespace, iface)?.get("xdp").is_some();
    let query = || SchedClassifier::query_tcx(iface, TcAttachType::Egress);
    match namespace.enter(query)? {
        Ok((_, links)) => Ok(Attachments { xdp, tcx: links.len(), tcx_link: !links.is_empty() }),
        // Before Linux 6.6 there is no such thing, and this cannot be asked.
        Err(_) => Ok(Attachments { xdp, tcx: filters(namespace, iface)?, tcx_link: false }),
    }
}

/// Whether the XDP program on `iface` runs in the driver.
///
/// # Errors
///
/// If that cannot be found out.
pub fn attached_natively(namespace: &Namespace, iface: &str) -> anyhow::Result<bool> {
    // `XDP_ATTACHED_DRV`, `linux/if_link.h`.
    Ok(link(namespace, iface)?["xdp"]["mode"] == 1)
}

fn link(namespace: &Namespace, iface: &str) -> anyhow::Result<Value> {
    let mut command = namespace.command("ip");
    command.args(["-j", "-d", "link", "show", "dev", iface]);
    let links: Value = serde_json::from_str(&super::process::succeed("ip", &mut command)?)?;
    Ok(links[0].clone())
}

/// How many BPF filters clsact has at egress.
fn filters(namespace: &Namespace, iface: &str) -> anyhow::Result<usize> {
    let mut command = namespace.command("tc");
    command.args(["filter", "show", "dev", iface, "egress"]);
    let text = super::process::succeed("tc", &mut command)?;
    Ok(text.lines().filter(|line| line.contains("bpf") && line.contains("handle")).count())
}

#[cfg(test)]
mod tests {
    use super::is_same_moment;

    #[test]
    fn times_are_compared_in_both_forms() {
        let [one, next] = ["2026-11-24T07:30:59.999999999Z", "2026-11-24T07:31:00.000000001Z"];
        assert!(is_same_moment(one, next));
        assert!(!is_same_moment(one, "2026-11-24T07:31:00.100000000Z"));
        assert!(is_same_moment("2026-11-24 07:31:00.123Z", "2026-11-24 07:31:00.124Z"));
        assert!(!is_same_moment("2026-11-24 07:31:00.123Z", "2026-11-24 08:31:00.123Z"));
    }
}
