//! The shortest time in which a resolver answers: not the shortest that was ever seen, since that may
//! have been a forgery, but the shortest that several names agree on.

/// Length of an epoch, in nanoseconds: ten minutes.
pub(super) const EPOCH: u64 = 600_000_000_000;

/// Epochs remembered besides the present one. A route that has become slower is learnt after an hour;
/// one that has become faster at once.
const HISTORY: usize = 6;

/// Names told apart, by the hash of the question.
const SLOTS: usize = 16;

/// Which of the names' shortest times counts: so many names less one can be forged without effect.
const RANK: usize = 3;

/// So many more have to agree with it.
const AGREEING: usize = 2;

/// The shortest delays of an epoch by name, and what came of earlier epochs. In nanoseconds; 0: none.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays {
    epoch: u64,
    slots: [u64; SLOTS],
    history: [Estimate; HISTORY],
}

/// What an epoch says.
#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    /// The third shortest of the names' times.
    least: u64,
    /// Whether the next two lie within a third above it.
    confirmed: bool,
}

impl Delays {
    /// Learns that the question with this hash was answered after `delay` at `time`.
    pub(super) fn learn(&mut self, time: u64, question: u32, delay: u64) {
        let epoch = time / EPOCH;
        if epoch > self.epoch {
            let passed = usize::try_from(epoch - self.epoch).unwrap_or(usize::MAX);
            let estimate = Self::estimate(&self.slots);
            self.history.rotate_right(1);
            self.history[0] = estimate;
            // Epochs in which nothing came say nothing.
            for _ in 1..passed.min(HISTORY + 1) {
                self.history.rotate_right(1);
                self.history[0] = Estimate::default();
            }
            self.slots = [0; SLOTS];
            self.epoch = epoch;
        }
        let slot = &mut self.slots[question as usize % SLOTS];
        let delay = delay.max(1);
        if *slot == 0 || delay < *slot {
            *slot = delay;
        }
    }

    /// The shortest time of this epoch and those before it, if it was confirmed. Shorter ones that
    /// were not leave it unknown: cached names may have been rare.
    pub(super) fn floor(&self) -> Option<u64> {
        let estimates = self.history.iter().copied().chain([Self::estimate(&self.slots)]);
        let least = estimates.filter(|one| one.least != 0).min_by_key(|one| one.least)?;
        least.confirmed.then_some(least.least)
    }

    fn estimate(slots: &[u64; SLOTS]) -> Estimate {
        let mut times = slots.map(|delay| if delay == 0 { u64::MAX } else { delay });
        times.sort_unstable();
        let (least, last) = (times[RANK - 1], times[RANK - 1 + AGREEING]);
        if least == u64::MAX {
            return Estimate::default();
        }
        Estimate { least, confirmed: last != u64::MAX && last <= least + least / 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Delays, EPOCH, HISTORY};

    const MS: u64 = 1_000_000;

    fn usual(epoch: u64) -> Delays {
        let mut delays = Delays::default();
        for name in 0..12 {
            delays.learn(epoch * EPOCH, name, 20 * MS + u64::from(name) * 100_000);
        }
        delays
    }

    #[test]
    fn a_floor_needs_several_names_that_agree() {
        let mut delays = Delays::default();
        for round in 0..100 {
            delays.learn(round, 7, 20 * MS);
        }
        assert_eq!(delays.floor(), None, "one name, however often");
        for name in 0..4 {
            delays.learn(200, name, 20 * MS);
        }
        assert_eq!(delays.floor(), Some(20 * MS));
        let mut cold = Delays::default();
        for name in 0..16_u32 {
            cold.learn(0, name, (10 * MS) << name);
        }
        assert_eq!(cold.floor(), None, "names that had to be looked up");
    }

    #[test]
    fn slow_names_that_agree_are_no_floor_where_others_were_faster() {
        let mut delays = Delays::default();
        for name in 0..4_u32 {
            delays.learn(0, name, MS << name);
        }
        for name in 0..16 {
            delays.learn(EPOCH, name, 300 * MS);
        }
        assert_eq!(delays.floor(), None);
    }

    #[test]
    fn one_or_two_forged_names_move_nothing_however_often_they_are_forged() {
        let mut delays = usual(0);
        let before = delays.floor().unwrap();
        for _ in 0..10_000 {
            delays.learn(1, 3, MS);
            delays.learn(1, 9, MS);
        }
        let after = delays.floor().unwrap();
        assert!(after.abs_diff(before) < before / 10, "{before} {after}");
    }

    #[test]
    fn five_forged_names_at_one_pace_move_it_for_a_while() {
        let mut delays = usual(0);
        for name in 0..5 {
            delays.learn(1, name, MS);
        }
        assert_eq!(delays.floor(), Some(MS));
        for epoch in 1..=HISTORY as u64 + 1 {
            for name in 0..12 {
                delays.learn(epoch * EPOCH, name, 20 * MS);
            }
        }
        assert_eq!(delays.floor(), Some(20 * MS), "they are forgotten");
    }

    #[test]
    fn slow_answers_do_not_raise_it() {
        let mut delays = usual(0);
        let before = delays.floor();
        for name in 0..100_000 {
            delays.learn(1, name, 900 * MS);
        }
        assert_eq!(delays.floor(), before);
    }

    #[test]
    fn a_faster_route_is_learnt_at_once_and_a_slower_one_in_an_hour() {
        let mut delays = usual(0);
        for name in 0..8 {
            delays.learn(1, name, 5 * MS);
        }
        assert_eq!(delays.floor(), Some(5 * MS));
        for epoch in 1..=HISTORY as u64 {
            for name in 0..8 {
                delays.learn(epoch * EPOCH, name, 40 * MS);
            }
            assert_eq!(delays.floor(), Some(5 * MS));
        }
        for name in 0..8 {
            delays.learn((HISTORY as u64 + 1) * EPOCH, name, 40 * MS);
        }
        assert_eq!(delays.floor(), Some(40 * MS));
    }

    #[test]
    fn after_a_long_silence_nothing_is_known() {
        let mut delays = usual(0);
        delays.learn(100 * EPOCH, 1, 20 * MS);
        assert_eq!(delays.floor(), None);
    }
}
