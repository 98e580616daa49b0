//! Other countries' devices and the resolvers that a state has lie.

use super::{BOTH, Deed, Forged, Model, Place, Trigger, V4, V6, found, said, sent};
use crate::corpus::{
    dns::{
        datagram::Look,
        message::{ANSWER, Data, Record},
        resolver::Sort,
    },
    rng::Rng,
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "iran",
        what: "a device in the way answers with 10.10.34.36, seldom .34; the question goes no further",
        source: "Tai et al.: IRBlock (USENIX Security 2025); Lange et al. (2025): in the path",
        deed: Deed::Lied,
        place: Place::InPath,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let text = if rng.chance(0.13) { "10.10.34.34" } else { "10.10.34.36" };
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            in_path(trigger, rng, look, text)
        },
    },
    Model {
        name: "iran-reflecting",
        what: "10.10.34.35 with the TTL of the question",
        source: "Tai et al.: IRBlock (USENIX Security 2025)",
        deed: Deed::Lied,
        place: Place::InPath,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: trigger.ttl(), ip_id: rng.u16(), df: false };
            in_path(trigger, rng, look, "10.10.34.35")
        },
    },
    Model {
        name: "iran-aaaa",
        what: "d0::11",
        source: "Tai et al.: IRBlock (USENIX Security 2025)",
        deed: Deed::Lied,
        place: Place::InPath,
        sort: Sort::Public,
        kinds: V6,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            in_path(trigger, rng, look, "d0::11")
        },
    },
    Model {
        name: "iran-static",
        what: "the same device answers with an address that is right, and never changes: 216.239.38.120 for Google",
        source: "Tai et al.: IRBlock (USENIX Security 2025): 385 names",
        deed: Deed::Injected,
        place: Place::InPath,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            let genuine = trigger.genuine.answers.iter().find_map(|record| match record.data {
                Data::Address(address) => Some(address.to_string()),
                _ => None,
            });
            in_path(trigger, rng, look, genuine.as_deref().unwrap_or("216.239.38.120"))
        },
    },
    Model {
        name: "turkmenistan",
        what: "127.0.0.1 for 300 s, flags 0x8180, before the genuine answer",
        source: "net4people/bbs#80; Nourin et al.: Measuring and Evading Turkmenistan's Internet Censorship (WWW 2023)",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            in_path(trigger, rng, look, "127.0.0.1")
        },
    },
    Model {
        name: "turkmenistan-in-path",
        what: "the same, and the question goes no further",
        source: "net4people/bbs#80",
        deed: Deed::Lied,
        place: Place::InPath,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            in_path(trigger, rng, look, "127.0.0.1")
        },
    },
    Model {
        name: "turkey",
        what: "the provider's resolver leads to 195.175.254.2",
        source: "ooni/blocking-fingerprints, ooni.tr_6; Anderson et al.: Global Network Interference Detection over the RIPE Atlas Network (FOCI 2014)",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: V4,
        edns: true,
        fire: |trigger, _| found(trigger, 600, "195.175.254.2", "::"),
    },
    Model {
        name: "turkey-rerouted",
        what: "a public resolver's address is routed to one of the provider's, which leads to 195.175.254.2",
        source: "Anderson et al. (FOCI 2014): 8.8.8.8 rerouted",
        deed: Deed::Lied,
        place: Place::InPath,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            in_path(trigger, rng, look, "195.175.254.2")
        },
    },
    Model {
        name: "indonesia",
        what: "the provider's resolver gives another name, lamanlabuh.aduankonten.id, and its address",
        source: "ooni/blocking-fingerprints, fingerprints_dns.csv",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: V4,
        edns: true,
        fire: indonesia,
    },
    Model {
        name: "russia",
        what: "the provider's resolver leads to its page about blocking",
        source: "ooni/blocking-fingerprints, fingerprints_dns.csv: 188.186.146.208 and others",
        deed: Deed::Lied,
        place: Place::Resolver,
        sort: Sort::Provider,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let pages = ["188.186.146.208", "188.186.154.79", "62.33.207.197", "5.3.3.17"];
            let page = *rng.pick(&pages);
            found(trigger, 3_600, page, "::")
        },
    },
    Model {
        name: "russia-spoofed",
        what: "the same addresses, from a box beside the way that is quicker than the public resolver",
        source: "ValdikSS: Autonomous methods of bypassing DPI (2017)",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Public,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            let address = trigger.choose("188.186.146.208", "2a02:2698::1");
            vec![sent(rng.range(100, 600), look, trigger.one(ANSWER, 3_600, address))]
        },
    },
];

/// One address for 300 s.
fn in_path(trigger: &Trigger<'_>, rng: &mut Rng, look: Look, text: &str) -> Vec<Forged> {
    let address = trigger.choose(text, text);
    vec![sent(rng.range(100, 900), look, trigger.one(ANSWER, 300, address))]
}

fn indonesia(trigger: &Trigger<'_>, _: &mut Rng) -> Vec<Forged> {
    let alias = "lamanlabuh.aduankonten.id";
    let mut last = Record::address(30, trigger.choose("103.154.123.130", "::"));
    last.owner = Some(alias.into());
    let first = Record::new(30, Data::Alias(alias.into()));
    let mut message = trigger.asked.query.reply(ANSWER, vec![first, last]);
    message.opt.clone_from(&trigger.genuine.opt);
    said(message)
}
