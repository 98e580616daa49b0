//! What providers' resolvers say that is not so, and boxes that say it for them.

use super::{BOTH, Deed, Model, Place, V4, found, said, sent};
use crate::corpus::dns::{
    datagram::Look,
    message::{ANSWER, rcode},
    names::soa,
    resolver::Sort,
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "isp-nxdomain",
        what: "the provider's resolver says that there is no such name",
        source: "orders to providers in many countries; RFC 8020",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: BOTH,
        edns: true,
        fire: |trigger, _| {
            let mut message = trigger.asked.query.reply(ANSWER | rcode::NXDOMAIN, Vec::new());
            message.authority.push(soa(3_600));
            message.opt.clone_from(&trigger.genuine.opt);
            said(message)
        },
    },
    Model {
        name: "isp-null",
        what: "the provider's resolver leads to 0.0.0.0 and ::",
        source: "response policy zones; unbound's always_null",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: BOTH,
        edns: true,
        fire: |trigger, _| found(trigger, 300, "0.0.0.0", "::"),
    },
    Model {
        name: "isp-loopback",
        what: "the provider's resolver leads to 127.0.0.1 and ::1",
        source: "dnsmasq's address=/linkedin.com/127.0.0.1",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: BOTH,
        edns: true,
        fire: |trigger, _| found(trigger, 0, "127.0.0.1", "::1"),
    },
    Model {
        name: "isp-private",
        what: "the provider's resolver leads to a page in its own private network",
        source: "Pearce et al.: Global Measurement of DNS Manipulation (USENIX Security 2017): private addresses",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: V4,
        edns: true,
        fire: |trigger, _| found(trigger, 60, "10.254.254.254", "::"),
    },
    Model {
        name: "nxdomain-injected",
        what: "a box beside the way says that there is no such name",
        source: "as isp-nxdomain, from beside the way",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Public,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            let message = trigger.asked.query.reply(ANSWER | rcode::NXDOMAIN, Vec::new());
            vec![sent(rng.range(100, 600), look, message)]
        },
    },
];
