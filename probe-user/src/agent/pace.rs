//! How much of the loop's time goes to whoever asks for figures: a part, however often they ask.

use std::time::{Duration, Instant};

/// Of the loop's time, one in so many parts at most.
const PART: u32 = 10;

/// When the next question is answered.
#[derive(Debug)]
pub(super) struct Pace {
    due: Instant,
}

impl Pace {
    /// At once.
    pub(super) const fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// Whether a question may be answered now; otherwise it waits.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// An answer took so long until `now`: nine times as long belongs to the ring.
    pub(super) fn took(&mut self, time: Duration, now: Instant) {
        self.due = now + time * (PART - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_ask_a_tenth_of_the_time_is_theirs() {
        const ANSWER: Duration = Duration::from_millis(70);
        let begin = Instant::now();
        let (mut pace, mut now, mut spent) = (Pace::new(begin), begin, Duration::ZERO);
        assert!(pace.is_due(begin), "the first is answered at once");
        while now < begin + Duration::from_secs(60) {
            // There is always somebody who asks, and the loop turns each millisecond.
            now += Duration::from_millis(1);
            if pace.is_due(now) {
                now += ANSWER;
                spent += ANSWER;
                pace.took(ANSWER, now);
            }
        }
        let share = spent.as_secs_f64() / (now - begin).as_secs_f64();
        assert!((0.09..0.101).contains(&share), "{share}");
    }
}
