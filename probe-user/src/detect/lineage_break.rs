//! `LINEAGE_BREAK`: a reset's IP header is not of its side's making.
//!
//! **Rule.** At least two of these differ from all other packets of that side in the connection:
//! TTL (by two or more; one that no usual initial TTL leads to counts twice), IP-ID (follows no counter
//! that the side showed), DF, DSCP or flow label.
//!
//! **Source.** Weaver, Sommer, Paxson (NDSS 2009), appendix C: one of them alone differs in 28 % of
//! *genuine* resets, of which 1 % were injected; so one alone says nothing.
//!
//! **Worth.** C1, class H; C2 beside a signature of class S or T of the same resets.
//!
//! **Look-alikes that it stays silent on.**
//! * A stack's reset without a socket (Linux: IP-ID 0, DF set, window 0): IP-ID and DF are not
//!   held against it; nor is, over IPv6, that it has no flow label.
//! * A load balancer or firewall that resets for the server: TTL alone.
//! * Hosts whose IP-IDs are random: any IP-ID follows.

use probe_common::{
    flow::Side,
    tells::tell,
    wire::{quirk, tcp_flag},
};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen, hops},
    report::finding::{Confidence, EvidenceClass},
};

/// Traits that have to differ.
const TRAITS: usize = 2;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("LINEAGE_BREAK", EvidenceClass::H, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    _: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let is_foreign = |reset: &&Seen| traits(reset, side).iter().flatten().count() >= TRAITS;
    let first = case.resets_of(side).find(is_foreign)?;
    let packets: Vec<u64> = case.resets_of(side).filter(is_foreign).map(Seen::number).collect();
    let supported = others.iter().any(|hit| {
        matches!(hit.class, EvidenceClass::S | EvidenceClass::T)
            && hit.confidence() >= Confidence::C2
    });
    let half = first.flow().half(side);
    Some(Fired {
        confidence: if supported { Confidence::C2 } else { Confidence::C1 },
        packets: packets.clone(),
        account: Account::of(move || {
            let traits: Vec<&str> = traits(first, side).into_iter().flatten().collect();
            let measured = measured! {
                "traits": traits,
                "ttl": first.packet().hops,
                "ttl_of_others": [half.hops_min, half.hops_max],
                "ip_id": first.packet().ip_id,
                "ip_id_before": half.ip_id,
                "resets": packets.len(),
            };
            (
                measured,
                format!("{} of the reset not as {} sends", traits.join(" and "), case.role(side)),
            )
        }),
    })
}

/// In what the reset is not as `side` sends.
fn traits(reset: &Seen, side: Side) -> [Option<&'static str>; 6] {
    let (packet, bits) = (reset.packet(), reset.tells().bits);
    let half = reset.flow().half(side);
    let without_socket = packet.ip_id == 0 && packet.window == 0 && packet.quirks & quirk::DF != 0;
    // Content put in the server's place may have widened the range; its SYN+ACK stands apart.
    let unlike_syn = !half.syn.is_unseen() && packet.hops.abs_diff(half.syn.hops) >= 2;
    let ttl = bits & tell::HOPS != 0 || unlike_syn;
    let df = packet.quirks & quirk::DF != 0;
    let unlike_syn = packet.version == 4 && !half.syn.is_unseen() && half.syn.df() != df;
    let df = (bits & tell::DF != 0 || unlike_syn) && !without_socket;
    let bare = (packet.window, packet.flow_label) == (0, 0) && !packet.has(tcp_flag::ACK);
    // Who answers without a socket gives back the class of what he answers (Linux).
    let peer = reset.flow().half(side.other());
    let repeats = bare && peer.has_baseline() && packet.class >> 2 == peer.class >> 2;
    let labelled = packet.version == 6 && half.flow_label != 0 && half.has_baseline() && !bare;
    [
        ttl.then_some("TTL"),
        (ttl && hops::from_ttl(packet.hops).is_none()).then_some("initial TTL"),
        (bits & tell::IP_ID != 0 && !without_socket).then_some("IP-ID"),
        df.then_some("DF"),
        (bits & tell::CLASS != 0 && !repeats).then_some("DSCP"),
        (labelled && packet.flow_label != half.flow_label).then_some("flow label"),
    ]
}
