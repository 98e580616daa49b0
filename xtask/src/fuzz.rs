//! The fuzzer: built with what it needs, run on one target after the other.

use std::fs;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{build, crates, steps};

/// The one version of cargo-fuzz that is used.
const CARGO_FUZZ: &str = "0.13.2";

/// Longest input, as the targets have it.
const INPUT_MAX: &str = "-max_len=16384";

/// What is fuzzed, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Target; may be given several times. Without: all of them.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u64,
}

/// Fuzzes each target in turn. What it learns stays in `target/fuzz/corpus`, crashes in
/// `target/fuzz/crashes`.
///
/// # Errors
///
/// If a target crashes, or something cannot be built.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let targets = known()?;
    if let Some(other) = options.targets.iter().find(|name| !targets.contains(name)) {
        bail!("no target {other}; there are {}", targets.join(", "));
    }
    let object = build::object()?;
    let cargo_fuzz = crates::ensure("cargo-fuzz", CARGO_FUZZ)?;
    let wanted = if options.targets.is_empty() { &targets } else { &options.targets };
    let mut crashed = Vec::new();
    for target in wanted {
        let root = steps::root();
        let corpus = root.join("target/fuzz/corpus").join(target);
        let crashes = root.join("target/fuzz/crashes").join(target);
        for folder in [&corpus, &crashes] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = std::process::Command::new(&cargo_fuzz);
        command
            .args([
                "fuzz",
                "run",
                "--fuzz-dir",
                "fuzz",
                "--target-dir",
                "target/fuzz/build",
                target,
            ])
            .arg(&corpus)
            .arg(root.join("fuzz/corpus").join(target))
            .arg("--")
            .arg(format!("-max_total_time={}", options.seconds))
            .args([INPUT_MAX, "-timeout=20", "-rss_limit_mb=4096", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .current_dir(&root)
            // Sanitizers are not in a stable compiler's language; nothing that ships is built so.
            .env("RUSTC_BOOTSTRAP", "1")
            .env(build::OBJECT_VARIABLE, &object);
        steps::say(&format!("fuzzing {target} for {} s", options.seconds));
        let status =
            command.status().with_context(|| format!("cannot start {}", steps::shown(&command)))?;
        if !status.success() {
            crashed.push(target.as_str());
        }
    }
    if crashed.is_empty() {
        steps::say(&format!("{} targets, no crash", wanted.len()));
        return Ok(());
    }
    bail!(
        "{} crashed or could not be built; what did it is below target/fuzz/crashes",
        crashed.join(", ")
    )
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
