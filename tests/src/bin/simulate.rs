//! Has the attributor judge a thousand simulated worlds, and fails if it does not do so well enough.

use std::{io::Write as _, process::ExitCode, time::Instant};

use clap::Parser;
use probe_tests::simulate::{self, Score, Size, run, score};

/// Judge simulated worlds: is the target blocked there, how, since when? Or is it an outage?
#[derive(Parser)]
struct Options {
    /// How many worlds
    #[arg(long, default_value_t = 1_000)]
    runs: u64,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the world of this number, with all that is said of it
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Mistakes that are shown
    #[arg(long, default_value_t = 20)]
    shown: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(number) = options.only {
        return only(&options, number);
    }
    let begun = Instant::now();
    let step = (options.runs as usize / 10).max(1);
    let records = simulate::runs(options.seed, Size::FULL, 0..options.runs, |done| {
        if done.is_multiple_of(step) {
            let line =
                format!("simulate: {done} of {} worlds, {:.0?}", options.runs, begun.elapsed());
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    });
    let mut total = Score::default();
    records.iter().for_each(|record| total.add(record));
    print!("{}", total.table());
    let outcomes: u64 = records.iter().map(|record| record.outcomes).sum();
    println!(
        "\n{outcomes} flows in {} worlds, seed {}, {:.0?}",
        options.runs,
        options.seed,
        begun.elapsed()
    );
    for (what, list) in [("wrong accusations", &total.wrong), ("other mistakes", &total.missed)] {
        if !list.is_empty() {
            println!("\n{what} (`--only NUMBER` shows the world):");
        }
        for (number, said) in list.iter().take(options.shown) {
            println!("  {number}: {said}");
        }
    }
    let missed = total.missed_figures();
    for line in &missed {
        println!("missed: {line}");
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows one world.
fn only(options: &Options, number: u64) -> anyhow::Result<ExitCode> {
    let record = run::run(options.seed, number, Size::FULL, &simulate::targets());
    println!(
        "{}: {} clients, onset in window {}, end {:?}, {} flows, accused after {:?}",
        score::name(&record),
        record.clients,
        record.onset,
        record.end,
        record.outcomes,
        record.needed
    );
    println!("{:#?}", record.scenario);
    for verdict in &record.verdicts {
        println!("{}", serde_json::to_string(verdict)?);
    }
    Ok(ExitCode::SUCCESS)
}
