//! `PAYLOAD_CONFLICT`: one place in the server's stream was sent twice, with two contents.
//!
//! **Rule.** Two segments of the server overlap in sequence numbers and differ in 16 or more octets
//! of the overlap, or in a quarter of it.
//!
//! **Source.** Quantum insert (Haagsma, Fox-IT 2015, whose captures show it in each attacked
//! connection and in no other); Weaver, Sommer, Paxson (NDSS 2009). A stack keeps what it has sent
//! until it is acknowledged, and sends the same again (RFC 9293, section 3.8.1).
//!
//! **Worth.** C3, class D, that one of the two is forged. Which one is said by the headers that do not
//! fit those of the server's SYN+ACK; where they do not tell, both are named and `undecided` is
//! true. The first one is not always the forged one.
//!
//! **Look-alikes that it stays silent on.**
//! * A keep-alive probe, whose one octet is garbage (RFC 1122, section 4.2.3.6), and padding.
//! * A retransmission cut into other pieces, or a super-segment of an offload: same octets.
//! * A packet damaged on the way: its checksum tells, and no detector sees it; where that cannot be checked, a few octets
//!   differ.
//! * A client's own contradictions: tools that deceive a censor send them.

use std::cmp::Ordering;

use probe_common::{
    flow::{Side, ip_id_kind},
    seq,
    wire::{option, quirk},
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Octets that differ in a forgery, and hardly in a damaged packet.
const DIFFERENT: usize = 16;

/// Least overlap that is looked at: Ethernet pads short packets with up to six octets that some
/// devices take into the IP packet.
const OVERLAP: usize = 8;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("PAYLOAD_CONFLICT", EvidenceClass::D, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let content = case.content();
    let conflicts: Vec<(&Seen, &Seen, usize)> = content
        .iter()
        .enumerate()
        .filter_map(|(at, second)| {
            let (first, different) = conflict(&content[..at], second)?;
            Some((first, second, different))
        })
        .collect();
    let &(first, second, different) = conflicts.first()?;
    let apart = second.packet().time.saturating_sub(first.packet().time);
    let points = [against(first, side), against(second, side)];
    let undecided = points[0] == points[1];
    let mut packets: Vec<u64> = conflicts
        .iter()
        .flat_map(|&(first, second, _)| suspects(first, second, side))
        .map(Seen::number)
        .collect();
    packets.sort_unstable();
    packets.dedup();
    Some(Fired {
        confidence: Confidence::C3,
        packets,
        account: Account::of(move || {
            let measured = measured! {
                "octets_different": different,
                "apart_ms": millis(apart),
                "ttl": [first.packet().hops, second.packet().hops],
                "undecided": undecided,
            };
            (
                measured,
                format!(
                    "the server's answer passed twice with two contents, {} ms apart; {}",
                    millis(apart),
                    if undecided {
                        "which one is forged cannot be told"
                    } else if points[0] > points[1] {
                        "the first is not of the server's making"
                    } else {
                        "the second is not of the server's making"
                    }
                ),
            )
        }),
    })
}

/// Which of two contradicting segments is forged, as far as their headers tell.
fn suspects<'a>(first: &'a Seen, second: &'a Seen, side: Side) -> Vec<&'a Seen> {
    match against(first, side).cmp(&against(second, side)) {
        Ordering::Greater => vec![first],
        Ordering::Less => vec![second],
        Ordering::Equal => vec![first, second],
    }
}

/// The first of `earlier` that contradicts `later`, and in how many octets.
pub fn conflict<'a>(earlier: &'a [Seen], later: &Seen) -> Option<(&'a Seen, usize)> {
    earlier.iter().find_map(|first| {
        let different = different(first, later);
        (different > 0).then_some((first, different))
    })
}

/// In how many octets the overlap of two segments differs; 0 if too few to mean anything.
fn different(one: &Seen, two: &Seen) -> usize {
    let offset = seq::distance(two.packet().seq, one.packet().seq);
    let skip = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let (one_skips, two_skips) = if offset >= 0 { (skip, 0) } else { (0, skip) };
    let (one, two) = (one.payload.get(one_skips..), two.payload.get(two_skips..));
    let (Some(one), Some(two)) = (one, two) else { return 0 };
    let overlap = one.len().min(two.len());
    let different = one.iter().zip(two).filter(|(one, two)| one != two).count();
    let enough = overlap >= OVERLAP && (different >= DIFFERENT || different * 4 >= overlap);
    if enough { different } else { 0 }
}

/// How much in a segment's headers is not as in its side's handshake and other packets, in points: 2 for
/// a TTL that is two or more off, 2 for timestamps that were negotiated and are missing (RFC 7323,
/// section 3.2: every segment must have them), 1 for another DF, 1 for an IP-ID where all others are 0 or
/// away from a counter that all others followed.
pub fn against(seen: &Seen, side: Side) -> u32 {
    let (packet, syn) = (seen.packet(), &seen.flow().half(side).syn);
    if syn.is_unseen() {
        return 0;
    }
    let mut points = 0;
    if packet.hops.abs_diff(syn.hops) >= 2 {
        points += 2;
    }
    let negotiated = syn.options & option::TIMESTAMPS != 0
        && seen.flow().half(side.other()).syn.options & option::TIMESTAMPS != 0;
    if negotiated && packet.options & option::TIMESTAMPS == 0 {
        points += 2;
    }
    if packet.version == 4 {
        let kinds = seen.flow().half(side).kinds;
        let always_zero = kinds & ip_id_kind::ZERO != 0
            && kinds & (ip_id_kind::NEAR | ip_id_kind::FAR | ip_id_kind::SAME) == 0;
        let followed_by_others = seen.flow().half(side).packets >= 3;
        points += u32::from(syn.df() != (packet.quirks & quirk::DF != 0));
        let counts = kinds & ip_id_kind::NEAR != 0 && kinds & ip_id_kind::FAR == 0;
        let step = packet.ip_id.wrapping_sub(seen.flow().half(side).ip_id);
        let off_counter =
            counts && step > ip_id_kind::NEAR_MAX && step < u16::MAX - ip_id_kind::NEAR_MAX;
        let off_zero = always_zero && followed_by_others && packet.ip_id != 0;
        points += u32::from(off_counter || off_zero);
    }
    points
}
