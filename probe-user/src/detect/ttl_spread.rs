//! `TTL_SPREAD`: a server's resets come from everywhere, its data from one place.
//!
//! **Rule.** In five or more connections to one server the resets in its name had TTLs that differ
//! from each other by two or more, spread over eight or more, and none of which is one of the TTLs of
//! the server's other packets.
//!
//! **Source.** Injectors that draw a TTL for each connection: the Great Firewall's first and second
//! kind, 55 to 118 and 39 to 238 (Wu et al., S&P 2025).
//!
//! **Worth.** C2, class H: a load balancer or firewall that resets for a server stands in one place.
//!
//! **Look-alikes that it stays silent on.**
//! * One or two odd TTLs; resets of a fleet of balancers a hop or two apart.

use probe_common::{flow::Side, tells::tell};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Distinct TTLs that make it a spread.
const DISTINCT: usize = 5;

/// Least distance from the lowest to the highest.
const SPREAD: u8 = 8;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("TTL_SPREAD", EvidenceClass::H, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let foreign: Vec<&Seen> =
        case.resets_of(side).filter(|reset| reset.tells().bits & tell::HOPS != 0).collect();
    foreign.first()?;
    let ttls = knowledge.resets_of(case.key.end(side).0)?.foreign_ttls();
    let (low, high) = (ttls.first()?, ttls.last()?);
    if ttls.len() < DISTINCT || high - low < SPREAD {
        return None;
    }
    Some(Fired {
        confidence: Confidence::C2,
        packets: foreign.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "ttls": ttls };
            (
                measured,
                format!("resets in this server's name have {} different TTLs so far", ttls.len()),
            )
        }),
    })
}
