//! `DNS_MIRROR`: an answer made by turning the query round.
//!
//! **Rule.** Something else speaks against the reply, and it has the query's IP-ID, which is not zero;
//! or the query's TTL, which is none of the resolver's.
//!
//! **Source.** *Triplet Censors* (FOCI 2020) and Sakamoto and Wedwards (2024): one of the GFW's devices
//! answers with the query's TTL and an IP-ID of zero; captures of injectors written by students, which
//! copy the whole header.
//!
//! **Worth.** Class H. C2 for an IP-ID that is copied where the TTL is copied as well, or DF or IP-ID are
//! not the resolver's either, or, of a resolver that is not known, where another reply to the same
//! question has one of its own; and for a TTL that
//! is copied by such a sender. Else C1. Never alone: one answer in 65,536 has the query's IP-ID by chance.
//!
//! **Look-alikes that it stays silent on.**
//! * An IP-ID of zero on both sides: nothing is copied.
//! * Resolvers that turn queries round themselves: known by their other answers.
//! * A resolver as far away as its client, with the same initial TTL: its usual TTL.

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Exchange, Knowledge, Reply, Resolver},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::new("DNS_MIRROR", EvidenceClass::H, judge);

fn judge<'a>(
    exchange: &'a Exchange,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if others.is_empty() {
        return None;
    }
    let resolver = knowledge.resolver(exchange.resolver().0);
    let mirrors: Vec<(Confidence, bool, &Reply)> = exchange
        .replies
        .iter()
        .filter(|reply| !reply.is_turned_back())
        .filter_map(|reply| {
            let id = copied_id(reply, exchange, resolver);
            let worth = id.max(copied_ttl(reply, exchange, resolver))?;
            Some((worth, id == Some(worth), reply))
        })
        .collect();
    let best = mirrors.iter().map(|(worth, ..)| *worth).max()?;
    let &(_, by_id, reply) = mirrors.iter().find(|(worth, ..)| *worth == best)?;
    let what = if by_id { "IP-ID" } else { "TTL" };
    Some(Fired {
        confidence: best,
        packets: mirrors
            .iter()
            .filter(|(worth, ..)| *worth == best)
            .map(|(.., reply)| reply.number())
            .collect(),
        account: Account::of(move || {
            let measured = measured! {
                "copied": if by_id { "ip_id" } else { "ttl" },
                "ttl": reply.hops(),
                "replies": exchange.replies.len(),
            };
            (measured, format!("the answer has the query's {what}"))
        }),
    })
}

fn copied_id(
    reply: &Reply,
    exchange: &Exchange,
    resolver: Option<&Resolver>,
) -> Option<Confidence> {
    if reply.is_mirrored() != Some(true) {
        return None;
    }
    let own = |other: &Reply| other.is_mirrored() == Some(false);
    match resolver.filter(|resolver| resolver.is_known()) {
        // It may have it by chance, another TTL and less delay by a new route, and a second reply beside
        // it because the question was doubled.
        Some(resolver) if resolver.never_mirrors() => {
            let more =
                reply.has_query_hops() == Some(true) || resolver.is_other_stack(reply.stack());
            Some(if more { Confidence::C2 } else { Confidence::C1 })
        }
        Some(_) => None,
        None if exchange.replies.iter().any(own) => Some(Confidence::C2),
        None => Some(Confidence::C1),
    }
}

fn copied_ttl(
    reply: &Reply,
    exchange: &Exchange,
    resolver: Option<&Resolver>,
) -> Option<Confidence> {
    if reply.has_query_hops() != Some(true) {
        return None;
    }
    match resolver.filter(|resolver| resolver.is_known()) {
        Some(resolver) if !resolver.is_foreign(reply.hops()) || resolver.has_changed() => None,
        Some(resolver) if resolver.is_other_stack(reply.stack()) => Some(Confidence::C2),
        Some(_) => Some(Confidence::C1),
        None => {
            let far = |other: &Reply| other.hops().abs_diff(reply.hops()) > 1;
            exchange.replies.iter().any(far).then_some(Confidence::C1)
        }
    }
}
