//! `RST_BEFORE_ANSWER`: the client resets what it has only just asked for.
//!
//! **Rule.** A reset in the client's name after its SYN and before anything came back from the server,
//! whose SYN+ACK then comes. The reset is numbered as the client's next.
//!
//! **Source.** RFC 9293, section 3.10.5: a stack that gives up in SYN-SENT deletes the connection and
//! sends nothing. Injectors that tear down both ends do it at any moment.
//!
//! **Worth.** C2, class S.
//!
//! **Look-alikes that it stays silent on.**
//! * A scanner's kernel, which knows nothing of the SYN and resets what answers it: after the SYN+ACK, or less than 50 ms
//!   before it, if the client does not go on: the two directions of a tap are not seen at one moment.
//! * A capture of one direction only: then no SYN+ACK comes at all.
//! * A reset that dies on the way, with which a tool deceives a censor: the case leaves it out.

use probe_common::{
    flow::{Side, state},
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// How late the two directions of a tap may be seen to each other, in nanoseconds: by two cards whose clocks, or
/// interrupts, differ.
const SKEW: u64 = 50_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_BEFORE_ANSWER", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side != case.initiator() {
        return None;
    }
    let early: Vec<&Seen> = case.resets_of(side).filter(|reset| is_early(reset, side)).collect();
    let first = early.first()?;
    let accepted = case.after_of(side.other()).find(|seen| {
        seen.packet().has(tcp_flag::SYN | tcp_flag::ACK)
            && seen.packet().ack == first.flow().half(side).end
    })?;
    let before = accepted.packet().time.saturating_sub(first.packet().time);
    // Whoever has reset it does not go on.
    let goes_on = case.after_of(side).any(|seen| {
        seen.packet().has(tcp_flag::ACK) && seen.packet().time >= accepted.packet().time
    });
    if before < SKEW && !goes_on {
        return None;
    }
    Some(Fired {
        confidence: Confidence::C2,
        packets: early.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "before_answer_ms": millis(before), "resets": early.len() };
            (
                measured,
                format!(
                    "a reset in the client's name {} ms before the server had answered its SYN",
                    millis(before)
                ),
            )
        }),
    })
}

fn is_early(reset: &Seen, side: Side) -> bool {
    let flow = reset.flow();
    flow.is(state::SYN)
        && !flow.half(side.other()).has_baseline()
        && flow.half(side.other()).reset_count() == 0
        && reset.packet().seq == flow.half(side).end
}
