//! `FLAGS_ODD`: a reset with flags that resets do not have.
//!
//! **Rule.** A reset with SYN, FIN, PSH, URG or a reserved bit; or one with the ACK flag and
//! acknowledgment number 0 in a connection whose peer has sent something to acknowledge.
//!
//! **Source.** The "RAE" resets of 2008 have the bit that was ECN's nonce (Weaver, Sommer, Paxson, NDSS
//! 2009, section 7.1); Iran's have PSH (Bock et al., WOOT 2021).
//!
//! **Worth.** Class K. C2 beside a foreign TTL or another signature of class S, H or T; C1 alone,
//! since broken stacks and printers do the like.
//!
//! **Look-alikes that it stays silent on.**
//! * ECE and CWR, which an ECN-capable sender may leave set; AE of one that speaks AccECN.
//! * A reset without the ACK flag, whose acknowledgment number means nothing.

use probe_common::{
    flow::Side,
    tells::tell,
    wire::{Packet, tcp_flag},
};

use super::{Account, Fired, Hit, TcpDetector, measured, supported};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{
        Confidence,
        EvidenceClass::{self, H, S, T},
    },
};

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("FLAGS_ODD", EvidenceClass::K, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    _: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let odd: Vec<&Seen> = case.resets_of(side).filter(|reset| is_odd(case, reset)).collect();
    let &first = odd.first()?;
    let foreign = odd.iter().any(|reset| reset.tells().bits & tell::HOPS != 0);
    let confidence = if foreign || supported(others, &[S, H, T], Confidence::C1) {
        Confidence::C2
    } else {
        Confidence::C1
    };
    Some(Fired {
        confidence,
        packets: odd.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "flags": format!("{:#05x}", first.packet().flags),
                "ack": if first.packet().ack == 0 { "zero" } else { "set" },
                "resets": odd.len(),
            };
            (measured, format!("a reset with flags {}", names(first.packet())))
        }),
    })
}

fn is_odd(case: &Case, reset: &Seen) -> bool {
    const ODD: u16 =
        tcp_flag::SYN | tcp_flag::FIN | tcp_flag::PSH | tcp_flag::URG | tcp_flag::AE | 0xe00;
    let packet = reset.packet();
    let acknowledges_nothing =
        packet.has(tcp_flag::ACK) && packet.ack == 0 && case.seen_both_ways();
    // Since 2025 that bit is AccECN's (RFC 9768): a stack that speaks it has it in other packets, too.
    let own = reset.flow().half(reset.side()).flags & tcp_flag::AE;
    packet.flags & ODD & !own != 0 || acknowledges_nothing
}

fn names(packet: &Packet) -> String {
    const NAMES: [(u16, &str); 9] = [
        (tcp_flag::FIN, "FIN"),
        (tcp_flag::SYN, "SYN"),
        (tcp_flag::RST, "RST"),
        (tcp_flag::PSH, "PSH"),
        (tcp_flag::ACK, "ACK"),
        (tcp_flag::URG, "URG"),
        (tcp_flag::ECE, "ECE"),
        (tcp_flag::CWR, "CWR"),
        (tcp_flag::AE, "AE"),
    ];
    let set: Vec<&str> =
        NAMES.into_iter().filter(|(flag, _)| packet.has(*flag)).map(|(_, name)| name).collect();
    if packet.has(tcp_flag::ACK) && packet.ack == 0 {
        format!("{} and acknowledgment number 0", set.join("+"))
    } else {
        set.join("+")
    }
}
