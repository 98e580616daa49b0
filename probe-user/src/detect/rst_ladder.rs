//! `RST_LADDER`: resets whose sequence numbers climb in steps.
//!
//! **Rule.** Three consecutive resets of one side within one second whose sequence numbers rise by one
//! step twice, or by it and its double or triple; or two that rise by a step that a known device takes;
//! the first of them lies at what the side has sent or below, and the last beyond all that and all that its peer has
//! acknowledged.
//!
//! **Source.** Clayton et al. 2006 (x, x + 1460, x + 4380: the Great Firewall); Weaver, Sommer,
//! Paxson (NDSS 2009), section 7.1 (12,503: Sandvine at Comcast); the steps of one receive window
//! are those of `tcpkill`.
//!
//! **Worth.** C3, class S and in part K. Unlike `RST_SEQ_CHANGE` it does not mind that the other side
//! was reset first: injectors reset both.
//!
//! **Look-alikes that it stays silent on.**
//! * A closed socket answering late segments at the number each of them acknowledges: those rise in
//!   steps of a segment too, but never beyond what was acknowledged.
//! * The same, where a burst of packets was lost by the capture: then the first one lies beyond, too.
//! * Blind resets with random numbers: steps beyond a full window are no ladder.

use probe_common::{
    flow::{Side, state},
    seq,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Longest time that a burst spans.
const WITHIN: u64 = 1_000_000_000;

/// Steps of known devices, in octets.
const KNOWN: [i32; 4] = [1_460, 2_920, 4_380, 12_503];

/// How far beyond what was sent the first may lie: a SYN and a FIN take a number each.
const GROUND: i32 = 2;

/// Largest believable distance beyond what was sent: an injector that aims for the window sends no
/// farther than a large scaled one.
const AHEAD: i32 = 4 << 20;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_LADDER", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let resets: Vec<&Seen> = case.resets_of(side).collect();
    let before = case.before()?;
    let (first, last, step) = if before.half(side).has_baseline() {
        ladder(case, &resets)?
    } else if before.is(state::SYN) {
        before_any_answer(&resets)?
    } else {
        return None;
    };
    let ahead = last.tells().seq_from_end;
    let burst: Vec<&Seen> = case.burst_of(first).collect();
    Some(Fired {
        confidence: Confidence::C3,
        packets: burst.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "step_octets": step,
                "beyond_sent_octets": ahead,
                "resets": burst.len(),
                "within_ms": millis(last.packet().time.saturating_sub(first.packet().time)),
            };
            (
                measured,
                format!(
                    "{} resets climb by {step} octets at a time, to {ahead} beyond anything {} had sent",
                    burst.len(),
                    case.role(side)
                ),
            )
        }),
    })
}

/// The first and the last reset of a ladder, and its step: three in a row, or two with a known step.
fn ladder<'a>(case: &Case, resets: &[&'a Seen]) -> Option<(&'a Seen, &'a Seen, i32)> {
    let of = |rungs: &[&'a Seen]| {
        let (first, last) = (*rungs.first()?, *rungs.last()?);
        // What is the cheapest to see first.
        if !is_beyond(last) {
            return None;
        }
        let climbs: Vec<i32> = rungs.windows(2).map(|pair| rise(pair[0], pair[1])).collect();
        let step = step(&climbs)?;
        let alike = first.packet().flags == last.packet().flags;
        // Who guesses ahead begins with what he has seen. What a capture has lost at its end, all of them are beyond.
        let grounded = first.tells().seq_from_end <= GROUND;
        let exact = case.is_exact(last, last.side()) && !case.explained_by_abort(last);
        (alike && grounded && exact && within(first, last)).then_some((first, last, step))
    };
    resets.windows(3).find_map(of).or_else(|| resets.windows(2).find_map(of))
}

/// A ladder in answer to a SYN: nothing was sent that it could lie beyond, but a refusal is one reset
/// and acknowledges the SYN (RFC 9293, section 3.10.7.1). Only known steps count.
fn before_any_answer<'a>(resets: &[&'a Seen]) -> Option<(&'a Seen, &'a Seen, i32)> {
    resets.windows(3).find_map(|rungs| {
        let climbs = [rise(rungs[0], rungs[1]), rise(rungs[1], rungs[2])];
        let known = climbs.iter().all(|climb| KNOWN.contains(climb));
        (known && within(rungs[0], rungs[2])).then_some((rungs[0], rungs[2], climbs[0]))
    })
}

fn rise(one: &Seen, two: &Seen) -> i32 {
    seq::distance(two.packet().seq, one.packet().seq)
}

fn within(first: &Seen, other: &Seen) -> bool {
    other.packet().time.abs_diff(first.packet().time) <= WITHIN
}

/// Whether the reset lies beyond all that its side has sent and the other side acknowledged, and near
/// enough to be about this connection.
fn is_beyond(reset: &Seen) -> bool {
    let tells = reset.tells();
    tells.seq_from_end > 2 && tells.seq_from_acked > 2 && tells.seq_from_end <= AHEAD
}

/// The step of the ladder that climbs so, if it is one: the same each time or a small multiple of the
/// first, or a single one that a device is known by.
fn step(climbs: &[i32]) -> Option<i32> {
    match *climbs {
        [only] => KNOWN.contains(&only).then_some(only),
        [first, second] => {
            let multiple = first > 2 && second % first == 0 && (1..=3).contains(&(second / first));
            multiple.then_some(first)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn equal_steps_or_known_ones() {
        assert_eq!(step(&[1460, 2920]), Some(1460));
        assert_eq!(step(&[63, 126]), Some(63));
        assert_eq!(step(&[12_503]), Some(12_503));
        assert_eq!(step(&[700]), None);
        assert_eq!(step(&[700, 800]), None);
        assert_eq!(step(&[-63, 126]), None);
        assert_eq!(step(&[]), None);
    }
}
