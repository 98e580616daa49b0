//! `BOTHSIDES`: both ends seem to reset the connection in the same moment.
//!
//! **Rule.** A reset in the name of each end, within 50 ms, neither of which can answer the other: a
//! reset is never answered by one (RFC 9293, section 3.10.7.1).
//!
//! **Source.** Injectors that tear down both ends send two in one go: the Great Firewall's second and
//! third kind (Wu et al., S&P 2025), `tcpkill`.
//!
//! **Worth.** Class T. C3 if the two come closer together than the nearer end is away, and share what
//! two hosts do not share: TTL and window, both unlike those of the end that each claims to come
//! from. C2 if they only come closer together than half of the nearer round trip, of 5 ms or more, and
//! neither is a bare reset that may answer something else.
//! Otherwise nothing: two ends do abort at much the same time, when one of them has closed with data
//! still under way.
//!
//! **Look-alikes that it stays silent on.**
//! * A NAT or firewall that reaps idle connections and tells both ends: idle for two seconds or more.
//! * A balancer that resets both ends as one of them closes, seen from both sides.
//! * Both ends aborting, a round trip apart.

use probe_common::{
    flow::{Side, state},
    tells::tell,
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Longest time between the two.
const WITHIN: u64 = 50_000_000;

/// Idle time after which a reaper may have done it. A device acts on a packet that it has seen.
const IDLE: u64 = 2_000_000_000;

/// Shortest round trip that makes a moment.
const RTT_MIN: u64 = 5_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("BOTHSIDES", EvidenceClass::T, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let here = case.resets_of(side).next()?;
    let there = case.resets_of(side.other()).next()?;
    let apart = here.packet().time.abs_diff(there.packet().time);
    let flow = case.before()?;
    let first = here.packet().time.min(there.packet().time);
    let idle = first.saturating_sub(flow.last());
    let closing = flow.is(state::FIN);
    if apart > WITHIN || idle >= IDLE || closing || !case.followed() || !case.seen_both_ways() {
        return None;
    }
    let rtt = u64::from(flow.responder_rtt.min(flow.initiator_rtt));
    let together = rtt >= RTT_MIN && apart < rtt / 2;
    let aborts = !is_answer(here) && !is_answer(there);
    let confidence = match (together, one_maker(here, there), aborts) {
        (true, true, _) => Confidence::C3,
        (true, false, true) => Confidence::C2,
        _ => return None,
    };
    Some(Fired {
        confidence,
        packets: case.burst_of(here).map(Seen::number).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "apart_ms": millis(apart),
                "nearer_round_trip_ms": millis(rtt),
                "ttl": [here.packet().hops, there.packet().hops],
            };
            (
                measured,
                format!(
                    "both ends reset it {} ms apart, where the nearer one is {} ms away",
                    millis(apart),
                    millis(rtt)
                ),
            )
        }),
    })
}

/// Whether the reset may be a stack's answer to something that came for a socket that is gone.
fn is_answer(reset: &Seen) -> bool {
    !reset.packet().has(tcp_flag::ACK) && reset.tells().seq_from_acked <= 0
}

/// Whether one host made both: alike in what hosts differ in, and like neither end.
fn one_maker(one: &Seen, two: &Seen) -> bool {
    let foreign = |seen: &Seen| seen.tells().bits & tell::HOPS != 0;
    one.packet().hops == two.packet().hops
        && one.packet().window == two.packet().window
        && foreign(one)
        && foreign(two)
}
