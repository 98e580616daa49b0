//! `DNS_DUAL`: two answers to one question contradict each other.
//!
//! **Rule.** More replies than queries with one transaction id, and two of them contradict each
//! other in substance: no address in common nor in one network, or one name that exists and does
//! not.
//!
//! **Source.** Duan et al., *Hold-On* (SATIN 2012): in 15.2 million exchanges of a campus two such
//! pairs, both explained by what counts as different here (addresses of one /24; a SERVFAIL).
//!
//! **Worth.** C3, class D, that one of them is forged. Which one is said by lineage, timing and
//! content, as far as it goes ([`Exchange::forged`]); a late answer may be the forged one.
//!
//! **Look-alikes that it stays silent on.**
//! * A packet captured twice (a mirror port; before and after forwarding): one reply.
//! * A query sent again and answered again, by another server of the pool perhaps: as many replies
//!   as queries. If such a pair also differs in lineage it is worth C1.
//! * Round robin and re-ordered sets; addresses of one /24 or /48 or one watched service.
//! * SERVFAIL or REFUSED beside an answer; truncated beside full.

use super::{DnsDetector, Fired, Hit, measured, millis};
use crate::{
    judge::{Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass},
};

/// TTL difference between two replies that makes them look like two senders.
const HOPS_APART: u8 = 2;

/// See the module.
pub static DETECTOR: DnsDetector =
    DnsDetector::new("DNS_DUAL", EvidenceClass::D, judge);

fn judge(exchange: &Exchange, knowledge: &Knowledge, _: &[Hit]) -> Option<Fired> {
    let (first, second) = exchange.contradiction(knowledge)?;
    let queries = exchange.queries();
    if queries == 0 {
        return None;
    }
    let confidence = if exchange.replies.len() > queries {
        Confidence::C3
    } else if first.hops().abs_diff(second.hops()) >= HOPS_APART {
        Confidence::C1
    } else {
        return None;
    };
    let forged = exchange.forged(knowledge);
    let apart = second.time().abs_diff(first.time());
    let late = forged.iter().all(|reply| reply.time() > first.time());
    Some(Fired {
        confidence,
        measured: measured! {
            "replies": exchange.replies.len(),
            "queries": queries,
            "apart_ms": millis(apart),
            "ttl": [first.hops(), second.hops()],
            "answers": [first.answer(), second.answer()],
            "forged_answer": forged.first().map(|reply| reply.answer()),
        },
        words: format!(
            "two answers to one question {} ms apart contradict each other: {} and {}; {}",
            millis(apart),
            first.answer(),
            second.answer(),
            if late { "the later one looks forged" } else { "the first one looks forged" },
        ),
        packets: forged.iter().map(|reply| reply.frame()).collect(),
    })
}
