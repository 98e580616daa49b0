//! Control groups of memory: what runs in one has no more than it is given.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::Context as _;

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// Names of the files of one version.
struct Files {
    used: &'static str,
    limit: &'static str,
    kills: &'static str,
}

const V1: Files = Files {
    used: "memory.usage_in_bytes",
    limit: "memory.limit_in_bytes",
    kills: "memory.oom_control",
};

const V2: Files = Files { used: "memory.current", limit: "memory.max", kills: "memory.events" };

/// A group, removed when dropped. What runs in it has to have ended by then.
pub struct Group {
    path: PathBuf,
    files: &'static Files,
}

impl Group {
    /// One without a limit.
    ///
    /// # Errors
    ///
    /// If there can be none; it takes root and a kernel that accounts for memory.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let root = Path::new(ROOT);
        let (parent, files) = if root.join("memory").is_dir() {
            (root.join("memory"), &V1)
        } else {
            let file = root.join("cgroup.subtree_control");
            fs::write(&file, "+memory")
                .with_context(|| format!("cannot write {}", file.display()))?;
            (root.to_owned(), &V2)
        };
        let path = parent.join(format!("forgewatch-{name}-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, files })
    }

    /// Has what `command` starts be in the group, with all that it then starts.
    ///
    /// # Panics
    ///
    /// If the group is gone.
    pub fn joined_by(&self, command: &mut Command) {
        let procs = File::options().write(true).open(self.path.join("cgroup.procs"));
        let procs = procs.expect("the group is there");
        // SAFETY: a system call that may be made between fork and exec.
        unsafe {
            command.pre_exec(move || -> io::Result<()> {
                // Whoever writes this joins.
                (&procs).write_all(b"0")
            });
        }
    }

    /// Octets that it uses.
    pub fn used(&self) -> u64 {
        self.read(self.files.used).trim().parse().unwrap_or_default()
    }

    /// Gives it no more than `octets`.
    ///
    /// # Panics
    ///
    /// If the kernel cannot take so much from it.
    pub fn limit(&self, octets: u64) {
        let path = self.path.join(self.files.limit);
        fs::write(&path, octets.to_string())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// How many processes in it were killed for want of memory.
    pub fn kills(&self) -> u64 {
        let text = self.read(self.files.kills);
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        count.unwrap_or_default()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It goes when the last of its processes has gone.
        let _ = super::wait::until("a control group to be empty", super::wait::READY, || {
            fs::remove_dir(&self.path).ok()
        });
    }
}
