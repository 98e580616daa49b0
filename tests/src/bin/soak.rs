//! Sends millions of innocent connections through engine and judge.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use probe_tests::{
    corpus::{
        case,
        innocents::{self, Behaviour},
    },
    soak::{self, Count, Soaked, Stream},
};

/// Send innocent traffic through engine and judge: nobody may be accused.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// TCP connections of every innocent behaviour, with loss, duplication and overtaking
    Tcp(Tcp),
}

#[derive(clap::Args)]
struct Tcp {
    /// How many connections
    #[arg(long, default_value_t = 10_000_000)]
    flows: u64,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections that begin in a second of the simulated time
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Only behaviours with this in their name
    #[arg(long)]
    only: Option<String>,
    /// Where captures of the first accused connections go
    #[arg(long, default_value = "target/soak")]
    examples: PathBuf,
}

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<ExitCode> {
    let What::Tcp(options) = Options::parse().what;
    let mut behaviours = innocents::all();
    if let Some(only) = &options.only {
        behaviours.retain(|behaviour| behaviour.name.contains(only.as_str()));
        anyhow::ensure!(!behaviours.is_empty(), "no behaviour has {only:?} in its name");
    }
    let start = Instant::now();
    let mut stream = Stream::new(options.seed, &behaviours, options.flows, options.rate);
    let mut told = Instant::now();
    let soaked = soak::run(&mut stream, |soaked, begun| {
        if soaked.packets.is_multiple_of(65_536) && told.elapsed() >= PROGRESS {
            told = Instant::now();
            progress(&options, soaked, begun, start.elapsed());
        }
    })?;
    let packets = soaked.packets;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} connections, {packets} packets in {seconds:.1} s: {:.0} connections and {:.0} packets \
         a second",
        options.flows,
        options.flows as f64 / seconds,
        packets as f64 / seconds
    );
    let clean = report(&options, &behaviours, &stream, &soaked)?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress(options: &Tcp, soaked: &Soaked, begun: u64, elapsed: Duration) {
    let accused: u64 = soaked.tally.counts.values().map(|one| one.certain + one.strong).sum();
    let share = 100.0 * begun as f64 / options.flows as f64;
    let rate = begun as f64 / elapsed.as_secs_f64();
    let line = format!(
        "soak: {begun} of {} connections ({share:.0} %), {rate:.0} a second, {} packets, {accused} \
         accused",
        options.flows, soaked.packets
    );
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints what was said of whom; says whether nobody was accused.
fn report(
    options: &Tcp,
    behaviours: &[&'static Behaviour],
    stream: &Stream<'_>,
    soaked: &Soaked,
) -> anyhow::Result<bool> {
    println!("{:<28} {:>10} {:>7} {:>7} {:>9}", "behaviour", "flows", "C3", "C2", "suspected");
    let tally = &soaked.tally;
    for (which, behaviour) in behaviours.iter().enumerate() {
        let count = tally.counts.get(&which).copied().unwrap_or_default();
        let strangers = stream.spoofed[which];
        println!(
            "{:<28} {:>10} {:>7} {:>7} {:>9}{}",
            behaviour.name,
            stream.counts[which],
            count.certain,
            count.strong,
            count.suspect,
            if strangers { "  (has packets of strangers; not counted)" } else { "" }
        );
    }
    let Count { certain, strong, .. } = soaked.accused(stream);
    println!("{:<28} {:>10} {certain:>7} {strong:>7}", "in total", options.flows);
    if tally.unknown > 0 {
        println!("{} findings about nobody's connection", tally.unknown);
    }
    if !tally.examples.is_empty() {
        println!("\nfirst accused of each kind:");
    }
    for ((which, signatures), number) in &tally.examples {
        let path = example(options, behaviours, *number, *which)?;
        println!("  {} [{signatures}]\n      {}", behaviours[*which].name, path.display());
    }
    Ok(soaked.is_clean(stream))
}

/// Makes connection `number` again and writes it to a file.
fn example(
    options: &Tcp,
    behaviours: &[&'static Behaviour],
    number: u64,
    which: usize,
) -> anyhow::Result<PathBuf> {
    let (tape, _) = soak::alone(options.seed, number, behaviours);
    let directory: &Path = &options.examples;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join(format!("{}-{number}.pcap", behaviours[which].name));
    let file =
        fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    case::write_pcap(&tape, case::EPOCH, file)?;
    Ok(path)
}
