//! `DNS_OUTVOTED`: other resolvers answer otherwise.
//!
//! **Rule.** The only reply to a name of a watched service is not from where the service is known to be
//! served, and within the last hour more resolvers of other networks gave plausible addresses elsewhere
//! than gave this one. What the target file knows counts as one voice, where it agrees with them.
//!
//! **Source.** Pearce et al., *Iris* (USENIX Security 2017): 90 % of answers are cleared by comparison
//! of networks alone.
//!
//! **Worth.** Class P. C2 with two voices or more against an answer that is strange in itself (C2 of
//! `DNS_POOL`, `DNS_BOGON` or `DNS_NXDOMAIN`); else C1, as a content network's cache inside a provider
//! has the provider's addresses, which nobody else answers with. C1 as well if the answer may be the
//! policy of somebody whom the client has chosen, unless it is a sinkhole of no such one.
//!
//! **Look-alikes that it stays silent on.**
//! * One liar among the others: resolvers are counted, each network once.
//! * Addresses of one /24, /48, service or operator.

use super::{Account, DnsDetector, Fired, Hit, measured, supported};
use crate::{
    judge::{Claim, Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::lies("DNS_OUTVOTED", EvidenceClass::P, judge);

fn judge<'a>(
    exchange: &'a Exchange,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let claim = Claim::only(exchange, knowledge)?;
    let voices = claim.voices(exchange, knowledge);
    if voices.other <= voices.same {
        return None;
    }
    let sinkhole = |hit: &Hit| hit.id == "DNS_POOL" && hit.confidence() >= Confidence::C2;
    let excused = claim.policy(&voices, knowledge).is_some() && !others.iter().any(sinkhole);
    let strange = supported(others, &[EvidenceClass::K], Confidence::C2);
    let sure = voices.outvote() && strange && !excused;
    Some(Fired {
        confidence: if sure { Confidence::C2 } else { Confidence::C1 },
        packets: vec![claim.reply.number()],
        account: Account::of(move || {
            let measured = measured! {
                "answer": claim.reply.answer(),
                "resolvers_otherwise": voices.other,
                "of_these_as_the_target_file": voices.home,
                "resolvers_alike": voices.same,
            };
            (
                measured,
                format!(
                    "{} other resolver{} within the hour answered elsewhere, {} alike",
                    voices.other,
                    if voices.other == 1 { "" } else { "s" },
                    voices.same,
                ),
            )
        }),
    })
}
