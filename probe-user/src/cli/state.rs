//! Where a run is recorded: arguments, environment, and what is usual.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use super::{Failure, summary};
use crate::{
    ledger::{
        KEEP_DAYS, KEEP_OCTETS, KEEP_OCTETS_MIN, Keep, Options, Recorder, RunStart, SystemClocks,
        row::{RunClock, RunKind},
    },
    report::summary::{Clock, ClockSource, VERSION},
    source::clock,
    targets::TargetSet,
};

/// Where root's agents record, unless told otherwise.
const USUAL: &str = "/var/lib/forgewatch";

/// Variable that says where to record; empty: nowhere.
const VARIABLE: &str = "FORGEWATCH_STATE";

/// Variable in which systemd names the directories of `StateDirectory=`.
const SYSTEMD: &str = "STATE_DIRECTORY";

/// The longest that things can be kept: a century.
const DAYS_MAX: u64 = 36_500;

const NANOS_OF_A_DAY: u64 = 86_400_000_000_000;

/// Which directory.
#[derive(Args)]
pub(crate) struct StateOptions {
    /// Directory of the ledger, in which findings are recorded
    /// [default: $FORGEWATCH_STATE, else /var/lib/forgewatch for root]
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
    /// Days after which records go
    #[arg(long, value_name = "DAYS", default_value_t = KEEP_DAYS,
          value_parser = clap::value_parser!(u64).range(1..=DAYS_MAX))]
    keep_days: u64,
    /// Octets that the ledger may have before the oldest records go
    #[arg(long, value_name = "OCTETS", default_value_t = KEEP_OCTETS,
          value_parser = clap::value_parser!(u64).range(KEEP_OCTETS_MIN..))]
    keep_octets: u64,
}

impl KeepOptions {
    const fn keep(&self) -> Keep {
        Keep { age: self.keep_days * NANOS_OF_A_DAY, octets: self.keep_octets }
    }
}

/// A state directory, and whether somebody asked for it.
struct Place {
    dir: PathBuf,
    asked_for: bool,
}

impl StateOptions {
    /// The directory, if there is to be one.
    fn place(&self) -> Option<Place> {
        place(
            self.state.as_deref(),
            &|name| std::env::var_os(name),
            nix::unistd::geteuid().is_root(),
        )
    }

    /// The directory to report from: the usual one also for others than root.
    pub(crate) fn dir(&self) -> PathBuf {
        self.place().map_or_else(|| PathBuf::from(USUAL), |place| place.dir)
    }
}

fn place(
    given: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    root: bool,
) -> Option<Place> {
    let asked_for = |dir: PathBuf| Some(Place { dir, asked_for: true });
    if let Some(dir) = given {
        return asked_for(dir.to_owned());
    }
    if let Some(dir) = variable(VARIABLE) {
        return if dir.is_empty() { None } else { asked_for(dir.into()) };
    }
    if let Some(dirs) = variable(SYSTEMD).filter(|dirs| !dirs.is_empty()) {
        // Several are separated by colons; ours is the first.
        return std::env::split_paths(&dirs).next().and_then(asked_for);
    }
    root.then(|| Place { dir: USUAL.into(), asked_for: false })
}

impl RecordOptions {
    /// Begins to record a live run. What is to be said of it goes to standard error, unless `quiet`
    /// and all is well.
    pub(crate) fn start(
        &self,
        ifaces: &[String],
        targets: &Arc<TargetSet>,
        quiet: bool,
    ) -> Result<Option<Recorder>, Failure> {
        if self.no_state {
            return Ok(None);
        }
        let say = |words: &str| {
            if !quiet {
                eprintln!("forgewatch: {words}");
            }
        };
        let Some(place) = self.place.place() else {
            say("recording nothing: no state directory (--state DIR), and not root");
            return Ok(None);
        };
        let clock = match clock::synchronised() {
            Some(true) => RunClock::Synchronised,
            Some(false) => RunClock::Free,
            None => RunClock::Unknown,
        };
        let start = RunStart {
            kind: RunKind::Live,
            started: now(),
            version: VERSION.into(),
            kernel: summary::kernel(),
            interfaces: ifaces.to_vec(),
            clock,
            targets: Arc::clone(targets),
        };
        let options = Options { keep: self.keep.keep(), patient: false };
        match Recorder::start(&place.dir, start, options, Box::new(SystemClocks)) {
            Ok(recorder) => {
                say(&format!("recording in {}", place.dir.display()));
                Ok(Some(recorder))
            }
            Err(error) if place.asked_for => Err(error.into()),
            Err(error) => {
                eprintln!("forgewatch: recording nothing: {error}");
                Ok(None)
            }
        }
    }
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
    let options = Options { keep: keep.keep(), patient: true };
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

    fn dir(given: Option<&str>, variables: &[(&str, &str)], root: bool) -> Option<(String, bool)> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let place = place(given.map(Path::new), &variable, root)?;
        Some((place.dir.display().to_string(), place.asked_for))
    }

    #[test]
    fn what_is_said_last_counts_first() {
        let systemd = (SYSTEMD, "/var/lib/forgewatch:/var/lib/other");
        let own = (VARIABLE, "/srv/own");
        let at = |dir: &str, asked_for| Some((dir.to_owned(), asked_for));
        assert_eq!(dir(Some("/given"), &[own, systemd], true), at("/given", true));
        assert_eq!(dir(None, &[own, systemd], true), at("/srv/own", true));
        assert_eq!(dir(None, &[(VARIABLE, ""), systemd], true), None);
        assert_eq!(dir(None, &[systemd], false), at("/var/lib/forgewatch", true));
        assert_eq!(dir(None, &[], true), at(USUAL, false));
        assert_eq!(dir(None, &[], false), None);
    }
}
