//! Files and directories that are left, by Landlock (Linux 5.13).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

use super::{Layer, PrivilegeError};

/// The newest rules that this has been tried with: Linux 6.12, with devices and signals.
const KNOWN: ABI = ABI::V6;

/// What the agent and its libraries look up in the system while it runs: the number of processors, by which
/// counters are read; its own figures; the kernel's version, on Ubuntu; random numbers, for SQLite.
const SYSTEM: [&str; 4] =
    ["/sys/devices/system/cpu", "/proc/self", "/proc/version_signature", "/dev/urandom"];

/// What is left.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Directories in which everything may be done, apart from executing.
    pub own: Vec<PathBuf>,
    /// Files, and directories with all in them, that may be read.
    pub read: Vec<PathBuf>,
    /// Files that are read again later, and may have been replaced by then: their directories may be read.
    pub reread: Vec<PathBuf>,
    /// A TCP port that is still to be taken, because it was not free at the start.
    pub port: Option<u16>,
    /// Whether other processes may be signalled; which, the filter of system calls says.
    pub signals: bool,
}

impl Places {
    /// Everything that may be read.
    fn readable(&self) -> BTreeSet<PathBuf> {
        let mut all: BTreeSet<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        all.extend(self.read.iter().cloned());
        for file in &self.reread {
            all.insert(directory_of(file));
            // Where a link leads, and another one may lead.
            if let Ok(real) = file.canonicalize() {
                all.insert(directory_of(&real));
            }
        }
        all
    }
}

/// The directory that a file is in.
pub(crate) fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Rules all other files and directories out, and TCP connections besides.
pub(super) fn restrict(places: &Places) -> Result<Layer, PrivilegeError> {
    const NAME: &str = "files";
    let status = rules(places).map_err(|error| PrivilegeError::step("restrict files", &error))?;
    let own: Vec<_> = places.own.iter().map(|path| named(path).display().to_string()).collect();
    let own = if own.is_empty() { "nothing to write".into() } else { own.join(", ") };
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else {
        return Ok(Layer::lacking(NAME, absent(status.landlock)));
    };
    let words = format!("Landlock {effective_abi}, {own}");
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Layer::done(NAME, words),
        RulesetStatus::PartiallyEnforced => {
            let gaps = gaps(effective_abi);
            // What older rules leave open, the filter of system calls closes: no TCP, no signals.
            Layer::done(NAME, format!("{words}, without {gaps}"))
        }
        RulesetStatus::NotEnforced => Layer::lacking(NAME, "Landlock is not in force"),
    })
}

fn rules(places: &Places) -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?;
    if !places.signals {
        ruleset = ruleset.scope(Scope::Signal)?;
    }
    let mut ruleset = ruleset.create()?;
    let everything = AccessFs::from_all(KNOWN) & !AccessFs::Execute;
    let rights = |path: &Path, of_directory| {
        if path.is_dir() { of_directory } else { of_directory & AccessFs::from_file(KNOWN) }
    };
    for path in &places.own {
        if let Ok(at) = open(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(at, rights(path, everything)))?;
        }
    }
    for path in places.readable() {
        // What is not there need not be read.
        if let Ok(at) = open(&path) {
            let read = rights(&path, AccessFs::ReadFile | AccessFs::ReadDir);
            ruleset = ruleset.add_rule(PathBeneath::new(at, read))?;
        }
    }
    if let Some(port) = places.port {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    ruleset.restrict_self()
}

/// Opens what a rule is to be about. A pipe (`/dev/fd/63`) has no name, needs no rule, and would be refused. A
/// directory may be named by a descriptor as well, because the way to it is closed by now.
fn open(path: &Path) -> Result<PathFd, Box<dyn std::error::Error>> {
    if path.is_dir() {
        return Ok(PathFd::new(path)?);
    }
    Ok(PathFd::new(path.canonicalize()?)?)
}

/// What a path is called that may be that of a descriptor.
fn named(path: &Path) -> PathBuf {
    let descriptor = path.starts_with("/proc/self/fd").then(|| path.read_link().ok()).flatten();
    descriptor.unwrap_or_else(|| path.to_owned())
}

fn absent(status: LandlockStatus) -> &'static str {
    match status {
        LandlockStatus::NotEnabled => {
            "Landlock is switched off; start the kernel with `lsm=landlock,...`"
        }
        _ => "this kernel has no Landlock (Linux 5.13)",
    }
}

/// What rules of this version do not cover.
fn gaps(abi: ABI) -> String {
    let all = [
        (ABI::V2, "renaming across directories"),
        (ABI::V3, "truncation"),
        (ABI::V4, "TCP"),
        (ABI::V5, "devices"),
        (ABI::V6, "signals"),
    ];
    let gaps: Vec<_> = all.iter().filter(|(from, _)| abi < *from).map(|(_, what)| *what).collect();
    gaps.join(", ")
}

/// The version of Landlock's rules that this kernel has; none if it has none, or it is off.
pub fn version() -> Option<u32> {
    // SAFETY: asks for the version (flag 1), and hands no memory over.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, 1_u32)
    };
    u32::try_from(version).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_again_may_have_been_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().canonicalize().expect("it exists");
        std::fs::create_dir(real.join("there")).expect("a directory");
        std::fs::write(real.join("there/file"), "").expect("a file");
        std::os::unix::fs::symlink(real.join("there/file"), real.join("link")).expect("a link");
        let places =
            Places { reread: vec![real.join("link"), "mine.toml".into()], ..Places::default() };
        let readable = places.readable();
        for path in [real.clone(), real.join("there"), PathBuf::from(".")] {
            assert!(readable.contains(&path), "{}", path.display());
        }
    }

    #[test]
    fn older_rules_have_gaps() {
        assert_eq!(gaps(ABI::V6), "");
        assert_eq!(gaps(ABI::V3), "TCP, devices, signals");
    }
}
