//! Addresses that names of watched services and controls lead to, for whoever can watch them.

use probe_common::wire::Address;

use super::Knowledge;
use crate::{names::dns::Dns, targets::Service};

/// Addresses kept until they are taken: those of a burst of answers.
const INTERESTS_MAX: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Interests(Vec<Address>);

impl Interests {
    /// Somebody asks for a watched name at `address`.
    pub(super) fn add(&mut self, address: Address) {
        if self.0.len() < INTERESTS_MAX {
            self.0.push(address);
        }
    }

    /// At `now` a client was led by a resolver (`ends`) with the reply `dns` about a name of `service`.
    pub(super) fn led(
        &mut self,
        knowledge: &mut Knowledge,
        ends: [Address; 2],
        now: u64,
        (dns, service): (&Dns, &Service),
    ) {
        let Some(name) = dns.qname() else { return };
        if !service.is_control() {
            knowledge.doubt(ends, (name, service), now, dns);
        }
        let ttl = dns.answers.iter().map(|answer| answer.ttl).min().unwrap_or_default();
        for address in dns.addresses().map(Address::from) {
            self.add(address);
            knowledge.leads_mut().note(ends[0], address, name, now, ttl);
        }
    }

    /// Takes them.
    pub(super) fn take(&mut self) -> std::vec::Drain<'_, Address> {
        self.0.drain(..)
    }
}
