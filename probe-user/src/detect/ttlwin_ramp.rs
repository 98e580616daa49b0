//! `TTLWIN_RAMP`: TTL and window rise together from one reset to the next.
//!
//! **Rule.** Three consecutive resets, or segments of content, of one side within 500 ms whose TTL rises
//! by the same step and whose window rises by the same step each time; or two resets whose TTL and window rise by the very
//! same small step.
//!
//! **Source.** Marczak et al., *An Analysis of China's "Great Cannon"* (FOCI 2015), section 3.1:
//! one false positive address in eight months of border traffic of a national laboratory. A stack
//! sends every packet with one initial TTL.
//!
//! **Worth.** C3, class H, for three; C2 for two.
//!
//! **Look-alikes that it stays silent on.**
//! * A stack's own two resets, one from the socket with a window, one without a socket and window
//!   zero: the TTL stays.
//! * Two resets over two paths of different length: the window stays, or falls to zero.
//! * Windows that grow while data flows: resets are compared only with resets.

use probe_common::flow::Side;

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Longest time that the resets of one burst span.
const WITHIN: u64 = 500_000_000;

/// Largest step that two resets alone are believed.
const STEP_MAX: i32 = 4;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("TTLWIN_RAMP", EvidenceClass::H, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    // Injected content ramps as well (the Great Cannon's does).
    let content: Vec<&Seen> = case.content().iter().filter(|seen| seen.side() == side).collect();
    let resets: Vec<&Seen> = case.resets_of(side).collect();
    ramp(&resets, 2, "resets").or_else(|| ramp(&content, 3, "segments"))
}

/// A ramp of at least `least` packets.
fn ramp<'a>(packets: &[&'a Seen], least: usize, what: &'static str) -> Option<Fired<'a>> {
    let three = packets.windows(3).find_map(|burst| {
        let (first, second) = (step(burst[0], burst[1])?, step(burst[1], burst[2])?);
        (first == second).then_some((Confidence::C3, first, 3, burst[0]))
    });
    let two = || {
        packets.windows(2).filter(|_| least <= 2).find_map(|pair| {
            let step = step(pair[0], pair[1])?;
            let in_lockstep = step.0 == step.1 && step.0 <= STEP_MAX;
            in_lockstep.then_some((Confidence::C2, step, 2, pair[0]))
        })
    };
    let (confidence, (hops, window), count, first) = three.or_else(two)?;
    Some(Fired {
        confidence,
        packets: packets
            .iter()
            .filter(|seen| seen.packet().flags == first.packet().flags)
            .map(|seen| seen.number())
            .collect(),
        account: Account::of(move || {
            let measured = measured! {
                "packets": count,
                "ttl_step": hops,
                "window_step": window,
                "ttl_first": first.packet().hops,
                "window_first": first.packet().window,
            };
            (
                measured,
                format!("{count} {what} in a row raise TTL by {hops} and window by {window}"),
            )
        }),
    })
}

/// By how much TTL and window rise, if both do.
fn step(one: &Seen, two: &Seen) -> Option<(i32, i32)> {
    let (one, two) = (one.packet(), two.packet());
    let hops = i32::from(two.hops) - i32::from(one.hops);
    let window = i32::from(two.window) - i32::from(one.window);
    let soon = two.time.saturating_sub(one.time) <= WITHIN;
    (soon && hops > 0 && window > 0).then_some((hops, window))
}
