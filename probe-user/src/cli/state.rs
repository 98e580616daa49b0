//! Where a run is recorded: arguments, and what is usual.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use super::Failure;
use crate::{
    config::{
        layers::{Layers, Origin},
        settings::{DAYS_MAX, Settings},
    },
    ledger::{
        FILE, KEEP_OCTETS_MIN, LedgerError, Options, Reader, Recorder, RunStart, SystemClocks,
        row::{RunClock, RunKind},
    },
    report::summary::{Clock, ClockSource, VERSION},
    source::clock,
    targets::TargetSet,
};

/// Where root's agents record, unless told otherwise.
const USUAL: &str = "/var/lib/forgewatch";

/// Directories that are named where a ledger is looked for one level too high.
const INSIDE_MAX: usize = 8;

/// Variable in which systemd names the directories of `StateDirectory=`.
const SYSTEMD: &str = "STATE_DIRECTORY";

/// Which directory.
#[derive(Args)]
pub(crate) struct StateOptions {
    /// Directory of the ledger, in which findings are recorded
    /// [default: $FORGEWATCH_STATE, else that of the configuration, else /var/lib/forgewatch for root]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Whether, and how much of it to keep.
#[derive(Args)]
pub(crate) struct RecordOptions {
    #[command(flatten)]
    place: StateOptions,
    /// Record nothing
    #[arg(long, conflicts_with = "state")]
    no_state: bool,
    #[command(flatten)]
    keep: KeepOptions,
}

/// How much is kept.
#[derive(Args)]
pub(crate) struct KeepOptions {
    /// Days after which records go [default: 90]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=DAYS_MAX))]
    keep_days: Option<u64>,
    /// Octets that the ledger may have before the oldest records go [default: 536870912]
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u64).range(KEEP_OCTETS_MIN..))]
    keep_octets: Option<u64>,
}

impl KeepOptions {
    fn set(&self, layers: &mut Layers) {
        if let Some(days) = self.keep_days {
            layers.set("state.keep_days", Origin::CommandLine, |to| to.keep_days = days);
        }
        if let Some(octets) = self.keep_octets {
            layers.set("state.keep_octets", Origin::CommandLine, |to| to.keep_octets = octets);
        }
    }
}

/// A state directory, and whether somebody asked for it.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) asked_for: bool,
}

impl StateOptions {
    fn set(&self, layers: &mut Layers) {
        if let Some(directory) = &self.state {
            let directory = Some(directory.clone());
            layers.set("state.directory", Origin::CommandLine, |to| to.directory = directory);
            layers.set("state.record", Origin::CommandLine, |to| to.record = true);
        }
    }

    /// The directory to report from: the usual one also for others than root.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        let mut layers = Layers::load(None)?;
        self.set(&mut layers);
        Ok(place(&layers.settings).map_or_else(|| PathBuf::from(USUAL), |place| place.dir))
    }
}

impl RecordOptions {
    pub(super) fn set(&self, layers: &mut Layers) {
        self.place.set(layers);
        if self.no_state {
            layers.set("state.record", Origin::CommandLine, |to| to.record = false);
        }
        self.keep.set(layers);
    }
}

/// The directory to record in, if there is to be one.
pub(crate) fn place(settings: &Settings) -> Option<Place> {
    place_by(
        settings.directory.as_deref(),
        std::env::var_os(SYSTEMD),
        nix::unistd::geteuid().is_root(),
    )
}

fn place_by(said: Option<&Path>, systemd: Option<OsString>, root: bool) -> Option<Place> {
    if let Some(dir) = said {
        return Some(Place { dir: dir.to_owned(), asked_for: true });
    }
    if let Some(dirs) = systemd.filter(|dirs| !dirs.is_empty()) {
        // Several are separated by colons; ours is the first.
        let first = std::env::split_paths(&dirs).next();
        return first.map(|dir| Place { dir, asked_for: true });
    }
    root.then(|| Place { dir: USUAL.into(), asked_for: false })
}

/// Opens the ledger in `dir` for reading. Where there is none, directories in it that have one are named: services have
/// one for each interface.
pub(super) fn open(dir: &Path) -> Result<Reader, Failure> {
    Reader::open(dir).map_err(|error| {
        let inside = match error {
            LedgerError::Missing { .. } => inside(dir),
            _ => Vec::new(),
        };
        if inside.is_empty() {
            return error.into();
        }
        Failure::NoLedger(format!(
            "no ledger in {}, but in {}; give the one that is meant as --state DIR",
            dir.display(),
            inside.join(", ")
        ))
    })
}

/// The directories in `dir` that have a ledger, or cannot be looked into, for people.
fn inside(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| {
            let path = entry.path();
            match path.join(FILE).try_exists() {
                Ok(true) => Some(path.display().to_string()),
                Ok(false) => None,
                Err(_) => Some(format!("perhaps {}, which may not be read", path.display())),
            }
        })
        .collect();
    found.sort_unstable();
    found.truncate(INSIDE_MAX);
    found
}

/// Begins to record a replay in `dir`, of these observers if they have names.
pub(crate) fn start_replay(
    dir: &Path,
    kernel: Option<String>,
    vantages: &[String],
    targets: &Arc<TargetSet>,
    keep: &KeepOptions,
) -> Result<Recorder, Failure> {
    let start = RunStart {
        kind: RunKind::Replay,
        started: now(),
        version: VERSION.into(),
        kernel,
        interfaces: vantages.to_vec(),
        clock: RunClock::Capture,
        targets: Arc::clone(targets),
    };
    let mut layers = Layers::default();
    keep.set(&mut layers);
    let options = Options { keep: layers.settings.keep(), patient: true };
    Ok(Recorder::start(dir, start, options, Box::new(SystemClocks))?)
}

/// The system's clock, nanoseconds since 1970-01-01 UTC.
pub(crate) fn now() -> u64 {
    clock::now().saturating_add(clock::epoch_of_boot())
}

/// The clock of a live run, for its summary.
pub(crate) fn live_clock() -> Clock {
    Clock { source: ClockSource::System, synchronised: clock::synchronised() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(said: Option<&str>, systemd: &str, root: bool) -> Option<(String, bool)> {
        let place = place_by(said.map(Path::new), Some(systemd.into()), root)?;
        Some((place.dir.display().to_string(), place.asked_for))
    }

    #[test]
    fn a_ledger_of_an_interface_is_pointed_at_from_above() {
        let dir = tempfile::tempdir().expect("a directory");
        let said = || open(dir.path()).expect_err("there is none").to_string();
        assert!(said().contains("`forgewatch run --state"), "{}", said());
        for name in ["wan0", "eth0", "other"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        for name in ["wan0", "eth0"] {
            std::fs::write(dir.path().join(name).join(FILE), "").expect("a file");
        }
        let above = dir.path().display();
        let words = format!("no ledger in {above}, but in {above}/eth0, {above}/wan0; give");
        assert!(said().starts_with(&words), "{}", said());
    }

    #[test]
    fn what_is_said_counts_before_what_is_usual() {
        let systemd = "/var/lib/forgewatch:/var/lib/other";
        let at = |dir: &str, asked_for| Some((dir.to_owned(), asked_for));
        assert_eq!(dir(Some("/said"), systemd, true), at("/said", true));
        assert_eq!(dir(None, systemd, false), at("/var/lib/forgewatch", true));
        assert_eq!(dir(None, "", true), at(USUAL, false));
        assert_eq!(dir(None, "", false), None);
    }
}
