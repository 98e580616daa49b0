//! What is given to others: a Debian package and a tarball with a static agent, each for two
//! architectures, and their checksums.
//!
//! The same sources make the same octets: paths are remapped, dates are that of the last change, files are
//! in order.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    build::{self, Profile},
    crates,
    fixed::{self, Machine},
    goldens,
    packages::{self, Install},
    run, steps,
};

/// Where everything is put together, in the repository; `probe-user/Cargo.toml` names it, too.
const STAGE: &str = "target/stage";

/// Where what is given to others ends up.
const OUT: &str = "target/dist";

/// Programs that cargo installs, into `target/tools`.
const TOOLS: [(&str, &str); 2] = [("cargo-deb", "3.8.0"), ("cargo-about", "0.8.4")];

/// Files at the top of a tarball, by their names in the repository.
const FILES: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "LICENSE-GPL2",
    "docs/forgewatch.toml",
    "pkg/forgewatch@.service",
    "docs/releasing.md",
];

/// Makes packages and tarballs; with `check`, has each agent judge the goldens, that of the other machine
/// emulated, and tries the package for this machine in a clean Debian.
///
/// # Errors
///
/// If something is missing and cannot be installed, or cannot be built or packed.
pub(crate) fn all(only: &[String], check: bool) -> anyhow::Result<()> {
    let machines: Vec<Machine> = Machine::ALL
        .into_iter()
        .filter(|machine| only.is_empty() || only.iter().any(|name| name == machine.name()))
        .collect();
    ensure!(!machines.is_empty(), "there is only {}", Machine::ALL.map(Machine::name).join(", "));
    for (tool, version) in TOOLS {
        crates::ensure(tool, version)?;
    }
    let object = build::object()?;
    let stage = steps::root().join(STAGE);
    let out = steps::root().join(OUT);
    let _ = fs::remove_dir_all(&stage);
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&stage)?;
    fs::create_dir_all(&out)?;
    manual(&object, &stage)?;
    licences(&stage)?;
    let mut agents = Vec::new();
    for machine in machines {
        let agent = fixed::agent(machine, &object)?;
        deb(machine, &out)?;
        tarball(machine, &agent, &stage, &out)?;
        agents.push((machine, agent));
    }
    sums(&out)?;
    if check {
        packages::ensure_test_tools(Install::Announce)?;
        goldens::check(&agents)?;
        check_package(&object, &out)?;
    }
    Ok(())
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(crates::path(name));
    command.current_dir(steps::root());
    command.env("SOURCE_DATE_EPOCH", fixed::epoch());
    command
}

/// Man pages and completions.
fn manual(object: &Path, stage: &Path) -> anyhow::Result<()> {
    let program = build::test_program("manual", object, Profile::Dev)?;
    let mut date = Command::new("date");
    date.args(["--utc", "--date", &format!("@{}", fixed::epoch()), "+%Y-%m-%d"]);
    let date = steps::ask(&mut date).context("cannot run date")?;
    let mut command = Command::new(program);
    command.arg(stage).args(["--date", date.trim()]);
    steps::show("writing man pages and completions", &mut command, "its message is above")
}

/// What the list of licences is made of.
const LICENCE_SOURCES: [&str; 3] = ["Cargo.lock", "pkg/about.toml", "pkg/about.hbs"];

/// The licences of everything that is in the agent. It takes a minute, so it is done anew only if something
/// has changed.
fn licences(stage: &Path) -> anyhow::Result<()> {
    let made = steps::root().join("target/LICENSES");
    let changed = |path: PathBuf| fs::metadata(path)?.modified();
    let sources = LICENCE_SOURCES.map(|name| changed(steps::root().join(name)));
    let is_newer = |since| sources.iter().flatten().all(|source| *source < since);
    if !changed(made.clone()).is_ok_and(is_newer) {
        gather_licences(&made)?;
    }
    fs::copy(&made, stage.join("LICENSES"))?;
    Ok(())
}

fn gather_licences(to: &Path) -> anyhow::Result<()> {
    let mut command = tool("cargo-about");
    command
        .args(["generate", "--locked", "--config", "pkg/about.toml"])
        .args(["--manifest-path", "probe-user/Cargo.toml", "pkg/about.hbs", "--output-file"])
        .arg(to);
    steps::show(
        "gathering the licences of all packages",
        &mut command,
        "a licence that is not among those of pkg/about.toml has to be looked at",
    )
}

/// The Debian package; its contents are in `probe-user/Cargo.toml`.
fn deb(machine: Machine, out: &Path) -> anyhow::Result<()> {
    let mut command = tool("cargo-deb");
    command
        .args(["--no-build", "--no-strip", "--no-dbgsym", "--locked", "--package", "probe-user"])
        .args(["--target", machine.target(), "--output"])
        .arg(out)
        .env("CARGO_TARGET_DIR", steps::root().join("target/static"));
    let title = format!("packing for Debian, {}", machine.debian());
    steps::show(&title, &mut command, "its message is above")
}

/// The tarball: the agent and what belongs beside it, in a directory with its version.
fn tarball(machine: Machine, agent: &Path, stage: &Path, out: &Path) -> anyhow::Result<()> {
    let name = format!("forgewatch-{}-{}-linux", env!("CARGO_PKG_VERSION"), machine.name());
    let tree = stage.join(&name);
    fs::create_dir_all(&tree)?;
    let mut from = vec![agent.to_owned(), stage.join("LICENSES")];
    from.extend(FILES.iter().map(|file| steps::root().join(file)));
    for file in from {
        let to = tree.join(file.file_name().unwrap_or_default());
        fs::copy(&file, to).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    for part in ["man", "completions"] {
        copy_all(&stage.join(part), &tree.join(part))?;
    }
    let mut command = Command::new("tar");
    command
        .arg("--directory")
        .arg(stage)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"])
        .args(["--mode=u+rw,go=rX", "--mtime", &format!("@{}", fixed::epoch())])
        .args(["--use-compress-program=gzip -9n", "--create", "--file"])
        .arg(out.join(format!("{name}.tar.gz")))
        .arg(&name);
    let title = format!("packing the tarball for {}", machine.name());
    steps::show(&title, &mut command, "it needs GNU tar and gzip")
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The files in `out`, in order.
fn files(out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(out)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn sums(out: &Path) -> anyhow::Result<()> {
    let names = files(out)?;
    let names = names.iter().filter_map(|file| file.file_name());
    let mut command = Command::new("sha256sum");
    command.args(names).current_dir(out);
    let text = steps::ask(&mut command).context("cannot run sha256sum")?;
    fs::write(out.join("SHA256SUMS"), &text)?;
    for line in text.lines() {
        println!("{line}");
    }
    steps::say(&format!("all of it is in {}", out.display()));
    Ok(())
}

/// Tries the package of this machine in a clean Debian 12.
fn check_package(object: &Path, out: &Path) -> anyhow::Result<()> {
    let machine = Machine::ALL.into_iter().find(|one| one.name() == std::env::consts::ARCH);
    let ending = format!("_{}.deb", machine.context("no package for this machine")?.debian());
    let deb = files(out)?
        .into_iter()
        .find(|file| file.to_string_lossy().ends_with(&ending))
        .with_context(|| format!("no package {ending}"))?;
    let program = build::test_program("package", object, Profile::Dev)?;
    let mut command = steps::as_root(program.as_os_str(), &[])?;
    command.arg(deb);
    run::become_command(command)
}
