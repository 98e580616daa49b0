//! How many clients carry the evidence.
//!
//! Some flows of many clients always fail. If a few clients fail all the time, the number of clients
//! with a failed flow says nothing; what counts is on how many shoulders the failures rest: the inverse
//! of Simpson's index (Nature, 1949), the square of the sum of weights over the sum of their squares.

use std::collections::BTreeMap;

/// Clients whose weight is kept: of more, no few carry the evidence.
pub(super) const WEIGHED_MAX: usize = 2_048;

/// Weights of affected clients on one day, and what the days before came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    day: u64,
    weights: BTreeMap<u64, f32>,
    before: f64,
}

impl Weights {
    /// Adds the share of a client's flows that failed in a window.
    pub(super) fn add(&mut self, day: u64, token: u64, share: f32) {
        if day != self.day {
            // Tokens have changed: days cannot be joined, and the best one counts.
            self.before = self.effective();
            self.day = day;
            self.weights.clear();
        }
        if share > 0.0 && (self.weights.len() < WEIGHED_MAX || self.weights.contains_key(&token)) {
            *self.weights.entry(token).or_default() += share;
        }
    }

    /// On how many clients it rests.
    pub(super) fn effective(&self) -> f64 {
        let (mut sum, mut squares) = (0.0, 0.0);
        for &weight in self.weights.values() {
            sum += f64::from(weight);
            squares += f64::from(weight) * f64::from(weight);
        }
        let today = if squares > 0.0 { sum * sum / squares } else { 0.0 };
        today.max(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::Weights;

    #[test]
    fn a_few_that_always_fail_are_a_few() {
        let mut weights = Weights::default();
        (0..40).for_each(|client| weights.add(1, client, 0.1));
        assert!((weights.effective() - 40.0).abs() < 1e-3);
        (0..4).for_each(|client| weights.add(1, 100 + client, 30.0));
        assert!(weights.effective() < 5.0, "{}", weights.effective());
        weights.add(2, 7, 1.0);
        assert!(weights.effective() > 4.0, "the day before counts");
    }
}
