//! Nothing is left behind: not on success, on failure, on an interrupt, nor after a kill.
//!
//! Guards remove what they made when they are dropped, also by a panic. For signals there is a
//! list of everything that exists outside of this process, which a thread works off before the
//! process ends. A process that was killed outright can do neither; the next one finds its
//! namespaces by the process id in their names and removes them.

use std::{
    fs, io,
    io::Read as _,
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    thread,
};

use anyhow::Context as _;
use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, sigaction},
    unistd::Pid,
};

/// Where `ip netns` keeps names.
pub(super) const NAMES: &str = "/run/netns";

/// What names of namespaces begin with; the process id and a hyphen follow.
const PREFIX: &str = "fw";

/// What names of directories begin with, likewise.
const DIRECTORY_PREFIX: &str = "forgewatch-lab-";

/// What exists outside of this process because of it.
#[derive(Debug, Default)]
struct Made {
    namespaces: Vec<String>,
    groups: Vec<Pid>,
    directories: Vec<PathBuf>,
}

static MADE: Mutex<Made> =
    Mutex::new(Made { namespaces: Vec::new(), groups: Vec::new(), directories: Vec::new() });

/// Held by whoever is making something that will be on the list, and by the clean-up to the end of the process: what is begun
/// after it has taken the list would stay.
static MAKING: Mutex<()> = Mutex::new(());

/// Where the signal handler writes to; -1: not set up.
static WAKE: AtomicI32 = AtomicI32::new(-1);

fn made() -> MutexGuard<'static, Made> {
    // A panic while the list was held leaves it as good as it was.
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be held while something is made and remembered. Once the process is being ended this does not return.
pub(super) fn making() -> MutexGuard<'static, ()> {
    // A panic of whoever held it leaves nothing half done that the list does not have.
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a namespace of this process.
pub(super) fn name(lab: usize, role: &str) -> String {
    format!("{PREFIX}{}-{lab}-{role}", process::id())
}

/// What the name of a directory of this process begins with.
pub(super) fn directory_prefix() -> String {
    format!("{DIRECTORY_PREFIX}{}-", process::id())
}

/// Makes sure that signals end in a clean-up, and removes what killed processes have left.
/// Does so once; later calls do nothing.
///
/// # Errors
///
/// If the signal handler cannot be set up.
pub(super) fn prepare() -> anyhow::Result<()> {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    let outcome = PREPARED.get_or_init(|| {
        remove_stale();
        handle_signals().map_err(|error| error.to_string())
    });
    outcome.clone().map_err(|error| anyhow::anyhow!("cannot set up signal handlers: {error}"))
}

/// Remembers a namespace until [`forget_namespace`].
pub(super) fn remember_namespace(name: &str) {
    made().namespaces.push(name.to_owned());
}

/// Removes a namespace's name. The namespace goes with its last process and descriptor.
pub(super) fn forget_namespace(name: &str) {
    delete_namespace(name);
    made().namespaces.retain(|other| other != name);
}

/// Remembers a process group until [`forget_group`].
pub(super) fn remember_group(group: Pid) {
    made().groups.push(group);
}

/// Forgets a process group that has been ended.
pub(super) fn forget_group(group: Pid) {
    made().groups.retain(|other| *other != group);
}

/// Remembers a directory of files until [`forget_directory`].
pub(super) fn remember_directory(path: &Path) {
    made().directories.push(path.to_owned());
}

/// Forgets a directory that has been removed.
pub(super) fn forget_directory(path: &Path) {
    made().directories.retain(|other| other != path);
}

fn delete_namespace(name: &str) {
    // It may be gone already, if a signal came at the same time.
    let _ = Command::new("ip")
        .args(["netns", "delete", name])
        .env("PATH", super::process::search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Removes everything on the list: processes first, since they hold the rest.
fn remove_all() {
    let made = std::mem::take(&mut *made());
    for group in made.groups {
        let _ = killpg(group, Signal::SIGKILL);
    }
    for name in &made.namespaces {
        delete_namespace(name);
    }
    for path in &made.directories {
        let _ = fs::remove_dir_all(path);
    }
}

/// Ends what processes that no longer exist have left running, and removes their namespaces and
/// directories.
fn remove_stale() {
    for name in stale(Path::new(NAMES), PREFIX) {
        for pid in inhabitants(&name) {
            let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
        }
        delete_namespace(&name);
    }
    let temporary = std::env::temp_dir();
    for name in stale(&temporary, DIRECTORY_PREFIX) {
        let _ = fs::remove_dir_all(temporary.join(name));
    }
}

/// Names in `place` that a process has made which no longer exists.
fn stale(place: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_dead = |owner: u32| !Path::new("/proc").join(owner.to_string()).exists();
    names.filter(|name| owner(name, prefix).is_some_and(is_dead)).collect()
}

/// The process id in a name, if the name is one of ours.
fn owner(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.split_once('-')?.0.parse().ok()
}

/// The processes in a namespace.
fn inhabitants(name: &str) -> Vec<Pid> {
    let output = Command::new("ip")
        .args(["netns", "pids", name])
        .env("PATH", super::process::search_path())
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// Writes the signal's number where the clean-up thread reads it: one of the few things that a
/// signal handler may do.
extern "C" fn on_signal(number: libc::c_int) {
    let octet = number as u8;
    // SAFETY: `write` may be called from a handler, with a descriptor that is never closed.
    unsafe {
        libc::write(WAKE.load(Ordering::Relaxed), (&raw const octet).cast(), 1);
    }
}

fn handle_signals() -> anyhow::Result<()> {
    let (mut reader, writer) = UnixStream::pair()?;
    WAKE.store(writer.as_raw_fd(), Ordering::Relaxed);
    // For as long as there is a handler.
    std::mem::forget(writer);
    thread::Builder::new().name("clean-up".into()).spawn(move || {
        let mut number = [0];
        if read_through(&mut reader, &mut number).is_ok() {
            let _nothing_more = making();
            remove_all();
            process::exit(128 + i32::from(number[0]));
        }
    })?;
    let action =
        SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler does nothing that is not allowed in one.
        unsafe { sigaction(signal, &action) }.with_context(|| format!("for {signal}"))?;
    }
    Ok(())
}

fn read_through(reader: &mut UnixStream, octet: &mut [u8; 1]) -> io::Result<()> {
    loop {
        match reader.read_exact(octet) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn only_names_with_a_process_id_are_ours() {
        assert_eq!(owner("fw123-0-client", "fw"), Some(123));
        assert_eq!(owner("fwx-0-client", "fw"), None);
        assert_eq!(owner("fw123", "fw"), None);
        assert_eq!(owner("other", "fw"), None);
    }
}
