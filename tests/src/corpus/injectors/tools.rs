//! Programs that anybody can run: what a laboratory, an intruder or a small provider uses.

use super::{
    ALL, ASKED, BOTH, Deed, LIVE, Look, Model, PSH_ACK, RST, RST_ACK, Then, Web, ahead, carrying,
    forge, shot,
};
use crate::corpus::{
    apps,
    device::{Shot, Stage, Trigger},
    rng::Rng,
    segment::End,
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "scapy",
        what: "one RST with a packet library's defaults: IP-ID 1, DF clear, window 8192, TTL 64",
        source: "the defaults of scapy's IP() and TCP()",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, _| {
            let look = Look { ttl: 64, ip_id: 1, df: false, window: 8_192 };
            let flags = if trigger.known[1].seen { RST } else { RST_ACK };
            vec![shot(2_000, forge(trigger, End::Server, flags, look))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "geneva",
        what: "five RST of one number to the client for each packet that it sends",
        source: "Bock et al.: Geneva (CCS 2019), censor 2 of its test bed",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, _| {
            let look = Look { ttl: 64, ip_id: 1, df: false, window: 8_192 };
            let flags = if trigger.known[1].seen { RST } else { RST_ACK };
            let reset = forge(trigger, End::Server, flags, look);
            (0..5).map(|index| shot(1_000 + index * 300, reset.clone())).collect()
        },
        then: Then::Again(4),
    },
    Model {
        name: "triple-same",
        what: "three RST of one number to each end within 100 us, no DF, IP-ID 0",
        source: "Weaver, Sommer, Paxson (NDSS 2009): simple injectors",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, _| {
            let look = Look { ttl: 64, ip_id: 0, df: false, window: 0 };
            let mut shots = Vec::new();
            for from in BOTH {
                let flags = if trigger.known[from as usize].seen { RST } else { RST_ACK };
                for index in 0..3 {
                    shots.push(shot(200 + index * 30, forge(trigger, from, flags, look)));
                }
            }
            shots
        },
        then: Then::Nothing,
    },
    Model {
        name: "tcpkill",
        what: "for each packet three RST at multiples of its window, random IP-ID, TTL 64",
        source: "dsniff 2.4, tcpkill.c",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: tcpkill,
        then: Then::Again(6),
    },
    Model {
        name: "ladder",
        what: "ten RST at x, x+1460 and so on",
        source: "bro-aux, rst.c; used by Bro's terminate_connection",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: LIVE,
        fire: |trigger, rng| {
            let look = Look { ttl: 255, ip_id: rng.u16(), df: false, window: 0 };
            let mut shots = Vec::new();
            for from in BOTH {
                for index in 0..10_u32 {
                    let reset = ahead(forge(trigger, from, RST, look), index * 1_460);
                    shots.push(shot(3_000 + u64::from(index) * 20, reset));
                }
            }
            shots
        },
        then: Then::Nothing,
    },
    Model {
        name: "reject",
        what: "a firewall in the way refuses the client's packet: RST as a stack without a socket",
        source: "Linux nf_send_reset(): REJECT --reject-with tcp-reset",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: &[Stage::Before, Stage::After],
        fire: |trigger, _| vec![shot(20, refusal(trigger))],
        then: Then::CutClient,
    },
    Model {
        name: "ips-reject",
        what: "an intrusion prevention system resets both ends and drops the packet",
        source: "Suricata 7, respond-reject-libnet11.c",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            BOTH.into_iter()
                .map(|from| {
                    let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 0 };
                    shot(150, forge(trigger, from, RST_ACK, look))
                })
                .collect()
        },
        then: Then::Cut,
    },
    Model {
        name: "quantum-insert",
        what: "a redirect that races the genuine response, TTL and IP-ID its own; no options",
        source: "Fox-IT: Deep dive into QUANTUM INSERT (2015)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: LIVE,
        fire: |trigger, _| {
            let look = Look { ttl: 64, ip_id: 1, df: false, window: 8_192 };
            let page = apps::redirect(302, "http://fox-it.invalid/");
            vec![shot(1_500, carrying(forge(trigger, End::Server, PSH_ACK, look), page))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "both-sides",
        what: "one RST+ACK to each end with the header fields of the end it is named after",
        source: "Nakibly et al. (2016): injectors that imitate the server",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: LIVE,
        fire: imitation,
        then: Then::Nothing,
    },
    Model {
        name: "late",
        what: "content that loses the race: it comes after the genuine response has begun",
        source: "fox-it/quantuminsert, id1.cn: the forgery arrives 104 ms late",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: |trigger, _| {
            let of = trigger.known[1];
            let look = Look { ttl: of.ttl, ip_id: 0xdeaa, df: true, window: 65_535 };
            let page = apps::redirect(302, "http://beaver.invalid/");
            vec![shot(250_000, carrying(forge(trigger, End::Server, PSH_ACK, look), page))]
        },
        then: Then::Nothing,
    },
];

/// What a stack without a socket would answer to the trigger.
fn refusal(trigger: &Trigger<'_>) -> crate::corpus::segment::Segment {
    let look = Look { ttl: 64, ip_id: 0, df: true, window: 0 };
    if trigger.known[1].seen {
        let mut reset = forge(trigger, End::Server, RST, look);
        reset.seq = trigger.segment.ack;
        reset
    } else {
        forge(trigger, End::Server, RST_ACK, look)
    }
}

fn tcpkill(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    for from in BOTH {
        let window = u32::from(trigger.known[from.other() as usize].window);
        for index in 0..3_u32 {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 0 };
            let flags = if trigger.known[from as usize].seen { RST } else { RST_ACK };
            // It adds up: 0, one window, three windows.
            let step = window * (index * (index + 1) / 2);
            let reset = ahead(forge(trigger, from, flags, look), step);
            shots.push(shot(400 + u64::from(index) * 10, reset));
        }
    }
    shots
}

fn imitation(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    BOTH.into_iter()
        .map(|from| {
            let of = trigger.known[from as usize];
            let ip_id = of.ip_id.wrapping_add(1);
            let look = Look { ttl: of.ttl, ip_id, df: of.df, window: of.window };
            let mut reset = forge(trigger, from, RST_ACK, look);
            reset.label = of.label;
            reset.options.timestamps =
                of.timestamps.map(|(value, echo)| (value.wrapping_add(1), echo));
            shot(rng.range(200, 800), reset)
        })
        .collect()
}
