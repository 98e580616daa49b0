//! Where pins are: a directory of a BPF file system, with one below it for each set of interfaces, in which its maps
//! and links are files.

use std::{
    fs, io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    fcntl::{Flock, FlockArg, OFlag},
    mount::{MsFlags, mount},
    sys::{stat::Mode, statfs::statfs},
    unistd::fchown,
};

use super::{
    PinError,
    names::{HANDOVER, Kind, decoded, encoded, kind},
    sys,
};
use crate::privilege::Account;

/// Where BPF file systems usually are.
const BPFFS: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC`, `linux/magic.h`.
const MAGIC: u32 = 0xcafe_4a11;

/// How often a set that somebody else holds is tried again, and after which time: an agent may be ending, or
/// somebody looking.
const TRIES: u32 = 10;
const WAIT: Duration = Duration::from_millis(100);

/// The directory of one set of interfaces, held by its lock: as long as this lives, it is nobody else's. The lock
/// goes with the process, however that ends.
pub(super) struct Set {
    pub(super) path: PathBuf,
    lock: Flock<OwnedFd>,
}

/// Makes sure that `base` is there, and on a BPF file system.
pub(super) fn prepare(base: &Path) -> Result<(), PinError> {
    if base.starts_with(BPFFS) && !is_bpffs(Path::new(BPFFS)) {
        // As systemd does it.
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("bpf"), BPFFS, Some("bpf"), flags, Some("mode=700")).map_err(|error| {
            PinError::NoFileSystem {
                path: base.into(),
                reason: format!("cannot mount one: {error}"),
            }
        })?;
        tracing::info!("mounted a BPF file system at {BPFFS}");
    }
    make(base)?;
    if is_bpffs(base) {
        return Ok(());
    }
    Err(PinError::NoFileSystem { path: base.into(), reason: "it is on another kind".into() })
}

fn make(directory: &Path) -> Result<(), PinError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| PinError::io("make the directory", directory, error))
}

/// Whether a path is on a BPF file system.
fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|at| at.filesystem_type().0 as u32 == MAGIC)
}

/// What is below a directory in which agents pin.
#[derive(Default)]
pub(super) struct Below {
    /// The sets, by their interfaces.
    pub(super) sets: Vec<Vec<String>>,
    /// Names of what no agent has pinned.
    pub(super) others: Vec<String>,
}

/// Looks below `base`; where there is no such directory, there is nothing.
pub(super) fn below(base: &Path) -> Result<Below, PinError> {
    let failed = |error| PinError::io("read", base, error);
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Below::default()),
        Err(error) => return Err(failed(error)),
    };
    if !is_bpffs(base) {
        return Err(PinError::NoPins { path: base.into() });
    }
    let mut below = Below::default();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        match entry.file_name().into_string() {
            Ok(name) if is_set(&entry).map_err(failed)? => below.sets.push(decoded(&name)),
            Ok(name) => below.others.push(name),
            Err(name) => below.others.push(name.to_string_lossy().into_owned()),
        }
    }
    below.sets.sort_unstable();
    below.others.sort_unstable();
    Ok(below)
}

/// Whether an agent has pinned there: others have directories in a BPF file system as well. What is handed over is
/// pinned first and removed last.
fn is_set(entry: &fs::DirEntry) -> io::Result<bool> {
    if !entry.file_type()?.is_dir() {
        return Ok(false);
    }
    match fs::symlink_metadata(entry.path().join(HANDOVER)) {
        Ok(handover) => Ok(handover.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What became of a set that was cleared.
#[derive(Debug, Default)]
pub struct Cleared {
    /// What was taken off.
    pub taken: Vec<String>,
    /// Names of what is still there, since it is no agent's.
    pub left: Vec<String>,
}

impl Set {
    /// Takes the set of `interfaces` below `base`, if it is there, or is to be made.
    pub(super) fn take(
        base: &Path,
        interfaces: &[String],
        create: bool,
    ) -> Result<Option<Self>, PinError> {
        let mut interfaces = interfaces.to_vec();
        interfaces.sort_unstable();
        interfaces.dedup();
        let path = base.join(encoded(&interfaces));
        let busy = || PinError::Busy { interfaces: interfaces.join(", "), path: path.clone() };
        for attempt in 0..=TRIES {
            if attempt > 0 {
                std::thread::sleep(WAIT);
            }
            if create {
                make(&path)?;
            }
            let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            let directory = match nix::fcntl::open(&path, flags, Mode::empty()) {
                Ok(directory) => directory,
                Err(nix::Error::ENOENT) if create => continue,
                Err(nix::Error::ENOENT) => return Ok(None),
                Err(error) => return Err(PinError::io("open", &path, error.into())),
            };
            match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
                // Whoever held it may have removed it meanwhile.
                Ok(lock) if is_at(&lock, &path) => {
                    return Ok(Some(Self { path, lock }));
                }
                Ok(_) | Err((_, nix::Error::EWOULDBLOCK)) => {}
                Err((_, error)) => return Err(PinError::io("lock", &path, error.into())),
            }
        }
        Err(busy())
    }

    /// Where a map, or a link, is pinned: by the descriptor of the directory, since an agent that has given up its
    /// rights cannot go the way there, which is root's.
    pub(super) fn pin(&self, name: &str) -> PathBuf {
        self.by_descriptor().join(name)
    }

    /// The directory, by its descriptor.
    pub(super) fn by_descriptor(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.lock.as_raw_fd()).into()
    }

    /// Removes a pin; what is not there is as good.
    pub(super) fn remove(&self, name: &str) -> Result<(), PinError> {
        match fs::remove_file(self.pin(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(PinError::io("remove the pin", &self.path.join(name), error))
            }
            _ => Ok(()),
        }
    }

    /// Names of all that is pinned here.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Gives the directory to the user that the agent will run as, so that it can pin anew what came back.
    pub(super) fn hand_over(&self, account: &Account) -> io::Result<()> {
        Ok(fchown(self.lock.as_fd(), Some(account.uid()), Some(account.gid()))?)
    }

    /// Takes programs off and pins away, maps last, and then the directory itself, unless there is something in it
    /// that no agent has pinned.
    pub(super) fn clear(self) -> Result<Cleared, PinError> {
        let names = self.names().map_err(|error| PinError::io("read", &self.path, error))?;
        let (mut cleared, mut maps) = (Cleared::default(), Vec::new());
        for name in names {
            let directory = fs::symlink_metadata(self.pin(&name)).is_ok_and(|at| at.is_dir());
            match kind(&name).filter(|_| !directory) {
                Some(Kind::Link(words)) => {
                    if let Ok(link) = sys::open(&self.pin(&name)) {
                        // By itself it would go a moment later. Where that is not known (Linux 5.8), it goes so.
                        let _ = sys::detach(&link);
                    }
                    self.remove(&name)?;
                    cleared.taken.push(words);
                }
                Some(Kind::Map) => maps.push(name),
                None => cleared.left.push(name),
            }
        }
        maps.sort_by_key(|name| name == HANDOVER);
        for name in &maps {
            self.remove(name)?;
        }
        cleared.taken.push(format!("{} maps", maps.len()));
        if cleared.left.is_empty() {
            fs::remove_dir(&self.path)
                .map_err(|error| PinError::io("remove the directory", &self.path, error))?;
        }
        Ok(cleared)
    }
}

fn is_at(directory: &OwnedFd, path: &Path) -> bool {
    let held = nix::sys::stat::fstat(directory);
    match (held, fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.st_dev, held.st_ino) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bpf_file_system_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let error = prepare(&directory.path().join("pins")).expect_err("an ordinary file system");
        assert!(error.to_string().contains("mount -t bpf"), "{error}");
    }
    #[test]
    fn what_is_in_an_ordinary_directory_is_nobodys_pins() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        fs::create_dir(path.join("eth0")).expect("a directory");
        fs::write(path.join("eth0/HANDOVER"), "").expect("a file");
        let error = below(path).err().expect("an ordinary file system");
        assert!(error.to_string().contains("not on a BPF file system"), "{error}");
        let nothing = below(&path.join("none")).expect("there is nothing to read");
        assert!(nothing.sets.is_empty() && nothing.others.is_empty());
    }
}
