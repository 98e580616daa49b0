//! `DNS_POOL`: the answer is an address that false answers are known to lead to.
//!
//! **Rule.** A reply has an address, or an alias, of the lists in `sinkholes/*.toml`, and the name is
//! none that may have it genuinely.
//!
//! **Source.** Each entry names its own: OONI's list of DNS fingerprints; for the pool of China's third
//! injector the data of *Wallbleed* (NDSS 2025); for Iran Tai et al., *IRBlock* (2025). That no Teredo
//! server is 0.0.0.0: RFC 4380, section 4.
//!
//! **Worth.** Class K. For a name of a watched service C3 where the address belongs to a censor's page
//! or to nobody, C2 where it is somebody else's or the entry says what else looks the same, C1 for a
//! filter that is ordered or installed. For other names one step less, and nothing if it is somebody
//! else's: who may have the address is not known. It accuses of a lie; where a genuine answer comes as
//! well, `DNS_DUAL` says more, and this says whose.
//!
//! **Look-alikes that it stays silent on.**
//! * Names that have the address genuinely: those of Facebook, Twitter and Dropbox, from whose networks
//!   the pool is.
//! * An address from which the service is known to be served.

use super::{Account, DnsDetector, Fired, Hit, measured};
use crate::{
    judge::{Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass},
    sinkholes::{Scope, Sinkhole, Use},
};

/// See the module.
pub static DETECTOR: DnsDetector = DnsDetector::lies("DNS_POOL", EvidenceClass::K, judge);

fn judge<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let name = exchange.name()?;
    let service = knowledge.targets().service_of_name(name).filter(|one| !one.is_control());
    let truth = knowledge.truth();
    let found: Vec<_> = exchange
        .replies
        .iter()
        .filter_map(|reply| {
            let (sinkhole, what) = truth.leads_to(&reply.dns, service, knowledge.targets())?;
            Some((reply, sinkhole, what, worth(sinkhole, service.is_some())?))
        })
        .collect();
    let strongest = found.iter().map(|&(.., worth)| worth).max()?;
    let at = found.iter().position(|&(.., worth)| worth == strongest)?;
    let same = |other: &Sinkhole| other.fact.id == found[at].1.fact.id;
    let marked = found.iter().filter(|(_, other, ..)| same(other));
    let packets = marked.map(|(reply, ..)| reply.number()).collect();
    let (_, sinkhole, what, _) = found.into_iter().nth(at)?;
    Some(Fired {
        confidence: strongest,
        packets,
        account: Account::of(move || {
            let measured = measured! {
                "answer": what,
                "sinkhole": sinkhole.fact.id,
                "country": sinkhole.fact.country,
                "source": sinkhole.fact.source,
                "valid": sinkhole.fact.valid.to_string(),
                "ambiguous": sinkhole.fact.ambiguous,
            };
            (measured, format!("the answer {what} is known to be false: {}", sinkhole.fact.title))
        }),
    })
}

/// What it is worth that a name leads to a sinkhole.
fn worth(sinkhole: &Sinkhole, watched: bool) -> Option<Confidence> {
    let worth = match (sinkhole.scope, sinkhole.used) {
        (Scope::Product, _) => Confidence::C1,
        (_, Use::Others) => Confidence::C2,
        (_, Use::Page | Use::Impossible) if sinkhole.fact.ambiguous.is_some() => Confidence::C2,
        (_, Use::Page | Use::Impossible) => Confidence::C3,
    };
    match (watched, sinkhole.used, worth) {
        (true, ..) => Some(worth),
        (false, Use::Others, _) | (false, _, Confidence::C1) => None,
        (false, _, Confidence::C2) => Some(Confidence::C1),
        (false, _, Confidence::C3) => Some(Confidence::C2),
    }
}
