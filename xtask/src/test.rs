//! All test suites, and the table of what they said.

use std::{
    env,
    ffi::{OsStr, OsString},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    build::{self, Artifact, Profile},
    lanes::{self, Job},
    packages::{self, Install},
    python,
    run::{AGENT_VARIABLE, BENCH_VARIABLE},
    steps,
    suites::{self, Outcome, Show},
};

/// The package whose suites make networks and load BPF programs.
const ROOT_PACKAGE: &str = "probe-tests";

/// Its directory.
const ROOT_DIRECTORY: &str = "tests";

/// Tells the suites where this program is.
const XTASK_VARIABLE: &str = "FORGEWATCH_XTASK";

/// Longest that one suite may take, in seconds: a network that hangs must not hang everything.
const SUITE_LIMIT: &str = "1200";

/// Builds everything, runs every suite, prints a table.
///
/// # Errors
///
/// If something cannot be built or run, or a suite fails; the others are run all the same.
pub(crate) fn all(quick: bool, filter: Option<&str>) -> anyhow::Result<()> {
    let start = Instant::now();
    if !quick {
        packages::ensure_test_tools(Install::Announce)?;
        python::ensure(Install::Announce)?;
    }
    let object = build::object()?;
    let mut variables = vec![(build::OBJECT_VARIABLE, object.clone().into_os_string())];
    if !quick {
        let agent = build::agent_around(&object, Profile::Release)?;
        variables.push((AGENT_VARIABLE, agent.into_os_string()));
        variables.push((BENCH_VARIABLE, build::bench_object()?.into_os_string()));
        // The suite about the documentation asks this very program what it understands.
        variables.push((XTASK_VARIABLE, env::current_exe()?.into_os_string()));
    }

    let mut command = cargo_test(quick, &variables);
    command.arg("--no-run");
    let suites = steps::timed("building the tests", || build::artifacts(&mut command))?;
    let mut jobs = Vec::new();
    for suite in suites.iter().filter(|artifact| artifact.is_test) {
        jobs.push(Job {
            name: suite_name(suite),
            command: suite_command(suite, filter, &variables)?,
        });
    }
    let began = Instant::now();
    let mut outcomes = lanes::run(jobs)?;
    let mut doc = cargo_test(quick, &variables);
    doc.arg("--doc").args(harness_arguments(filter));
    outcomes.push(suites::run("documentation examples", &mut doc, Show::AsItComes)?);

    print_table(&outcomes, began.elapsed());
    if quick {
        println!("left out by --quick: the suites of {ROOT_DIRECTORY}/");
    }
    println!("all of it took {}", steps::seconds(start.elapsed()));
    let bad: Vec<&str> =
        outcomes.iter().filter(|one| !one.is_good()).map(|one| one.name.as_str()).collect();
    if !bad.is_empty() {
        bail!("failed: {}; what they printed is above", bad.join(", "));
    }
    if filter.is_some() && outcomes.iter().all(|one| one.counts.is_empty()) {
        bail!("no test has {:?} in its name", filter.unwrap_or_default());
    }
    Ok(())
}

/// `cargo test` for everything that runs on this machine: all but the BPF program itself.
fn cargo_test(quick: bool, variables: &[(&str, OsString)]) -> Command {
    let mut command = steps::cargo();
    command.args(["test", "--locked", "--workspace", "--exclude", "probe-ebpf"]);
    if quick {
        command.args(["--exclude", ROOT_PACKAGE]);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

/// A suite as cargo would run it, in the directory of its package and within a time limit; as root
/// if it is one that needs that.
fn suite_command(
    suite: &Artifact,
    filter: Option<&str>,
    variables: &[(&str, OsString)],
) -> anyhow::Result<Command> {
    let limiter = OsStr::new("timeout");
    let mut command = if needs_root(suite) {
        steps::as_root(limiter, variables)?
    } else {
        let mut command = Command::new(limiter);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
    };
    command
        .args(["--foreground", "--signal=INT", "--kill-after=30", SUITE_LIMIT])
        .arg(&suite.executable)
        .args(&harness_arguments(filter)[1..])
        .current_dir(&suite.package);
    if needs_root(suite) {
        // What a test measures or waits for is its own, and two suites at once are as much as two processors bear.
        command.arg("--test-threads=1");
    }
    Ok(command)
}

/// Arguments of Rust's test harness, with the `--` that cargo wants before them. What tests print
/// is asked for because a test that has to skip says so there.
fn harness_arguments(filter: Option<&str>) -> Vec<&str> {
    ["--", "--show-output"].into_iter().chain(filter).collect()
}

fn needs_root(suite: &Artifact) -> bool {
    suite.package == steps::root().join(ROOT_DIRECTORY)
}

/// "probe-user: unit" for the tests inside a library, "probe-user: capture" for a suite.
fn suite_name(suite: &Artifact) -> String {
    let package = suite.package.file_name().unwrap_or_default().to_string_lossy();
    match suite.kind.as_str() {
        "lib" => format!("{package}: unit"),
        "bin" => format!("{package}: {} (program)", suite.name),
        _ => format!("{package}: {}", suite.name),
    }
}

/// Prints a line for every suite in which something ran, then why tests did not. `elapsed` is the time of all,
/// which is less than the sum, as suites run side by side.
fn print_table(outcomes: &[Outcome], elapsed: Duration) {
    let told: Vec<&Outcome> =
        outcomes.iter().filter(|one| !one.counts.is_empty() || !one.is_good()).collect();
    let width = told.iter().map(|one| one.name.len()).max().unwrap_or(0).max("suite".len());
    println!();
    println!("{:width$}  {:>6}  {:>6}  {:>7}  time", "suite", "passed", "failed", "skipped");
    for one in &told {
        println!("{}", row(&one.name, one, width));
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for one in outcomes {
        passed += one.counts.passed;
        failed += one.counts.failed;
        skipped += one.counts.skipped.len();
    }
    let time = steps::seconds(elapsed);
    println!("{:width$}  {passed:>6}  {failed:>6}  {skipped:>7}  {time}", "total");
    if skipped > 0 {
        println!("\nskipped, and why:");
    }
    for one in outcomes {
        for (test, reasons) in &one.counts.skipped {
            println!("  {} / {test}: {}", one.name, reasons.join("; "));
        }
    }
}

/// One line of the table.
fn row(name: &str, one: &Outcome, width: usize) -> String {
    let counts = &one.counts;
    let mut row = format!(
        "{name:width$}  {:>6}  {:>6}  {:>7}  {}",
        counts.passed,
        counts.failed,
        counts.skipped.len(),
        steps::seconds(one.elapsed)
    );
    if !one.status.success() {
        row.push_str(&format!("  FAILED ({})", one.status));
    }
    row
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn artifact(package: &Path, kind: &str) -> Artifact {
        Artifact {
            package: package.to_owned(),
            kind: kind.to_owned(),
            name: "e2e".to_owned(),
            is_test: true,
            executable: "/t/e2e-1".into(),
        }
    }

    #[test]
    fn only_the_suites_that_make_networks_run_as_root_and_one_by_one() {
        let root = artifact(&steps::root().join(ROOT_DIRECTORY), "test");
        let plain = artifact(&steps::root().join("probe-user"), "lib");
        assert!(needs_root(&root) && !needs_root(&plain));
        let command = suite_command(&plain, Some("dns"), &[]).expect("no sudo involved");
        let line = steps::shown(&command);
        assert!(line.ends_with("/t/e2e-1 --show-output dns`"), "{line}");
        assert_eq!(suite_name(&plain), "probe-user: unit");
        assert_eq!(suite_name(&root), "tests: e2e");
    }
}
