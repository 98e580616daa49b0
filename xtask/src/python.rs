//! What others read reports with, in a Python environment of the project's own.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::{packages::Install, steps};

/// Where the environment is, in the repository.
const PLACE: &str = "target/tools/python";

/// The system's Python: a Python of the user's own may come first on the `PATH`.
const PYTHON: &str = "/usr/bin/python3";

/// Packages, each with the module that shows that it is there.
const PACKAGES: [(&str, &str); 2] =
    [("duckdb==2.0.0", "duckdb"), ("jsonschema==4.26.0", "jsonschema")];

/// Makes sure that DuckDB and a validator of JSON schemas are there, for the suite about reports.
///
/// # Errors
///
/// If something is missing and may not, or cannot, be installed.
pub(crate) fn ensure(install: Install) -> anyhow::Result<()> {
    let place = steps::root().join(PLACE);
    let python = place.join("bin/python3");
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, module)| !has_module(&python, module))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    if install == Install::Refuse {
        bail!(
            "missing Python packages: {names}; `cargo xtask setup --tests` installs them into {PLACE}"
        );
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
