//! `DNS_BOGON`: the answer is an address that no public name has.
//!
//! **Rule.** All addresses of a reply to a name of a watched service are of private networks, of this
//! host, or of none.
//!
//! **Source.** RFC 6890 and its registries. Turkmenistan answers 127.0.0.1
//! (<https://github.com/net4people/bbs/issues/80>).
//!
//! **Worth.** Class K. C2, but C1 if it may be the policy of somebody whom the client has chosen: a
//! resolver at a private address, one that is known to filter for whoever asks, one that clients of fewer than
//! three networks are seen to ask, one that answers otherwise as well, who answers next to the client in the place of a resolver of the whole world, or
//! a captive portal, which is excluded where the client was answered elsewhere for other names.
//! Nothing in such an answer tells a censor from a filter.
//!
//! **Look-alikes that it stays silent on.**
//! * "Nowhere" (0.0.0.0, 127.0.0.1, ::, ::1) for names that lists of advertisements and trackers have.
//! * A private address given by a resolver of a private network: a horizon of its own.
//! * An address that is known as a sinkhole: `DNS_POOL` says so.

use super::{Account, DnsDetector, Fired, Hit, measured, supported};
use crate::{
    judge::{Claim, Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass},
    sinkholes::is_bogon,
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::lies("DNS_BOGON", EvidenceClass::K, judge);

fn judge<'a>(
    exchange: &'a Exchange,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if supported(others, &[EvidenceClass::K], Confidence::C1) {
        return None;
    }
    let bogus = |claim: &Claim<'_>| {
        !claim.is_nothing() && claim.addresses.iter().all(|&address| is_bogon(address))
    };
    let claims: Vec<_> = Claim::strange(exchange, knowledge).filter(bogus).collect();
    let claim = claims.first()?;
    let policy = claim.policy(&claim.voices(exchange, knowledge), knowledge);
    let reply = claim.reply;
    let portal = policy.is_none() && !claim.excludes_portal(exchange, knowledge);
    let policy = policy.or_else(|| portal.then(|| "a captive portal is not excluded".into()));
    Some(Fired {
        confidence: if policy.is_some() { Confidence::C1 } else { Confidence::C2 },
        packets: claims.iter().map(|claim| claim.reply.number()).collect(),
        account: Account::of(move || {
            let answer = reply.answer();
            let by = policy.as_ref().map_or_else(String::new, |policy| format!(" ({policy})"));
            let measured = measured! {
                "answer": answer,
                "ttl_s": reply.dns.answers.iter().map(|answer| answer.ttl).min(),
                "policy": policy,
            };
            (measured, format!("the answer is {answer}, which no public name has{by}"))
        }),
    })
}
