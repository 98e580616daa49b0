//! `FOREIGN_DATA`: a segment of the server's that is not of the server's making, by its headers.
//!
//! **Rule.** A segment whose TTL is two or more off that of the server's SYN+ACK, and which also lacks
//! the timestamps that were negotiated, or has another DF; while other packets of the server in the
//! connection kept to the TTL of its SYN+ACK. Or a segment with the IP-ID of the packet that it
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

use probe_common::flow::Side;

use super::{Fired, Hit, TcpDetector, measured, payload_conflict::against, supported};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{
        Confidence,
        EvidenceClass::{self, D, S, T},
    },
};

/// Points of foreignness: see [`against`]. TTL and one more trait.
const POINTS: u32 = 3;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("FOREIGN_DATA", EvidenceClass::H, judge);

fn judge(case: &Case, side: Side, _: &Knowledge, others: &[Hit]) -> Option<Fired> {
    if side == case.initiator() {
        return None;
    }
    let foreign: Vec<&Seen> = case.content().iter().filter(|seen| is_foreign(case, seen, side)).collect();
    let first = foreign.first()?;
    let syn = &first.flow().half(side).syn;
    let backed = supported(others, &[S, D, T], Confidence::C2);
    Some(Fired {
        confidence: if backed { Confidence::C2 } else { Confidence::C1 },
        measured: measured! {
            "ttl": first.packet().hops,
            "ttl_of_syn_ack": syn.hops,
            "payload_octets": first.packet().payload,
            "segments": foreign.len(),
        },
        words: format!(
            "a segment of the server's with TTL {}, where the server's is {}",
            first.packet().hops, syn.hops
        ),
        packets: foreign.iter().map(|seen| seen.number()).collect(),
    })
}

fn is_foreign(case: &Case, seen: &Seen, side: Side) -> bool {
    let half = seen.flow().half(side);
    if half.syn.is_unseen() {
        return false;
    }
    let apart = |hops: u8| hops.abs_diff(half.syn.hops) >= 2;
    let steady = half.packets >= 2 && !apart(half.hops_min) && !apart(half.hops_max);
    let elsewhere = apart(seen.packet().hops);
    // Where there is a reset as well, or a push of nothing, it is not the proxy of a whole service.
    let odd = case.reset_count(side) > 0 || seen.packet().payload == 0;
    ((steady || odd) && elsewhere && against(seen, side) >= POINTS) || copies_ip_id(seen, side)
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
