//! The end of a run.

use std::process::ExitCode;

use nix::sys::signal::{SigHandler, Signal, signal};
use probe_common::counter::{COUNTERS, Counter};

use super::session::{Session, beside};
use crate::{
    cli::{Failure, state, summary},
    report::{ReportError, Summary, summary::Quantiles},
    source::clock,
};

impl Session {
    /// Detaches, takes what is left in the ring, and sums up: also after an error, and as far as that goes.
    pub(super) fn close(mut self, ended: Result<(), Failure>) -> Result<ExitCode, Failure> {
        mind_no_signals();
        self.told.out.output().be_patient();
        self.manager.stopping();
        self.measures.pulse.set_ready(false);
        self.live.detach();
        let rest = self.live.rest(|event| {
            self.sleep.mind(event.time(), &mut self.judge, &mut self.told);
            self.judge.event(&event, |finding| self.told.tell(&finding));
        });
        self.received += rest.unwrap_or_else(|error| {
            tracing::warn!("{error}; what was left in the ring is not all told");
            0
        });
        // What has ended since the last scan.
        self.scan();
        self.judge.finish(|finding| self.told.tell(&finding));
        self.attribution.take(&mut self.judge);
        if self.settings.destinations.is_some() {
            beside(self.tell_destinations());
        }

        let epoch = clock::epoch_of_boot();
        let counts = self.live.account();
        let mut total = std::mem::take(&mut self.told.total);
        self.taken_over(&mut total);
        let mut told = self.told;
        told.total = total;
        let losses = told.losses();
        let total = &mut told.total;
        let nothing = [0; COUNTERS as usize];
        summary::add(total, counts.as_ref().unwrap_or(&nothing), &self.judge);
        if let Err(error) = counts {
            tracing::warn!("{error}; the summary has none of the programs' counters");
            leave_out_counters(total);
        }
        summary::histograms(total, &self.judge);
        total.histograms.insert("finding_latency".into(), Quantiles::of(&told.latency, "us"));
        total.counters.insert("events_received".into(), self.received);
        let emitted = total.counters.get("events_emitted").copied().unwrap_or_default();
        let unread = emitted.saturating_sub(self.received);
        let pinned = self.live.pins().is_some();
        // Where programs go on, they wait for the next agent, which counts them as well.
        if pinned {
            total.counters.insert("events_left".into(), unread);
        }
        total.lost.insert("events_unread".into(), if pinned { 0 } else { unread });
        let since = self.live.taken_over().map_or(self.started, |left| left.accounted);
        total.first_packet = Some(since.saturating_add(epoch));
        total.last_packet = Some(clock::now().saturating_add(epoch));
        total.lost.extend(losses);
        let verdicts = self.attribution.finish(told.recorder.as_mut(), &mut total.lost);
        if told.error.is_none() {
            told.error = verdicts.iter().try_for_each(|one| told.out.verdict(one)).err();
        }
        if let Some(recorder) = told.recorder.take() {
            // It has been said when it happened, and is in the summary.
            let _ = recorder.close(state::now(), total);
        }
        if told.error.is_none() {
            told.error = told.out.summary(&told.total).err();
        }
        told.wait();
        ended?;
        match told.error {
            None | Some(ReportError::Closed { .. }) => Ok(ExitCode::SUCCESS),
            Some(error) => Err(error.into()),
        }
    }
}

/// What could not be read is not 0: a counter that is not there was not measured.
fn leave_out_counters(total: &mut Summary) {
    for counter in Counter::ALL {
        total.lost.remove(counter.name());
        total.counters.remove(counter.name());
    }
}

/// Whoever tells it to end once more means it: from now on these signals end the process, whatever it hangs in.
/// What was recorded is there, and the kernel takes the programs off.
fn mind_no_signals() {
    for kind in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the default is no handler, so nothing runs in a signal's context.
        let set = unsafe { signal(kind, SigHandler::SigDfl) };
        if let Err(error) = set {
            tracing::warn!("cannot set {kind} back: {error}; SIGKILL ends an end that hangs");
        }
    }
}
