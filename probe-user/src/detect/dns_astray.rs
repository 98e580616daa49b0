//! `DNS_ASTRAY`: where the answer leads, nothing of the service is.
//!
//! **Rule.** Clients that connected to an address of the only reply, which is not one that the service
//! is known to be served from, met there what no server of the name does: another name's certificate
//! (visible up to TLS 1.2), no TLS where a ClientHello was sent, an alert that the name is unknown, a
//! known block page; or they were refused, cut off before an answer, or never answered.
//!
//! **Source.** Tsai et al., *CERTainty* (PETS 2023): certificates tell false answers; here those that
//! clients asked for themselves.
//!
//! **Worth.** Class D: the answer and the address contradict each other. C2 for what no server of the name
//! does; for failed connections only if there are several over a while, the target file lists the name, all
//! other resolvers answer with addresses that it is known to be served from, and no name at all is served at
//! this one; else C1, as servers fail, and as a censor may cut connections to a genuine address. Looked at
//! again when a connection comes later.
//!
//! **Look-alikes that it stays silent on.**
//! * An address at which a connection for the name went well, as far as can be seen: TLS 1.3 hides the
//!   certificate.
//! * A connection for a name of another service to the same address.
//! * An alert that the name is unknown of the kind after which the server goes on.
//!
//! A content network's cache that is down stays C1: its nodes inside providers are nowhere known to serve the
//! name, and other resolvers lead to others of them.

use probe_common::wire::Address;

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Claim, Exchange, Knowledge, Met},
    report::finding::{Confidence, EvidenceClass},
};

/// Failed connections that are more than an accident.
const FAILED_MIN: u32 = 3;

/// From the first to the last of them, in nanoseconds: a content network takes a dead cache out within
/// this time.
const FAILED_FOR: u64 = 60_000_000_000;

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::lies("DNS_ASTRAY", EvidenceClass::D, judge);

fn judge<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let claim = Claim::only(exchange, knowledge)?;
    let arrivals = knowledge.truth().arrivals();
    let places: Vec<Address> = claim.addresses.iter().map(|&address| address.into()).collect();
    let met: Vec<&Met> = places.iter().filter_map(|&place| arrivals.met(place)).collect();
    let sum = |count: fn(&Met) -> u32| met.iter().map(|met| count(met)).sum::<u32>();
    let (served, strange) = (sum(|met| met.served), sum(|met| met.strange));
    let failed = sum(|met| met.failed);
    if served > 0 || strange + failed == 0 {
        return None;
    }
    let what = met.iter().find_map(|met| met.what.as_deref());
    let voices = claim.voices(exchange, knowledge);
    let elsewhere = claim.is_listed() && voices.home > 0 && voices.home == voices.other;
    let idle = !places.iter().any(|&place| knowledge.population().serves(place));
    let lasting = met.iter().any(|met| met.failed_for() >= FAILED_FOR);
    let sure = strange > 0 || failed >= FAILED_MIN && lasting && elsewhere && idle;
    Some(Fired {
        confidence: if sure { Confidence::C2 } else { Confidence::C1 },
        packets: vec![claim.reply.number()],
        account: Account::of(move || {
            let measured = measured! {
                "answer": claim.reply.answer(),
                "connections_strange": strange,
                "connections_failed": failed,
                "what": what,
            };
            (
                measured,
                match what {
                    Some(what) => {
                        format!("at {}, where the answer leads, {what}", claim.reply.answer())
                    }
                    None => format!(
                        "{failed} connection{} to {}, where the answer leads, failed",
                        if failed == 1 { "" } else { "s" },
                        claim.reply.answer(),
                    ),
                },
            )
        }),
    })
}
