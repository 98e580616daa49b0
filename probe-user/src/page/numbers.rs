//! Figures as a reader wants them: with their unit, no more digits than they deserve, and never
//! rounded to a claim that they do not make.

use jiff::Timestamp;

use crate::attribute::{
    sketch::Range,
    verdict::{Interval, Period, Spans},
};
pub(super) use crate::report::words::{count, grouped, plural};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A share in percent: neither "0%" nor "100%" unless it is.
pub(super) fn percent(share: f64) -> String {
    let percent = share.clamp(0.0, 1.0) * 100.0;
    if percent == 0.0 {
        "0%".into()
    } else if percent < 0.1 {
        "<0.1%".into()
    } else if percent == 100.0 {
        "100%".into()
    } else if percent > 99.9 {
        ">99.9%".into()
    } else if (10.0..99.5).contains(&percent) {
        format!("{percent:.0}%")
    } else {
        format!("{percent:.1}%")
    }
}

/// A share with what it is a share of: `84% of 8,211`.
pub(super) fn share_of(share: f64, n: u64) -> String {
    if n == 0 { "none seen".into() } else { format!("{} of {}", percent(share), grouped(n)) }
}

/// A part of a whole: `312 of 9,411 (3.3%)`.
pub(super) fn part_of(part: u64, of: u64) -> String {
    if of == 0 {
        return "none".into();
    }
    format!("{} of {} ({})", grouped(part), grouped(of), percent(part as f64 / of as f64))
}

/// The interval that a share of `n` lies in with 95 % confidence (Wilson, 1927), as if
/// client-windows were drawn independently.
pub(super) fn wilson(share: f64, n: u64) -> (f64, f64) {
    const Z: f64 = 1.96;
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = n as f64;
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / (1.0 + Z * Z / n);
    ((middle - reach).max(0.0), (middle + reach).min(1.0))
}

/// A number known to lie between two.
pub(super) fn between(range: Range) -> String {
    if range.least >= range.most {
        grouped(range.least)
    } else {
        format!("{}\u{2013}{}", grouped(range.least), grouped(range.most))
    }
}

/// A median with its range: `10 (9–11)`.
pub(super) fn spans(spans: Spans) -> String {
    let [least, most] = spans.range;
    if least == most {
        return spans.median.to_string();
    }
    format!("{} ({least}\u{2013}{most})", spans.median)
}

/// An e-value of this decimal logarithm as a power of ten, rounded down: `10⁷`.
pub(super) fn power(log: f64) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    if !log.is_finite() {
        return "beyond measure".into();
    }
    let raised = |digit: char| match digit.to_digit(10) {
        Some(value) => RAISED[value as usize],
        None => '⁻',
    };
    // Not a negative zero.
    let floor = log.floor() + 0.0;
    format!("10{}", format!("{floor:.0}").chars().map(raised).collect::<String>())
}

/// `Reset by name` as `reset by name`; names stay as they are.
pub(super) fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

fn format(time: u64, form: &str) -> String {
    // Every 64-bit number of nanoseconds is in range; the epoch stands for what cannot happen.
    let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime(form).to_string()
}

/// `17 Nov 2016, 14:05 UTC`
pub(super) fn moment(time: u64) -> String {
    format(time, "%-d %b %Y, %H:%M UTC")
}

/// `17 Nov, 14:05`: where the year is known.
pub(super) fn brief(time: u64) -> String {
    format(time, "%-d %b, %H:%M")
}

/// `2016-11-17T14:05Z`: for machines.
pub(super) fn machine(time: u64) -> String {
    format(time, "%Y-%m-%dT%H:%MZ")
}

/// Times on an axis.
pub(super) fn on_axis(time: u64, step: u64) -> String {
    format(time, if step >= DAY { "%-d %b" } else { "%H:%M" })
}

/// `17 Nov 2016`
pub(super) fn day(time: u64) -> String {
    format(time, "%-d %b %Y")
}

/// `17 Nov 2016, 00:00 to 18 Nov 2016, 00:00 UTC`, or what is shorter.
pub(super) fn period(period: Period) -> String {
    let (from, to) = (period.from, period.to);
    if from / MINUTE == to / MINUTE {
        return moment(from);
    }
    if day(from) == day(to) {
        return format!("{} to {}", format(from, "%-d %b %Y, %H:%M"), format(to, "%H:%M UTC"));
    }
    format!("{} to {}", format(from, "%-d %b %Y, %H:%M"), moment(to))
}

/// How long: `3 h 20 min`.
pub(super) fn length(nanoseconds: u64) -> String {
    let two = |whole: u64, part: u64, big: &str, small: &str| {
        if part == 0 { format!("{whole} {big}") } else { format!("{whole} {big} {part} {small}") }
    };
    match nanoseconds {
        0..SECOND => format!("{} ms", nanoseconds.div_ceil(1_000_000)),
        SECOND..MINUTE => format!("{} s", nanoseconds / SECOND),
        MINUTE..HOUR => two(nanoseconds / MINUTE, nanoseconds % MINUTE / SECOND, "min", "s"),
        HOUR..DAY => two(nanoseconds / HOUR, nanoseconds % HOUR / MINUTE, "h", "min"),
        DAY.. => two(nanoseconds / DAY, nanoseconds % DAY / HOUR, "d", "h"),
    }
}

/// A moment with its uncertainty: `17 Nov 2016, 14:05 UTC (± 10 min)`.
pub(super) fn within(interval: Interval) -> String {
    let before = interval.likely.saturating_sub(interval.from);
    let after = interval.to.saturating_sub(interval.likely);
    let reach = before.max(after).div_ceil(MINUTE).max(1) * MINUTE;
    format!("{} (\u{b1} {})", moment(interval.likely), length(reach))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Text from elsewhere, made safe to read: what moves the cursor, hides itself or turns the direction of
/// writing is shown as its code. Letters of any script stay.
pub(super) fn visible(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut safe = String::with_capacity(text.len());
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            safe.push('\u{2026}');
            break;
        }
        let hidden = matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if character.is_control() || hidden {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_479_384_000 * SECOND;

    #[test]
    fn shares_are_not_rounded_to_claims() {
        let texts = [0.0, 0.0004, 0.004, 0.0999, 0.424, 0.9949, 0.997, 0.9996, 1.0].map(percent);
        let expected = ["0%", "<0.1%", "0.4%", "10.0%", "42%", "99%", "99.7%", ">99.9%", "100%"];
        assert_eq!(texts.each_ref().map(String::as_str), expected);
        assert_eq!(part_of(3, 0), "none");
        assert_eq!(share_of(0.5, 0), "none seen");
    }

    #[test]
    fn powers_are_never_overstated() {
        assert_eq!(
            [7.9, 212.4, 0.0, -0.2, -3.1].map(power),
            ["10⁷", "10²¹²", "10⁰", "10⁻¹", "10⁻⁴"]
        );
        assert_eq!(power(f64::INFINITY), "beyond measure");
        assert_eq!(
            [lowered("Block page"), lowered("QUIC dropped")],
            ["block page", "QUIC dropped"]
        );
    }

    #[test]
    fn wilson_is_as_in_the_tables() {
        let (low, high) = wilson(0.5, 100);
        assert!((low - 0.4038).abs() < 1e-3 && (high - 0.5962).abs() < 1e-3, "{low} {high}");
        let (low, high) = wilson(0.0, 10);
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-3, "{high}");
        assert_eq!(wilson(0.3, 0), (0.0, 1.0));
    }

    #[test]
    fn moments_carry_their_doubt() {
        assert_eq!(moment(NOON), "17 Nov 2016, 12:00 UTC");
        let interval = Interval { from: NOON - 4 * MINUTE, to: NOON + 10 * MINUTE, likely: NOON };
        assert_eq!(within(interval), "17 Nov 2016, 12:00 UTC (\u{b1} 10 min)");
        let exact = Interval { from: NOON, to: NOON, likely: NOON };
        assert_eq!(within(exact), "17 Nov 2016, 12:00 UTC (\u{b1} 1 min)");
        let one = Period { from: NOON, to: NOON + 3 * HOUR };
        assert_eq!(period(one), "17 Nov 2016, 12:00 to 15:00 UTC");
        assert_eq!(length(12_000 * SECOND), "3 h 20 min");
    }

    #[test]
    fn text_from_elsewhere_hides_nothing() {
        assert_eq!(visible("a\u{202e}b\u{0}"), "a\\u{202e}b\\u{0}");
        assert_eq!(
            visible("\u{644}\u{64a}\u{646}\u{643}\u{62f}"),
            "\u{644}\u{64a}\u{646}\u{643}\u{62f}"
        );
        assert_eq!(visible(&"x".repeat(1_000)).chars().count(), 301);
    }
}
