//! Who reads the capture: Forgewatch, and others beside it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::lab::agent;

/// A program that reads captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// This project's, with everything that it judges.
    Forgewatch,
    /// With the events of its stream engine, of DNS and of TLS, and what it logs of both.
    Suricata,
    /// A line for each packet.
    Tshark,
    /// Which protocol each flow is of.
    Ndpi,
    /// Flow records.
    Softflowd,
    /// A plain copy.
    Tcpdump,
}

/// All but ours, the dearest first.
pub const OTHERS: [Reader; 5] =
    [Reader::Suricata, Reader::Tshark, Reader::Ndpi, Reader::Softflowd, Reader::Tcpdump];

/// How long a reader may take.
const LONGEST: Duration = Duration::from_secs(180);

/// Rules for events that come with Suricata: of streams, DNS and TLS.
const RULES: [&str; 3] = ["stream-events.rules", "dns-events.rules", "tls-events.rules"];

/// Where packages of Suricata put their rules.
const RULE_FOLDERS: [&str; 2] = ["/etc/suricata/rules", "/usr/share/suricata/rules"];

/// Suricata as it is measured: only what is asked of it is on.
const SURICATA: &str = "%YAML 1.1
---
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [alert, dns, tls]
app-layer:
  protocols:
    tls: {enabled: yes, detection-ports: {dp: 443}}
    dns: {tcp: {enabled: yes, detection-ports: {dp: 53}}, udp: {enabled: yes, detection-ports: {dp: 53}}}
    http: {enabled: yes}
";

impl Reader {
    /// Its command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forgewatch => "forgewatch replay",
            Self::Suricata => "suricata",
            Self::Tshark => "tshark",
            Self::Ndpi => "ndpiReader",
            Self::Softflowd => "softflowd",
            Self::Tcpdump => "tcpdump",
        }
    }

    /// What it does with the capture.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Forgewatch => "forgewatch replay, findings as JSON",
            Self::Suricata => "suricata, events of stream, DNS and TLS",
            Self::Tshark => "tshark, a line for each packet",
            Self::Ndpi => "ndpiReader, flows by protocol",
            Self::Softflowd => "softflowd, flow records",
            Self::Tcpdump => "tcpdump, a plain copy",
        }
    }

    /// Where it is, if it is there.
    pub fn find(self) -> Option<PathBuf> {
        if self == Self::Forgewatch {
            return env::var_os(agent::VARIABLE).map(PathBuf::from);
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        folders.map(|folder| folder.join(self.name())).find(|file| file.is_file())
    }

    /// The command that reads `capture`; what it writes goes to `folder`.
    fn command(self, program: &Path, capture: &Path, folder: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        match self {
            Self::Forgewatch => command.arg("replay").arg("--json").arg(capture),
            Self::Suricata => {
                let (settings, rules) = (folder.join("suricata.yaml"), folder.join("events.rules"));
                fs::write(&settings, SURICATA)?;
                fs::write(&rules, suricata_rules()?)?;
                command.args(["--runmode", "single", "-k", "none"]);
                command.arg("-c").arg(settings).arg("-S").arg(rules).arg("-l").arg(folder);
                command.arg("-r").arg(capture)
            }
            Self::Tshark => command.arg("-n").arg("-r").arg(capture),
            Self::Ndpi => command.arg("-q").arg("-i").arg(capture),
            // To a port where nobody listens.
            Self::Softflowd => {
                // Without a control socket, on which it would wait after the last packet.
                command.args(["-d", "-6", "-c", "none", "-n", "127.0.0.1:9"]);
                command.arg("-p").arg(folder.join("pid")).arg("-r").arg(capture)
            }
            Self::Tcpdump => command.args(["-w", "/dev/null", "-r"]).arg(capture),
        };
        Ok(command)
    }

    /// Has it read `capture` on the CPU that this thread is pinned to; returns the seconds that took.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or fails.
    pub fn read(self, program: &Path, capture: &Path) -> anyhow::Result<f64> {
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("out");
        let mut command = self.command(program, capture, folder.path())?;
        command.current_dir(folder.path()).stdin(Stdio::null());
        command
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(out.with_extension("err"))?);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name()))?;
        let status = end(child, self.name())?;
        let seconds = start.elapsed().as_secs_f64();
        if !status.success() {
            let said = fs::read_to_string(out.with_extension("err")).unwrap_or_default();
            bail!("{} ended with {status}: {}", self.name(), said.trim());
        }
        if self == Self::Forgewatch {
            check(&out)?;
        }
        Ok(seconds)
    }
}

/// Waits for the end of a reader; one that does not come to it is ended.
fn end(mut child: Child, name: &str) -> anyhow::Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            bail!("{name} did not come to an end within {LONGEST:?}");
        }
        thread::sleep(Duration::from_micros(500));
    }
}

/// Makes sure that what is timed has looked at the packets.
fn check(out: &Path) -> anyhow::Result<()> {
    let said = fs::read_to_string(out)?;
    let summary = said.lines().last().context("no line of summary")?;
    let summary: serde_json::Value = serde_json::from_str(summary)?;
    let packets = summary["counters"]["packets"].as_u64().unwrap_or_default();
    ensure!(packets > 0, "the summary tells of no packet: {summary}");
    Ok(())
}

fn suricata_rules() -> anyhow::Result<String> {
    RULES
        .iter()
        .map(|name| {
            let files = RULE_FOLDERS.map(|folder| Path::new(folder).join(name));
            files
                .iter()
                .find_map(|file| fs::read_to_string(file).ok())
                .with_context(|| format!("Suricata's {name} is in none of {RULE_FOLDERS:?}"))
        })
        .collect()
}

/// As long as it lives, this thread and what it starts run on one CPU.
pub struct Pinned(CpuSet);

impl Pinned {
    /// On the last CPU that this thread may use: interrupts are mostly taken by the first.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn to_one() -> anyhow::Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        let last = (0..CpuSet::count()).rev().find(|cpu| before.is_set(*cpu) == Ok(true));
        let mut one = CpuSet::new();
        one.set(last.context("there is no CPU to run on")?)?;
        sched_setaffinity(Pid::from_raw(0), &one)?;
        Ok(Self(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It only makes what comes afterwards slower.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}
