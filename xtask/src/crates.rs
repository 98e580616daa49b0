//! Programs of crates.io that the project uses and does not ship, compiled into `target/tools`.

use std::{path::PathBuf, process::Command};

use crate::steps;

/// Where cargo puts what it installs for the project.
fn root() -> PathBuf {
    steps::root().join("target/tools")
}

/// Where a program is that cargo has installed for the project.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join("bin").join(name)
}

/// Makes sure that a program of crates.io is there in this version, and returns where.
///
/// # Errors
///
/// If it cannot be compiled.
pub(crate) fn ensure(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let program = path(name);
    if steps::ask(Command::new(&program).arg("--version"))
        .is_some_and(|said| said.contains(version))
    {
        return Ok(program);
    }
    steps::say(&format!("about to install into target/tools, with cargo: {name} {version}"));
    let mut command = steps::cargo();
    command.args(["install", name, "--version", version, "--locked", "--root"]).arg(root());
    command.arg("--target-dir").arg(root().join("build"));
    steps::logged(
        &format!("compiling {name} {version}"),
        name,
        &mut command,
        "it needs crates.io and a C compiler",
    )?;
    Ok(program)
}
