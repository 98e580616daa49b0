//! Disks of a thread's own, gone afterwards: one without room, one that fails.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use super::process;

/// Runs `work` with a disk of `octets` that nobody else sees and that is gone afterwards.
///
/// # Panics
///
/// If there can be none, which takes root; or as `work` does.
pub fn small(octets: u64, work: impl FnOnce(&Path) + Send) {
    let dir = tempfile::tempdir().expect("a directory");
    apart(|| {
        let size = format!("size={octets},mode=755");
        mount(Some("disk"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(size.as_str()))
            .expect("a small disk");
        work(dir.path());
    });
}

/// Runs `work` with a disk that [`Failing::fail`] has fail.
///
/// # Panics
///
/// If there can be none, which takes root, loop devices and ext4; or as `work` does.
pub fn failing(work: impl FnOnce(&Failing) + Send) {
    const OCTETS: u64 = 24 << 20;
    small(OCTETS + (2 << 20), |below| {
        let disk = Failing { image: below.join("image"), at: below.join("disk") };
        let made = File::create(&disk.image).and_then(|file| file.set_len(OCTETS));
        made.and_then(|()| fs::create_dir(&disk.at)).expect("an image");
        run(Command::new("mkfs.ext4").arg("-q").arg(&disk.image));
        disk.mount();
        work(&disk);
        umount2(&disk.at, MntFlags::MNT_DETACH).expect("it can be taken away");
    });
}

/// A disk that works until it is told to fail.
pub struct Failing {
    image: PathBuf,
    /// Where it is.
    pub at: PathBuf,
}

impl Failing {
    fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.at));
    }

    /// From now on the kernel takes it for damaged and writes no more to it: it is read-only, with
    /// files open or not.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn fail(&self) {
        run(Command::new("mount").args(["-o", "remount,abort"]).arg(&self.at));
    }

    /// Somebody has looked through it, and mounts it again. Nothing may be open there.
    ///
    /// # Panics
    ///
    /// If something is.
    pub fn mend(&self) {
        umount2(&self.at, MntFlags::empty()).expect("nothing is open there");
        run(Command::new("e2fsck").arg("-p").arg(&self.image));
        self.mount();
    }
}

/// Runs a program of administrators'.
fn run(command: &mut Command) {
    /// What `e2fsck` ends with when it has put something right.
    const MENDED: i32 = 1;
    let output = command.env("PATH", process::search_path()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let good = output
        .status
        .code()
        .is_some_and(|code| code == 0 || code == MENDED && command.get_program() == "e2fsck");
    assert!(good, "{command:?}: {output:?}");
}

/// Takes all the room that a disk has.
///
/// # Panics
///
/// If it takes no file.
pub fn fill(disk: &Path) {
    let mut file = File::create(disk.join("filler")).expect("a file");
    for size in [65_536, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Gives it back.
///
/// # Panics
///
/// If nobody has taken it.
pub fn make_room(disk: &Path) {
    fs::remove_file(disk.join("filler")).expect("the filler");
}

/// Runs `work` on a thread with mounts of its own.
fn apart(work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("mounts of its own; this takes root");
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
                .expect("private mounts");
            work();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}
