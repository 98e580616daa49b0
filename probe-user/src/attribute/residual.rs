//! How long blocking lingers after a trigger, and who is known to linger so long.

use std::collections::BTreeMap;

use super::{change::Peak, signs::TENS, verdict::Residual};

/// Least share that is ever expected to fail.
const LEAST: f64 = 1e-3;

/// Known durations, in seconds. Labels, dated by their sources, never a reason: a censor can change its
/// timer, and a timer that each packet restarts looks longer.
const KNOWN: [(u16, &str); 6] = [
    (60, "China, SNI; Iran, protocol filter (Bock et al., 2020, 2021)"),
    (90, "China, HTTP (Bock et al., 2021)"),
    (120, "Kazakhstan (Bock et al., 2021)"),
    (180, "China, QUIC and SNI; Iran (Zohaib et al., 2025; Bock et al., 2021)"),
    (360, "China, encrypted DNS by SNI (Niere et al., 2025)"),
    (420, "Russia, TSPU (Xue et al., 2022)"),
];

/// How far a known duration may be from the range, in seconds.
const TOLERANCE: u16 = 5;

/// Estimates the duration from clients by tens of seconds after a trigger: all, and those that failed.
pub(super) fn estimate(all: &BTreeMap<u16, u64>, failed: &BTreeMap<u16, u64>) -> Option<Residual> {
    let bins: Vec<(u16, f64, f64)> = all
        .iter()
        .map(|(&tens, &n)| {
            let bad = failed.get(&tens).copied().unwrap_or_default();
            (tens, n as f64, bad as f64)
        })
        .collect();
    let sum = |bins: &[(u16, f64, f64)]| {
        bins.iter().fold((0.0, 0.0), |(n, bad), one| (n + one.1, bad + one.2))
    };
    let gains: Vec<f64> = (0..bins.len())
        .map(|last| {
            let (during, after) = bins.split_at(last + 1);
            let (one, two) = (sum(during), sum(after));
            if share(one) <= share(two) { f64::NEG_INFINITY } else { fit(one) + fit(two) }
        })
        .collect();
    let Peak { first, likely, last } = Peak::of(&gains)?;
    // A flow of the last bin failed; the next bin's did not. Where no later bin was seen, it may go on.
    let until = |place: usize| (bins[place].0 + 1) * TENS;
    let least = bins[first].0 * TENS;
    let upper = bins.get(last + 1).map_or_else(|| until(last), |next| (next.0 + 1) * TENS);
    let known = KNOWN
        .iter()
        .filter(|(seconds, _)| {
            (least.saturating_sub(TOLERANCE)..=upper + TOLERANCE).contains(seconds)
        })
        .map(|(seconds, who)| format!("{seconds} s: {who}"))
        .collect();
    Some(Residual {
        seconds: until(likely),
        range: [least, upper],
        share: share(sum(&bins[..=likely])),
        known,
    })
}

fn share((n, bad): (f64, f64)) -> f64 {
    if n > 0.0 { bad / n } else { 0.0 }
}

fn fit((n, bad): (f64, f64)) -> f64 {
    let share = share((n, bad)).clamp(LEAST, 1.0 - LEAST);
    bad * share.ln() + (n - bad) * (1.0 - share).ln()
}

#[cfg(test)]
mod tests {
    use super::estimate;

    #[test]
    fn a_timer_of_three_minutes_is_found_and_named() {
        let all = (0..50).map(|tens| (tens, 20)).collect();
        // Three quarters fail until 180 s, and one in twenty always.
        let failed = (0..50).map(|tens| (tens, if tens < 18 { 15 } else { 1 })).collect();
        let found = estimate(&all, &failed).expect("a duration");
        assert_eq!(found.seconds, 180);
        assert!(found.range[0] <= 180 && found.range[1] <= 200, "{found:?}");
        assert!(found.known.iter().any(|who| who.contains("China")), "{found:?}");
        assert!(!found.known.iter().any(|who| who.contains("Russia")), "{found:?}");
    }

    #[test]
    fn what_does_not_end_has_no_duration() {
        let all = (0..50).map(|tens| (tens, 20)).collect();
        assert_eq!(estimate(&all, &std::collections::BTreeMap::new()), None);
    }
}
