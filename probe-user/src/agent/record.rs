//! The recording of a live run.

use std::sync::Arc;

use crate::{
    cli::{
        Failure,
        state::{self, Place},
        summary,
    },
    config::settings::Settings,
    ledger::{
        Options, Recorder, RunStart, SystemClocks,
        row::{RunClock, RunKind},
    },
    report::summary::VERSION,
    source::clock,
    targets::TargetSet,
};

/// Begins to record.
pub(super) fn start(
    settings: &Settings,
    place: Option<&Place>,
    targets: &Arc<TargetSet>,
) -> Result<Option<Recorder>, Failure> {
    if !settings.record {
        return Ok(None);
    }
    let Some(place) = place else {
        tracing::info!("recording nothing: no state directory (--state DIR), and not root");
        return Ok(None);
    };
    let clock = match clock::synchronised() {
        Some(true) => RunClock::Synchronised,
        Some(false) => RunClock::Free,
        None => RunClock::Unknown,
    };
    let start = RunStart {
        kind: RunKind::Live,
        started: state::now(),
        version: VERSION.into(),
        kernel: summary::kernel(),
        interfaces: settings.interfaces.clone(),
        clock,
        targets: Arc::clone(targets),
    };
    let options = Options { keep: settings.keep(), patient: false };
    match Recorder::start(&place.dir, start, options, Box::new(SystemClocks)) {
        Ok(recorder) => {
            tracing::info!("recording in {}", place.dir.display());
            Ok(Some(recorder))
        }
        Err(error) if place.asked_for => Err(error.into()),
        Err(error) => {
            tracing::warn!("recording nothing: {error}");
            Ok(None)
        }
    }
}
