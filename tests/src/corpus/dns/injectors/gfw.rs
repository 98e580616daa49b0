//! China: three devices at one place, each with a handwriting of its own, and those that copy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{BOTH, Deed, Forged, Model, Place, Trigger, V4, V6, sent};
use crate::corpus::{
    dns::{
        datagram::Look,
        message::{ANSWER, Data, Message, Record, kind},
        names,
        resolver::Sort,
    },
    rng::Rng,
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "gfw-1",
        what: "AA set, record TTL 60, DF clear, TTL counts up from packet to packet",
        source: "Anonymous et al.: Triplet Censors (FOCI 2020), table 3; flags 0x8580 in 2025: gfw-report/usenixsecurity25-quic-sni",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| vec![first(trigger, rng)],
    },
    Model {
        name: "gfw-2",
        what: "DF set, TTL at random",
        source: "Anonymous et al.: Triplet Censors (FOCI 2020), table 3; flags 0x8180: net4people/bbs#466",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| vec![second(trigger, rng)],
    },
    Model {
        name: "gfw-3",
        what: "IP-ID 0, DF clear, TTL of the question, addresses in a cycle, flags 0x8400",
        source: "Sakamoto, Wedwards: Bleeding Wall (2024); Fan et al.: Wallbleed (NDSS 2025); net4people/bbs#466",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| vec![third(trigger, rng)],
    },
    Model {
        name: "gfw-all",
        what: "all three within a fifth of a millisecond",
        source: "Anonymous et al.: Triplet Censors (FOCI 2020), section 4",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: V4,
        edns: true,
        fire: three,
    },
    Model {
        name: "gfw-teredo",
        what: "an address of Teredo made of one for IPv4, with server 0.0.0.0 and port 0",
        source: "Sheffey et al.: Extended Abstract: I'll Shake Your Hand (FOCI 2025)",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: V6,
        edns: true,
        fire: |trigger, rng| {
            let v4 = next(trigger).octets();
            let pair = |at: usize| u16::from_be_bytes([v4[at], v4[at + 1]]);
            let v6 = Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, pair(0), pair(2));
            vec![of_third(trigger, rng, v6.into())]
        },
    },
    Model {
        name: "gfw-face-b00c",
        what: "one of thirty addresses of Facebook's",
        source: "Sheffey et al. (FOCI 2025); Fan et al.: Wallbleed (NDSS 2025), pool of AAAA",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: V6,
        edns: true,
        fire: |trigger, rng| {
            let network = [0xf130, 0xf12c, 0xf127, 0xf126, 0xf129][trigger.number as usize % 5];
            let v6 = Ipv6Addr::new(0x2a03, 0x2880, network, 0x83, 0xface, 0xb00c, 0, 0x25de);
            vec![of_third(trigger, rng, v6.into())]
        },
    },
    Model {
        name: "gfw-sink",
        what: "addresses that lead into a sink; IP-ID and TTL of the question",
        source: "Sheffey et al. (FOCI 2025); net4people/bbs#294",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Far,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let sinks = [
                "8.7.198.46",
                "39.109.122.128",
                "46.82.174.69",
                "59.24.3.174",
                "93.46.8.90",
                "103.97.3.19",
            ];
            let sink = *rng.pick(&sinks);
            let address = trigger.choose(sink, "::");
            let look = Look { ttl: trigger.ttl(), ip_id: trigger.asked.look.ip_id, df: false };
            vec![sent(rng.range(200, 900), look, trigger.one(ANSWER, 220, address))]
        },
    },
    Model {
        name: "gfw-closed",
        what: "all three, asked at an address that answers nobody",
        source: "Bhaskar, Pearce: Many Roads Lead To Rome (USENIX Security 2022): also to closed addresses",
        deed: Deed::Injected,
        place: Place::Closed,
        sort: Sort::Far,
        kinds: V4,
        edns: true,
        fire: three,
    },
    Model {
        name: "mirror",
        what: "TTL of the question, IP-ID 0, and otherwise all as the resolver's: flags, OPT, capitals",
        source: "Sakamoto, Wedwards (2024), with the fields that give it away mended",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Public,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: trigger.ttl(), ip_id: 0, df: trigger.node.df };
            vec![sent(rng.range(200, 1_500), look, genuine_looking(trigger, rng))]
        },
    },
    Model {
        name: "perfect",
        what: "a false address, and otherwise nothing that differs from the resolver's own packets",
        source: "the best that an injector beside the way can do",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Public,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| {
            let message = genuine_looking(trigger, rng);
            vec![Forged { after: rng.range(200_000, 1_500_000), look: None, message }]
        },
    },
];

/// A part of injector 3's pool, in its order: owned by Facebook, Twitter, Dropbox and others (Hoang et
/// al.: How Great is the Great Firewall? USENIX Security 2021; Fan et al., NDSS 2025).
const POOL: [&str; 16] = [
    "208.77.47.172",
    "173.252.88.133",
    "173.252.88.67",
    "108.160.170.45",
    "157.240.10.32",
    "174.36.196.242",
    "174.37.154.236",
    "185.60.216.11",
    "199.16.158.12",
    "199.59.148.96",
    "31.13.94.37",
    "31.13.68.169",
    "31.13.112.9",
    "104.244.43.136",
    "66.220.148.145",
    "69.50.221.2",
];

/// The next address of the cycle.
fn next(trigger: &Trigger<'_>) -> Ipv4Addr {
    let text = POOL[trigger.number as usize % POOL.len()];
    text.parse().unwrap_or_else(|_| unreachable!("{text} is an address"))
}

/// An address of the pool, at random.
fn any(rng: &mut Rng) -> IpAddr {
    let text = rng.pick(&POOL);
    text.parse().unwrap_or_else(|_| unreachable!("{text} is an address"))
}

/// Injector 1.
fn first(trigger: &Trigger<'_>, rng: &mut Rng) -> Forged {
    let look = Look { ttl: 48 + (trigger.number % 200) as u8, ip_id: rng.u16(), df: false };
    sent(rng.range(150, 900), look, trigger.one(0x8580, 60, any(rng)))
}

/// Injector 2.
fn second(trigger: &Trigger<'_>, rng: &mut Rng) -> Forged {
    let look = Look { ttl: rng.range(60, 250) as u8, ip_id: rng.u16(), df: true };
    let ttl = rng.range(60, 300) as u32;
    let address = match trigger.asked.query.kind() {
        kind::AAAA => Ipv6Addr::new(0x2a03, 0x2880, 0xf12a, 0x83, 0xface, 0xb00c, 0, 0x25de).into(),
        _ => any(rng),
    };
    sent(rng.range(150, 900), look, trigger.one(ANSWER, ttl, address))
}

/// Injector 3.
fn third(trigger: &Trigger<'_>, rng: &mut Rng) -> Forged {
    of_third(trigger, rng, next(trigger).into())
}

fn of_third(trigger: &Trigger<'_>, rng: &mut Rng, address: IpAddr) -> Forged {
    let look = Look { ttl: trigger.ttl(), ip_id: 0, df: false };
    let ttl = rng.range(60, 300) as u32;
    sent(rng.range(150, 900), look, trigger.one(0x8400, ttl, address))
}

fn three(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Forged> {
    let mut all = vec![first(trigger, rng), second(trigger, rng), third(trigger, rng)];
    let start = all[0].after;
    for forged in &mut all[1..] {
        forged.after = start + rng.below(200_000);
    }
    all
}

/// What the resolver says, with other addresses.
fn genuine_looking(trigger: &Trigger<'_>, rng: &mut Rng) -> Message {
    let v6 = trigger.asked.query.kind() == kind::AAAA;
    let address = names::address(rng.bits(), 7, v6);
    let mut message = trigger.genuine.clone();
    message.flags = ANSWER;
    message.authority.clear();
    message.answers.truncate(1);
    let ttl = message.answers.first().map_or(300, |record| record.ttl);
    message.answers = vec![Record::new(ttl, Data::Address(address))];
    message
}
