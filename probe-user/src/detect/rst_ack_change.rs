//! `RST_ACK_CHANGE`: resets of one burst acknowledge different things, one of them never sent.
//!
//! **Rule.** Two resets of one side within two seconds, both with the ACK flag and with different
//! acknowledgment numbers, of which one lies beyond everything that the other side has sent.
//!
//! **Source.** Weaver, Sommer, Paxson (NDSS 2009), as OONI's early reset filter restated it: one
//! state of a stack has one RCV.NXT (RFC 9293, section 3.3.1).
//!
//! **Worth.** C3, class S: the maker guesses what the victim will have sent.
//!
//! **Look-alikes that it stays silent on.**
//! * A closed port that refuses each of several SYNs: each acknowledges its own SYN.
//! * Acknowledgment number 0, or one without the flag: not an acknowledgment.
//! * A connection seen in one direction only, or from the middle, or with gaps: what was sent is not known.

use probe_common::{flow::Side, tells::tell, wire::tcp_flag};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Longest time between the two.
const WITHIN: u64 = 2_000_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_ACK_CHANGE", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if !case.followed() || !case.seen_both_ways() {
        return None;
    }
    let resets: Vec<&Seen> =
        case.resets_of(side).filter(|reset| reset.packet().has(tcp_flag::ACK)).collect();
    let beyond = |reset: &Seen| reset.tells().bits & tell::ACK_BEYOND != 0;
    let pair = resets.windows(2).find(|pair| {
        let (one, two) = (pair[0].packet(), pair[1].packet());
        two.time.saturating_sub(one.time) <= WITHIN
            && one.ack != two.ack
            && one.ack != 0
            && two.ack != 0
            && pair.iter().any(|reset| beyond(reset) && case.is_exact(reset, side.other()))
    })?;
    let (one, two) = (pair[0], pair[1]);
    let guess = if beyond(two) { two } else { one };
    Some(Fired {
        confidence: Confidence::C3,
        packets: resets.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "ack_beyond_sent_octets": guess.tells().ack_from_end,
                "apart_ms": millis(two.packet().time.saturating_sub(one.packet().time)),
                "resets": resets.len(),
            };
            (
                measured,
                format!(
                    "resets that acknowledge different data, up to {} octets more than was ever sent",
                    guess.tells().ack_from_end
                ),
            )
        }),
    })
}
