//! What fails after a trigger although it asks for nothing that is forbidden.

use super::{BOTH, Deed, Look, Model, RST, RST_ACK, Then, Web, forge, shot};
use crate::corpus::{
    device::Stage,
    segment::{End, flag},
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "residual-rst",
        what: "90 s after a trigger every connection to that port is reset at its first packets",
        source: "Bock et al.: Your Censor is My Censor (WOOT 2021): China, three-tuple, 90 s",
        web: Web::Http,
        deed: Deed::Injected,
        stages: &[Stage::Before, Stage::At, Stage::After],
        fire: |trigger, rng| {
            let mut shots = Vec::new();
            for from in BOTH {
                let look = Look {
                    ttl: rng.range(60, 180) as u8,
                    ip_id: rng.u16(),
                    df: true,
                    window: rng.u16(),
                };
                let flags = if trigger.known[from as usize].seen { RST } else { RST_ACK };
                shots.push(shot(900, forge(trigger, from, flags, look)));
            }
            shots
        },
        then: Then::Again(3),
    },
    Model {
        name: "residual-drop",
        what: "120 s after a trigger nothing on these ports passes",
        source: "Bock et al.: Your Censor is My Censor (WOOT 2021): Kazakhstan 120 s, Iran 180 s",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: &[Stage::Before, Stage::After],
        fire: super::silence,
        then: Then::Cut,
    },
    Model {
        name: "forged-syn-ack",
        what: "a SYN+ACK with a wrong number races the genuine one",
        source: "Wang et al.: Your State is Not Mine (IMC 2017), section 2: type II within 90 s",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: &[Stage::Before],
        fire: |trigger, rng| {
            let look = Look { ttl: 150, ip_id: rng.u16(), df: true, window: rng.u16() };
            let mut answer = forge(trigger, End::Server, flag::SYN | flag::ACK, look);
            answer.seq = rng.u32();
            vec![shot(700, answer)]
        },
        then: Then::Nothing,
    },
];
