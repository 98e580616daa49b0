//! The same scenario on Debian's kernels, emulated, and on this machine; and what differs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use probe_tests::{
    kernels::{
        architecture::Architecture,
        archive::{KERNELS, Kernel},
        image::{self, Ours},
        machine,
        scenario::Part,
        told::Told,
    },
    lab::agent,
};

/// Try Forgewatch on Debian's kernels, emulated.
///
/// Each boots with the agent, the lab and its censors in memory. Ends with 1 if on one of them the agent
/// does not attach, finds something else than on this machine, or leaves something behind. Takes root.
#[derive(Debug, Parser)]
#[command(name = "kernels")]
struct Options {
    /// Only kernels of this series; may be given several times
    #[arg(long, value_name = "SERIES")]
    only: Vec<String>,
    /// Look for newer kernels of each series first
    #[arg(long)]
    update: bool,
    /// Also what the agent and doctor said on each kernel
    #[arg(long)]
    words: bool,
    /// Only the lab with a censor, clocks and pins: half of the time
    #[arg(long)]
    brief: bool,
    /// Of which architecture the kernels are
    #[arg(long, value_name = "ARCHITECTURE", default_value_t = Architecture::HERE)]
    machine: Architecture,
    /// The static agent for that architecture, if it is another than this machine's
    #[arg(long, value_name = "FILE", requires = "guest")]
    agent: Option<PathBuf>,
    /// What is the first process there, likewise
    #[arg(long, value_name = "FILE", requires = "agent")]
    guest: Option<PathBuf>,
    /// Where kernels and logs are kept
    #[arg(long, value_name = "DIR", default_value = CACHE)]
    cache: PathBuf,
}

/// Where kernels and logs are kept.
const CACHE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kernels");

/// One line of the table.
struct Row {
    /// Series and version of the package, or what this machine is.
    what: String,
    told: anyhow::Result<(Told, Duration)>,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut options = Options::parse();
    // apt runs elsewhere.
    options.cache = std::path::absolute(&options.cache)?;
    let known: Vec<&str> = KERNELS.iter().map(|kernel| kernel.series).collect();
    if let Some(other) = options.only.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no kernel {other:?}; there are: {}", known.join(", "));
    }
    let guest = std::env::current_exe()?.with_file_name("guest");
    let ours = options.ours(&guest)?;
    eprintln!("this machine ...");
    let mut rows = vec![Row { what: "this machine".into(), told: here(&guest, options.part()) }];
    for kernel in KERNELS {
        if options.only.is_empty() || options.only.iter().any(|one| one == kernel.series) {
            rows.push(there(&kernel, &ours, &options));
        }
    }
    let good = print(&rows, options.words);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    /// How much is played.
    fn part(&self) -> Part {
        if self.brief { Part::Injector } else { Part::All }
    }

    /// What runs in the emulated machines; `guest` is this machine's.
    fn ours(&self, guest: &Path) -> anyhow::Result<Ours> {
        let of = self.machine;
        match (&self.guest, &self.agent) {
            (Some(first), Some(agent)) => Ok(Ours {
                of,
                first: std::path::absolute(first)?,
                agent: std::path::absolute(agent)?,
            }),
            _ if of == Architecture::HERE => {
                Ok(Ours { of, first: guest.to_owned(), agent: agent::path()? })
            }
            _ => bail!(
                "no programs for {of}: `cargo xtask kernels --machine {of}` builds them; otherwise --agent and --guest"
            ),
        }
    }
}

fn here(guest: &Path, part: Part) -> anyhow::Result<(Told, Duration)> {
    let start = std::time::Instant::now();
    let output = Command::new(guest)
        .arg(part.word())
        .env("FORGEWATCH_LOG", "info")
        .output()
        .with_context(|| format!("cannot run {}", guest.display()))?;
    let told = Told::find(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("it told nothing: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((told, start.elapsed()))
}

fn there(kernel: &Kernel, ours: &Ours, options: &Options) -> Row {
    let mut what = ours.of.place(kernel.series);
    let mut boot = || {
        let directory = kernel.directory(&options.cache, ours.of);
        if options.update {
            let _ = fs::remove_dir_all(&directory);
        }
        eprintln!("Debian's kernel {kernel} for {} ...", ours.of);
        let unpacked = kernel.get(&options.cache, ours.of)?;
        what = format!("Debian {}", unpacked.version);
        let image = image::make(&directory, &options.cache, &unpacked, ours)?;
        machine::run(&directory, ours.of, &unpacked, &image, options.part())
    };
    let told = boot();
    Row { what, told }
}

/// Prints the table, and what is wrong; returns whether nothing is.
fn print(rows: &[Row], words: bool) -> bool {
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    println!(
        "{:width$}  {:28}  {:16}  {:>12}  {:>12}  {:>9}  {:>8}  {:>7}  {:>5}  {:>10}  ok",
        "kernel",
        "uname -r",
        "XDP, egress",
        "verified in",
        "verified out",
        "loaded",
        "findings",
        "took",
        "slept",
        "taken over"
    );
    let mut complaints = Vec::new();
    let first = rows.first().and_then(|row| row.told.as_ref().ok()).map(|(told, _)| told);
    for row in rows {
        let (told, took) = match &row.told {
            Ok(told) => told,
            Err(error) => {
                println!("{:width$}  NOT RUN", row.what);
                complaints.push(format!("{}: {error:#}", row.what));
                continue;
            }
        };
        let mut wrong = told.wrong.clone();
        wrong.extend(first.iter().flat_map(|first| told.differences(first)));
        println!("{}", line(&row.what, width, told, *took, wrong.is_empty()));
        complaints.extend(wrong.iter().map(|what| format!("{}: {what}", row.what)));
        if words {
            for word in told.doctor.iter().chain(&told.words) {
                println!("    {word}");
            }
        }
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    first.is_some() && complaints.is_empty()
}

fn line(what: &str, width: usize, told: &Told, took: Duration, good: bool) -> String {
    let verified = |hook: usize| {
        told.most_verified(hook).map_or("not told".to_owned(), |(count, _)| count.to_string())
    };
    format!(
        "{what:width$}  {:28}  {:16}  {:>12}  {:>12}  {:>6.0} ms  {:>8}  {:>5.0} s  {:>5}  {:>10}  {}",
        told.release,
        told.places(),
        verified(0),
        verified(1),
        told.load_ms,
        told.injected.len() + told.rejected.len(),
        took.as_secs_f64(),
        told.slept.map_or("no".to_owned(), |seconds| format!("{seconds} s")),
        told.taken_over.map_or("-".to_owned(), |events| events.to_string()),
        if good { "yes" } else { "NO" }
    )
}
