//! What is to be done when nothing happens but that time goes by.

use super::{Judge, QUIET};
use crate::report::Finding;

impl Judge {
    /// Tells the time: what has been quiet long enough is closed.
    pub fn advance(&mut self, now: u64, mut tell: impl FnMut(Finding)) {
        if self.is_due(now) {
            self.close_until(now, &mut tell);
            self.settle();
        }
    }

    /// Takes the time; says whether it gives something to do.
    pub(super) fn is_due(&mut self, now: u64) -> bool {
        if now <= self.now {
            return false;
        }
        self.now = now;
        // The time is told with each packet, and there is mostly nothing to do.
        if self.idle == 0 {
            self.idle = self.next_due();
        }
        now >= self.idle
    }

    /// When the time alone gives something to do next; the end of time if nothing is pending.
    fn next_due(&self) -> u64 {
        let outcome = self.outcomes.as_ref().and_then(|outcomes| outcomes.next_due());
        let response = self.flows.next_forgotten().map(|first| first.saturating_add(QUIET));
        [self.next_close(), outcome, response].into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// When something is to be closed next.
    fn next_close(&self) -> Option<u64> {
        let flow = self.flows.next_due().map(|quiet| quiet.saturating_add(QUIET));
        let due = [flow, self.exchanges.next_due(), self.lies.next_due(), self.quics.next_due()];
        due.into_iter().flatten().min()
    }

    /// Closes everything: the end of a capture or of a run.
    pub fn finish(&mut self, mut tell: impl FnMut(Finding)) {
        self.close_until(u64::MAX, &mut tell);
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.settle(u64::MAX);
        }
    }

    /// Closes what is due by `now`, in the order in which it became so: how many of them become due
    /// between two calls must not show. What is found is told moment by moment: after a pause there can be
    /// thousands.
    pub(super) fn close_until(&mut self, now: u64, tell: &mut impl FnMut(Finding)) {
        while let Some(next) = self.next_close()
            && next <= now
        {
            self.hear(&mut *tell, |judge, _, mut tell| judge.close(next, &mut tell));
        }
        let (flows, _) = self.flows();
        flows.forget_responses(now.saturating_sub(QUIET));
        self.idle = 0;
    }

    /// Closes what is due at this moment.
    fn close(&mut self, next: u64, tell: &mut impl FnMut(Finding)) {
        let told = self.now;
        let (flows, mut scope) = self.flows();
        // At the end of time, nothing is quiet any longer than it has been.
        let quiet = if next == u64::MAX { Some(next) } else { next.checked_sub(QUIET) };
        if let Some(quiet) = quiet {
            flows.close_before(quiet, &mut scope, tell);
        }
        let (knowledge, settings) = (&mut self.knowledge, &self.settings);
        self.exchanges.close_until(next, knowledge, &mut self.lies, settings, tell);
        self.arrivals(tell);
        self.lies.close_until(next, &self.knowledge, &self.settings, tell);
        let Self { quics, knowledge, settings, .. } = self;
        quics.close_until(next, told, knowledge, settings, tell);
    }

    /// The machine woke by `at`, and had slept for so many nanoseconds. No packet passed meanwhile, and none was
    /// seen: of what began before, silence says nothing any more. Either end may have given up, or have gone.
    /// What else was under way is judged with what is known of it, as at the end of a capture.
    pub fn woke(&mut self, at: u64, slept: u64) {
        self.silence.woke(at);
        self.quics.woke(at);
        self.lies.woke(at, slept);
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.woke(at);
        }
    }
}
