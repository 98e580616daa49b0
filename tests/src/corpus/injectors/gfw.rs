//! The national firewall of China, through twenty years.

use super::{
    ALL, ASKED, BOTH, Deed, FIN_PSH_ACK, LIVE, Look, Model, PSH_ACK, QUESTION, RST, RST_ACK, Then,
    Web, ahead, carrying, forge, shot,
};
use crate::corpus::{
    apps,
    device::{Shot, Stage, Trigger},
    rng::Rng,
    segment::{End, flag},
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "gfw-2006",
        what: "three RST to each end, numbered x, x+1460 and x+4380",
        source: "Clayton, Murdoch, Watson: Ignoring the Great Firewall of China (PET 2006)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ALL,
        fire: ladder_2006,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-2012",
        what: "four RST whose numbers vary, in two groups of one TTL with IP-IDs that count up",
        source: "Verkamp, Gupta: Inferring Mechanics of Web Censorship (FOCI 2012)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ALL,
        fire: groups_2012,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-type1",
        what: "one RST to each end: IP-ID 0, DF clear, TTL and window random, no acknowledgment",
        source: "Wang et al.: Your State is Not Mine (IMC 2017), section 2; observed TTL 55 to 118 \
                 and DF in Wu et al. (S&P 2025)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: type1,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-type2",
        what: "three RST+ACK at x, x+1460, x+4380; TTL and window count up in lockstep",
        source: "Wang et al. (IMC 2017), section 2; Marczak et al. (FOCI 2015), section 3.1",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: type2,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-type2-same",
        what: "three identical RST+ACK, DF set, IP-ID and TTL random",
        source: "Wu et al.: A Wall Behind A Wall (S&P 2025), type II",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: type2_same,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-type3",
        what: "one RST+ACK to each end, IP-ID 0x9916 to 0x9933, DF clear, TTL near 248",
        source: "Wu et al.: A Wall Behind A Wall (S&P 2025), type III",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: type3,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-dns-over-tcp",
        what: "three identical RST+ACK to each end, for a name in a question over TCP",
        source: "Farnan, Darer, Wright: Poisoning the Well (WPES 2016); the packets as of type II",
        web: Web::Dns,
        deed: Deed::Injected,
        stages: QUESTION,
        fire: type2_same,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-mixed",
        what: "types I and II on the same connection, as at a tap with two devices behind it",
        source: "Weaver, Sommer, Paxson (NDSS 2009), section 7.1; Bock et al. (USENIX Sec 2021)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| [type1(trigger, rng), type2(trigger, rng)].concat(),
        then: Then::Nothing,
    },
    Model {
        name: "gfw-2023-triple",
        what: "three RST+ACK of one number for each trigger; TTL and window count up",
        source: "net4people/bbs#285 (1.1.1.1:443, September 2023)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: triple,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-2023-drop",
        what: "one RST+ACK to the client; what the client sends is dropped",
        source: "net4people/bbs#285 (1.1.1.1:443, September 2023), variant",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            let ttl = rng.range(60, 200) as u8;
            let look = Look { ttl, ip_id: rng.u16(), df: true, window: rng.u16() };
            vec![shot(800, forge(trigger, End::Server, RST_ACK, look))]
        },
        then: Then::CutClient,
    },
    Model {
        name: "gfw-2025-443",
        what: "three RST+ACK of one number for the SYN and three for the SYN+ACK",
        source: "net4people/bbs#511 (every port 443, 20 August 2025)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: &[Stage::Before, Stage::At],
        fire: triple,
        then: Then::AgainAtAnswer,
    },
    Model {
        name: "gfw-edge",
        what: "RST with the TTL of the user's own packets, window 0, no options",
        source: "net4people/bbs#248 (May 2023)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: edge,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-timestamps",
        what: "RST+ACK with a timestamp far from the connection's",
        source: "net4people/bbs#442",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: LIVE,
        fire: skewed,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-301",
        what: "HTTP 301 in PSH+ACK, window 502, IP-ID 0x99b3, TTL 251, DF clear; genuine follows",
        source: "net4people/bbs#295 (1.1.1.1:80, October 2023)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: LIVE,
        fire: moved_301,
        then: Then::Nothing,
    },
    Model {
        name: "gfw-302",
        what: "HTTP 302 in FIN+PSH+ACK, window 65535, IP-ID 0x4c57, TTL 251, DF clear",
        source: "net4people/bbs#295 (1.1.1.1:80, October 2023)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: LIVE,
        fire: found_302,
        then: Then::Nothing,
    },
    Model {
        name: "great-cannon",
        what: "a script in place of the response: TTL 201, 202, 203 with window 767, 768, 769",
        source: "Marczak et al.: An Analysis of China's \"Great Cannon\" (FOCI 2015)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: cannon,
        then: Then::Swallow,
    },
    Model {
        name: "weaver-minus-26",
        what: "RST whose IP-ID is 26 less than that of the packet it answers",
        source: "Weaver, Sommer, Paxson (NDSS 2009), section 7.1",
        web: Web::Http,
        deed: Deed::Injected,
        stages: LIVE,
        fire: |trigger, rng| {
            let ip_id = trigger.segment.ip_id.wrapping_sub(26);
            let look = Look { ttl: 75, ip_id, df: false, window: rng.u16() };
            BOTH.into_iter().map(|from| shot(900, forge(trigger, from, RST, look))).collect()
        },
        then: Then::Nothing,
    },
    Model {
        name: "weaver-rae",
        what: "RST+ACK with the ECN nonce bit, IP-ID 64",
        source: "Weaver, Sommer, Paxson (NDSS 2009), section 7.1",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ALL,
        fire: nonce,
        then: Then::Nothing,
    },
];

/// Where the ladder's rungs are, in octets.
const RUNGS: [u32; 3] = [0, 1_460, 4_380];

fn ladder_2006(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 58, ip_id: rng.u16(), df: false, window: rng.u16() };
    let mut shots = Vec::new();
    for from in BOTH {
        for (index, rung) in RUNGS.into_iter().enumerate() {
            let reset = ahead(forge(trigger, from, RST, look), rung);
            shots.push(shot(900 + index as u64 * 25, reset));
        }
    }
    shots
}

fn groups_2012(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let (one, two) = (rng.u16(), rng.u16());
    let mut shots = Vec::new();
    for from in BOTH {
        for index in 0..4_u16 {
            let (ttl, ids) = if index < 2 { (91, one) } else { (148, two) };
            let ip_id = ids.wrapping_add(index);
            let look = Look { ttl, ip_id, df: false, window: rng.u16() };
            let octets = [0, 1_460, 2_920, 5_840][usize::from(index)];
            let flags = if index % 2 == 0 { RST } else { RST_ACK };
            let reset = ahead(forge(trigger, from, flags, look), octets);
            shots.push(shot(1_200 + u64::from(index) * 40, reset));
        }
    }
    shots
}

fn type1(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    for from in BOTH {
        let ttl = rng.range(60, 125) as u8;
        let look = Look { ttl, ip_id: 0, df: false, window: rng.u16() };
        // A SYN can only be refused with an acknowledgment.
        let bare = trigger.known[from as usize].seen;
        let flags = if bare { RST } else { RST_ACK };
        shots.push(shot(rng.range(500, 2_500), forge(trigger, from, flags, look)));
    }
    shots
}

pub(super) fn type2(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    burst(trigger, rng, RUNGS)
}

fn triple(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    burst(trigger, rng, [0; 3])
}

/// Three RST+ACK to each end; TTL and window count up.
fn burst(trigger: &Trigger<'_>, rng: &mut Rng, rungs: [u32; 3]) -> Vec<Shot> {
    let mut shots = Vec::new();
    let (ttl, window) = (rng.range(60, 200) as u8, rng.range(100, 60_000) as u16);
    let mut count = 0;
    for from in BOTH {
        for (index, rung) in rungs.into_iter().enumerate() {
            let look = Look {
                ttl: ttl + count,
                ip_id: rng.u16(),
                df: true,
                window: window + u16::from(count),
            };
            let reset = ahead(forge(trigger, from, RST_ACK, look), rung);
            shots.push(shot(800 + index as u64 * 12, reset));
            count += 1;
        }
    }
    shots
}

fn type2_same(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    for from in BOTH {
        let ttl = rng.range(60, 245) as u8;
        let ip_id = rng.range(0x00a3, 0xfe5f) as u16;
        let look = Look { ttl, ip_id, df: true, window: rng.u16() };
        for index in 0..3 {
            shots.push(shot(700 + index * 8, forge(trigger, from, RST_ACK, look)));
        }
    }
    shots
}

fn type3(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    for from in BOTH {
        let ip_id = rng.range(0x9916, 0x9933) as u16;
        let look = Look { ttl: 252, ip_id, df: false, window: rng.u16() };
        shots.push(shot(rng.range(400, 1_800), forge(trigger, from, RST_ACK, look)));
    }
    shots
}

fn edge(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let ttl = trigger.known[End::Client as usize].ttl;
    let look = Look { ttl, ip_id: rng.u16(), df: false, window: 0 };
    let flags = if trigger.known[1].seen { RST } else { RST_ACK };
    vec![shot(rng.range(200, 900), forge(trigger, End::Server, flags, look))]
}

fn skewed(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    for from in BOTH {
        let look =
            Look { ttl: rng.range(60, 120) as u8, ip_id: rng.u16(), df: true, window: rng.u16() };
        let mut reset = forge(trigger, from, RST_ACK, look);
        if trigger.known[from as usize].timestamps.is_some() {
            reset.options.timestamps = Some((rng.u32(), rng.u32()));
        }
        shots.push(shot(rng.range(500, 2_000), reset));
    }
    shots
}

fn moved_301(trigger: &Trigger<'_>, _: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 254, ip_id: 0x99b3, df: false, window: 502 };
    let page = apps::redirect(301, "https://one.one.one.one/");
    vec![shot(600, carrying(forge(trigger, End::Server, PSH_ACK, look), page))]
}

fn found_302(trigger: &Trigger<'_>, _: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 254, ip_id: 0x4c57, df: false, window: 65_535 };
    let page = apps::redirect(302, "http://0.0.0.0/");
    vec![shot(600, carrying(forge(trigger, End::Server, FIN_PSH_ACK, look), page))]
}

fn cannon(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let part = apps::ok(900, rng);
    let mut at = 0;
    (0..3_u8)
        .map(|index| {
            let window = 767 + u16::from(index);
            let look = Look { ttl: 201 + index, ip_id: rng.u16(), df: false, window };
            let flags = if index == 2 { FIN_PSH_ACK } else { flag::ACK | flag::PSH };
            let packet =
                carrying(ahead(forge(trigger, End::Server, flags, look), at), part.clone());
            at += part.len() as u32;
            shot(700 + u64::from(index) * 15, packet)
        })
        .collect()
}

fn nonce(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    BOTH.into_iter()
        .map(|from| {
            let look = Look { ttl: 70, ip_id: 64, df: false, window: rng.u16() };
            shot(900, forge(trigger, from, RST_ACK | flag::NS, look))
        })
        .collect()
}
