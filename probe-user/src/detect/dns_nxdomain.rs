//! `DNS_NXDOMAIN`: a name that exists is said not to exist.
//!
//! **Rule.** The only reply to a name of a watched service says NXDOMAIN, while resolvers answered
//! the name with addresses within the last hour, or the target file lists the name.
//!
//! **Source.** RFC 8020: NXDOMAIN is about the name, whatever was asked about it, and everything under
//! it.
//!
//! **Worth.** Class K. C2 if both hold: other resolvers know the name, and the target file lists it, or
//! has `www` before one that is listed. C1 if one of them holds, or if it may be the policy of somebody
//! whom the client has chosen, as with `DNS_BOGON`.
//!
//! **Look-alikes that it stays silent on.**
//! * A name that was never there: nobody else answers it.
//! * Names that lists of advertisements and trackers have.
//! * NOERROR without an address, SERVFAIL and REFUSED: they say nothing about the name.

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Claim, Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::lies("DNS_NXDOMAIN", EvidenceClass::K, judge);

fn judge<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let claim = Claim::only(exchange, knowledge).filter(Claim::is_nothing)?;
    let voices = claim.voices(exchange, knowledge);
    let listed = claim.is_listed();
    if !listed && voices.other == 0 && !voices.itself {
        return None;
    }
    let policy = claim.policy(&voices, knowledge);
    let sure = listed && voices.other > voices.same && policy.is_none();
    Some(Fired {
        confidence: if sure { Confidence::C2 } else { Confidence::C1 },
        packets: vec![claim.reply.number()],
        account: Account::of(move || {
            let by = policy.as_ref().map_or_else(String::new, |policy| format!(" ({policy})"));
            let measured = measured! {
                "listed": listed,
                "resolvers_with_addresses": voices.other,
                "resolvers_without": voices.same,
                "policy": policy,
            };
            (
                measured,
                format!(
                    "the name is said not to exist, which {}{by}",
                    match (voices.other, listed) {
                        (1.., _) => "other resolvers answer",
                        (_, true) => "the target file lists",
                        _ => "this resolver answers as well",
                    },
                ),
            )
        }),
    })
}
