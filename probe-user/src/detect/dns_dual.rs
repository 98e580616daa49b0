//! `DNS_DUAL`: two answers to one question contradict each other.
//!
//! **Rule.** More answers than queries with one transaction id, and two of them contradict each other
//! in substance: no address in common nor in one network; one name that exists and does not; addresses
//! and none, from what looks like two senders. An answer that came twice is one answer.
//!
//! **Source.** Duan et al., *Hold-On* (SATIN 2012): in 15.2 million exchanges of a campus two such
//! pairs, both explained by what counts as different here (addresses of one /24; a SERVFAIL). A late
//! answer may be the forged one: outside China one in ten is (Hoang et al., USENIX Security 2021).
//!
//! **Worth.** Class D. C3, that one of them is forged, if the two have different senders by their
//! headers, or one leads into the networks that a watched service is served from and the other does not.
//! By TTL alone they have only if no pool explains it: four hops or more apart, or of a TTL that a well
//! known resolver, which goes on as it was, has never had; by IP-ID alone never, as one in 65,536 is any; and never if
//! they came 0.9 s apart or more, as long as a client waits before it asks again. Else C2: the network may have
//! doubled the query, or the observer may have missed that it was repeated, and two machines of a pool answered it. C1 if the query was not seen, or asked
//! as often as answered and one of the answers is not made as this resolver makes them. Which of them
//! is forged is said by lineage, timing and content, as far as it goes
//! ([`Exchange::forged`](crate::judge::Exchange::forged)); if nothing tells them apart, no packet is
//! named.
//!
//! **Look-alikes that it stays silent on.**
//! * A packet captured twice (a mirror port; before and after forwarding), an answer that the network
//!   doubled: one answer.
//! * A query sent again and answered again, by another server of the pool or another site of an anycast
//!   address perhaps: as many answers as queries. So is a rebinding attack's second answer.
//! * Round robin and re-ordered sets; addresses of one /24 or /48 or one watched service.
//! * SERVFAIL, REFUSED or FORMERR beside an answer; truncated beside full, a fragment beside a whole.
//! * A client that uses port and id again for another question.

use super::{Account, DnsDetector, Fired, Hit, measured, millis};
use crate::{
    judge::{Exchange, Knowledge, Reply, marks},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::new("DNS_DUAL", EvidenceClass::D, judge);

fn judge<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let (first, second) = exchange.contradiction(knowledge)?;
    let confidence = confidence(exchange, knowledge)?;
    let attribution = exchange.forged(knowledge);
    let apart = second.time().abs_diff(first.time());
    let forged = attribution.forged.first().copied();
    Some(Fired {
        confidence,
        packets: attribution.numbers(),
        account: Account::of(move || {
            let which = match forged {
                None => "which one is forged is not known".to_owned(),
                Some(reply) if reply.time() > first.time() => {
                    format!("the later one, {}, looks forged", reply.answer())
                }
                Some(reply) => format!("the first one, {}, looks forged", reply.answer()),
            };
            let measured = measured! {
                "replies": exchange.replies.len(),
                "queries": exchange.queries(),
                "apart_ms": millis(apart),
                "ttl": [first.hops(), second.hops()],
                "answers": [first.answer(), second.answer()],
                "forged_answer": forged.map(Reply::answer),
            };
            (
                measured,
                format!(
                    "two answers to one question {} ms apart contradict each other: {} and {}; {which}",
                    millis(apart),
                    first.answer(),
                    second.answer(),
                ),
            )
        }),
    })
}

fn confidence(exchange: &Exchange, knowledge: &Knowledge) -> Option<Confidence> {
    let apart = exchange.are_apart(knowledge);
    if exchange.queries() == 0 {
        return apart.then_some(Confidence::C1);
    }
    let resolver = knowledge.resolver(exchange.resolver().0);
    if !exchange.exceeds_queries(knowledge) {
        let odd = |reply: &Reply| resolver.is_some_and(|known| !marks(reply, known).is_empty());
        return exchange.replies.iter().any(odd).then_some(Confidence::C1);
    }
    let sure = apart || exchange.leads_astray(knowledge);
    Some(if sure { Confidence::C3 } else { Confidence::C2 })
}
