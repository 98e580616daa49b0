//! A token bucket: how many events a class may make in a second.

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// How much of a second's allowance can be used at once: bursts of forged packets come within a
/// millisecond, and a quiet second before them should count.
const BURST: u64 = 1;

/// The bucket of one class on one CPU; holds nanoseconds of allowance.
///
/// Counted in time rather than in tokens, so that refilling is an addition and spending one
/// subtraction; the price of an event is worked out by the caller's rate.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Bucket {
    /// Time at which the allowance was last brought up to date.
    pub seen: u64,
    /// Allowance left, in nanoseconds.
    pub left: u64,
}

impl Bucket {
    /// Takes one event's worth at `now`, at `rate` events a second; `false` if there is none left.
    /// A rate of 0 admits everything.
    #[inline(always)]
    pub fn take(&mut self, now: u64, rate: u32) -> bool {
        if rate == 0 {
            return true;
        }
        let price = SECOND / rate as u64;
        let most = SECOND * BURST;
        let gained = now.saturating_sub(self.seen);
        let left = if gained > most { most } else { self.left + gained };
        self.seen = now;
        self.left = if left > most { most } else { left };
        if self.left < price {
            return false;
        }
        self.left -= price;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn admits_the_rate_and_no_more() {
        let mut bucket = Bucket::default();
        let start = 10_000_000_000;
        // Three seconds at 10,000 attempts a second against a rate of 100.
        let admitted = (0..30_000).filter(|i| bucket.take(start + i * 100_000, 100)).count();
        // A full bucket to begin with, then the rate.
        assert!((395..=405).contains(&admitted), "{admitted}");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!((0..1000).all(|_| bucket.take(5, 0)));
    }
}
