//! The Debian package in a clean Debian 12.
//!
//! * [`system`]: that system: made once, copied, booted in a container.

pub mod system;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use self::system::System;
use crate::lab::{
    Lab,
    agent::attached,
    clients::Outcome,
    injector::{Injector, Settings, model::Model},
    network::{FRONT, WAN},
    process, wait,
};

/// The unit that is started.
const UNIT: &str = "forgewatch@wan0.service";

/// Where the unit keeps its ledger.
const STATE: &str = "/var/lib/forgewatch/wan0";

/// How long the agent may take to attach.
const SOON: Duration = Duration::from_secs(30);

/// Most that `systemd-analyze security` may say, of 10: what a unit without any of this has.
const EXPOSURE_MAX: f64 = 2.5;

/// What a user of the system may have changed that no package is asked about.
const NOT_OURS: [&str; 7] =
    ["/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/lib/systemd"];

/// Does it all.
///
/// # Errors
///
/// If something cannot be done, or is not as it has to be.
pub fn check(deb: &Path, cache: &Path) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let system = System::new(cache)?;
    let before = files(system.root())?;
    system.boot(&lab.network.router)?;
    say("installing");
    system.install(deb)?;
    say(&format!("exposure: {}", exposure(&system)?));
    say("starting");
    system.run(&["systemctl", "enable", "--now", UNIT]).with_context(|| system.journal(UNIT))?;
    watching(&lab, &system)?;
    say(&status(&system)?);
    found(&lab, &system, 1)?;
    system.run(&["systemctl", "reload", UNIT])?;
    say("upgrading");
    let next = newer(deb, cache)?;
    let key = state(system.root())?;
    system.install(&next)?;
    watching(&lab, &system)?;
    let kept = state(system.root())?;
    ensure!(key.is_subset(&kept), "the upgrade took away {:?}", key.difference(&kept));
    found(&lab, &system, 2)?;
    say("removing");
    system.run(&["dpkg", "--remove", "forgewatch"])?;
    let at = attached(&lab.network.router, WAN)?;
    ensure!(!at.any(), "the removed package left programs attached: {at:?}");
    ensure!(system.root().join(&STATE[1..]).exists(), "removing took the ledger away");
    system.run(&["dpkg", "--purge", "forgewatch"])?;
    let after = files(system.root())?;
    let left: Vec<&PathBuf> = after.difference(&before).collect();
    ensure!(left.is_empty(), "the purged package left {left:?}");
    for name in ["etc/passwd", "etc/group", "etc/shadow"] {
        let text = fs::read_to_string(system.root().join(name)).unwrap_or_default();
        ensure!(!text.contains("forgewatch"), "the purged package left its user in {name}");
    }
    Ok(())
}

fn say(what: &str) {
    println!("package: {what}");
}

/// Waits until the unit's agent is attached.
fn watching(lab: &Lab, system: &System) -> anyhow::Result<()> {
    let both = || attached(&lab.network.router, WAN).is_ok_and(|at| at.xdp && at.tcx > 0);
    let outcome = wait::until("the unit to watch", SOON, || both().then_some(()));
    outcome.with_context(|| system.journal(UNIT))?;
    ensure!(
        system.run(&["systemctl", "is-active", UNIT])?.trim() == "active",
        "{}",
        system.journal(UNIT)
    );
    Ok(())
}

/// Whose the agent is, and what it may do.
fn status(system: &System) -> anyhow::Result<String> {
    let pid = system.run(&["systemctl", "show", "--property=MainPID", "--value", UNIT])?;
    let text = system.run(&["cat", &format!("/proc/{}/status", pid.trim())])?;
    let wanted = ["Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"];
    let lines: Vec<String> = text
        .lines()
        .filter(|line| wanted.iter().any(|name| line.split(':').next() == Some(name)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    ensure!(!lines.iter().any(|line| line.starts_with("Uid: 0 ")), "it runs as root: {lines:?}");
    ensure!(lines.iter().any(|line| line == "NoNewPrivs: 1"), "{lines:?}");
    Ok(lines.join("; "))
}

/// Has a connection reset, and waits until as many findings of it are recorded.
fn found(lab: &Lab, system: &System, count: usize) -> anyhow::Result<()> {
    let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))?;
    let name = "www.linkedin.com";
    let outcome = lab.https(name, FRONT.v4)?;
    ensure!(outcome == Outcome::Reset, "{name}: {outcome}");
    drop(injector);
    let report = ["forgewatch", "report", "--state", STATE, "--k", "1"];
    let recorded = || {
        let text = system.run(&report).ok()?;
        let findings = text.lines().filter(|line| {
            line.contains("\"injected\"") && line.contains("linkedin") && line.contains("\"C3\"")
        });
        (findings.count() >= count).then_some(())
    };
    wait::until("the forged reset in the ledger", SOON, recorded)
        .with_context(|| format!("{:?}\n{}", system.run(&report), system.journal(UNIT)))?;
    say(&format!("forged resets in the ledger: {count}"));
    Ok(())
}

/// What `systemd-analyze security` says of the unit, which must not be too much.
fn exposure(system: &System) -> anyhow::Result<f64> {
    let text = system.run(&["systemd-analyze", "security", "--no-pager", UNIT])?;
    let line = text.lines().find(|line| line.contains("Overall exposure level"));
    let number = line.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok()));
    let number: f64 = number.with_context(|| format!("no level in {text}"))?;
    ensure!(
        number <= EXPOSURE_MAX,
        "the unit's exposure is {number}, above {EXPOSURE_MAX}: {text}"
    );
    Ok(number)
}

/// The same package with a higher version.
fn newer(deb: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
    let tree = cache.join("newer");
    let _ = fs::remove_dir_all(&tree);
    process::succeed(
        "dpkg-deb",
        Command::new("dpkg-deb").arg("--raw-extract").arg(deb).arg(&tree),
    )?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let lines = text.lines().map(|line| match line.strip_prefix("Version: ") {
        Some(version) => format!("Version: {version}+next\n"),
        None => format!("{line}\n"),
    });
    fs::write(&control, lines.collect::<String>())?;
    let next = cache.join("newer.deb");
    process::succeed(
        "dpkg-deb",
        Command::new("dpkg-deb").args(["-Znone", "--build"]).arg(&tree).arg(&next),
    )?;
    fs::remove_dir_all(tree)?;
    Ok(next)
}

/// The files of the state directory.
fn state(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let all = files(&root.join(&STATE[1..]))?;
    // What SQLite has beside its file while it is open comes and goes.
    let all = all.into_iter().filter(|path| {
        let name = path.to_string_lossy();
        !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    let all: BTreeSet<PathBuf> = all.collect();
    ensure!(!all.is_empty(), "there is nothing in {STATE}");
    Ok(all)
}

/// All files below `root`, as its system calls them.
fn files(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let inside = Path::new("/").join(entry.path().strip_prefix(root)?);
            if NOT_OURS.iter().any(|place| inside.starts_with(place)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
            found.insert(inside);
        }
    }
    Ok(found)
}
