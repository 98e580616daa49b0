//! `FOREIGN_DATA`: a segment of the server's that is not of the server's making, by its headers.
//!
//! **Rule.** A segment that differs from the server's SYN+ACK and its other packets in two or more of: TTL
//! by two or more, timestamps negotiated and missing, DF, an IP-ID where all others are 0, sending again
//! within 5 ms, or a response that begins where the client has long acknowledged data (counts twice); while other packets of the server kept to the TTL of its SYN+ACK. Or a segment with the IP-ID of the packet that it
//! answers, where the SYN+ACK did not copy that of the SYN.
//!
//! **Source.** Quantum insert (Haagsma, Fox-IT 2015), the Great Firewall on HTTP (net4people/bbs issue
//! 295), Iran's empty segments with the ClientHello's IP-ID (issue 39).
//!
//! **Worth.** C1, class H; C2 beside a signature of class S, D or T.
//!
//! **Look-alikes that it stays silent on.**
//! * A proxy that completes the handshake for a server: then all data comes from elsewhere, and none
//!   from where the SYN+ACK came.
//! * A path that changes: TTL alone.
//! * A mirroring server: its SYN+ACK mirrors too.

use probe_common::{flow::Side, seq};

use super::{Account, Fired, Hit, TcpDetector, measured, payload_conflict::against, supported};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{
        Confidence,
        EvidenceClass::{self, D, S, T},
    },
};

/// Points of foreignness: see [`against`]. TTL or timestamps, and one more trait.
const POINTS: u32 = 3;

/// Sooner than any retransmission, in nanoseconds.
const AT_ONCE: u64 = 5_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("FOREIGN_DATA", EvidenceClass::H, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    _: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let foreign: Vec<&Seen> =
        case.content().iter().filter(|seen| is_foreign(case, seen, side)).collect();
    let &first = foreign.first()?;
    let syn = &first.flow().half(side).syn;
    let backed = supported(others, &[S, D, T], Confidence::C2);
    Some(Fired {
        confidence: if backed { Confidence::C2 } else { Confidence::C1 },
        packets: foreign.iter().map(|seen| seen.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "ttl": first.packet().hops,
                "ttl_of_syn_ack": syn.hops,
                "payload_octets": first.packet().payload,
                "segments": foreign.len(),
            };
            (
                measured,
                format!(
                    "a segment of the server's with TTL {}, where the server's is {}",
                    first.packet().hops,
                    syn.hops
                ),
            )
        }),
    })
}

/// Whether the segment is not of the server's making, as far as headers tell.
fn is_foreign(case: &Case, seen: &Seen, side: Side) -> bool {
    let half = seen.flow().half(side);
    if half.syn.is_unseen() {
        return false;
    }
    let apart = |hops: u8| hops.abs_diff(half.syn.hops) >= 2;
    let steady = half.packets >= 2 && !apart(half.hops_min) && !apart(half.hops_max);
    // Where there is a reset as well, or a push of nothing, it is not the proxy of a whole service.
    let odd = case.reset_count(side) > 0 || seen.packet().payload == 0;
    // IPv6 has neither DF nor IP-ID to add to the TTL.
    let enough = if seen.packet().version == 6 && odd { POINTS - 1 } else { POINTS };
    let points = points(seen, side);
    ((steady || odd) && points >= enough) || copies_ip_id(seen, side)
}

/// Whether a segment of the server's makes the connection suspicious by its headers alone.
pub fn is_suspicious(seen: &Seen) -> bool {
    let side = seen.side();
    let half = seen.flow().half(side);
    let steady = half.packets >= 2 && half.hops_min.abs_diff(half.syn.hops) < 2;
    !half.syn.is_unseen() && steady && points(seen, side) >= POINTS
}

/// Points against a segment: its headers, and its place in the stream.
fn points(seen: &Seen, side: Side) -> u32 {
    let misplaced =
        if begins_again(seen, side) { 2 } else { u32::from(repeats_at_once(seen, side)) };
    against(seen, side) + misplaced
}

/// Whether a response begins where the client has acknowledged other data already.
fn begins_again(seen: &Seen, side: Side) -> bool {
    let client = seen.flow().half(side.other());
    let acknowledged = client.has_acked() && seq::distance(seen.packet().end(), client.acked) <= 0;
    acknowledged && seen.payload.starts_with(b"HTTP/")
}

/// Whether the segment sends again what was sent within the last milliseconds, before anybody can have
/// missed it.
fn repeats_at_once(seen: &Seen, side: Side) -> bool {
    let half = seen.flow().half(side);
    let since = seen.packet().time.saturating_sub(half.data);
    seq::distance(seen.packet().seq, half.end) < 0 && since < AT_ONCE
}

/// Whether the segment's IP-ID is that of the data it answers, and its side's handshake did not do so.
fn copies_ip_id(seen: &Seen, side: Side) -> bool {
    let (own, peer) = (seen.flow().half(side), seen.flow().half(side.other()));
    let packet = seen.packet();
    packet.version == 4
        && packet.ip_id != 0
        && packet.ip_id == peer.data_ip_id
        && packet.hops.abs_diff(own.syn.hops) >= 2
        && own.syn.ip_id != peer.syn.ip_id
}
