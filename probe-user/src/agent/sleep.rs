//! A machine that slept while the agent ran: nobody is held to have been silent meanwhile.

use super::told::Told;
use crate::{judge::Judge, source::clock};

/// What is told of, in nanoseconds: a second. The loop turns ten times as often.
const LEAST: u64 = 1_000_000_000;

/// For how long the machine has slept, as far as the judge knows.
#[derive(Debug)]
pub(super) struct Sleep {
    /// Since it was booted, in nanoseconds.
    slept: u64,
    /// When that was looked at, by the clock that goes on meanwhile.
    looked: u64,
}

impl Sleep {
    /// The machine has slept for so long when the run begins.
    pub(super) const fn new(slept: u64) -> Self {
        Self { slept, looked: 0 }
    }

    /// Has the judge know if the machine slept before `now`, which is the time of a turn of the loop, or of what
    /// the judge is about to be told.
    pub(super) fn mind(&mut self, now: u64, judge: &mut Judge, told: &mut Told) {
        let Some(slept) = self.noticed(now, clock::slept) else { return };
        tracing::warn!(
            "the machine slept for {:.1} s: nobody is held to have been silent for that",
            slept as f64 / 1e9
        );
        // Not at `now`: a loop that was late is told of what was before.
        judge.woke(clock::now(), slept);
        judge.advance(now, |finding| told.tell(&finding));
    }

    /// For how long the machine has slept since that was last said, if it has. Asks only if it can have been so
    /// long: that is told with each event.
    fn noticed(&mut self, now: u64, ask: impl FnOnce() -> u64) -> Option<u64> {
        if now < self.looked.saturating_add(LEAST) {
            return None;
        }
        self.looked = now;
        let all = ask();
        let more = all.checked_sub(self.slept).filter(|more| *more >= LEAST)?;
        self.slept = all;
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST, Sleep};

    #[test]
    fn what_was_slept_is_noticed_once() {
        let mut sleep = Sleep::new(7 * LEAST);
        assert_eq!(sleep.noticed(100 * LEAST, || 7 * LEAST), None, "that was before the run");
        assert_eq!(sleep.noticed(160 * LEAST, || 67 * LEAST), Some(60 * LEAST));
        assert_eq!(sleep.noticed(162 * LEAST, || 67 * LEAST), None);
        // An hour in which the loop stood still, awake.
        assert_eq!(sleep.noticed(3_762 * LEAST, || 67 * LEAST), None);
        // Moments add up.
        assert_eq!(sleep.noticed(3_764 * LEAST, || 67 * LEAST + LEAST / 2), None);
        assert_eq!(sleep.noticed(3_766 * LEAST, || 68 * LEAST), Some(LEAST));
    }

    #[test]
    fn nobody_asks_the_clock_at_each_event() {
        let mut sleep = Sleep::new(0);
        let mut asked = 0;
        for event in 0..10_000 {
            // Ten seconds, in the middle of which the machine sleeps for a minute.
            let slept = if event < 5_000 { 0 } else { 60 * LEAST };
            let now = 100 * LEAST + event * LEAST / 1_000 + slept;
            let noticed = sleep.noticed(now, || {
                asked += 1;
                slept
            });
            // At the first that comes afterwards.
            assert_eq!(noticed.is_some(), event == 5_000, "{event}");
        }
        assert!(asked <= 11, "{asked}");
    }
}
