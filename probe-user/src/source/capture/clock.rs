//! From the ticks of a pcapng interface to nanoseconds since the epoch.

/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;

/// How an interface counts time: options `if_tsresol` and `if_tsoffset` (draft-ietf-opsawg-pcapng
/// section 4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// As in the file: units of 10^-n seconds, or of 2^-n seconds with the highest bit set.
    resolution: u8,
    /// Seconds to add.
    offset: i64,
}

impl Clock {
    pub(super) const DEFAULT: Clock = Clock::new(6, 0);

    pub(super) const fn new(resolution: u8, offset: i64) -> Self {
        Clock { resolution, offset }
    }

    /// Nanoseconds since the epoch, held within the range of `u64` (years 1970 to 2554).
    pub(super) fn nanoseconds(self, ticks: u64) -> u64 {
        // What nearly every file has, without 128-bit division.
        match (self.resolution, self.offset) {
            (6, 0) => return ticks.saturating_mul(1000),
            (9, 0) => return ticks,
            _ => {}
        }
        // No overflow: below 2^64 * 10^9 + 2^63 * 10^9.
        let nanoseconds = i128::from(self.scaled(ticks)) + i128::from(self.offset) * SECOND;
        nanoseconds.clamp(0, u64::MAX.into()) as u64
    }

    fn scaled(self, ticks: u64) -> u64 {
        let exponent = u32::from(self.resolution & 0x7f);
        let scaled = if self.resolution & 0x80 != 0 {
            (u128::from(ticks) * SECOND.unsigned_abs()) >> exponent
        } else if exponent <= 9 {
            u128::from(ticks) * 10u128.pow(9 - exponent)
        } else {
            // 10^39 does not fit, and is more than any number of ticks.
            10u128.checked_pow(exponent - 9).map_or(0, |unit| u128::from(ticks) / unit)
        };
        scaled.min(u64::MAX.into()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2016-11-17 00:00:00 UTC.
    const DAY: u64 = 1_479_340_800;

    #[test]
    fn every_resolution_gives_the_same_moment() {
        for exponent in 0..=9 {
            let ticks = DAY * 10u64.pow(exponent);
            assert_eq!(Clock::new(exponent as u8, 0).nanoseconds(ticks), DAY * 1_000_000_000);
        }
        for exponent in 0..=33 {
            let ticks = DAY << exponent;
            assert_eq!(Clock::new(0x80 | exponent, 0).nanoseconds(ticks), DAY * 1_000_000_000);
        }
    }

    #[test]
    fn finer_than_nanoseconds_is_rounded_down() {
        assert_eq!(Clock::new(12, 0).nanoseconds(1_999), 1);
        assert_eq!(Clock::new(0x80 | 40, 0).nanoseconds(1 << 39), 500_000_000);
    }

    #[test]
    fn offset_is_added_in_both_directions() {
        assert_eq!(Clock::new(0, 100).nanoseconds(5), 105_000_000_000);
        assert_eq!(Clock::new(6, -1).nanoseconds(1_500_000), 500_000_000);
    }

    #[test]
    fn extremes_are_held_in_range() {
        for resolution in 0..=u8::MAX {
            for offset in [i64::MIN, -1, 0, 1, i64::MAX] {
                for ticks in [0, 1, u64::MAX] {
                    Clock::new(resolution, offset).nanoseconds(ticks);
                }
            }
        }
        assert_eq!(Clock::new(0, 0).nanoseconds(u64::MAX), u64::MAX);
        assert_eq!(Clock::new(6, -10).nanoseconds(1), 0);
        assert_eq!(Clock::new(127, 0).nanoseconds(u64::MAX), 0);
    }
}
