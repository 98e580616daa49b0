//! Plays the case that Forgewatch is built from, and fails unless everything is found out.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use probe_tests::case2016::{Plan, Settings, play, traffic::Volume};

/// Play the week in which LinkedIn was ordered to be blocked, at six made-up providers, and check what
/// is said of it against what was played.
///
/// It needs no root, no network and no test tools. Each provider's traffic is a capture; one ledger and
/// one report cover all six.
#[derive(Parser)]
#[command(name = "demo linkedin-2016")]
struct Options {
    /// Directory for captures, truth, ledger and report
    #[arg(long, value_name = "DIR", default_value = "target/linkedin-2016")]
    out: PathBuf,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the two days around the order, with fewer clients
    #[arg(long)]
    brief: bool,
    /// Hold the report against the truth in this file instead of the one that was played
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { out, seed, brief, truth } = Options::parse();
    let volume = if brief { Volume::BRIEF } else { Volume::FULL };
    let settings = Settings { seed, volume, dir: out, truth };
    let outcome = play(&Plan::week(), &settings)?;
    println!("\nThe report: {}", outcome.page.display());
    let right = outcome.is_right();
    println!("{}", if right { "All of it is right." } else { "NOT all of it is right." });
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
