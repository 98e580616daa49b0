//! `RST_SEQ_DATA`: a reset numbered below what its side has already sent.
//!
//! **Rule.** A reset with an acknowledgment lies two or more below the highest sequence number that
//! its side has sent; or a bare reset lies two or more below it and yet beyond everything that the
//! other side has acknowledged.
//!
//! **Source.** `RST_SEQ_DATA` of Weaver, Sommer, Paxson (NDSS 2009); RFC 9293, section 3.10.7.1: a
//! stack that gives up resets at SND.NXT; one that has no such connection resets at the SEG.ACK of
//! what it answers, without an acknowledgment of its own.
//!
//! **Worth.** C2, class S: the maker of the reset had not seen data that has passed here. Load
//! balancers that answer for a dead server at the number the client last acknowledged do the same,
//! which is why it decides nothing alone.
//!
//! **Look-alikes that it stays silent on.**
//! * The answer of a stack without the socket to a stray segment: its number is one that the other
//!   side acknowledged.
//! * The same after an abort of the side itself, where the capture has lost acknowledgments.
//! * SYN and FIN, which take a number each: two are of slack.
//! * A connection that was not followed from its beginning, or seen in one direction only.
//! * A late reset of an earlier connection on these ports: its number lies outside the window.

use probe_common::{
    flow::{Side, state},
    tells::tell,
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Sequence numbers of slack.
const SLACK: i32 = 2;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_SEQ_DATA", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let forged: Vec<&Seen> = case
        .resets_of(side)
        .filter(|reset| is_below(reset, side) && !case.explained_by_abort(reset))
        .collect();
    let first = forged.first()?;
    let below = first.tells().seq_from_end.unsigned_abs();
    Some(Fired {
        confidence: Confidence::C2,
        packets: forged.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "octets_below": below, "resets": forged.len() };
            (
                measured,
                format!(
                    "the reset is numbered {below} octets below what {} had already sent",
                    case.role(side)
                ),
            )
        }),
    })
}

fn is_below(reset: &Seen, side: Side) -> bool {
    let tells = reset.tells();
    let half = reset.flow().half(side);
    // A SYN counts as sent, its data does not lie in a window yet.
    let sent = half.octets;
    let in_window = tells.seq_from_end.unsigned_abs() <= sent;
    let told = tells.bits & tell::SEQ_BELOW != 0 && reset.flow().is(state::SYN_ACK);
    let unacknowledged = tells.seq_from_acked > 0;
    told && in_window
        && tells.seq_from_end <= -SLACK
        && (reset.packet().has(tcp_flag::ACK) || unacknowledged)
}
