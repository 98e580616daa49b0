//! The fuzzer: built with what it needs, then each target for as much processor time as was asked for.

use std::{
    collections::VecDeque,
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{build, crates, steps};

/// The one version of cargo-fuzz that is used.
const CARGO_FUZZ: &str = "0.13.2";

/// Longest input, as the targets have it.
const INPUT_MAX: &str = "-max_len=16384";

/// After how many seconds an input counts as one that does not end. They are of the clock: a fuzzer that makes
/// way for everybody else can wait long for the processor.
const TIMEOUT: &str = "-timeout=300";

/// How often it is looked at what the fuzzers have used.
const LOOK: Duration = Duration::from_millis(500);

/// Units of `/proc/PID/stat` in a second; Linux tells user space so on every architecture.
const TICKS: u64 = 100;

/// What is fuzzed, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Target; may be given several times. Without: all of them.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds of processor time for each target.
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u64,
    /// Targets at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
}

/// Fuzzes the targets, `jobs` at a time. What one learns stays in `target/fuzz/corpus`, crashes in
/// `target/fuzz/crashes`, what the fuzzer says in `target/fuzz/log`.
///
/// # Errors
///
/// If a target crashes, or something cannot be built.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let targets = known()?;
    if let Some(other) = options.targets.iter().find(|name| !targets.contains(name)) {
        bail!("no target {other}; there are {}", targets.join(", "));
    }
    let built = build()?;
    let wanted = if options.targets.is_empty() { &targets } else { &options.targets };
    let mut waiting: VecDeque<&String> = wanted.iter().collect();
    let mut running: Vec<Fuzzer> = Vec::new();
    let mut crashed = Vec::new();
    loop {
        while running.len() < usize::from(options.jobs)
            && let Some(target) = waiting.pop_front()
        {
            steps::say(&format!("{target}: {} s of processor time", options.seconds));
            running.push(Fuzzer::start(target, &built)?);
        }
        if running.is_empty() {
            break;
        }
        thread::sleep(LOOK);
        for mut fuzzer in std::mem::take(&mut running) {
            match fuzzer.look(options.seconds)? {
                None => running.push(fuzzer),
                Some(status) => {
                    if !fuzzer.tell(status)? {
                        crashed.push(fuzzer.target.clone());
                    }
                }
            }
        }
    }
    if crashed.is_empty() {
        steps::say(&format!("{} targets, no crash", wanted.len()));
        return Ok(());
    }
    bail!(
        "{} crashed, or ended early; what did it is below target/fuzz/crashes",
        crashed.join(", ")
    )
}

/// Builds all targets. Returns the folder that they are in.
fn build() -> anyhow::Result<PathBuf> {
    let object = build::object()?;
    let mut command = Command::new(crates::ensure("cargo-fuzz", CARGO_FUZZ)?);
    command
        .args(["fuzz", "build", "--fuzz-dir", "fuzz", "--target-dir", "target/fuzz/build"])
        .current_dir(steps::root())
        // Sanitizers are not in a stable compiler's language; nothing that ships is built so.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(build::OBJECT_VARIABLE, &object);
    steps::logged("building the fuzz targets", "fuzz-build", &mut command, "see there")?;
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    Ok(steps::root().join("target/fuzz/build").join(host).join("release"))
}

/// A fuzzer at work on one target.
struct Fuzzer {
    target: String,
    child: Child,
    log: PathBuf,
    /// Processor time used so far, in ticks.
    used: u64,
    /// Whether it has been asked to end.
    asked: bool,
}

impl Fuzzer {
    fn start(target: &str, built: &Path) -> anyhow::Result<Self> {
        let fuzz = steps::root().join("target/fuzz");
        let (corpus, crashes) =
            (fuzz.join("corpus").join(target), fuzz.join("crashes").join(target));
        let logs = fuzz.join("log");
        for folder in [&corpus, &crashes, &logs] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let log = logs.join(target);
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(built.join(target));
        command
            .arg(&corpus)
            .arg(steps::root().join("fuzz/corpus").join(target))
            .args([INPUT_MAX, TIMEOUT, "-rss_limit_mb=4096", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .current_dir(steps::root())
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("cannot share the log file")?)
            .stderr(file);
        let child =
            command.spawn().with_context(|| format!("cannot start {}", steps::shown(&command)))?;
        Ok(Self { target: target.to_owned(), child, log, used: 0, asked: false })
    }

    /// How it ended, if it did. Asks it to end once it has used `seconds` of processor time.
    fn look(&mut self, seconds: u64) -> anyhow::Result<Option<ExitStatus>> {
        let pid = self.child.id();
        self.used = ticks(pid).unwrap_or(self.used);
        if !self.asked && self.used >= seconds.saturating_mul(TICKS) {
            // libFuzzer's own word for an end in good order.
            let asked = Command::new("kill").args(["-USR1", &pid.to_string()]).status();
            if !asked.is_ok_and(|status| status.success()) {
                bail!("cannot end the fuzzer of {}: `kill -USR1 {pid}` failed", self.target);
            }
            self.asked = true;
        }
        self.child.try_wait().with_context(|| format!("cannot wait for {}", self.target))
    }

    /// Tells what it did, from its log. Returns whether it ended in good order.
    fn tell(&self, status: ExitStatus) -> anyhow::Result<bool> {
        let log =
            fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        let log = String::from_utf8_lossy(&log);
        let well = status.success() && self.asked;
        let how = match (well, status.signal()) {
            (true, _) => "no crash".to_owned(),
            (false, Some(signal)) => format!("ENDED by signal {signal}"),
            (false, None) => format!("ENDED with {}", status.code().unwrap_or_default()),
        };
        steps::say(&format!(
            "{}: {how}; {} s of processor time, {} inputs, {} places reached, {} inputs kept; {}",
            self.target,
            self.used / TICKS,
            last(&log, "stat::number_of_executed_units:").unwrap_or("?"),
            last(&log, "cov:").unwrap_or("?"),
            last(&log, "corp:").unwrap_or("?").split('/').next().unwrap_or("?"),
            self.log.display()
        ));
        Ok(well)
    }
}

/// None outlives what has started it and would have ended it.
impl Drop for Fuzzer {
    fn drop(&mut self) {
        // Of one that has ended there is nothing to kill, and nothing to say.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The word after the last `name` in a fuzzer's log.
fn last<'log>(log: &'log str, name: &str) -> Option<&'log str> {
    log.rsplit_once(name)?.1.split_whitespace().next()
}

/// Processor time of a process so far, user's and system's; its name is skipped, which may have
/// anything in it.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The targets there are.
fn known() -> anyhow::Result<Vec<String>> {
    let folder = steps::root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
