//! Debian packages: what is there, what could be, and installing the rest.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{backports, steps};

/// Installs packages without starting services; a shell script because its clean-up has to
/// outlive an interrupted xtask, and has to run as root.
const INSTALL_SCRIPT: &str = include_str!("install.sh");

/// Where Debian keeps administrators' commands, which are not on everybody's `PATH`.
const ADMIN_PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// What to do about something that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Install {
    /// Say what, then install it.
    Announce,
    /// End with an error that says what.
    Refuse,
}

/// A tool that suites or demo run, and how to get it.
struct Tool {
    /// Debian package.
    package: &'static str,
    /// Proof that it is there.
    proof: Proof,
}

/// What shows that a tool is there, whoever installed it.
enum Proof {
    /// A command on the `PATH`.
    Command(&'static str),
    /// A module of the system's Python, which the suites call by its path: a Python of the user's
    /// own may come first on the `PATH`.
    PythonModule(&'static str),
}

/// Real servers, clients and injectors: the suites watch them, and do not imitate them.
const TEST_TOOLS: &[Tool] = &[
    tool("iproute2", "ip"),
    tool("procps", "sysctl"),
    tool("ethtool", "ethtool"),
    tool("nftables", "nft"),
    tool("iputils-ping", "ping"),
    tool("nginx", "nginx"),
    tool("openssl", "openssl"),
    tool("curl", "curl"),
    // The binary alone: the package `dnsmasq` only adds the service.
    tool("dnsmasq-base", "dnsmasq"),
    tool("unbound", "unbound"),
    tool("bind9-dnsutils", "dig"),
    tool("bind9", "named"),
    tool("bind9-utils", "dnssec-signzone"),
    tool("knot-resolver", "kresd"),
    tool("dsniff", "tcpkill"),
    tool("ettercap-text-only", "ettercap"),
    tool("bettercap", "bettercap"),
    Tool { package: "python3-scapy", proof: Proof::PythonModule("scapy") },
    // For the environment of `python.rs`.
    Tool { package: "python3-venv", proof: Proof::PythonModule("ensurepip") },
    tool("tcpdump", "tcpdump"),
    tool("tshark", "tshark"),
    // For `promtool`, which checks metrics.
    tool("prometheus", "promtool"),
    // Looks at the report's page as its readers do; the other one reads what it prints.
    tool("chromium", "chromium"),
    tool("poppler-utils", "pdftotext"),
    // Other kernels: emulated, fetched, put together.
    tool("qemu-system-x86", "qemu-system-x86_64"),
    // The agent for another machine.
    tool("qemu-user-static", "qemu-aarch64-static"),
    tool("cpio", "cpio"),
    tool("kmod", "modinfo"),
    tool("xz-utils", "xz"),
    tool("binutils", "strip"),
    // A clean Debian to install the package in.
    tool("debootstrap", "debootstrap"),
    tool("systemd-container", "systemd-nspawn"),
];

/// A tool that is one command.
const fn tool(package: &'static str, command: &'static str) -> Tool {
    Tool { package, proof: Proof::Command(command) }
}

impl Tool {
    fn is_there(&self) -> bool {
        match self.proof {
            Proof::Command(name) => has_command(name),
            Proof::PythonModule(name) => {
                let question =
                    format!("import importlib.util as u, sys; sys.exit(not u.find_spec('{name}'))");
                steps::ask(Command::new("/usr/bin/python3").args(["-c", &question])).is_some()
            }
        }
    }

    fn name(&self) -> &'static str {
        match self.proof {
            Proof::Command(name) | Proof::PythonModule(name) => name,
        }
    }
}

/// What no suite takes: the emulator of another machine.
const OTHER_EMULATOR: Tool = tool("qemu-system-arm", "qemu-system-aarch64");

/// Makes sure that what suites and demo run is there.
///
/// # Errors
///
/// If something is missing and may not, or cannot, be installed.
pub(crate) fn ensure_test_tools(install: Install) -> anyhow::Result<()> {
    ensure(TEST_TOOLS, install)
}

/// Makes sure that kernels for aarch64 can be emulated.
///
/// # Errors
///
/// As for [`ensure_test_tools`].
pub(crate) fn ensure_other_emulator(install: Install) -> anyhow::Result<()> {
    ensure(&[OTHER_EMULATOR], install)
}

fn ensure(tools: &[Tool], install: Install) -> anyhow::Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name()).collect();
    let names = names.join(", ");
    if install == Install::Refuse {
        bail!("missing test tools: {names}; `cargo xtask setup --tests` installs them");
    }
    if !has_apt() {
        bail!(
            "missing test tools: {names}; there is no apt-get here, so install them with this \
             system's package manager, or run `cargo xtask test --quick`, which needs none"
        );
    }
    steps::say(&format!("missing test tools: {names}"));
    let packages: Vec<String> = missing.iter().map(|tool| tool.package.to_owned()).collect();
    apt_install(&packages)?;
    match missing.iter().find(|tool| !tool.is_there()) {
        None => Ok(()),
        Some(tool) => bail!(
            "package {} is installed, but {} is still not found; is it shadowed by another one on \
             the PATH?",
            tool.package,
            tool.name()
        ),
    }
}

/// Whether a command is on the `PATH` or among the administrators' commands.
fn has_command(name: &str) -> bool {
    let mut paths = std::env::var_os("PATH").unwrap_or_default();
    paths.push(":");
    paths.push(ADMIN_PATHS);
    which::which_in(name, Some(paths), "/").is_ok()
}

/// Whether packages can be installed with apt-get.
pub(crate) fn has_apt() -> bool {
    Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg-query").exists()
}

/// The version that apt-get would install, as `major.minor` after any epoch.
pub(crate) fn candidate(package: &str) -> Option<(u32, u32)> {
    let policy = steps::ask(apt("apt-cache").args(["policy", package]))?;
    policy.lines().find_map(|line| version(line.trim().strip_prefix("Candidate:")?.trim()))
}

/// Reads `1:22.1.8-1~deb12u1` as 22.1.
fn version(text: &str) -> Option<(u32, u32)> {
    let upstream = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
    let mut numbers = upstream.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Fetches apt's package lists.
///
/// # Errors
///
/// If apt-get fails.
pub(crate) fn apt_update() -> anyhow::Result<()> {
    let mut command = steps::as_root(OsStr::new("apt-get"), &environment())?;
    command.args(["update", "-o", "DPkg::Lock::Timeout=300"]);
    steps::logged(
        "fetching apt's package lists (apt-get update)",
        "apt-update",
        &mut command,
        "check the network and /etc/apt",
    )
}

/// Says which packages are about to be installed, and installs them, with fresh package lists if
/// the present ones do not know them or are too old to fetch from; from Debian's backports what would
/// otherwise want a package removed.
///
/// # Errors
///
/// If apt-get fails, also with fresh lists.
pub(crate) fn apt_install(packages: &[String]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    steps::say(&format!(
        "about to install on this system with apt-get: {list} (no service is started or enabled, \
         nothing is removed)"
    ));
    let known = packages.iter().all(|package| candidate(package).is_some());
    if !known {
        apt_update()?;
    }
    let outcome = match run_install_script(&[], packages) {
        Err(error) if known => {
            steps::say(&format!("{error:#}: once more, with fresh package lists"));
            apt_update()?;
            run_install_script(&[], packages)
        }
        outcome => outcome,
    };
    outcome.or_else(|error| install_with_backports(packages, error))
}

/// Installs `packages`, of which some could not be installed because of `error`.
fn install_with_backports(packages: &[String], error: anyhow::Error) -> anyhow::Result<()> {
    let refused = backports::refused(packages);
    if refused.is_empty() {
        return Err(error);
    }
    let list = refused.join(" ");
    steps::say(&format!(
        "{list} cannot be installed beside what is here: about to take it from Debian's backports"
    ));
    let options = backports::options().with_context(|| format!("cannot install {list}"))?;
    let others: Vec<String> =
        packages.iter().filter(|package| !refused.contains(package)).cloned().collect();
    if !others.is_empty() {
        run_install_script(&[], &others)?;
    }
    run_install_script(&options, &refused)
}

fn run_install_script(options: &[String], packages: &[String]) -> anyhow::Result<()> {
    let mut command = steps::as_root(OsStr::new("sh"), &environment())?;
    command.args(["-c", INSTALL_SCRIPT, "install.sh"]).args(options).args(packages);
    steps::logged(
        &format!("installing {} packages and what they need", packages.len()),
        "apt-install",
        &mut command,
        "install them by hand, then run this again",
    )
}

/// A command of apt's, in the language that its output is read in.
fn apt(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    command
}

/// What apt-get runs with.
fn environment() -> [(&'static str, OsString); 2] {
    [("LC_ALL", "C".into()), ("DEBIAN_FRONTEND", "noninteractive".into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_versions_are_read_past_their_epoch() {
        assert_eq!(version("1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(version("1:22.1.8-1~deb12u1"), Some((22, 1)));
        assert_eq!(version("(none)"), None);
    }

    #[test]
    fn commands_are_found_beside_the_path_too() {
        assert!(has_command("sh"));
        assert!(!has_command("a-command-that-nobody-has"));
    }

    #[test]
    fn every_package_is_named_once() {
        let mut packages: Vec<&str> = TEST_TOOLS.iter().map(|tool| tool.package).collect();
        packages.sort_unstable();
        let all = packages.len();
        packages.dedup();
        assert_eq!(packages.len(), all);
    }

    #[test]
    fn the_install_script_is_valid_shell() {
        let status = Command::new("sh").args(["-n", "-c", INSTALL_SCRIPT]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}
