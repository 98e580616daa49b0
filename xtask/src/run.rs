//! Running what has been built, as root: the agent and the demo.

use std::{
    ffi::OsString,
    fs,
    io::{self, IsTerminal as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    EXIT_USAGE,
    build::{self, Profile},
    fixed::{self, Machine},
    packages::{self, Install},
    steps::{self, Failure},
};

/// Tells demo and suites which agent to run.
pub(crate) const AGENT_VARIABLE: &str = "FORGEWATCH_BIN";

/// Tells bench, demo and suites which object has the programs for measurement.
pub(crate) const BENCH_VARIABLE: &str = "FORGEWATCH_BENCH_OBJECT";

/// Exit code for an interface that is not there, the same as the agent's.
const EXIT_NO_INTERFACE: u8 = 4;

/// Arguments by which it is said how output looks: then lines are written, on a terminal, too.
const FORMS: [&str; 3] = ["--json", "--log", "--destinations"];

/// Builds the agent and becomes `forgewatch run --iface ... args`; or `forgewatch live` where there is a
/// terminal to look at, unless `lines` are wanted.
///
/// # Errors
///
/// If an interface is missing, which is said before the first build, or something cannot be built.
pub(crate) fn agent(ifaces: &[String], lines: bool, args: &[OsString]) -> anyhow::Result<()> {
    check_interfaces(ifaces, args)?;
    let agent = build::agent(Profile::Release)?;
    let mut command = steps::as_root(agent.as_os_str(), &[])?;
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    command.arg(if terminal && !lines && !has_form(args) { "live" } else { "run" });
    for iface in ifaces {
        command.args(["--iface", iface]);
    }
    command.args(args.iter().filter(|word| *word != "--"));
    become_command(command)
}

/// Whether one of `args` says how output looks.
fn has_form(args: &[OsString]) -> bool {
    let is_form = |word: &OsString| {
        let word = word.to_string_lossy();
        FORMS.contains(&word.split('=').next().unwrap_or_default())
    };
    args.iter().any(is_form)
}

/// Builds agent and demo, and becomes the demo.
///
/// # Errors
///
/// If a tool is missing and cannot be installed, or something cannot be built.
pub(crate) fn demo(no_censor: bool, args: &[OsString]) -> anyhow::Result<()> {
    packages::ensure_test_tools(Install::Announce)?;
    let object = build::object()?;
    let agent = build::agent_around(&object, Profile::Release)?;
    let demo = build::test_program("demo", &object, Profile::Dev)?;
    let mut variables = vec![(AGENT_VARIABLE, agent.into_os_string())];
    if args.iter().any(|word| word.to_string_lossy().starts_with("--flood")) {
        variables.push((BENCH_VARIABLE, build::bench_object()?.into_os_string()));
    }
    let mut command = steps::as_root(demo.as_os_str(), &variables)?;
    if no_censor {
        command.arg("--no-censor");
    }
    command.args(args.iter().filter(|word| *word != "--"));
    become_command(command)
}

/// Builds the agent and what plays a case, and becomes that. It needs neither root nor test tools.
///
/// # Errors
///
/// If something cannot be built or started.
pub(crate) fn case(name: &str, args: &[OsString]) -> anyhow::Result<()> {
    let object = build::object()?;
    let agent = build::agent_around(&object, Profile::Release)?;
    let program = build::test_program(name, &object, Profile::Release)?;
    let mut command = Command::new(program);
    command.env(AGENT_VARIABLE, agent).args(args.iter().filter(|word| *word != "--"));
    become_command(command)
}

/// Builds the static agent and what tries it on other kernels, and becomes that.
///
/// # Errors
///
/// If a tool is missing and cannot be installed, or something cannot be built or started.
pub(crate) fn kernels(args: &[OsString]) -> anyhow::Result<()> {
    let is_foreign = args.windows(2).any(|words| words == ["--machine", Machine::Aarch64.name()])
        || args.contains(&format!("--machine={}", Machine::Aarch64.name()).into());
    packages::ensure_test_tools(Install::Announce)?;
    if is_foreign {
        packages::ensure_other_emulator(Install::Announce)?;
    }
    let object = build::object()?;
    let agent = fixed::agent(Machine::X86_64, &object)?;
    build::test_program("guest", &object, Profile::Dev)?;
    let kernels = build::test_program("kernels", &object, Profile::Dev)?;
    let mut command =
        steps::as_root(kernels.as_os_str(), &[(AGENT_VARIABLE, agent.into_os_string())])?;
    command.args(args.iter().filter(|word| *word != "--"));
    if is_foreign {
        command.arg("--agent").arg(fixed::agent(Machine::Aarch64, &object)?);
        command.arg("--guest").arg(fixed::guest(Machine::Aarch64, &object)?);
    }
    become_command(command)
}

/// Builds the programs for measurement, the agent, and program `name` of the test package, which needs
/// both, and becomes that, as root.
///
/// # Errors
///
/// If something cannot be built or started.
pub(crate) fn measured(name: &str, args: &[OsString]) -> anyhow::Result<()> {
    let object = build::object()?;
    let measured = build::bench_object()?;
    let agent = build::agent_around(&object, Profile::Release)?;
    let program = build::test_program(name, &object, Profile::Release)?;
    let variables =
        [(BENCH_VARIABLE, measured.into_os_string()), (AGENT_VARIABLE, agent.into_os_string())];
    let mut command = steps::as_root(program.as_os_str(), &variables)?;
    command.args(args.iter().filter(|word| *word != "--"));
    become_command(command)
}

/// Replaces this process: signals then reach the program itself, and its exit code is ours.
pub(crate) fn become_command(mut command: Command) -> anyhow::Result<()> {
    steps::say(&format!("starting {}", steps::shown(&command)));
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", steps::shown(&command)))
}

/// Says what is wrong with the interfaces now, not after minutes of compiling.
fn check_interfaces(ifaces: &[String], args: &[OsString]) -> anyhow::Result<()> {
    // Behind an argument that is unknown here, `--iface` is one of the agent's own to read.
    let elsewhere = args.iter().any(|word| word.to_string_lossy().starts_with("--iface"));
    if ifaces.is_empty() && !elsewhere {
        bail!(Failure {
            code: EXIT_USAGE,
            message: format!(
                "no interface to watch; say which: cargo xtask run --iface IF ({})",
                present_interfaces()
            ),
        });
    }
    match ifaces.iter().find(|name| !Path::new("/sys/class/net").join(name).exists()) {
        None => Ok(()),
        Some(missing) => bail!(Failure {
            code: EXIT_NO_INTERFACE,
            message: format!("there is no interface {missing} here ({})", present_interfaces()),
        }),
    }
}

/// "there are: eth0, lo".
fn present_interfaces() -> String {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    if names.is_empty() {
        return "none is to be seen in /sys/class/net".to_owned();
    }
    format!("there are: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_interface_has_its_exit_code() {
        let error = check_interfaces(&["lo".to_owned(), "nosuch0".to_owned()], &[]).unwrap_err();
        let failure = error.downcast_ref::<Failure>().expect("a failure with a code");
        assert_eq!(failure.code, EXIT_NO_INTERFACE);
        assert!(failure.message.contains("nosuch0"), "{failure}");
    }

    #[test]
    fn who_says_how_output_looks_gets_lines() {
        let said = |words: &[&str]| has_form(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(said(&["--all", "--json"]) && said(&["--json=true"]) && said(&["--log", "human"]));
        assert!(!said(&["--all", "--duration", "60"]) && !said(&[]));
    }

    #[test]
    fn no_interface_at_all_is_a_usage_error() {
        let error = check_interfaces(&[], &["--json".into()]).unwrap_err();
        let failure = error.downcast_ref::<Failure>().expect("a failure with a code");
        assert_eq!(failure.code, EXIT_USAGE);
        assert!(check_interfaces(&[], &["--json".into(), "--iface".into(), "lo".into()]).is_ok());
    }
}
