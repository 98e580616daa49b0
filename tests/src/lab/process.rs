//! Processes of the lab: each in a namespace and in a process group of its own, ended when its
//! guard is dropped.

use std::{
    ffi::OsStr,
    ffi::OsString,
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd as _,
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{cleanup, wait};

/// Where Debian keeps administrators' commands, which are not on everybody's `PATH`.
const ADMIN_PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The `PATH` that the lab's commands are looked for on.
pub(super) fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(ADMIN_PATHS);
    path
}

/// A command to be run in the network namespace `namespace`.
pub(super) fn command(program: impl AsRef<OsStr>, namespace: &Arc<File>) -> Command {
    let mut command = Command::new(program);
    // The command may outlive the guard.
    let namespace = Arc::clone(namespace);
    command.env("PATH", search_path()).stdin(Stdio::null()).process_group(0);
    // SAFETY: both are system calls that may be made between fork and exec.
    unsafe {
        command.pre_exec(move || {
            // Whoever starts processes may be killed; they end with it. (With the thread that
            // starts them, to be exact: a lab is made on a thread that outlives it.)
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// Where it writes what it has to say, if that is a file.
    log: Option<PathBuf>,
    ended: bool,
}

impl Process {
    /// Starts `command`; `name` is for people.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let making = cleanup::making();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let process = Self { name: name.to_owned(), child, log: None, ended: false };
        cleanup::remember_group(process.pid());
        drop(making);
        Ok(process)
    }

    /// Starts `command` with both its outputs going to a file in `directory`.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or there is no room for the file.
    pub fn start_logged(
        name: &str,
        command: &mut Command,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let path = directory.join(format!("{name}.log"));
        let file = File::create(&path).with_context(|| format!("cannot create the {name} log"))?;
        command.stdout(file.try_clone()?).stderr(file);
        let mut process = Self::start(name, command)?;
        process.log = Some(path);
        Ok(process)
    }

    /// Its id, which is also its group's.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// The process as the standard library has it: for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What it has written so far, if to a file.
    pub fn log(&self) -> String {
        let text = self.log.as_ref().and_then(|path| fs::read(path).ok()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits until it is ready, which `question` tells, and fails at once if it ends instead.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time; with what it has written.
    pub fn ready<T>(&mut self, mut question: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
        let mut ended = None;
        let what = format!("{} to be ready", self.name);
        let answer = wait::until(&what, wait::READY, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                ended = Some(status);
                return Some(None);
            }
            question().map(Some)
        });
        match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                bail!("{} ended at once ({}): {}", self.name, ended.unwrap_or_default(), self.log())
            }
            Err(error) => Err(error.context(self.log())),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it is no longer there.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Stops it in its tracks, and returns when it stands still; SIGCONT wakes it.
    ///
    /// # Errors
    ///
    /// If it is no longer there, or has not stopped after `limit`.
    pub fn stun(&self, limit: Duration) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        wait::until(&format!("{} to stand still", self.name), limit, || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
            stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
        })
    }

    /// Waits for it to end, at most for `limit`.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        let status = wait::until(&what, limit, || self.child.try_wait().transpose())??;
        Ok(status)
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it without asking, and everything that it started.
    pub fn kill(&mut self) {
        if !self.ended {
            self.ended = true;
            // Not there any more is as good.
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
            cleanup::forget_group(self.pid());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `command` to its end, at most for `limit`, and returns what it printed.
///
/// # Errors
///
/// If it cannot be started, or does not end in time.
pub fn output(name: &str, command: &mut Command, limit: Duration) -> anyhow::Result<Output> {
    // Through files, so that a talkative command cannot block on a pipe that nobody reads.
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut process = Process::start(name, command)?;
    let status = process.wait(limit)?;
    Ok(Output { status, stdout: contents(&mut stdout)?, stderr: contents(&mut stderr)? })
}

/// Runs `command`, which has to succeed.
///
/// # Errors
///
/// If it fails; with what it said.
pub fn succeed(name: &str, command: &mut Command) -> anyhow::Result<String> {
    let output = output(name, command, wait::READY)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", described(output.status), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn contents(file: &mut File) -> io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _};
    let mut octets = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut octets)?;
    Ok(octets)
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".into(),
    }
}
