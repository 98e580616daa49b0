//! Whether the built agents say of the small captures what is written down, and all the same, on whatever
//! machine they are for: another one's runs emulated.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};

use crate::{fixed::Machine, steps};

/// What a finding's line begins with, among others.
const FINDING: &str = r#"{"record":"finding""#;

/// Has each agent say its version and judge each capture of `tests/goldens`.
///
/// # Errors
///
/// If one does not run, does not find what is written down, or finds something else than the first.
pub(crate) fn check(agents: &[(Machine, PathBuf)]) -> anyhow::Result<()> {
    let cases = cases()?;
    let mut first: Option<Vec<Vec<String>>> = None;
    for (machine, agent) in agents {
        let how = if machine.name() == ARCH { "" } else { ", emulated" };
        let title = format!("{} goldens by the agent for {}{how}", cases.len(), machine.name());
        let found = steps::timed(&title, || {
            let version = said(*machine, agent, &["--version".as_ref()])?;
            let wanted = format!("forgewatch {}", env!("CARGO_PKG_VERSION"));
            ensure!(version.starts_with(&wanted), "it says that it is {version:?}, not {wanted}");
            cases.iter().map(|case| judged(*machine, agent, case)).collect()
        })?;
        let first = first.get_or_insert_with(|| Vec::clone(&found));
        for ((case, these), those) in cases.iter().zip(&found).zip(first) {
            ensure!(
                these == those,
                "{}: the agent for {} finds\n{}\nand another\n{}",
                case.display(),
                machine.name(),
                these.join("\n"),
                those.join("\n")
            );
        }
    }
    Ok(())
}

/// The directories of the goldens, in order.
fn cases() -> anyhow::Result<Vec<PathBuf>> {
    let place = steps::root().join("tests/goldens");
    let entries =
        fs::read_dir(&place).with_context(|| format!("cannot read {}", place.display()))?;
    let mut cases: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    cases.sort();
    ensure!(!cases.is_empty(), "no goldens in {}", place.display());
    Ok(cases)
}

/// What `agent` finds in a golden. That is what is written down of it and, as that is of engine and judge
/// alone, connections that fell silent.
fn judged(machine: Machine, agent: &Path, case: &Path) -> anyhow::Result<Vec<String>> {
    let written = case.join("findings.ndjson");
    let written = fs::read_to_string(&written)
        .with_context(|| format!("cannot read {}", written.display()))?;
    let capture = case.join("capture.pcap");
    let words =
        ["replay".as_ref(), "--json".as_ref(), "--clear-clients".as_ref(), capture.as_path()];
    let all = said(machine, agent, &words)?;
    let found: Vec<String> =
        all.lines().filter(|line| line.starts_with(FINDING)).map(str::to_owned).collect();
    if let Some(missing) = written.lines().find(|line| !found.iter().any(|one| one == line)) {
        bail!("{}: this is written down and not found:\n{missing}", case.display());
    }
    Ok(found)
}

/// What `agent` prints.
fn said(machine: Machine, agent: &Path, words: &[&Path]) -> anyhow::Result<String> {
    let mut command = if machine.name() == ARCH {
        Command::new(agent)
    } else {
        let mut command = Command::new(format!("qemu-{}-static", machine.name()));
        command.arg(agent);
        command
    };
    let output = command
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", steps::shown(&command)))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}: {complaint}", steps::shown(&command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
