//! `DATA_AFTER_RST`: a side that has reset the connection goes on with it.
//!
//! **Rule.** After a reset that claims to come from a side, that side, within two seconds, sends
//! sequence numbers at or beyond the reset's that it had not sent before; or answers a SYN with a
//! SYN+ACK; or acknowledges data that the other side sent only after the reset.
//!
//! **Source.** `DATA_SEQ_RST` of Weaver, Sommer, Paxson (NDSS 2009); RFC 9293, section 3.10.7: a
//! reset deletes the connection.
//!
//! **Worth.** C3, class S: a stack has nothing left to send from.
//!
//! **Look-alikes that it stays silent on.**
//! * Reordering: data that left before the reset lies below the reset's sequence number.
//! * Retransmissions, captured twice or late: not beyond what was sent before the reset.
//! * Acknowledgments that were under way: they cover no data younger than the reset.
//! * A late reset of an earlier connection on the same ports, or one of somebody who guesses: its
//!   number lies nowhere near ([`AHEAD`], [`BEHIND`]).
//! * A SYN refused and, sent again, accepted (Windows repeats a refused SYN).
//! * Data that straggles behind a bare reset after the other end has reset the connection itself.
//! * A client that fakes a reset for a censor to see: it does not live to reach the server.
//! * A bare reset during the handshake: a stack in SYN-SENT or LISTEN answers an acknowledgment of
//!   what it never sent with one, and goes on (RFC 9293, sections 3.5.2 and 3.10.7.2).

use probe_common::{
    flow::{Side, state},
    seq,
    wire::tcp_flag,
};

use super::{Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen, hops},
    report::finding::{Confidence, EvidenceClass},
};

/// How long after the reset the other side's going on proves anything: 2 s. Later the ports may
/// have been taken by something else whose beginning was not seen.
const WITHIN: u64 = 2_000_000_000;

/// How far beyond what its side has sent a reset may be numbered, in octets. Devices that guess ahead
/// go by a few segments (4,380; 12,503); whoever has to guess blindly goes farther.
const AHEAD: i32 = 16 << 10;

/// How far below what the other side has acknowledged: a device that saw an older packet.
const BEHIND: i32 = 64 << 10;

/// How long data may be late behind a bare reset, in nanoseconds, where the other side has reset the
/// connection before: the stack answers stragglers without a socket, and its own data may straggle.
const STRAGGLING: u64 = 100_000_000;

/// Lowest TTL with which a reset in the client's name means to reach its server, if it is not known
/// how far that is: tools that deceive censors send fakes that die on the way.
const REACHES: u8 = 16;

/// See the module.
pub static DETECTOR: TcpDetector =
    TcpDetector::new("DATA_AFTER_RST", EvidenceClass::S, judge);

fn judge(case: &Case, side: Side, _: &Knowledge, _: &[Hit]) -> Option<Fired> {
    let proof = |reset: &Seen| {
        case.after_of(side).find_map(|after| {
            let since = after.packet().time.checked_sub(reset.packet().time)?;
            let straggles = straggles(reset, side) && since < STRAGGLING;
            let counts = since <= WITHIN && !straggles;
            let how = if counts { went_on(case, reset, after, side) } else { None }?;
            Some((after.packet().payload, since, how))
        })
    };
    let belied: Vec<(&Seen, (u32, u64, String))> = case
        .resets_of(side)
        .filter(|reset| plausible(reset, side))
        .filter_map(|reset| Some((reset, proof(reset)?)))
        .collect();
    let (_, (payload, after, how)) = belied.first()?;
    let words = format!(
        "{} went on after \"its\" reset: {} {} ms later",
        case.role(side),
        how,
        millis(*after)
    );
    Some(Fired {
        confidence: Confidence::C3,
        measured: measured! {
            "after_ms": millis(*after),
            "payload_octets": payload,
            "resets": belied.len(),
        },
        words,
        packets: belied.iter().map(|(reset, _)| reset.number()).collect(),
    })
}

/// Whether the reset belongs to this connection, and is not one that a stack sends without giving up.
fn plausible(reset: &Seen, side: Side) -> bool {
    let (flow, half) = (reset.flow(), reset.flow().half(side));
    let (packet, tells) = (reset.packet(), reset.tells());
    let bare = !packet.has(tcp_flag::ACK);
    if bare && !flow.is(state::ESTABLISHED) {
        // Only a server that has just offered the number that it resets at cannot mean another.
        return side != flow.initiator() && half.has_baseline() && packet.seq == half.end;
    }
    if side == flow.initiator() && dies_on_the_way(reset, side) {
        return false;
    }
    if !half.has_baseline() {
        // The side had sent nothing yet; only the SYN+ACK rule can apply.
        return true;
    }
    tells.seq_from_end <= AHEAD && tells.seq_from_acked >= -BEHIND
}

/// Whether a reset in the client's name has too low a TTL to reach the server.
pub fn dies_on_the_way(reset: &Seen, side: Side) -> bool {
    let server = reset.flow().half(side.other());
    let far = if server.has_baseline() { hops::from_ttl(server.hops_min) } else { None };
    reset.packet().hops < far.unwrap_or(REACHES).min(REACHES)
}

/// Whether the reset may be a stack's answer to a straggler of a connection that the other side has
/// ended.
fn straggles(reset: &Seen, side: Side) -> bool {
    !reset.packet().has(tcp_flag::ACK) && reset.flow().half(side.other()).reset_count() != 0
}

/// How `after` goes on with the connection that `reset` ended.
fn went_on(case: &Case, reset: &Seen, after: &Seen, side: Side) -> Option<String> {
    let (packet, half) = (after.packet(), reset.flow().half(side));
    if !half.has_baseline() {
        let answers = packet.has(tcp_flag::SYN | tcp_flag::ACK)
            && packet.ack == reset.flow().half(side.other()).end
            && !asked_again(case, reset, after, side);
        return answers.then(|| "it accepted the connection".into());
    }
    let beyond = seq::distance(packet.end(), half.end);
    let from = seq::distance(packet.seq, reset.packet().seq);
    if packet.payload != 0 && beyond > 0 && from >= 0 {
        return Some(format!("{} new octets", packet.payload));
    }
    // If some of the peer's data passed without being looked at, it cannot be said which is younger.
    if reset.flow().is(state::SYN) && !reset.flow().is(state::FOLLOWED) {
        return None;
    }
    let peer = reset.flow().half(side.other());
    let acknowledged = seq::distance(packet.ack, peer.end);
    // The peer's younger data must have passed here after the reset did; the record of the later
    // packet has it, the record of the reset has not.
    let peer_now = after.flow().half(side.other());
    let new_data = seq::distance(peer_now.end, peer.end);
    if packet.has(tcp_flag::ACK) && acknowledged > 1 && acknowledged <= new_data {
        return Some(format!("an acknowledgment of {acknowledged} octets sent after the reset"));
    }
    None
}

/// Whether the other side sent its SYN once more between the two.
fn asked_again(case: &Case, reset: &Seen, after: &Seen, side: Side) -> bool {
    case.after_of(side.other()).any(|seen| {
        seen.packet().has(tcp_flag::SYN)
            && seen.packet().time >= reset.packet().time
            && seen.packet().time <= after.packet().time
    })
}
