//! `IMPOSSIBLE_RTT`: a reset answers data sooner than its side can have received it.
//!
//! **Rule.** A reset acknowledges exactly the data that the other side sent last, or is numbered as
//! the answer to it, and comes sooner after it than the shortest round trip known to that side,
//! less a margin of 1 ms or a quarter, whichever is more.
//!
//! **Source.** Physics; the round trip is that of the same connection's SYN and SYN+ACK, of other connections to the
//! same server, and from data to the first answer to it of its machine ([`Knowledge`]), whichever is least.
//!
//! **Worth.** Class T. C1 for a bare reset, which acknowledges nothing: a timer's may only have met the
//! data by chance; C2 if the data came right behind the handshake, which leaves no time for a timer. With an acknowledgment of the data: C3 if the floor is the least of three or more handshakes with the server,
//! the reset took less than half of it, and there are several such resets or something of class S, D or K besides;
//! else C2: a radio that is to wake, a switch that is to learn a flow, and a balancer that asks its server first make
//! each SYN wait, and no data; and a queue on the way may have gone since. C1 on a single handshake, which is no
//! floor: the first packet to a host may wait for address resolution, or for its own retransmission, and the next is
//! answered faster. C1 as well if data was sent twice, as an answer to the first copy may cross the second.
//!
//! **Look-alikes that it stays silent on.**
//! * A server's reset that was under way already when the trigger passed (a timer, an answer to
//!   something earlier): it does not acknowledge the trigger.
//! * Data that is sent again and crosses a reset which had it already: others acknowledged it before.
//! * Repeated SYNs, of which it is not known which one was answered: no round trip is taken.

use probe_common::{
    flow::{Side, state},
    seq,
    tells::tell,
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis, supported};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{
        Confidence,
        EvidenceClass::{self, D, K, S},
    },
};

/// Least gain that counts, in nanoseconds.
const MARGIN: u64 = 1_000_000;

/// Handshakes that make a floor.
const HANDSHAKES: u32 = 3;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("IMPOSSIBLE_RTT", EvidenceClass::T, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let too_soon: Vec<(&Seen, u64, u32)> = case
        .resets_of(side)
        .filter(|reset| reset.tells().bits & tell::TOO_SOON != 0 && answers_trigger(reset))
        .filter_map(|reset| {
            let (floor, handshakes) = floor(case, reset, side, knowledge);
            let gain = floor.checked_sub(reset.tells().since_trigger)?;
            (gain > MARGIN.max(floor / 4)).then_some((reset, floor, handshakes))
        })
        .collect();
    if side == case.initiator() {
        // A handshake tells when the client's stack answered, not how soon it can.
        return None;
    }
    let &(first, floor, handshakes) = too_soon.first()?;
    let took = first.tells().since_trigger;
    let proven = first.packet().has(tcp_flag::ACK);
    let backed = too_soon.len() > 1 || supported(others, &[S, D, K], Confidence::C1);
    let confidence = match handshakes {
        _ if sent_twice(first, side) => Confidence::C1,
        HANDSHAKES.. if !proven && is_prompted(first, side, floor) => Confidence::C2,
        _ if !proven => Confidence::C1,
        HANDSHAKES.. if took < floor / 2 && backed => Confidence::C3,
        HANDSHAKES.. => Confidence::C2,
        _ => Confidence::C1,
    };
    Some(Fired {
        confidence,
        packets: too_soon.iter().map(|(reset, ..)| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "answered_after_ms": millis(took),
                "round_trip_ms": millis(floor),
                "handshakes": handshakes,
                "resets": too_soon.len(),
            };
            (
                measured,
                format!(
                    "the reset answers data after {} ms, but {} is {} ms away",
                    millis(took),
                    case.role(side),
                    millis(floor)
                ),
            )
        }),
    })
}

/// Whether the reset can only have been made by someone who saw the data sent last.
fn answers_trigger(reset: &Seen) -> bool {
    let (packet, tells) = (reset.packet(), reset.tells());
    if packet.has(tcp_flag::ACK) {
        // And it is the first to do so: a copy of old data triggers nothing.
        let own = reset.flow().half(reset.side());
        let known = own.has_acked() && seq::distance(packet.ack, own.acked) <= 0;
        tells.ack_from_end == 0 && !known
    } else {
        tells.seq_from_acked == 0
    }
}

/// Whether the other side has sent data twice by then.
fn sent_twice(reset: &Seen, side: Side) -> bool {
    let flow = reset.flow();
    let syn = u16::from(flow.is(state::SYN_REPEATED));
    flow.half(side.other()).repeated > syn
}

/// Whether nothing else than the client's first data can have prompted a bare reset: it came with the ACK
/// that completes the handshake, or right behind it, so what the ACK itself prompts is as far away.
fn is_prompted(reset: &Seen, side: Side, floor: u64) -> bool {
    let (flow, tells) = (reset.flow(), reset.tells());
    let (server, client) = (flow.half(side), flow.half(side.other()));
    let established = server.first.saturating_add(u64::from(flow.initiator_rtt));
    flow.is(state::FOLLOWED | state::ESTABLISHED)
        && server.data == 0
        && client.data_segments >= 1
        && client.data.saturating_sub(established) < floor / 4
        && tells.since_trigger < floor / 2
}

/// The shortest round trip known to `side`, and how many handshakes it rests on.
fn floor(case: &Case, reset: &Seen, side: Side, knowledge: &Knowledge) -> (u64, u32) {
    let flow = reset.flow();
    if side == flow.initiator() {
        return (u64::from(flow.initiator_rtt), 1);
    }
    let own = u64::from(flow.responder_rtt);
    match knowledge.server_rtt(case.key.end(side).0) {
        Some(floor) => (own.min(floor.least), floor.handshakes),
        None => (own, 1),
    }
}
