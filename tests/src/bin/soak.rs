//! Sends millions of innocent connections, or look-ups, through engine and judge; or traffic with forgeries
//! past the agent itself.

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
    corpus::{case, dns, innocents},
    soak::{
        self, Cast, Connections, Count, Lookups, Soaked, Stream,
        live::{self, Plan, Row, Told},
    },
};

/// Send innocent traffic through engine and judge: nobody may be accused. Or send it past the agent, with
/// forgeries among it: all must be found.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// TCP connections of every innocent behaviour, with loss, duplication and overtaking
    Tcp(Tcp),
    /// Look-ups over DNS of every innocent behaviour
    Dns(Dns),
    /// The agent itself, at the highest rate that this machine makes, with forgeries; as root
    Live(Live),
}

#[derive(clap::Args)]
struct Tcp {
    /// How many connections
    #[arg(long, default_value_t = 10_000_000)]
    flows: u64,
    /// Connections that begin in a second of the simulated time
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Dns {
    /// How many pairs of a question and its answer
    #[arg(long, default_value_t = 10_000_000)]
    pairs: u64,
    /// Look-ups, or groups of them, that begin in a second of the simulated time
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Live {
    /// How long, in minutes; the first third is warm-up
    #[arg(long, default_value_t = 90.0)]
    minutes: f64,
    /// Packets in a second, at most; by default as many as this machine makes
    #[arg(long)]
    rate: Option<f64>,
    /// Connections in a second that are forged, and as many answers
    #[arg(long, default_value_t = 10.0)]
    forged: f64,
    /// Where the same goes as JSON
    #[arg(long, value_name = "FILE", default_value = "target/soak-live.json")]
    json: PathBuf,
}

#[derive(clap::Args)]
struct Common {
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only behaviours with this in their name
    #[arg(long)]
    only: Option<String>,
    /// Where captures of the first accused go
    #[arg(long, default_value = "target/soak")]
    examples: PathBuf,
}

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// What is counted, and how many of them.
struct Amount {
    /// In output.
    word: &'static str,
    /// In names of files.
    prefix: &'static str,
    wanted: u64,
    rate: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let clean = match Options::parse().what {
        What::Tcp(Tcp { flows, rate, common }) => {
            let behaviours = chosen(innocents::all(), &common, |one| one.name)?;
            let cast = Connections { seed: common.seed, behaviours: &behaviours };
            run(cast, &common, &Amount { word: "connections", prefix: "", wanted: flows, rate })?
        }
        What::Dns(Dns { pairs, rate, common }) => {
            let behaviours = chosen(dns::innocents::all(), &common, |one| one.name)?;
            let cast = Lookups { seed: common.seed, behaviours: &behaviours };
            run(cast, &common, &Amount { word: "pairs", prefix: "dns-", wanted: pairs, rate })?
        }
        What::Live(options) => live(&options)?,
    };
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Soaks the agent, and says whether all held that has to.
fn live(options: &Live) -> anyhow::Result<bool> {
    let lasting = Duration::try_from_secs_f64(options.minutes * 60.0)
        .context("--minutes is no time to wait for")?;
    let Live { rate, forged, .. } = *options;
    // A row each minute, and some of a short run.
    let every = (lasting / 10).clamp(Duration::from_secs(1), Duration::from_secs(60));
    println!(
        "{:>6} {:>14} {:>9} {:>12} {:>8} {:>8} {:>6} {:>9} {:>10}",
        "s", "packets", "k/s", "events", "forged", "found", "wrong", "agent MiB", "ledger MiB"
    );
    let mut before = Vec::new();
    let told = live::run(&Plan { lasting, rate, forged, every }, |row| {
        println!("{}", line(row, &before));
        before.clone_from(&row.lost);
    })?;
    report_live(&told);
    let json = serde_json::to_vec_pretty(&told)?;
    fs::write(&options.json, json)
        .with_context(|| format!("cannot write {}", options.json.display()))?;
    println!("as JSON: {}", options.json.display());
    Ok(told.is_good())
}

/// A row of the table, with the losses that grew since the row before.
fn line(row: &Row, before: &[(String, u64)]) -> String {
    let of = |name: &str| before.iter().find(|(other, _)| other == name).map_or(0, |(_, n)| *n);
    let grown = row.lost.iter().map(|(name, count)| (name, count.saturating_sub(of(name))));
    let grown = grown.filter(|(_, count)| *count > 0).map(|(name, n)| format!("{name} {n}"));
    format!(
        "{:>6.0} {:>14} {:>9.0} {:>12} {:>8} {:>8} {:>6} {:>9.1} {:>10.1}  {}",
        row.at,
        row.packets,
        row.rate / 1e3,
        row.events,
        row.forged,
        row.found,
        row.wrong,
        row.memory,
        row.ledger as f64 / 1_048_576.0,
        grown.collect::<Vec<_>>().join(", ")
    )
}

fn report_live(told: &Told) {
    for (name, count) in &told.lost {
        println!("lost: {name} {count}");
    }
    for example in &told.examples {
        println!("wrong: {example}");
    }
    for check in &told.checks {
        println!("{}  {}: {}", if check.holds { "yes" } else { "NO " }, check.what, check.by);
    }
}

fn chosen<T>(
    mut behaviours: Vec<&'static T>,
    common: &Common,
    name: fn(&T) -> &'static str,
) -> anyhow::Result<Vec<&'static T>> {
    if let Some(only) = &common.only {
        behaviours.retain(|behaviour| name(behaviour).contains(only.as_str()));
        anyhow::ensure!(!behaviours.is_empty(), "no behaviour has {only:?} in its name");
    }
    Ok(behaviours)
}

/// Soaks, and says whether nobody was accused.
fn run<C: Cast>(cast: C, common: &Common, amount: &Amount) -> anyhow::Result<bool> {
    let start = Instant::now();
    let mut stream = Stream::new(cast, amount.wanted, amount.rate);
    let mut told = Instant::now();
    let soaked = soak::run(&mut stream, |soaked, begun| {
        if soaked.packets.is_multiple_of(65_536) && told.elapsed() >= PROGRESS {
            told = Instant::now();
            progress(amount, soaked, begun, start.elapsed());
        }
    })?;
    let packets = soaked.packets;
    let seconds = start.elapsed().as_secs_f64();
    let (begun, word) = (stream.begun(), amount.word);
    println!(
        "{begun} {word}, {packets} packets in {seconds:.1} s: {:.0} {word} and {:.0} packets a \
         second",
        begun as f64 / seconds,
        packets as f64 / seconds
    );
    report(common, amount, &stream, &soaked)
}

fn progress(amount: &Amount, soaked: &Soaked, begun: u64, elapsed: Duration) {
    let accused: u64 = soaked.tally.counts.values().map(|one| one.certain + one.strong).sum();
    let share = 100.0 * begun as f64 / amount.wanted as f64;
    let rate = begun as f64 / elapsed.as_secs_f64();
    let line = format!(
        "soak: {begun} of {} {} ({share:.0} %), {rate:.0} a second, {} packets, {accused} accused",
        amount.wanted, amount.word, soaked.packets
    );
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints what was said of whom; says whether nobody was accused.
fn report<C: Cast>(
    common: &Common,
    amount: &Amount,
    stream: &Stream<C>,
    soaked: &Soaked,
) -> anyhow::Result<bool> {
    println!("{:<28} {:>11} {:>7} {:>7} {:>9}", "behaviour", amount.word, "C3", "C2", "suspected");
    let (tally, cast) = (&soaked.tally, stream.cast());
    for which in 0..cast.behaviours() {
        let count = tally.counts.get(&which).copied().unwrap_or_default();
        println!(
            "{:<28} {:>11} {:>7} {:>7} {:>9}{}",
            cast.name(which),
            stream.counts[which],
            count.certain,
            count.strong,
            count.suspect,
            if stream.spoofed[which] { "  (has packets of strangers; not counted)" } else { "" }
        );
    }
    let Count { certain, strong, .. } = soaked.accused(stream);
    println!("{:<28} {:>11} {certain:>7} {strong:>7}", "in total", stream.begun());
    if tally.unknown > 0 {
        println!("{} findings about nobody's connection", tally.unknown);
    }
    if !tally.examples.is_empty() {
        println!("\nfirst accused of each kind:");
    }
    for ((which, said), number) in &tally.examples {
        let path = example(common, amount, stream, *number, *which)?;
        println!("  {} [{said}]\n      {}", cast.name(*which), path.display());
    }
    Ok(soaked.is_clean(stream))
}

/// Makes scene `number` again and writes it to a file.
fn example<C: Cast>(
    common: &Common,
    amount: &Amount,
    stream: &Stream<C>,
    number: u64,
    which: usize,
) -> anyhow::Result<PathBuf> {
    let (tape, _) = stream.example(number);
    let directory: &Path = &common.examples;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let name = format!("{}{}-{number}.pcap", amount.prefix, stream.cast().name(which));
    let path = directory.join(name);
    let file =
        fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    case::write_pcap(&tape, case::EPOCH, file)?;
    Ok(path)
}
