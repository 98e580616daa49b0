//! What an outcome is filed under: whose it is, by which path, and what is false about an answer.

use std::net::{IpAddr, SocketAddr};

use probe_common::hash::{HashKey, Sip};

use super::super::Knowledge;
use crate::{
    attribute::outcome::{FalseAnswer, Network, PATHS},
    names::dns::{Dns, RCODE_NXDOMAIN},
    sinkholes::{Scope, Sinkhole, is_bogon},
    targets::{Service, TargetSet},
};

/// The place of one of the `targets` among all.
pub(super) fn index(targets: &TargetSet, service: &Service) -> Option<u16> {
    let place = targets.services().iter().position(|one| std::ptr::eq(one, service))?;
    u16::try_from(place).ok()
}

/// The place of the suffix that a name falls under.
pub(super) fn suffix(service: &Service, name: &str) -> Option<u16> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let longest = service
        .suffixes
        .iter()
        .enumerate()
        .filter(|(_, suffix)| !service.former.contains(suffix))
        .filter(|(_, suffix)| {
            let rest = name.strip_suffix(suffix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
        .max_by_key(|(_, suffix)| suffix.len())?;
    u16::try_from(longest.0).ok()
}

/// The bucket of a path. The key is nobody's secret: which bucket is which does not matter.
pub(super) fn path(ends: [SocketAddr; 2]) -> u8 {
    let mut sip = Sip::new(HashKey { k0: 0, k1: 0 });
    for end in ends {
        let octets = match end.ip() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        sip = sip.word((octets >> 64) as u64).word(octets as u64).word(end.port().into());
    }
    (sip.finish() % u64::from(PATHS)) as u8
}

/// What is false about an answer, if it is.
pub(super) fn false_answer(dns: &Dns, knowledge: &Knowledge) -> FalseAnswer {
    if dns.rcode == RCODE_NXDOMAIN {
        return FalseAnswer::Denied;
    }
    match dns.addresses().next() {
        None => FalseAnswer::Denied,
        Some(address) if knowledge.truth().sinkhole(address).is_some_and(is_censors) => {
            FalseAnswer::Listed
        }
        Some(address) if is_bogon(address) => FalseAnswer::Bogus,
        Some(address) => FalseAnswer::Elsewhere(Network::of(address)),
    }
}

/// Whether a sinkhole is a censor's: of a product it is whoever ordered it who decides.
fn is_censors(sinkhole: &Sinkhole) -> bool {
    sinkhole.scope != Scope::Product
}
