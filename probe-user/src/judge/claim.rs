//! What a reply claims about a name of a watched service.

use std::net::IpAddr;

use super::{Exchange, Knowledge, Reply, Resolver, answers::Voices, hops, truth};
use crate::{
    names::dns::{RCODE_NOERROR, RCODE_NXDOMAIN},
    sinkholes::{is_local, is_nowhere},
    targets::Service,
};

/// A reply to a question for a watched name, which says where the name is, or that there is none.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Whose name it is.
    pub service: &'a Service,
    /// The name.
    pub name: &'a str,
    /// The reply.
    pub reply: &'a Reply,
    /// The addresses; none if the name is said not to exist.
    pub addresses: Vec<IpAddr>,
    resolver: IpAddr,
}

impl<'a> Claim<'a> {
    /// What the replies claim that are not at home with the service: those that say that there is no
    /// such name, or of whose addresses none is known to serve it. Nothing about names that people have
    /// filtered for themselves, if "nowhere" is the answer; nor about addresses of a private network
    /// given by a resolver of one, which speaks of its own.
    pub fn strange(
        exchange: &'a Exchange,
        knowledge: &'a Knowledge,
    ) -> impl Iterator<Item = Self> + 'a {
        let name = exchange.name();
        let service = name
            .and_then(|name| knowledge.targets().service_of_name(name))
            .filter(|service| !service.is_control());
        let resolver = exchange.resolver().0.ip();
        name.zip(service).into_iter().flat_map(move |(name, service)| {
            exchange.replies.iter().filter_map(move |reply| {
                let addresses: Vec<IpAddr> = reply.dns.addresses().collect();
                let claims = match reply.dns.rcode {
                    RCODE_NOERROR => !addresses.is_empty(),
                    RCODE_NXDOMAIN => true,
                    _ => false,
                };
                let home = |&at: &IpAddr| truth::is_home(knowledge.targets(), service, at);
                let nowhere = addresses.iter().all(|&address| is_nowhere(address));
                let chosen = service.is_filtered(name) && nowhere;
                let strange = claims
                    && !chosen
                    && !is_split(resolver, &addresses)
                    && !addresses.iter().any(home);
                strange.then_some(Self { service, name, reply, addresses, resolver })
            })
        })
    }

    /// The only such claim, where nothing else was replied.
    pub fn only(exchange: &'a Exchange, knowledge: &'a Knowledge) -> Option<Self> {
        if exchange.contradiction(knowledge).is_some() {
            return None;
        }
        Self::strange(exchange, knowledge).next()
    }

    /// Whether the target file lists the very name, or the one without `www` before it: one of which the service's
    /// own networks are known. Others under it may stand with somebody whom the service has hired.
    pub fn is_listed(&self) -> bool {
        self.service.is_common(self.name)
    }

    /// Whether it says that there is no such name.
    pub const fn is_nothing(&self) -> bool {
        self.addresses.is_empty()
    }

    /// What resolvers said besides.
    pub fn voices(&self, exchange: &Exchange, knowledge: &Knowledge) -> Voices {
        let (resolver, _) = exchange.resolver();
        let (time, dns) = (self.reply.time(), &self.reply.dns);
        let truth = knowledge.truth();
        truth.voices(self.service, self.name, resolver, time, dns, knowledge.targets())
    }

    /// Whether no captive portal has answered, which shows its page to whatever is asked.
    pub fn excludes_portal(&self, exchange: &Exchange, knowledge: &Knowledge) -> bool {
        let ends = [exchange.client().0, exchange.resolver().0];
        let answers = knowledge.truth().answers();
        self.addresses.iter().all(|&address| {
            is_nowhere(address) || answers.excludes_portal(ends, address, self.reply.time())
        })
    }

    /// Why the answer may be the policy of somebody whom the client has chosen, or belongs to; that
    /// cannot be told from a lie. None if nothing says so.
    pub fn policy(&self, voices: &Voices, knowledge: &Knowledge) -> Option<String> {
        if is_local(self.resolver) {
            return Some("a resolver at a private address, whose policy is not known".into());
        }
        let near = hops::from_ttl(self.reply.hops()).is_some_and(|hops| hops <= NEAR);
        match knowledge.truth().sinkholes().policy(self.resolver) {
            Some(policy) if policy.filters => {
                Some(format!("{}: a resolver that filters for whoever asks it", policy.title))
            }
            Some(policy) if near => {
                Some(format!("somebody next to the client answers in place of {}", policy.title))
            }
            None if voices.itself => {
                Some("a resolver that answers otherwise, too: to other clients, perhaps".into())
            }
            None if !knowledge.resolver(self.resolver.into()).is_some_and(Resolver::has_many) => {
                Some("a resolver that few are seen to ask: their own, perhaps".into())
            }
            _ => None,
        }
    }
}

/// Whether a resolver of a private network gives addresses of one: a horizon of its own, which says
/// nothing about the world's. A known sinkhole among them is another matter.
pub(super) fn is_split(resolver: IpAddr, addresses: &[IpAddr]) -> bool {
    let own = |&address: &IpAddr| is_local(address) && !is_nowhere(address);
    is_local(resolver) && !addresses.is_empty() && addresses.iter().all(own)
}

/// Hops within which a resolver of the whole world does not stand: who answers there was put there by
/// the client's own network.
const NEAR: u8 = 1;
