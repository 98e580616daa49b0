//! What somebody usually does, from counts that fade.

/// One time in so many is still usual: a pool's smallest member, a route's rarest branch.
const RARE: u32 = 50;

/// Observations before anything is called usual or unusual.
pub(super) const KNOWN: u32 = 20;

/// Observations among which what is usual is to be found often enough: four times one in fifty.
pub(super) const WELL_KNOWN: u32 = 200;

/// So often something has to be seen, once there are as many observations, to be usual.
const LEAST: u32 = 4;

/// The most frequent values of something, `N` of them, and how often each was seen.
///
/// Where a value finds no room, the rarest gives up one count. So a few odd values cannot push out
/// what thousands have shown; who sends a flood of them can push out what is rare itself, at one for
/// one (Misra and Gries, 1982).
#[derive(Clone, Debug)]
pub(super) struct Habit<const N: usize> {
    seen: [(u8, u32); N],
}

impl<const N: usize> Default for Habit<N> {
    fn default() -> Self {
        Self { seen: [(0, 0); N] }
    }
}

impl<const N: usize> Habit<N> {
    pub(super) fn learn(&mut self, value: u8) {
        let known = self.seen.iter().position(|&(one, count)| count != 0 && one == value);
        let rarest = (0..N).min_by_key(|&place| self.seen[place].1).unwrap_or_default();
        let (one, count) = &mut self.seen[known.unwrap_or(rarest)];
        if known.is_some() || *count == 0 {
            *one = value;
            *count = count.saturating_add(1);
        } else {
            *count -= 1;
        }
    }

    pub(super) fn fade(&mut self) {
        for (_, count) in &mut self.seen {
            *count /= 2;
        }
    }

    pub(super) fn total(&self) -> u32 {
        self.seen.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// All values that are remembered, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = u8> + '_ {
        self.seen.iter().filter(|&&(_, count)| count > 0).map(|&(value, _)| value)
    }

    /// The values that are usual, in no order.
    pub(super) fn usual(&self) -> impl Iterator<Item = u8> + '_ {
        let total = self.total();
        let least = if total < KNOWN { 1 } else { LEAST };
        self.seen
            .iter()
            .filter(move |&&(_, count)| count >= least && count.saturating_mul(RARE) >= total)
            .map(|&(value, _)| value)
    }
}

/// How often something was so, and how often not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Often {
    yes: u32,
    no: u32,
}

impl Often {
    pub(super) const fn learn(&mut self, yes: bool) {
        let count = if yes { &mut self.yes } else { &mut self.no };
        *count = count.saturating_add(1);
    }

    pub(super) const fn fade(&mut self) {
        self.yes /= 2;
        self.no /= 2;
    }

    /// Known, and as good as never so.
    pub(super) const fn never(self) -> bool {
        self.no >= KNOWN && (self.yes < LEAST || self.yes.saturating_mul(RARE) <= self.no)
    }

    /// Known, and as good as always so.
    pub(super) const fn always(self) -> bool {
        Self { yes: self.no, no: self.yes }.never()
    }
}

#[cfg(test)]
mod tests {
    use super::{Habit, KNOWN, Often};

    #[test]
    fn a_few_odd_values_do_not_become_usual() {
        let mut habit = Habit::<4>::default();
        for _ in 0..1_000 {
            habit.learn(60);
        }
        for odd in 100..110 {
            habit.learn(odd);
        }
        assert_eq!(habit.usual().collect::<Vec<_>>(), [60]);
    }

    #[test]
    fn what_comes_often_becomes_usual_and_what_stays_away_fades() {
        let mut habit = Habit::<4>::default();
        for _ in 0..1_000 {
            habit.learn(60);
        }
        for _ in 0..30 {
            habit.learn(55);
        }
        assert_eq!(habit.usual().count(), 2);
        for _ in 0..10 {
            habit.fade();
            for _ in 0..100 {
                habit.learn(55);
            }
        }
        assert_eq!(habit.usual().collect::<Vec<_>>(), [55]);
    }

    #[test]
    fn never_is_said_of_what_is_known_and_survives_a_few() {
        let mut often = Often::default();
        for _ in 1..KNOWN {
            often.learn(false);
        }
        assert!(!often.never());
        often.learn(false);
        assert!(often.never() && !often.always());
        for _ in 0..3 {
            often.learn(true);
            assert!(often.never(), "a few");
        }
        often.learn(true);
        assert!(!often.never(), "four of twenty-four");
        for _ in 0..200 {
            often.learn(false);
        }
        assert!(often.never());
    }
}
