//! `RST_SEQ_CHANGE`: resets that step beyond anything their side has sent.
//!
//! **Rule.** Two consecutive resets of one side, R1 and R2, both with ACK or both without, less than two
//! seconds apart: R1.seq at what the side has sent, or two beyond; R2.seq > R1.seq + 2; R2.seq beyond all that
//! the side has sent, and more than 2 beyond all that the other side has acknowledged; no FIN from
//! either side before R1; no reset from the other side before R1.
//!
//! **Source.** Weaver, Sommer, Paxson (NDSS 2009), appendix A. The injector does not know how much
//! the server has meanwhile sent, so it sprays numbers ahead of it; no stack resets beyond its own
//! SND.NXT.
//!
//! **Worth.** Class S. C3 for resets with ACK, of which a stack sends one; C2 for bare ones, which answer
//! what a capture may not have seen.
//!
//! **Look-alikes that it stays silent on.**
//! * A closed socket answering each late segment with a reset at that segment's acknowledgment
//!   number: the numbers rise, but never beyond what was acknowledged.
//! * Connections whose highest numbers are not known (taken up in the middle, seen in one direction,
//!   with losses of the capture).
//! * An abort that overtakes the last data, after or before resets that answer what is under way: one
//!   of the two acknowledges, the other does not.
//! * Blind resets that hit the ports of a connection with random numbers: R2 must lie within a
//!   window of what was sent.

use probe_common::{
    flow::{Side, state},
    seq,
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Longest time between the two resets.
const WITHIN: u64 = 2_000_000_000;

/// Sequence numbers of slack.
const SLACK: i32 = 2;

/// How far ahead an injector sprays, in octets. The largest known steps are 12,503 and 4,380; a
/// number beyond a full unscaled window is a blind guess and not about this connection.
const AHEAD: i32 = 1 << 16;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_SEQ_CHANGE", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let resets: Vec<&Seen> = case.resets_of(side).collect();
    let pair = resets.windows(2).find(|pair| steps_ahead(case, pair[0], pair[1], side))?;
    let step = seq::distance(pair[1].packet().seq, pair[0].packet().seq);
    let ahead = pair[1].tells().seq_from_end;
    let apart = pair[1].packet().time.saturating_sub(pair[0].packet().time);
    let acknowledge = pair[0].packet().has(tcp_flag::ACK);
    Some(Fired {
        confidence: if acknowledge { Confidence::C3 } else { Confidence::C2 },
        packets: case.burst_of(pair[1]).map(Seen::number).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "step_octets": step,
                "beyond_sent_octets": ahead,
                "apart_ms": millis(apart),
                "resets": resets.len(),
            };
            (
                measured,
                format!(
                    "two resets step {step} octets, to {ahead} beyond anything {} had sent",
                    case.role(side)
                ),
            )
        }),
    })
}

fn steps_ahead(case: &Case, first: &Seen, second: &Seen, side: Side) -> bool {
    let (one, two) = (first.packet(), second.packet());
    let tells = second.tells();
    let flow = first.flow();
    let apart = two.time.saturating_sub(one.time);
    let peer_reset_before = flow.half(side.other()).reset_count() != 0;
    let first_at = first.tells().seq_from_end;
    apart < WITHIN
        && flow.is(state::SYN_ACK)
        && case.is_exact(second, side)
        && one.has(tcp_flag::ACK) == two.has(tcp_flag::ACK)
        && !case.explained_by_abort(second)
        && !flow.is(state::FIN)
        && !peer_reset_before
        && (0..=SLACK).contains(&first_at)
        && seq::distance(two.seq, one.seq) > SLACK
        && tells.seq_from_end > 0
        && tells.seq_from_end <= AHEAD
        && tells.seq_from_acked > SLACK
}
