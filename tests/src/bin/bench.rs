//! Measures what Forgewatch costs, and holds it against its budgets.

use std::{fs, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use probe_tests::bench::{
    group::{GROUPS, Request},
    table::Table,
};

/// Measure what Forgewatch costs, and hold it against its budgets.
///
/// Ends with 1 if a budget is missed. Takes root.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    /// Fewer and shorter runs: under five minutes
    #[arg(long)]
    quick: bool,
    /// Only measurements of these groups
    #[arg(long, value_name = "GROUP")]
    only: Vec<String>,
    /// Only figures with this in their name
    #[arg(long, value_name = "TEXT")]
    figure: Option<String>,
    /// Where the same table goes as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
}

fn main() -> ExitCode {
    measure(Options::parse()).unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

/// Says whether all budgets are met, by the exit code.
fn measure(options: Options) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let mut table = Table::default();
    let known = GROUPS.iter().map(|group| group.name).collect::<Vec<_>>();
    if let Some(other) = options.only.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no group {other:?}; there are: {}", known.join(", "));
    }
    let request = Request { quick: options.quick, figure: options.figure };
    for group in GROUPS {
        if options.only.is_empty() || options.only.iter().any(|name| name == group.name) {
            (group.measure)(&request, &mut table)
                .with_context(|| format!("group {}", group.name))?;
        }
    }
    println!("{table}");
    let json = serde_json::to_vec_pretty(&table)?;
    fs::write(&options.json, json)
        .with_context(|| format!("cannot write {}", options.json.display()))?;
    let missed = table.missed().count();
    println!(
        "{} of {} budgets missed; as JSON: {}; {:.0} s",
        missed,
        table.rows.iter().filter(|row| row.budget.is_some()).count(),
        options.json.display(),
        start.elapsed().as_secs_f64()
    );
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
