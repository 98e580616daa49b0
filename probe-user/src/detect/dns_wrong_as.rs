//! `DNS_WRONG_AS`: the answer is outside the networks that the name is served from.
//!
//! **Rule.** No address of the only reply to a name of a watched service is in a network that the target
//! file gives, of its own or of an operator that serves it; and more other resolvers answer elsewhere
//! than alike, or what was met there is not as it should be (`DNS_ASTRAY`). Of bogons and known sinkholes
//! other detectors tell.
//!
//! **Source.** Pearce et al., *Iris* (USENIX Security 2017).
//!
//! **Worth.** Class P. C1: fronts move, and content networks have caches inside providers, with the
//! providers' addresses. C2 if what stands at the address is none of the service's (`DNS_ASTRAY` with
//! C2), more other resolvers answer elsewhere than alike or the target file lists the name, a captive portal is
//! excluded, as the client was answered elsewhere for other names, and the answer cannot be the policy of
//! somebody whom the client has chosen.
//!
//! **Look-alikes that it stays silent on.**
//! * An address at which connections for the name went well, or which most resolvers answer.
//! * Addresses that a translator (NAT64) made of the service's own.
//! * A service of which the target file knows no networks.
//!
//! A captive portal, which shows its page to whatever is asked, stays C1. So does a name under the service's that
//! stands with somebody whom it has hired, for mail or for a campaign, without a certificate for it.

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Claim, Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass},
    sinkholes::is_bogon,
};

/// Other resolvers with the same answer that make its network one of the service's, if they are the
/// majority.
const SAME_MIN: usize = 2;

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::lies("DNS_WRONG_AS", EvidenceClass::P, judge);

fn judge<'a>(
    exchange: &'a Exchange,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let claim = Claim::only(exchange, knowledge)?;
    let truth = knowledge.truth();
    let known = others.iter().any(|hit| hit.class == EvidenceClass::K);
    let bogus = claim.addresses.iter().any(|&address| is_bogon(address));
    if claim.is_nothing() || known || bogus || !claim.service.has_home() {
        return None;
    }
    let served = claim
        .addresses
        .iter()
        .filter_map(|&address| truth.arrivals().met(address.into()))
        .any(|met| met.served > 0);
    let voices = claim.voices(exchange, knowledge);
    if served || voices.same >= SAME_MIN && voices.same > voices.other {
        return None;
    }
    let met = others.iter().find(|hit| hit.id == "DNS_ASTRAY");
    if met.is_none() && voices.other <= voices.same {
        return None;
    }
    let astray = met.is_some_and(|hit| hit.confidence() >= Confidence::C2);
    let no_portal = claim.excludes_portal(exchange, knowledge);
    let policy = claim.policy(&voices, knowledge);
    // What stands at the address and where it lies are one fact if nobody says that the name is elsewhere.
    let contradicted = voices.other > voices.same || claim.is_listed();
    let sure = astray && contradicted && no_portal && policy.is_none();
    let answer = claim.reply.answer();
    Some(Fired {
        confidence: if sure { Confidence::C2 } else { Confidence::C1 },
        packets: vec![claim.reply.number()],
        account: Account::of(move || {
            let measured = measured! {
                "answer": answer,
                "resolvers_alike": voices.same,
                "resolvers_otherwise": voices.other,
                "policy": policy,
            };
            (
                measured,
                format!(
                    "the answer {answer} is outside the networks that {} is known to be served from",
                    claim.service.title
                ),
            )
        }),
    })
}
