//! Network namespaces that remove themselves.

use std::{
    ffi::OsStr,
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, bail};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
};

use super::{cleanup, process};

/// A named network namespace (`ip netns list` shows it), removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: Arc<File>,
}

impl Namespace {
    /// Makes the namespace for `role` in the lab with number `lab`, loopback up.
    ///
    /// # Errors
    ///
    /// If it cannot be made; that takes root.
    pub(super) fn new(lab: usize, role: &str) -> anyhow::Result<Self> {
        let name = cleanup::name(lab, role);
        let making = cleanup::making();
        cleanup::remember_namespace(&name);
        let mut command = Command::new("ip");
        command.args(["netns", "add", &name]).env("PATH", process::search_path());
        let output = command.stdin(Stdio::null()).output().context("cannot run `ip`")?;
        drop(making);
        if !output.status.success() {
            cleanup::forget_namespace(&name);
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("cannot make a network namespace (this takes root): {said}");
        }
        let handle = match File::open(Path::new(cleanup::NAMES).join(&name)) {
            Ok(handle) => Arc::new(handle),
            Err(error) => {
                cleanup::forget_namespace(&name);
                return Err(error).context("cannot open the new network namespace");
            }
        };
        let namespace = Self { name, handle };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Makes a namespace that belongs to no lab, with nothing in it but loopback.
    ///
    /// # Errors
    ///
    /// If it cannot be made; that takes root.
    pub fn alone(role: &str) -> anyhow::Result<Self> {
        cleanup::prepare()?;
        Self::new(super::number(), role)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command to be run in here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        process::command(program, &self.handle)
    }

    /// Runs `work` in here, on a thread of its own.
    ///
    /// # Errors
    ///
    /// If the thread cannot enter.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&*self.handle, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("cannot enter namespace {}", self.name))?;
                Ok(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Has a thread named `name` do `work` in here, for as long as it takes.
    ///
    /// # Errors
    ///
    /// If there can be no thread; if it cannot enter, joining it tells.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
        let handle = Arc::clone(&self.handle);
        let thread = thread::Builder::new().name(name.to_owned());
        Ok(thread.spawn(move || {
            setns(&*handle, CloneFlags::CLONE_NEWNET).context("cannot enter the namespace")?;
            work()
        })?)
    }

    /// Runs lines of `ip` in here: all of them or an error.
    ///
    /// # Errors
    ///
    /// If one of them fails.
    pub fn ip(&self, lines: &str) -> anyhow::Result<()> {
        let mut input = tempfile::tempfile()?;
        input.write_all(lines.as_bytes())?;
        input.write_all(b"\n")?;
        std::io::Seek::rewind(&mut input)?;
        let mut command = self.command("ip");
        command.args(["-batch", "-"]).stdin(input);
        process::succeed("ip", &mut command).with_context(|| lines.to_owned())?;
        Ok(())
    }

    /// Sets values under `/proc/sys/net`, given as `ipv4/ip_forward` and the like.
    ///
    /// # Errors
    ///
    /// If one cannot be set.
    pub(super) fn sysctl(&self, values: &[(&str, &str)]) -> anyhow::Result<()> {
        self.enter(|| {
            for (key, value) in values {
                std::fs::write(Path::new("/proc/sys/net").join(key), value)
                    .with_context(|| format!("cannot set {key} to {value}"))?;
            }
            Ok(())
        })?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        cleanup::forget_namespace(&self.name);
    }
}

/// From here on this thread, and what it starts, has file systems of its own, and none of BPF among them: what is pinned
/// is seen by nobody else, and gone with them.
///
/// # Errors
///
/// If that is not permitted; it takes root.
pub fn own_file_systems() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("cannot have file systems of its own")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot keep file systems to itself")?;
    while umount2("/sys/fs/bpf", MntFlags::MNT_DETACH).is_ok() {}
    Ok(())
}
