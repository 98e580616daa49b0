//! `DNS_FAST`: an answer sooner than the resolver can give one.
//!
//! **Rule.** The reply comes after less than half of the shortest time in which this resolver answers,
//! and that is half a millisecond or more too soon. The shortest time is the third shortest of sixteen
//! groups of names within ten minutes, confirmed by two more, and the least of the last hour's: see
//! [`Resolver`](crate::judge::Resolver).
//!
//! **Source.** Duan et al., *Hold-On* (SATIN 2012): half of the expected round trip and a TTL within
//! one of the expected separated forged from genuine without error in 100,000 queries.
//!
//! **Worth.** Class T. C2 if the resolver went on to answer others in its usual way afterwards, within
//! the two seconds until the exchange is judged; C3 if the reply is also unlike the resolver's in two
//! ways (`DNS_LINEAGE` at C2). Else C1: its route may have changed.
//!
//! **Look-alikes that it stays silent on.**
//! * Cold and cached names: the shortest time is that of cached ones, as soon as five groups of names
//!   agree on it.
//! * A query sent again: the time counts from the first.
//! * A request to ask over TCP (TC, and no answer), by a machine that shields the resolver from floods.
//! * A nearer site of an anycast address, a cache on the way: with another TTL and no more, no
//!   accusation comes of it; once five groups of names agree, it is the new shortest time.

use super::{Account, DnsDetector, Fired, Hit, measured, millis, supported};
use crate::{
    judge::{Exchange, Knowledge, Reply},
    report::finding::{Confidence, EvidenceClass},
};

/// Least gain that counts, in nanoseconds: below it a loaded resolver's own jitter lies.
const MARGIN: u64 = 500_000;

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::new("DNS_FAST", EvidenceClass::T, judge);

fn judge<'a>(
    exchange: &'a Exchange,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let resolver = knowledge.resolver(exchange.resolver().0)?;
    let floor = resolver.floor()?;
    let fast = |reply: &&Reply| {
        reply.delay().is_some_and(|delay| delay < floor / 2 && floor - delay > MARGIN)
    };
    let fast: Vec<&Reply> = exchange.replies.iter().filter(fast).collect();
    let &first = fast.first()?;
    let delay = first.delay()?;
    let confidence = if !resolver.went_on_after(first.time()) {
        Confidence::C1
    } else if supported(others, &[EvidenceClass::H], Confidence::C2) {
        Confidence::C3
    } else {
        Confidence::C2
    };
    Some(Fired {
        confidence,
        packets: fast.iter().map(|reply| reply.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "delay_ms": millis(delay),
                "floor_ms": millis(floor),
                "exchanges": resolver.answers(),
                "ttl": first.hops(),
            };
            (
                measured,
                format!(
                    "answered after {} ms, where this resolver takes {} ms at least",
                    millis(delay),
                    millis(floor)
                ),
            )
        }),
    })
}
