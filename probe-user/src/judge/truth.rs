//! What is known of the truth of answers: what others answered, where false answers lead, and what
//! clients met where they were led.

use std::net::IpAddr;

use probe_common::wire::Address;

use super::{
    answers::{Answers, Known, Voices},
    arrivals::Arrivals,
};
use crate::{
    names::dns::{AnswerData, Dns},
    sinkholes::{self, Sinkhole, Sinkholes, Use, is_bogon},
    targets::{Service, TargetSet},
};

/// All of it.
#[derive(Debug)]
pub struct Truth {
    sinkholes: &'static Sinkholes,
    answers: Answers,
    arrivals: Arrivals,
}

impl Default for Truth {
    fn default() -> Self {
        Self {
            sinkholes: Sinkholes::shared(),
            answers: Answers::default(),
            arrivals: Arrivals::default(),
        }
    }
}

impl Truth {
    /// Addresses that false answers lead to, and policies of resolvers.
    pub const fn sinkholes(&self) -> &'static Sinkholes {
        self.sinkholes
    }

    /// What names were seen to answer.
    pub const fn answers(&self) -> &Answers {
        &self.answers
    }

    /// What clients met where doubtful answers led them.
    pub const fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    pub(super) const fn arrivals_mut(&mut self) -> &mut Arrivals {
        &mut self.arrivals
    }

    /// The sinkhole of an address, also of one that a translator made an IPv6 address of.
    pub fn sinkhole(&self, address: IpAddr) -> Option<&Sinkhole> {
        self.sinkholes.of_address(address).or_else(|| {
            let inner = sinkholes::is_well_known_translation(address)
                .then(|| sinkholes::translated(address))??;
            self.sinkholes.of_address(inner.into())
        })
    }

    /// The sinkhole that an answer leads to, and what of it says so. None if the name, one of `service`
    /// if that is watched, may have the address genuinely.
    pub fn leads_to(
        &self,
        dns: &Dns,
        service: Option<&Service>,
        targets: &TargetSet,
    ) -> Option<(&Sinkhole, String)> {
        let aliases = dns.answers.iter().filter_map(|answer| match &answer.data {
            AnswerData::Cname(alias) => Some((self.sinkholes.of_name(alias)?, alias.clone())),
            _ => None,
        });
        let at_home = |sinkhole: &Sinkhole, address| {
            sinkhole.used == Use::Others
                && service.is_some_and(|service| targets.is_home(service, address))
        };
        let addresses = dns.addresses().filter_map(|address| {
            let sinkhole = self.sinkhole(address)?;
            (!at_home(sinkhole, address)).then(|| (sinkhole, address.to_string()))
        });
        let genuine =
            |sinkhole: &Sinkhole| dns.qname().is_some_and(|name| sinkhole.is_used_by(name));
        aliases.chain(addresses).next().filter(|(sinkhole, _)| !genuine(sinkhole))
    }

    /// What resolvers said about a name of `service` beside this reply.
    pub fn voices(
        &self,
        service: &Service,
        name: &str,
        resolver: Address,
        now: u64,
        dns: &Dns,
        targets: &TargetSet,
    ) -> Voices {
        let known = Of { service, targets, truth: self };
        self.answers.voices(name, resolver, now, dns, &known)
    }

    /// At `now` a client was answered by a resolver (`ends`), and nothing contradicted it.
    pub(super) fn learn(&mut self, ends: [Address; 2], now: u64, dns: &Dns, targets: &TargetSet) {
        let Some(name) = dns.qname() else { return };
        let service = targets.service_of_name(name);
        if service.is_some() {
            self.answers.note(name, ends[1], now, dns);
        }
        if service.is_none_or(Service::is_control) {
            self.answers.note_elsewhere(ends, now, dns);
        }
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.answers.evicted() + self.arrivals.evicted()
    }
}

/// Whether `service` is known to be served from an address, or from one that a translator made it of.
pub(super) fn is_home(targets: &TargetSet, service: &Service, address: IpAddr) -> bool {
    targets.is_home(service, address)
        || sinkholes::translated(address)
            .is_some_and(|inner| targets.is_home(service, inner.into()))
}

struct Of<'a> {
    service: &'a Service,
    targets: &'a TargetSet,
    truth: &'a Truth,
}

impl Known for Of<'_> {
    fn same_origin(&self, one: IpAddr, other: IpAddr) -> bool {
        self.targets.same_origin(one, other)
    }

    fn is_home(&self, address: IpAddr) -> bool {
        is_home(self.targets, self.service, address)
    }

    fn is_plausible(&self, address: IpAddr) -> bool {
        self.is_home(address) || !is_bogon(address) && self.truth.sinkhole(address).is_none()
    }
}
