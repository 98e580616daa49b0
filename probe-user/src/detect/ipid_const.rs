//! `IPID_CONST`: the reset has an IP-ID that a known device always uses.
//!
//! **Rule.** The IP-ID is one of [`KNOWN`], and the reset's TTL or DF is not its sender's.
//!
//! **Source.** 0x3412, and 0x1234 as another report prints it: Sandvine PacketLogic (Marczak et al.,
//! Citizen Lab 2018; AFTE 2018). 242: Airtel (Yadav et al., IMC 2018). 64: the Great Firewall of 2008
//! (Weaver, Sommer, Paxson, NDSS 2009). 0x0001: Henan (Wu et al., S&P 2025) and every tool made with
//! scapy. 0x99b3, 0x4c57: the Great Firewall on HTTP (net4people/bbs issue 295).
//!
//! **Worth.** C1, class K; C2 if of 20 or more foreign resets seen so far nearly all had this IP-ID.
//!
//! **Look-alikes that it stays silent on.**
//! * A host whose counter happens to pass the value: its TTL and DF are its own.

use probe_common::{flow::Side, tells::tell};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Known constants.
pub const KNOWN: [u16; 7] = [0x3412, 0x1234, 242, 64, 0x0001, 0x99b3, 0x4c57];

/// Foreign resets that make a population.
const RESETS: u64 = 20;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("IPID_CONST", EvidenceClass::K, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let constant: Vec<&Seen> = case.resets_of(side).filter(|reset| is_known(reset)).collect();
    let value = constant.first()?.packet().ip_id;
    let (same, all) = knowledge.foreign_resets(value);
    // 95 in a hundred.
    let population = all >= RESETS && same * 100 >= all * 95;
    Some(Fired {
        confidence: if population { Confidence::C2 } else { Confidence::C1 },
        packets: constant.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "ip_id": value,
                "connections_with_it": same,
                "connections_with_foreign_resets": all,
            };
            (measured, format!("the reset's IP-ID is {value:#06x}, a known device's constant"))
        }),
    })
}

fn is_known(reset: &Seen) -> bool {
    let foreign = reset.tells().bits & (tell::HOPS | tell::DF) != 0;
    reset.packet().version == 4 && foreign && KNOWN.contains(&reset.packet().ip_id)
}
