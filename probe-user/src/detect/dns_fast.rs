//! `DNS_FAST`: an answer sooner than the resolver can give one.
//!
//! **Rule.** The reply comes after less than half of the shortest time in which this resolver has
//! answered, known from at least 20 clean exchanges of which several lie close to that shortest.
//!
//! **Source.** Duan et al., *Hold-On* (SATIN 2012): half of the expected round trip and a TTL within
//! one of the expected separated forged from genuine without error in 100,000 queries.
//!
//! **Worth.** Class T. C2 beside a contradiction or if the reply's TTL is not one of the resolver's;
//! C1 alone: a resolver seen only with names that it had to look up first answers its first cached
//! name much faster.
//!
//! **Look-alikes that it stays silent on.**
//! * Cold and cached names: the floor is the time of cached ones, and must be confirmed.
//! * A query sent again: the time counts from the latest.

use super::{DnsDetector, Fired, Hit, measured, millis};
use crate::{
    judge::{Exchange, Knowledge, Reply},
    report::finding::{Confidence, EvidenceClass},
};

/// Least gain that counts, in nanoseconds: below it a loaded resolver's own jitter lies.
const MARGIN: u64 = 500_000;

/// See the module.
pub static DETECTOR: DnsDetector =
    DnsDetector::new("DNS_FAST", EvidenceClass::T, judge);

fn judge(exchange: &Exchange, knowledge: &Knowledge, others: &[Hit]) -> Option<Fired> {
    let resolver = knowledge.resolver(exchange.resolver().0)?;
    let floor = resolver.floor()?;
    let fast = |reply: &&Reply| {
        reply.delay().is_some_and(|delay| delay < floor / 2 && floor - delay > MARGIN)
    };
    let fast: Vec<&Reply> = exchange.replies.iter().filter(fast).collect();
    let first = fast.first()?;
    let foreign = fast.iter().any(|reply| resolver.is_foreign(reply.hops()));
    let delay = first.delay()?;
    Some(Fired {
        confidence: if foreign || !others.is_empty() { Confidence::C2 } else { Confidence::C1 },
        measured: measured! {
            "delay_ms": millis(delay),
            "floor_ms": millis(floor),
            "exchanges": resolver.exchanges(),
            "ttl": first.hops(),
        },
        words: format!(
            "answered after {} ms, where this resolver never took less than {} ms",
            millis(delay),
            millis(floor)
        ),
        packets: fast.iter().map(|reply| reply.frame()).collect(),
    })
}
