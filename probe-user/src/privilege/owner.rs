//! Hands the state directory over to the user that the agent will run as.
//!
//! Root changes owners here in a directory that may belong to somebody else, who could have put something there
//! that leads elsewhere. So only the ledger's files are handed over, each by the descriptor by which it was
//! looked at, and only if it is a regular file without a second name; and all of it only if the directory has a
//! ledger in it, or nothing: it may have been named by mistake, and others have files called `lock` as well.

use std::{
    fs,
    io::{self, Read as _},
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat},
    unistd::fchownat,
};

use super::Account;
use crate::ledger;

/// The ledger.
const LEDGER: &str = ledger::FILE;

/// The ledger's files: its name, and what SQLite appends to it.
const OWN: [&str; 5] =
    [LEDGER, "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal", ledger::LOCK];

/// How a file of SQLite's begins: "Database File Format", 1.3.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Makes `directory` if there is none, and gives it and the ledger in it to `account`.
///
/// # Errors
///
/// If it cannot be made or given away: on a file system that is read-only, for instance.
pub fn hand_over(directory: &Path, account: &Account) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let dir = open(directory)?;
    let (mut ledger, mut own) = (false, Vec::new());
    for name in OWN {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = match openat(&dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(nix::Error::ENOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&file)?;
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        if kind == SFlag::S_IFREG && stat.st_nlink == 1 {
            ledger |= name == LEDGER && is_database(&file)?;
            own.push((stat, file));
        }
    }
    if !ledger && fs::read_dir(by_descriptor(&dir))?.next().is_some() {
        return Ok(());
    }
    for (stat, file) in own {
        give(&stat, &file, account)?;
    }
    give(&fstat(&dir)?, &dir, account)
}

/// What is open, whatever has its name by now.
fn by_descriptor(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

fn is_database(file: &OwnedFd) -> io::Result<bool> {
    let mut beginning = Vec::new();
    fs::File::open(by_descriptor(file))?.take(HEADER.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning == HEADER)
}

fn open(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
    Ok(nix::fcntl::open(directory, flags, Mode::empty())?)
}

/// Changes the owner, unless it is that already.
fn give(stat: &FileStat, file: &impl AsFd, account: &Account) -> io::Result<()> {
    if (stat.st_uid, stat.st_gid) == (account.uid().as_raw(), account.gid().as_raw()) {
        return Ok(());
    }
    let (uid, gid) = (Some(account.uid()), Some(account.gid()));
    Ok(fchownat(file.as_fd(), "", uid, gid, AtFlags::AT_EMPTY_PATH)?)
}
