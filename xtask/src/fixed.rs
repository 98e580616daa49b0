//! The agent as one static file that runs on any Linux, for two architectures.
//!
//! Rust's own part is rustup's standard library for musl. SQLite and the cryptography are C: zig is a C
//! compiler for any machine, with musl's headers, and is on PyPI, as is cargo-zigbuild, which has cargo
//! use it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{build, packages::Install, python, steps};

/// What the agent is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// Rust's name of it, with Linux and musl.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
        }
    }

    /// The kernel's name, and that in the names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Debian's name.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }
}

/// Settings of cargo for what is given to others: without what only a debugger reads.
const SETTINGS: [&str; 2] = ["profile.release.debug=false", "profile.release.strip=\"symbols\""];

/// Builds the agent around `object` for `machine` and returns its path.
///
/// # Errors
///
/// If something is missing and cannot be installed, or it does not compile.
pub(crate) fn agent(machine: Machine, object: &Path) -> anyhow::Result<PathBuf> {
    program(machine, object, "probe-user", "forgewatch")
}

/// Builds what tries the agent as the first process of an emulated `machine`, likewise.
///
/// # Errors
///
/// As for [`agent`].
pub(crate) fn guest(machine: Machine, object: &Path) -> anyhow::Result<PathBuf> {
    program(machine, object, "probe-tests", "guest")
}

fn program(machine: Machine, object: &Path, package: &str, name: &str) -> anyhow::Result<PathBuf> {
    let target = machine.target();
    ensure_std(target)?;
    let zig = python::ensure_zig(Install::Announce)?;
    let directory = steps::root().join("target/static");
    let mut command = steps::cargo();
    // As `cargo zigbuild`, without having it on the PATH of cargo.
    let cargo = command.get_program().to_owned();
    command = Command::new(zig.join("cargo-zigbuild"));
    command
        .current_dir(steps::root())
        .args(["zigbuild", "--locked", "--release", "--package", package])
        .args(["--bin", name, "--target", target, "--target-dir"])
        .arg(&directory)
        .env("CARGO", cargo)
        .env("PATH", search_path(&zig)?)
        .env(build::OBJECT_VARIABLE, object)
        .env("CARGO_ENCODED_RUSTFLAGS", remapped("\x1f"))
        .env("CARGO_INCREMENTAL", "0")
        .env("SOURCE_DATE_EPOCH", epoch());
    for setting in SETTINGS {
        command.args(["--config", setting]);
    }
    let title = format!("building {name} for {}, static", machine.name());
    steps::show(&title, &mut command, "the compiler's messages are above")?;
    let program = directory.join(target).join("release").join(name);
    build::describe(name, &program)?;
    Ok(program)
}

/// zig's Python first: cargo-zigbuild asks it for zig.
fn search_path(zig: &Path) -> anyhow::Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(zig.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(places).context("a directory of the PATH has a colon in its name")
}

/// Rust's standard library for `target`.
fn ensure_std(target: &str) -> anyhow::Result<()> {
    let is_there = || {
        let sysroot = steps::ask(Command::new("rustc").args(["--print", "sysroot"]))?;
        Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir().then_some(())
    };
    if is_there().is_some() {
        return Ok(());
    }
    steps::say(&format!("about to install with rustup: Rust's standard library for {target}"));
    steps::logged(
        &format!("rustup target add {target}"),
        "rustup-target",
        Command::new("rustup").args(["target", "add", target]),
        "static agents need a Rust of rustup's (https://rustup.rs) and its network",
    )?;
    if is_there().is_none() {
        bail!(
            "rustup has added {target} to another toolchain than that of the rustc on the PATH; run \
             this by the cargo of that one"
        );
    }
    Ok(())
}

/// Flags by which the compiler writes no path of this machine: the same sources then make the same
/// octets wherever they are.
pub(crate) fn remapped(separator: &str) -> String {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = Vec::new();
    for (place, name) in [(Some(steps::root()), "/forgewatch"), (home, "/cargo")] {
        if let Some(place) = place {
            flags.push(format!("--remap-path-prefix={}={name}", place.display()));
        }
    }
    flags.join(separator)
}

/// When the sources were last changed, in seconds since 1970: the date of all that is packed.
pub(crate) fn epoch() -> String {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given;
    }
    let mut git = Command::new("git");
    git.current_dir(steps::root()).args(["log", "-1", "--format=%ct"]);
    let told = steps::ask(&mut git).map(|text| text.trim().to_owned());
    // Sources without their history have the changelog, which every version changes.
    let changed = || {
        let time = fs::metadata(steps::root().join("CHANGELOG.md")).ok()?.modified().ok()?;
        Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs().to_string())
    };
    told.filter(|text| !text.is_empty()).or_else(changed).unwrap_or_else(|| "0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_of_this_machine_is_left() {
        let flags = remapped(" ");
        assert!(flags.starts_with(&format!("--remap-path-prefix={}=", steps::root().display())));
        assert!(flags.contains("=/cargo"), "{flags}");
    }

    #[test]
    fn there_is_a_date() {
        assert!(epoch().parse::<u64>().is_ok_and(|seconds| seconds > 1_700_000_000));
    }
}
