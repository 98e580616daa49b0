//! The programs about captures whose truth is known: make them, score them, soak, goldens; and the
//! page that is written by a suite, too.

use std::{ffi::OsString, process::Command};

use crate::{
    build::{self, Profile},
    run, steps,
};

/// Tells the suites of goldens and documentation to write down what they see.
const BLESS_VARIABLE: &str = "FORGEWATCH_BLESS";

/// Builds program `name` of the test package and becomes it. It needs neither root nor test tools.
///
/// # Errors
///
/// If something cannot be built or started.
pub(crate) fn run(name: &str, args: &[OsString]) -> anyhow::Result<()> {
    let object = build::object()?;
    let program = build::test_program(name, &object, Profile::Release)?;
    let mut command = Command::new(program);
    command.args(args.iter().filter(|word| *word != "--"));
    run::become_command(command)
}

/// Runs the suite of goldens, or has it write them anew.
///
/// # Errors
///
/// If something cannot be built, or what is said differs from what is written down.
pub(crate) fn goldens(bless: bool) -> anyhow::Result<()> {
    let object = build::object()?;
    let mut cargo = steps::cargo();
    cargo
        .args(["test", "--locked", "--package", "probe-tests", "--test", "goldens"])
        .env(build::OBJECT_VARIABLE, &object);
    if bless {
        cargo.env(BLESS_VARIABLE, "1");
    }
    steps::show(
        if bless { "writing the goldens" } else { "comparing the goldens" },
        &mut cargo,
        "if the change is meant, `cargo xtask goldens --bless` and look at the difference",
    )
}

/// Has the page about the detectors written, or compared.
///
/// # Errors
///
/// If something cannot be built, a source lacks a part, or the page is not what the sources say.
pub(crate) fn docs(check: bool) -> anyhow::Result<()> {
    let object = build::object()?;
    let mut cargo = steps::cargo();
    cargo
        .args(["test", "--locked", "--package", "probe-tests", "--test", "docs"])
        .args(["--", "the_page_about_the_detectors_is_what_their_sources_say"])
        .env(build::OBJECT_VARIABLE, &object);
    if !check {
        cargo.env(BLESS_VARIABLE, "1");
    }
    steps::show(
        if check { "comparing docs/detectors.md" } else { "writing docs/detectors.md" },
        &mut cargo,
        "what is wrong is above; `cargo xtask docs` writes the page",
    )
}
