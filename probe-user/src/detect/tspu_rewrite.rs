//! `TSPU_REWRITE`: the server's answers arrive, each turned into a reset.
//!
//! **Rule.** Resets with ACK in the place of the server's SYN+ACK, with a window, or of its first data:
//! at the number after its SYN+ACK, acknowledging what the client sent, with the TTL, DF, window and
//! timestamps of the server; and again, at the pace of a retransmission (150 ms or more apart, each gap at least half
//! as long again as the one before), while the client has sent nothing that they could answer.
//!
//! **Source.** Russia's TSPU replaces the content of the server's packet and keeps the carrier (Xue
//! et al., IMC 2022). The server has not reset anything, so it sends its ServerHello again, and
//! again that becomes a reset. No stack sends resets at the pace of retransmissions (RFC 9293,
//! section 3.10.5: the connection is gone).
//!
//! **Worth.** C3, class S, with two such gaps; C2 with one. It accuses of rewriting, not injecting. Of a
//! flight of several segments, the first resets climb as an injector's do, and are told as such at once;
//! the finding that they were rewritten takes that one's place.
//!
//! **Look-alikes that it stays silent on.**
//! * A server's single reset.
//! * A closed socket, or a load balancer, that answers each retransmission of the client: then the
//!   client has sent something in between.

use probe_common::{
    flow::{Side, state},
    tells::tell,
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass, Verdict},
};

/// Shortest gap that can be a retransmission's: Linux's least timeout is 200 ms, less some jitter.
const GAP_MIN: u64 = 150_000_000;

/// See the module.
pub static DETECTOR: TcpDetector =
    TcpDetector { id: "TSPU_REWRITE", class: EvidenceClass::S, accuses: Verdict::Rewritten, judge };

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let train: Vec<&Seen> = case.resets_of(side).filter(|reset| is_carrier(reset, side)).collect();
    let gaps = gaps(&train, side);
    let confidence = match gaps.as_slice() {
        [] => return None,
        [_] => Confidence::C2,
        [_, ..] => Confidence::C3,
    };
    let shown: Vec<f64> = gaps.iter().map(|&gap| millis(gap)).collect();
    Some(Fired {
        confidence,
        packets: train.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "resets": train.len(), "gaps_ms": shown };
            (
                measured,
                format!(
                    "{} resets in the place of the server's first data, with all else as the server sends, \
                 at the pace of its retransmissions ({} ms first)",
                    train.len(),
                    millis(gaps[0])
                ),
            )
        }),
    })
}

/// Whether the reset looks like the server's own packet in all but flags and payload, in the place
/// of its first data.
fn is_carrier(reset: &Seen, side: Side) -> bool {
    let (packet, tells, flow) = (reset.packet(), reset.tells(), reset.flow());
    let foreign = tell::HOPS | tell::DF | tell::IP_ID | tell::NO_TIMESTAMP | tell::ACK_BEYOND;
    let server = flow.half(side);
    let in_place_of_data = flow.is(state::ESTABLISHED)
        && server.data == 0
        && flow.half(side.other()).data_segments >= 1
        && tells.seq_from_end >= 0
        && tells.seq_from_end <= i32::from(u16::MAX)
        && tells.bits & foreign == 0;
    // A refusal has no window; the SYN+ACK that it was made of has.
    let in_place_of_syn_ack = !server.has_baseline() && tells.ack_from_end == 0;
    packet.has(tcp_flag::RST | tcp_flag::ACK)
        && packet.window != 0
        && (in_place_of_data || in_place_of_syn_ack)
}

/// The gaps between consecutive resets that look like those of retransmissions: the longest run.
fn gaps(train: &[&Seen], side: Side) -> Vec<u64> {
    let runs = (0..train.len()).map(|from| run(&train[from..], side));
    runs.max_by_key(Vec::len).unwrap_or_default()
}

/// The gaps between the first and those that follow it, as long as they look so.
fn run(train: &[&Seen], side: Side) -> Vec<u64> {
    let mut gaps: Vec<u64> = Vec::new();
    for pair in train.windows(2) {
        let gap = pair[1].packet().time.saturating_sub(pair[0].packet().time);
        let asked = |seen: &Seen| seen.flow().half(side.other()).packets;
        let backs_off = gaps.last().is_none_or(|last| gap >= last.saturating_add(last / 2));
        if gap < GAP_MIN || !backs_off || asked(pair[0]) != asked(pair[1]) {
            break;
        }
        gaps.push(gap);
    }
    gaps
}
