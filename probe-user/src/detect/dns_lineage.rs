//! `DNS_LINEAGE`: an answer that is not made as this resolver makes them.
//!
//! **Rule.** The resolver is known from 20 answers or more, and the reply is unlike them: its TTL off by
//! more than one from all that are usual, DF or an IP-ID of zero as never before, an IP-ID off its
//! counter, AA where it never sets it, no RA where it always does, no OPT record in reply to one, capitals
//! of the question not repeated, RD not as in the query, a reserved bit, no question.
//!
//! **Source.** Duan et al., *Hold-On* (SATIN 2012), for the TTL; *Triplet Censors* (FOCI 2020) and the
//! measurements of the GFW since, for DF, IP-ID and AA of its three devices; RFC 1035, section 4.1.1,
//! RFC 6891, section 6.1.1.
//!
//! **Worth.** Class H. C1; C2 for two marks or more of different kinds (path, IP header, message, echo
//! of the question), of which one lies in the message or the echo. Another machine of a pool, or
//! another site, has another TTL and often another IP header, so these two together are C1, and told
//! only of a resolver known from 200 answers.
//!
//! **Look-alikes that it stays silent on.**
//! * A pool behind one address, as far as its members have been seen: what makes up one answer in
//!   fifty is usual.
//! * A route or a server that has changed: when half of the latest answers are unlike those before, TTL
//!   and IP header are held against nobody until the new ones are usual.
//! * Another site of an anycast address that comes back: plain answers for other names have its TTL, too.
//! * Servers that are authoritative for some names: AA is usual there. Of zones that resolvers answer by themselves
//!   (RFC 6303, RFC 6761) it is not looked at.
//! * Failures (SERVFAIL, REFUSED, FORMERR), and answers to queries without RD or other than standard
//!   ones, of which flags and OPT record are not looked at.
//! * A question asked again without its OPT record, after FORMERR; a request to ask over TCP, by a machine that
//!   shields the resolver from floods.
//! * Replies to nobody: the query was not seen.

use std::iter;

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Exchange, Knowledge, Layer, Mark, Reply, Resolver, marks},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::new("DNS_LINEAGE", EvidenceClass::H, judge);

fn judge<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let resolver = knowledge.resolver(exchange.resolver().0)?;
    let odd: Vec<(Confidence, Vec<Mark>, &Reply)> = exchange
        .replies
        .iter()
        .filter(|reply| reply.asked().is_some())
        .map(|reply| (marks(reply, resolver), reply))
        .filter(|(marks, _)| tells(marks, resolver))
        .map(|(marks, reply)| (worth(&marks), marks, reply))
        .collect();
    let best = odd.iter().map(|(worth, ..)| *worth).max()?;
    let mut odd = odd.into_iter().filter(|(worth, ..)| *worth == best);
    let (_, marks, reply) = odd.next()?;
    let packets = iter::once(reply).chain(odd.map(|(.., reply)| reply)).map(Reply::number);
    Some(Fired {
        confidence: best,
        packets: packets.collect(),
        account: Account::of(move || {
            let names: Vec<&str> = marks.iter().map(|mark| mark.name()).collect();
            let words: Vec<&str> = marks.iter().map(|mark| mark.words()).collect();
            let measured = measured! {
                "unlike": names,
                "ttl": reply.hops(),
                "usual_ttl": resolver.usual_hops(),
                "flags": format!("{:04x}", reply.dns.flags.raw),
                "answers": resolver.answers(),
            };
            (measured, format!("an answer unlike this resolver's others: {}", words.join(", ")))
        }),
    })
}

/// Whether the marks are worth telling. TTL and IP header alone are, of a resolver of which a rare
/// machine would have been met.
fn tells(marks: &[Mark], resolver: &Resolver) -> bool {
    let spoken = |mark: &Mark| matches!(mark.layer(), Layer::Message | Layer::Echo);
    marks.iter().any(spoken) || !marks.is_empty() && resolver.is_well_known()
}

fn worth(marks: &[Mark]) -> Confidence {
    let mut layers: Vec<Layer> = marks.iter().map(|mark| mark.layer()).collect();
    layers.sort_unstable();
    layers.dedup();
    let spoken = layers.iter().any(|layer| matches!(layer, Layer::Message | Layer::Echo));
    if layers.len() > 1 && spoken { Confidence::C2 } else { Confidence::C1 }
}

#[cfg(test)]
mod tests {
    use super::worth;
    use crate::{
        judge::Mark::{Authority, Capitals, Edns, Hops, IpId, Stack},
        report::finding::Confidence::{C1, C2},
    };

    #[test]
    fn two_kinds_of_marks_one_of_them_in_what_is_said() {
        for (marks, expected) in [
            (&[Hops][..], C1),
            (&[Hops, Stack], C1),
            (&[Hops, IpId], C1),
            (&[Authority, Edns], C1),
            (&[Hops, Authority], C2),
            (&[Stack, Edns], C2),
            (&[Edns, Capitals], C2),
        ] {
            assert_eq!(worth(marks), expected, "{marks:?}");
        }
    }
}
