//! `DNS_NONRESOLVER`: an answer from an address that answers nothing else.
//!
//! **Rule.** All that ever came from this address are answers for watched names, though it was asked for
//! others as well, in between, and answered none of these. Answers of an authority (AA without RA) do
//! not count.
//!
//! **Source.** Bhaskar and Pearce (USENIX Security 2022): the GFW answers for addresses at which nobody
//! listens, so that whatever "answers" from there is injected.
//!
//! **Worth.** Class P. If a server that loses queries at random answered, the chance that it answered
//! just the watched ones would be one in 15 for two answers and four questions without (C1), one in
//! 1,771 for three and twenty (C2), one in 1,221,759 for five and forty. C3 for these if the answers
//! also come with TTLs two or more apart: one machine that is particular about names, such as a
//! company's resolver for its own, has one distance.
//!
//! **Look-alikes that it stays silent on.**
//! * A resolver that was just switched on: the questions without answer come before its first answer,
//!   and are not counted.
//! * A resolver that limits rates, or loses queries: it answers others too.
//! * Authoritative servers that ignore, or refuse, what is not theirs.
//! * Replies that take another way: it is not names that they go by.
//! * A resolver that is asked for watched names only.

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Claims, Exchange, Knowledge, Reply},
    report::finding::{Confidence, EvidenceClass},
};

/// TTL difference that one machine's packets have not.
const HOPS_APART: u8 = 2;

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::new("DNS_NONRESOLVER", EvidenceClass::P, judge);

fn judge<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let claims = knowledge.claims(exchange.resolver().0)?;
    let confidence = worth(claims)?;
    let answers = || exchange.replies.iter().filter(|reply| !reply.dns.answers.is_empty());
    answers().next()?;
    let Claims { answered, unanswered, hops, .. } = claims;
    Some(Fired {
        confidence,
        packets: answers().map(Reply::number).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "answered": answered,
                "unanswered": unanswered,
                "ttl": hops,
            };
            (
                measured,
                format!(
                    "the address answered {answered} questions for watched names, and none of the \
                 {unanswered} for others in between"
                ),
            )
        }),
    })
}

fn worth(claims: &Claims) -> Option<Confidence> {
    let [least, most] = claims.hops;
    match (claims.answered, claims.unanswered) {
        (5.., 40..) if most - least >= HOPS_APART => Some(Confidence::C3),
        (3.., 20..) => Some(Confidence::C2),
        (2.., 4..) => Some(Confidence::C1),
        _ => None,
    }
}
