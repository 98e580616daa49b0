//! Everything that has to hold before a merge.

use std::process::Command;

use crate::{build, steps, test};

/// Format, lints, documentation, then all tests. The first that fails ends it.
///
/// # Errors
///
/// If one of them fails, or something that they need cannot be installed.
pub(crate) fn all() -> anyhow::Result<()> {
    ensure_components()?;
    steps::show(
        "checking the format",
        steps::cargo().args(["fmt", "--all", "--check"]),
        "`cargo fmt --all` puts it right",
    )?;
    let object = build::object()?;
    steps::show(
        "linting",
        with_object(clippy(), &object)
            .args(["--workspace", "--exclude", "probe-ebpf", "--all-targets"])
            .args(["--", "-D", "warnings"]),
        "the lints are above",
    )?;
    steps::show(
        "linting the BPF program",
        // For this machine: clippy cannot compile for BPF without the sources of `core`. Only the
        // panic strategy has to be that of BPF, and one feature of aya-ebpf is unstable.
        clippy()
            .args(["--package", "probe-ebpf", "--all-features", "--", "-D", "warnings"])
            .env("CARGO_PROFILE_DEV_PANIC", "abort")
            .env("RUSTC_BOOTSTRAP", "aya_ebpf"),
        "the lints are above",
    )?;
    steps::show(
        "building the documentation",
        with_object(steps::cargo(), &object)
            .args(["doc", "--locked", "--no-deps", "--workspace", "--exclude", "probe-ebpf"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        "rustdoc's complaints are above",
    )?;
    test::all(false, None)
}

fn clippy() -> Command {
    let mut command = steps::cargo();
    command.args(["clippy", "--locked"]);
    command
}

/// The agent with its object, as it will be tested and used.
fn with_object(mut command: Command, object: &std::path::Path) -> Command {
    command.env(build::OBJECT_VARIABLE, object);
    command
}

/// Makes sure of rustfmt and clippy, which rustup's minimal profile leaves out.
fn ensure_components() -> anyhow::Result<()> {
    let missing: Vec<&str> = [("rustfmt", "fmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(_, command)| steps::ask(steps::cargo().args([command, "--version"])).is_none())
        .map(|(component, _)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    steps::say(&format!("about to install with rustup: {}", missing.join(", ")));
    steps::logged(
        "installing rustup components",
        "rustup",
        Command::new("rustup").args(["component", "add"]).args(&missing),
        "install them the way this system's Rust was installed",
    )
}
