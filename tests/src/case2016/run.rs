//! From the plan to the table: captures, replay, report, check.

use std::{
    collections::BTreeSet,
    fs,
    io::BufWriter,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail};

use super::{
    check::{self, Line},
    plan::{Plan, Truth, WEEK},
    privacy, say,
    traffic::{self, Volume},
};
use crate::{corpus::case::write_pcap, lab::agent};

/// What is played, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What everything follows from.
    pub seed: u64,
    /// How much there is.
    pub volume: Volume,
    /// Where captures, ledger and report go; what is there from before is replaced.
    pub dir: PathBuf,
    /// Another truth to hold the report against than what was played.
    pub truth: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Provider by provider.
    pub lines: Vec<Line>,
    /// Clients named in ledger or report.
    pub named: Vec<String>,
    /// The page.
    pub page: PathBuf,
}

impl Outcome {
    /// Whether all of it is as it should be.
    pub fn is_right(&self) -> bool {
        self.named.is_empty() && self.lines.iter().all(|line| line.wrong.is_empty())
    }
}

/// Plays `plan`.
///
/// # Errors
/// If something cannot be written or run.
pub fn play(plan: &Plan, settings: &Settings) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let dir = &settings.dir;
    for old in ["state", "report"].map(|name| dir.join(name)).iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let truth = plan.draw(settings.seed);
    truth.write(&dir.join("truth.json"))?;
    let mut clients = BTreeSet::new();
    let captures = record(&truth, settings, &mut clients)?;
    println!("{:.0?}: captures made, of {} clients", begun.elapsed(), clients.len());
    replay(&truth, &captures, dir)?;
    println!("{:.0?}: replayed", begun.elapsed());
    let report = dir.join("report");
    agent(&[
        "report".as_ref(),
        "--state".as_ref(),
        dir.join("state").as_os_str(),
        "--format=html,ndjson,pcapng".as_ref(),
        "--out".as_ref(),
        report.as_os_str(),
    ])?;
    let mut named = privacy::traces(&dir.join("state"), &clients)?;
    named.extend(privacy::traces(&report, &clients)?);
    let truth = match &settings.truth {
        Some(path) => Truth::read(path)?,
        None => truth,
    };
    let lines = check::check(&truth, &check::read(&report.join("report.ndjson"))?);
    println!("{:.0?}: reported and checked\n", begun.elapsed());
    print!("{}", say::table(&lines));
    for trace in &named {
        println!("wrong: {trace}");
    }
    Ok(Outcome { lines, named, page: report.join("report.html") })
}

/// Makes a capture for each provider.
fn record(
    truth: &Truth,
    settings: &Settings,
    clients: &mut BTreeSet<Ipv4Addr>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut captures = Vec::new();
    for number in 0..truth.providers.len() {
        let path = settings.dir.join(format!("{}.pcap", char::from(b'a' + number as u8)));
        let tape = traffic::capture(truth, number, settings.volume);
        privacy::clients(&tape, clients);
        let file =
            fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        write_pcap(&tape, WEEK, BufWriter::new(file))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!(
            "{}: {} packets, {} MB",
            path.display(),
            tape.records.len(),
            tape.octets.len() / 1_000_000
        );
        captures.push(path);
    }
    Ok(captures)
}

/// Has the agent judge the captures side by side, into a ledger.
fn replay(truth: &Truth, captures: &[PathBuf], dir: &Path) -> anyhow::Result<()> {
    let mut args: Vec<std::ffi::OsString> = vec!["replay".into(), "--json".into()];
    for provider in &truth.providers {
        args.extend(["--vantage".into(), provider.name.clone().into()]);
    }
    args.extend(["--state".into(), dir.join("state").into_os_string()]);
    // What is judged is ten years old.
    args.extend(["--keep-days".into(), "36500".into()]);
    args.extend(captures.iter().map(|path| path.clone().into_os_string()));
    agent(&args)
}

fn agent(args: &[impl AsRef<std::ffi::OsStr>]) -> anyhow::Result<()> {
    let program = agent::path()?;
    let mut command = Command::new(&program);
    let output = command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(())
}
