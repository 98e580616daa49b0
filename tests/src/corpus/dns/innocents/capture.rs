//! What observing does to look-ups.

use super::{Behaviour, ask_for, network::answered};
use crate::corpus::{
    dns::{message::kind, scene::Scene},
    script::{MS, SECOND},
    tape::forward,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "mirror-port",
        what: "a mirror port gives each packet twice, some microseconds apart",
        act: |scene| copies(scene, 1.0, |_| {}),
    },
    Behaviour {
        name: "mirror-port-some",
        what: "a busy mirror port gives some packets twice",
        act: |scene| copies(scene, 0.4, |_| {}),
    },
    Behaviour {
        name: "before-and-after",
        what: "each packet once as it enters and once as it leaves: TTL one less",
        act: |scene| copies(scene, 1.0, forward),
    },
    Behaviour {
        name: "only-queries",
        what: "only questions pass here",
        act: |scene| one_way(scene, true),
    },
    Behaviour {
        name: "only-answers",
        what: "only answers pass here: two to one question that was asked twice",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let again = scene.again(&asked, asked.time + SECOND);
            let node = scene.usual();
            let first = scene.mark() - 2;
            for asked in [&asked, &again] {
                scene.answer(asked, &node);
            }
            keep(scene, first, false);
        },
    },
    Behaviour {
        name: "midway",
        what: "the capture begins between question and answer",
        act: |scene| one_way(scene, false),
    },
    Behaviour {
        name: "retry-unseen",
        what: "asked twice, of which the capture has one; two equal answers",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.usual();
            let time = asked.time + 1_050 * MS;
            let reply = scene.truth(&asked, &node, time);
            for later in [0, 300_000] {
                scene.reply(&asked, &node, time + later, &reply);
            }
        },
    },
];

/// A look-up of which a share of the packets is there twice, the copy changed by `change`.
fn copies(scene: &mut Scene<'_>, share: f64, change: fn(&mut [u8])) {
    let first = scene.mark();
    answered(scene);
    for index in first..scene.mark() {
        if scene.rng.chance(share) {
            let time = scene.tape.records[index].time + scene.rng.range(1_000, 60_000);
            scene.tape.copy(index, time, change);
        }
    }
}

fn one_way(scene: &mut Scene<'_>, client: bool) {
    let first = scene.mark();
    answered(scene);
    keep(scene, first, client);
}

/// Of the frames from `first` on only those of one side.
fn keep(scene: &mut Scene<'_>, first: usize, client: bool) {
    let mut index = 0;
    scene.tape.retain(|_, record| {
        index += 1;
        index <= first || record.from_client == client
    });
}
