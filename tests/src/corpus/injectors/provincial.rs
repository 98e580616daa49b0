//! Regional and national resetters with a mark of their own.

use super::{ALL, BOTH, Deed, LIVE, Look, Model, RST, RST_ACK, Then, Web, carrying, forge, shot};
use crate::corpus::{
    device::{Shot, Trigger},
    rng::Rng,
    segment::End,
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "henan",
        what: "RST+ACK to the client only, payload 01 to 09 and 00, IP-ID 1, TTL 58 seen",
        source: "Wu et al.: A Wall Behind A Wall (S&P 2025)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: henan,
        then: Then::Nothing,
    },
    Model {
        name: "henan-and-gfw",
        what: "Henan's reset and, some milliseconds later, the three of the national firewall",
        source: "net4people/bbs#442: three and one",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            let mut shots = henan(trigger, rng);
            for mut later in super::gfw::type2(trigger, rng) {
                later.delay += 12 * crate::corpus::script::MS;
                shots.push(later);
            }
            shots
        },
        then: Then::Nothing,
    },
    Model {
        name: "tajikistan",
        what: "RST+ACK with 22 zero octets of payload",
        source: "Nourin et al.: Detecting Network Interference Without Endpoint Participation \
                 (FOCI 2023)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: LIVE,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 0 };
            let reset = forge(trigger, End::Server, RST_ACK, look);
            vec![shot(400, carrying(reset, vec![0; 22]))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "brunei",
        what: "RST whose IP-ID is that of the packet it answers",
        source: "Nourin et al. (FOCI 2023): AS10094",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, _| {
            let look = Look { ttl: 64, ip_id: trigger.segment.ip_id, df: true, window: 0 };
            let flags = if trigger.known[1].seen { RST } else { RST_ACK };
            vec![shot(300, forge(trigger, End::Server, flags, look))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "mirror-all",
        what: "RST+ACK that copies IP-ID, TTL and window of the packet it answers",
        source: "composite of mirroring injectors: Nourin et al. (FOCI 2023), fox-it/quantuminsert",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, _| {
            let of = trigger.segment;
            let look = Look { ttl: of.ttl, ip_id: of.ip_id, df: of.df, window: of.window };
            BOTH.into_iter().map(|from| shot(350, forge(trigger, from, RST_ACK, look))).collect()
        },
        then: Then::Nothing,
    },
    Model {
        name: "turkmenistan",
        what: "RST+ACK to both ends, and nothing of the server passes any more",
        source: "Nourin et al.: Measuring and Evading Turkmenistan's Internet Censorship (WWW 2023)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            BOTH.into_iter()
                .map(|from| {
                    let look = Look { ttl: 64, ip_id: rng.u16(), df: true, window: 0 };
                    shot(250, forge(trigger, from, RST_ACK, look))
                })
                .collect()
        },
        then: Then::Cut,
    },
];

fn henan(trigger: &Trigger<'_>, _: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 60, ip_id: 1, df: false, window: 0 };
    let reset = forge(trigger, End::Server, RST_ACK, look);
    vec![shot(300, carrying(reset, &b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00"[..]))]
}
