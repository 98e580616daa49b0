//! Writes the corpus: labelled captures of interference and of what only looks like it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser;
use probe_tests::corpus::{build, segment::Truth};

/// Write labelled captures: models of injectors, and behaviours that are innocent.
///
/// The same seed makes the same files, octet for octet.
#[derive(Parser)]
struct Options {
    /// Directory to write to; made if it is not there
    #[arg(required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only cases with this in their name
    #[arg(long)]
    only: Option<String>,
    /// Write nothing: list models and behaviours as the tables of docs/corpus.md
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let Some(out) = options.out.as_deref().filter(|_| !options.list) else {
        print!("{}", build::tables());
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut index = "name,packets,injected_or_altered,flows,touched,what\n".to_owned();
    let (mut cases, mut packets, mut forged) = (0, 0, 0);
    for plan in build::plans() {
        if options.only.as_ref().is_some_and(|only| !plan.name().contains(only)) {
            continue;
        }
        let case = plan.make(options.seed, build::Scale::FULL);
        case.write(out)
            .with_context(|| format!("cannot write {} to {}", case.name, out.display()))?;
        let touched = case.flows.iter().filter(|flow| flow.truth != "innocent").count();
        cases += 1;
        packets += case.tape.records.len();
        forged += case.count(Truth::Forged);
        writeln!(
            index,
            "{},{},{},{},{touched},\"{}\"",
            case.name,
            case.tape.records.len(),
            case.count(Truth::Forged),
            case.flows.len(),
            case.what.replace('"', "\"\""),
        )?;
    }
    write(out, "index.csv", &index)?;
    write(out, "README.md", &readme(options.seed, cases, packets, forged))?;
    println!("{cases} cases, {packets} packets, {forged} of them injected or altered");
    Ok(ExitCode::SUCCESS)
}

fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn readme(seed: u64, cases: usize, packets: usize, forged: usize) -> String {
    format!(
        "# Labelled captures of connection tampering, made\n\n\
         Made by Forgewatch's `cargo xtask corpus` from seed {seed}: {cases} cases, {packets} \
         packets, {forged} of them injected or altered. All of it is simulated; no packet is of a \
         real person.\n\n\
         - `NAME.router.pcap`: what a router's upstream port saw.\n\
         - `NAME.labels.csv`: the truth about each packet (`frame` counts from 1).\n\
         - `NAME.flows.csv`: the truth about each connection, also where packets were taken out; \
         `evidence` says whether anything of it passed the router.\n\
         - `index.csv`: all cases.\n"
    )
}
