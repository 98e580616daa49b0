//! Programs from PyPI, in a Python environment of the project's own: what others read reports with, and
//! a C compiler for other machines.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::bail;

use crate::{packages::Install, steps};

/// Where the environment is, in the repository.
const PLACE: &str = "target/tools/python";

/// The system's Python: a Python of the user's own may come first on the `PATH`.
const PYTHON: &str = "/usr/bin/python3";

/// A package, with the module or file that shows that it is there.
type Package = (&'static str, &'static str);

/// Readers of reports.
const READERS: [Package; 2] = [("duckdb==2.0.0", "duckdb"), ("jsonschema==4.26.0", "jsonschema")];

/// The C compiler, and what has cargo use it.
const ZIG: [Package; 2] =
    [("ziglang==0.17.1", "ziglang"), ("cargo-zigbuild==0.24.1", "bin/cargo-zigbuild")];

/// Makes sure that zig and cargo-zigbuild are there, and returns the directory of the latter.
///
/// # Errors
///
/// As [`ensure`].
pub(crate) fn ensure_zig(install: Install) -> anyhow::Result<PathBuf> {
    ensure_packages(install, &ZIG, "dist")?;
    Ok(steps::root().join(PLACE).join("bin"))
}

/// Makes sure that DuckDB and a validator of JSON schemas are there, for the suite about reports.
///
/// # Errors
///
/// If something is missing and may not, or cannot, be installed.
pub(crate) fn ensure(install: Install) -> anyhow::Result<()> {
    ensure_packages(install, &READERS, "setup --tests")
}

fn ensure_packages(install: Install, packages: &[Package], by: &str) -> anyhow::Result<()> {
    let place = steps::root().join(PLACE);
    let python = place.join("bin/python3");
    let is_there = |proof: &str| match proof.strip_prefix("bin/") {
        Some(_) => place.join(proof).exists(),
        None => has_module(&python, proof),
    };
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(_, proof)| !is_there(proof))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    if install == Install::Refuse {
        bail!("missing Python packages: {names}; `cargo xtask {by}` installs them into {PLACE}");
    }
    steps::say(&format!("about to install into {PLACE}, with pip: {names}"));
    if !python.exists() {
        steps::logged(
            "making a Python environment",
            "python-venv",
            Command::new(PYTHON).args(["-m", "venv"]).arg(&place),
            "install Python's venv (Debian: python3-venv), then run this again",
        )?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(&missing);
    steps::logged(
        "installing Python packages",
        "pip-install",
        &mut pip,
        "check the network and pip's settings, then run this again",
    )
}

fn has_module(python: &Path, module: &str) -> bool {
    python.exists()
        && steps::ask(Command::new(python).args(["-c", &format!("import {module}")])).is_some()
}
