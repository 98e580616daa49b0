//! How many distinct clients there were.
//!
//! The smallest hashes are kept (Bar-Yossef et al., RANDOM 2002): up to [`KEPT`] the count is exact,
//! which is where the bound on publishing is decided; beyond, the largest of them says how dense all
//! are, with a standard error of 1/sqrt(`KEPT` - 2). A HyperLogLog of the size would be wrong by one or
//! two just at the bound.
//!
//! Tokens change with the day, so a day has a set of its own: of several days, the largest is the least
//! that there were, and the sum the most.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Hashes kept of a day: an error of 6 %.
pub const KEPT: usize = 256;

/// Standard errors that a range reaches to either side.
const SIGMAS: f64 = 3.0;

/// A set of tokens.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    day: u64,
    tokens: BTreeSet<u64>,
    past: Range,
}

/// A number that is known to lie between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The least that it is.
    pub least: u64,
    /// The most that it is.
    pub most: u64,
}

impl Sketch {
    /// Adds the token of a client on a day.
    pub fn add(&mut self, day: u64, token: u64) {
        if day > self.day {
            self.past = self.range();
            self.day = day;
            self.tokens.clear();
        }
        if self.tokens.len() < KEPT {
            self.tokens.insert(token);
        } else if self.tokens.last().is_some_and(|&last| token < last) && self.tokens.insert(token)
        {
            self.tokens.pop_last();
        }
    }

    /// Adds what another has, of the same day or a later one.
    pub fn join(&mut self, other: &Self) {
        other.tokens.iter().for_each(|&token| self.add(other.day, token));
    }

    /// How many distinct ones were added.
    #[must_use]
    pub fn range(&self) -> Range {
        let today = self.today();
        Range {
            least: self.past.least.max(today.least),
            most: self.past.most.saturating_add(today.most),
        }
    }

    /// Whether more than half of the smaller of two sets are in both, by what is kept of a day.
    #[must_use]
    pub fn is_mostly(&self, other: &Self) -> bool {
        let end = |set: &Self| match set.tokens.last() {
            Some(&last) if set.tokens.len() >= KEPT => last,
            _ => u64::MAX,
        };
        // Up to here, all of both are kept.
        let end = end(self).min(end(other));
        let [one, two] = [self, other].map(|set| set.tokens.range(..=end).count());
        let both = self.tokens.range(..=end).filter(|&token| other.tokens.contains(token)).count();
        self.day == other.day && both * 2 > one.min(two)
    }

    fn today(&self) -> Range {
        let kept = self.tokens.len() as u64;
        let Some(&last) = self.tokens.last().filter(|_| self.tokens.len() >= KEPT) else {
            return Range { least: kept, most: kept };
        };
        let count = (KEPT - 1) as f64 / ((last as f64 + 1.0) / 2f64.powi(64));
        let error = SIGMAS / ((KEPT - 2) as f64).sqrt();
        let least = (count * (1.0 - error)) as u64;
        Range { least: least.max(kept), most: (count * (1.0 + error)).ceil() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use probe_common::hash::{HashKey, Sip};

    use super::{KEPT, Range, Sketch};

    fn token(number: u64) -> u64 {
        Sip::new(HashKey { k0: 3, k1: 4 }).word(number).finish()
    }

    #[test]
    fn sets_of_mostly_the_same_are_told_from_others() {
        let set = |numbers: std::ops::Range<u64>| {
            let mut sketch = Sketch::default();
            numbers.for_each(|number| sketch.add(1, token(number)));
            sketch
        };
        for many in [12, 5_000] {
            assert!(set(0..many).is_mostly(&set(many / 4..many)));
            assert!(!set(0..many).is_mostly(&set(many * 3 / 4..many * 2)));
            assert!(!set(0..many).is_mostly(&Sketch::default()));
        }
    }

    #[test]
    fn few_are_counted_exactly_and_once() {
        let mut sketch = Sketch::default();
        for number in 0..500 {
            sketch.add(1, token(number % 9));
        }
        assert_eq!(sketch.range(), Range { least: 9, most: 9 });
    }

    #[test]
    fn many_are_within_the_range() {
        for many in [KEPT as u64 + 1, 2_000, 50_000] {
            let mut sketch = Sketch::default();
            (0..many).for_each(|number| sketch.add(1, token(number)));
            let Range { least, most } = sketch.range();
            assert!(least <= many && many <= most && most < 2 * many, "{many}: {least}..{most}");
        }
    }

    #[test]
    fn days_cannot_be_joined() {
        let mut sketch = Sketch::default();
        for (day, many) in [(1, 12), (2, 30)] {
            (0..many).for_each(|number| sketch.add(day, token(day * 1_000 + number)));
        }
        assert_eq!(sketch.range(), Range { least: 30, most: 42 });
    }
}
