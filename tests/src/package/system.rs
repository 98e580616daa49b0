//! A clean Debian 12: made once with debootstrap, laid under a copy that is thrown away, booted with
//! systemd-nspawn. Its network is a namespace that exists already.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lab::{
    namespace::Namespace,
    process::{self, Process},
    wait,
};

/// The suite.
const SUITE: &str = "bookworm";

/// Packages beyond the smallest system: the manager of services.
const PACKAGES: &str = "--include=systemd,systemd-sysv";

/// How long making the system may take, and any command in it.
const LONG: Duration = Duration::from_secs(600);

/// A running system; it is ended and removed when dropped.
#[derive(Debug)]
pub struct System {
    root: PathBuf,
    container: Mutex<Option<(Process, Pid)>>,
    directory: TempDir,
}

impl System {
    /// Makes the clean system if there is none yet, and a copy of it.
    ///
    /// # Errors
    ///
    /// If debootstrap fails, or there is no room.
    pub fn new(cache: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(cache)?;
        let archive = cache.join(format!("{SUITE}.tar"));
        if !archive.exists() {
            println!("package: making a clean {SUITE} with debootstrap");
            let made = tempfile::tempdir_in(cache)?;
            let mut command = Command::new("debootstrap");
            command.args(["--variant=minbase", PACKAGES, SUITE]).arg(made.path());
            ran(&mut command)?;
            let part = cache.join(format!("{SUITE}.tar.part"));
            let mut command = Command::new("tar");
            command.arg("-C").arg(made.path()).arg("-cf").arg(&part).arg(".");
            ran(&mut command)?;
            fs::rename(part, &archive)?;
        }
        let directory = tempfile::Builder::new().prefix("root-").tempdir_in(cache)?;
        let root = directory.path().join("root");
        fs::create_dir(&root)?;
        ran(Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(&archive))?;
        Ok(Self { root, container: Mutex::new(None), directory })
    }

    /// Where its files are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Boots it in the network `namespace`.
    ///
    /// # Errors
    ///
    /// If it does not come up; with what it said.
    pub fn boot(&self, namespace: &Namespace) -> anyhow::Result<()> {
        let mut command = Command::new("systemd-nspawn");
        command
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"])
            .args(["--capability=all", "--system-call-filter=bpf", "--directory"])
            .arg(&self.root)
            .arg(format!("--network-namespace-path=/run/netns/{}", namespace.name()))
            .args(["--machine", "forgewatch-package"]);
        let mut process = Process::start_logged("container", &mut command, self.directory.path())?;
        let pid = process.ready(|| first_process(process_id(&self.directory)?))?;
        *self.container.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some((process, pid));
        wait::until("the container's systemd", wait::READY, || {
            let said = self.output(&["systemctl", "is-system-running"]).ok()?;
            ["running", "degraded"].contains(&said.trim()).then_some(())
        })
    }

    /// Runs a command in it.
    ///
    /// # Errors
    ///
    /// If it fails; with what it said.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        process::succeed(words[0], &mut self.command(words)?)
    }

    /// What a command in it prints, whether it fails or not.
    fn output(&self, words: &[&str]) -> anyhow::Result<String> {
        let output = process::output(words[0], &mut self.command(words)?, wait::READY)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, words: &[&str]) -> anyhow::Result<Command> {
        let container = self.container.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some((_, pid)) = &*container else { bail!("the system is not running") };
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &pid.to_string(), "--all", "--"])
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        Ok(command)
    }

    /// Installs a package, as an administrator would.
    ///
    /// # Errors
    ///
    /// If dpkg fails; with what it said.
    pub fn install(&self, deb: &Path) -> anyhow::Result<()> {
        let at = self.root.join("root/package.deb");
        fs::copy(deb, &at).with_context(|| format!("cannot copy {}", deb.display()))?;
        self.run(&["dpkg", "--install", "/root/package.deb"])?;
        Ok(fs::remove_file(at)?)
    }

    /// What a unit has said.
    pub fn journal(&self, unit: &str) -> String {
        let status = self.output(&["systemctl", "status", "--no-pager", "--full", unit]);
        let log = self.output(&["journalctl", "--no-pager", "--lines=40", "--unit", unit]);
        format!("{}\n{}", status.unwrap_or_default(), log.unwrap_or_default())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let container = self.container.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((mut process, pid)) = container.take() {
            // The first process of a namespace takes all others with it.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            process.kill();
        }
    }
}

fn process_id(directory: &TempDir) -> Option<Pid> {
    let wanted = directory.path().to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .find(|id| {
            let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words);
            words.contains("systemd-nspawn") && words.contains(&wanted)
        })
        .map(Pid::from_raw)
}

/// The child of `parent` that is the first process of a container.
fn first_process(parent: Pid) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let child = children.split_whitespace().next()?.parse().ok().map(Pid::from_raw)?;
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then_some(child)
}

fn ran(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = process::output(&name, command, LONG)?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&said));
    Ok(())
}
