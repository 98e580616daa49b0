//! Programs that anybody can run, as they were observed in a lab.

use super::{BOTH, Deed, Model, Place, V4, sent};
use crate::corpus::dns::{datagram::Look, message::ANSWER, resolver::Sort};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "dnsspoof",
        what: "one address for 60 s, flags 0x8180, TTL 64, IP-ID at random, DF clear; only without EDNS",
        source: "dsniff 2.4, as it was observed",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Provider,
        kinds: V4,
        edns: false,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false };
            let message = trigger.one(ANSWER, 60, trigger.choose("203.0.113.7", "::"));
            vec![sent(rng.range(60, 900), look, message)]
        },
    },
    Model {
        name: "ettercap",
        what: "one address for 3600 s, flags 0x8400, TTL 64, the same IP-ID for a whole run",
        source: "Ettercap 0.8.3, as it was observed",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Provider,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: 0x7ee7, df: false };
            let address = trigger.choose("203.0.113.66", "2001:db8::66");
            vec![sent(rng.range(60, 900), look, trigger.one(0x8400, 3_600, address))]
        },
    },
    Model {
        name: "bettercap",
        what: "one address for 1024 s, TTL 64, IP-ID 0, the question's other flags",
        source: "bettercap 2.32, dns_spoof.go",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Provider,
        kinds: BOTH,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: 0, df: false };
            let address = trigger.choose("203.0.113.8", "2001:db8::8");
            vec![sent(rng.range(200, 2_500), look, trigger.one(0x8000, 1_024, address))]
        },
    },
    Model {
        name: "scapy",
        what: "IP-ID 1, TTL 64, DF clear, flags 0x8500, record TTL 10, the name in full",
        source: "captures of SnehaPathrose/DNSSpoofAndDetect; scapy's defaults",
        deed: Deed::Injected,
        place: Place::Beside,
        sort: Sort::Public,
        kinds: V4,
        edns: true,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: 1, df: false };
            let mut message = trigger.one(0x8500, 10, trigger.choose("123.234.56.78", "::"));
            for answer in &mut message.answers {
                answer.owner = message.question.as_ref().map(|question| question.name.clone());
            }
            vec![sent(rng.range(2_000, 12_000), look, message)]
        },
    },
];
