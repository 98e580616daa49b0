//! Hands the state directory over to the user that the agent will run as.
//!
//! Root changes owners here in a directory that may belong to somebody else, who could have put something there
//! that leads elsewhere. So only the ledger's files are handed over, each by the descriptor by which it was
//! looked at, and only if it is a regular file without a second name; and the directory only if it has a ledger
//! in it, or nothing: it may have been named by mistake.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::Path,
};

use nix::{
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat},
    unistd::fchownat,
};

use super::Account;

/// The ledger's files: its name, and what SQLite appends to it.
const OWN: [&str; 5] =
    ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal", "lock"];

/// Makes `directory` if there is none, and gives it and the ledger in it to `account`.
///
/// # Errors
///
/// If it cannot be made or given away: on a file system that is read-only, for instance.
pub fn hand_over(directory: &Path, account: &Account) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let dir = open(directory)?;
    let empty = fs::read_dir(directory)?.next().is_none();
    let mut ledger = false;
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
            ledger = true;
            give(&stat, &file, account)?;
        }
    }
    if empty || ledger { give(&fstat(&dir)?, &dir, account) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;
    use crate::privilege::UserChoice;

    fn owner(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it exists").uid()
    }

    #[test]
    fn a_ledger_is_handed_over_and_nothing_else() {
        if !nix::unistd::geteuid().is_root() {
            // Only root gives things away; the suite `privilege` does so.
            return;
        }
        let account = UserChoice::Named("65534".into()).account();
        let account = account.expect("it can be looked up").expect("nobody");
        let all = tempfile::tempdir().expect("a directory");
        let fresh = all.path().join("made/on/the/way");
        hand_over(&fresh, &account).expect("it can be made");
        assert_eq!(owner(&fresh), 65_534);
        assert_eq!(owner(&all.path().join("made")), 0);

        let used = all.path().join("used");
        fs::create_dir(&used).expect("a directory");
        for name in ["ledger.sqlite", "notes", "elsewhere"] {
            fs::write(used.join(name), "").expect("a file");
        }
        symlink(used.join("elsewhere"), used.join("ledger.sqlite-wal")).expect("a link");
        fs::hard_link(used.join("elsewhere"), used.join("lock")).expect("a second name");
        hand_over(&used, &account).expect("it can be given away");
        assert_eq!(owner(&used), 65_534);
        assert_eq!(owner(&used.join("ledger.sqlite")), 65_534);
        for name in ["notes", "elsewhere", "ledger.sqlite-wal", "lock"] {
            assert_eq!(owner(&used.join(name)), 0, "{name}");
        }

        let wrong = all.path().join("wrong");
        fs::create_dir(&wrong).expect("a directory");
        fs::write(wrong.join("letters"), "").expect("a file");
        hand_over(&wrong, &account).expect("nothing is done");
        assert_eq!((owner(&wrong), owner(&wrong.join("letters"))), (0, 0));
    }
}
