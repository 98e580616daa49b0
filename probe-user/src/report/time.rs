//! Times in reports: RFC 3339 in UTC with nine digits.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::Serializer;

/// Nanoseconds since 1970-01-01 UTC as RFC 3339 with nanoseconds, `2026-11-24T10:00:01.123456789Z`.
/// The range of the argument ends in the year 2554.
#[must_use]
pub fn rfc3339(nanoseconds: u64) -> String {
    print(nanoseconds, 9)
}

/// The same to milliseconds, with a space, for people.
pub(super) fn short(nanoseconds: u64) -> String {
    print(nanoseconds, 3).replacen('T', " ", 1)
}

fn print(nanoseconds: u64, digits: u8) -> String {
    // Every 64-bit number of nanoseconds is in range; the epoch stands for what cannot happen.
    let time = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH);
    DateTimePrinter::new().precision(Some(digits)).timestamp_to_string(&time)
}

/// For serde: a time.
pub(super) fn serialize<S: Serializer>(time: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

/// For serde: a time or null.
pub(super) fn serialize_option<S: Serializer>(
    time: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(nanoseconds) => serializer.serialize_some(&rfc3339(*nanoseconds)),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_nine_digits_and_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(1_795_514_401_123_000_000), "2026-11-24T10:00:01.123000000Z");
        assert_eq!(rfc3339(u64::MAX), "2554-07-21T23:34:33.709551615Z");
        assert_eq!(short(1_795_514_401_123_999_999), "2026-11-24 10:00:01.123Z");
    }
}
