//! `RST_TRIPLE_SAME`: more identical resets at once than there was anything to answer.
//!
//! **Rule.** Three or more resets of one side with the same sequence and acknowledgment number
//! within 300 ms, more than the other side had sent segments that a closed socket could have answered.
//!
//! **Source.** The Great Firewall's second kind of reset, three RST+ACK in a row (Wu et al., S&P 2025;
//! net4people/bbs issues 285 and 511, 2023 and 2025); Weaver, Sommer, Paxson (NDSS 2009) for what a
//! stack can do: an abort sends one reset (RFC 9293, section 3.10.5), a socket that is not there one
//! for each segment that asks for it (3.10.7.1).
//!
//! **Worth.** C2, class S; C1 for bare ones, which may answer what took another way.
//!
//! **Look-alikes that it stays silent on.**
//! * A port of a mirror that shows each packet several times, also at several routers one behind the other, or a path
//!   that doubles packets: then handshake or data are repeated as well.
//! * A connection of which only one direction is seen: what was there to answer is not known.
//! * A closed socket answering several segments under way, all with one acknowledgment number.

use probe_common::{
    flow::{Side, state},
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Longest time from the first to the third. Devices take microseconds; a slow tool, or a path that
/// spreads a burst, takes longer, and no stack sends the same reset unasked however long it waits.
const WITHIN: u64 = 300_000_000;

/// How soon a packet passes the next router, in nanoseconds, where a mirror shows it at both.
const COPIED: u64 = 1_000_000;

/// How many make a burst.
const BURST: usize = 3;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_TRIPLE_SAME", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if !case.seen_both_ways() && !is_first_answer(case, side) && !is_before_answer(case, side) {
        return None;
    }
    let resets: Vec<&Seen> = case.resets_of(side).collect();
    let burst = resets.windows(BURST).find(|burst| is_burst(burst))?;
    let (first, last) = (burst[0].packet(), burst[BURST - 1].packet());
    let alike: Vec<&Seen> = resets
        .iter()
        .copied()
        .filter(|reset| reset.packet().seq == first.seq && reset.packet().ack == first.ack)
        .collect();
    if alike.len() <= answerable(case, &alike, side) || is_doubled(case, &alike) {
        return None;
    }
    let acknowledges = last.has(tcp_flag::ACK);
    Some(Fired {
        confidence: if acknowledges { Confidence::C2 } else { Confidence::C1 },
        packets: alike.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "resets": alike.len(),
                "within_ms": millis(last.time.saturating_sub(first.time)),
            };
            (
                measured,
                format!(
                    "{} identical resets within {} ms, with nothing to answer but one segment",
                    alike.len(),
                    millis(last.time.saturating_sub(first.time))
                ),
            )
        }),
    })
}

/// Whether the resets are all that has come from `side`: then all that the other side sent was seen.
fn is_first_answer(case: &Case, side: Side) -> bool {
    case.before().is_some_and(|flow| {
        !flow.half(side).has_baseline() && flow.half(side.other()).has_baseline()
    })
}

/// Whether the other side has sent nothing yet, and then does: nothing of it was missed.
fn is_before_answer(case: &Case, side: Side) -> bool {
    let silent = case.before().is_some_and(|flow| !flow.half(side.other()).has_baseline());
    silent && case.after_of(side.other()).next().is_some()
}

fn is_burst(burst: &[&Seen]) -> bool {
    let first = burst[0].packet();
    burst.iter().all(|reset| {
        let packet = reset.packet();
        packet.seq == first.seq
            && packet.ack == first.ack
            && packet.flags == first.flags
            && packet.time.saturating_sub(first.time) <= WITHIN
    })
}

/// Segments of the other side that a stack may have answered with one reset each.
fn answerable(case: &Case, alike: &[&Seen], side: Side) -> usize {
    let Some(last) = alike.last() else { return 0 };
    let peer = last.flow().half(side.other());
    let sent = usize::try_from(peer.packets).unwrap_or(usize::MAX);
    // What was answered by the handshake asked for no reset: a SYN and the ACK behind it, or a SYN+ACK.
    let established = case.before().is_some_and(|flow| flow.is(state::ESTABLISHED));
    let accepted = case.before().is_some_and(|flow| !flow.half(side).syn.is_unseen());
    let handshake = match (side == case.initiator(), accepted) {
        (true, _) => usize::from(established),
        (false, false) => 0,
        (false, true) => 1 + usize::from(established),
    };
    let bare = !last.packet().has(tcp_flag::ACK);
    let asked = sent.saturating_sub(handshake);
    // Each answer may come twice, of paths that double, and one to what has passed elsewhere; but a reset
    // with an acknowledgment answers none.
    if bare { 2 * asked + 1 } else { asked }
}

/// Whether everything is captured several times, so that copies of a reset say nothing.
fn is_doubled(case: &Case, alike: &[&Seen]) -> bool {
    let identical = alike.windows(2).all(|pair| {
        let (one, two) = (pair[0].packet(), pair[1].packet());
        // By several ports of a mirror before and behind routers, each a hop on.
        let passed = one.hops >= two.hops && two.time.saturating_sub(one.time) <= COPIED;
        let same = one.hops == two.hops || passed;
        one.ip_id == two.ip_id && same && one.checksum == two.checksum
    });
    // Each a hop on from the one before, it is one packet, whatever else is seen twice.
    let passes = alike.windows(2).all(|pair| pair[0].packet().hops > pair[1].packet().hops);
    let repeated =
        case.before().is_none_or(|flow| flow.halves.iter().any(|half| half.repeated > 0));
    identical && (repeated || passes)
}
