//! `REFUSAL_SEQ`: a refusal with a number that a refusal does not have.
//!
//! **Rule.** The only answer to a SYN is a reset that acknowledges it and has a sequence number other
//! than 0.
//!
//! **Source.** RFC 9293, section 3.10.7.1: the answer of a closed port to a SYN has sequence number 0. A
//! device that lets the SYN pass and answers in place of the SYN+ACK takes its number over.
//!
//! **Worth.** C1, class S, and no more: there are firewalls that refuse for a host with a made-up number,
//! and a server that accepts and aborts at once, and whose SYN+ACK was lost on the way here, looks the
//! same.
//!
//! **Look-alikes that it stays silent on.**
//! * A closed port, whose refusal has number 0.
//! * A capture of one direction, or of the middle: the SYN must have been seen, and nothing else.

use probe_common::{
    flow::{Side, state},
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("REFUSAL_SEQ", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let odd: Vec<&Seen> = case.resets_of(side).filter(|reset| is_odd(reset, side)).collect();
    let &first = odd.first()?;
    Some(Fired {
        confidence: Confidence::C1,
        packets: odd.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "resets": odd.len(), "window": first.packet().window };
            (
                measured,
                "the SYN was refused with a sequence number, which a closed port does not know"
                    .into(),
            )
        }),
    })
}

fn is_odd(reset: &Seen, side: Side) -> bool {
    let (packet, flow) = (reset.packet(), reset.flow());
    flow.is(state::SYN)
        && !flow.half(side).has_baseline()
        && packet.has(tcp_flag::ACK)
        && packet.ack == flow.half(side.other()).end
        && packet.seq != 0
}
