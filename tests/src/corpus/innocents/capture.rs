//! What observing does to packets.

use super::{Behaviour, network::usual};
use crate::corpus::{
    scene::{Scene, Talk, then},
    script::{MS, SECOND, Step},
    tape::forward,
    world::World,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "mirror-port",
        what: "a mirror port gives each packet twice, some microseconds apart",
        act: |scene| {
            let mut world = aborted(scene);
            copies(scene, &mut world, 1.0, |_| {});
        },
    },
    Behaviour {
        name: "mirror-port-some",
        what: "a busy mirror port gives some packets twice",
        act: |scene| {
            let mut world = aborted(scene);
            copies(scene, &mut world, 0.3, |_| {});
        },
    },
    Behaviour {
        name: "before-and-after",
        what: "each packet once as it enters and once as it leaves: TTL one less",
        act: |scene| {
            let mut world = aborted(scene);
            copies(scene, &mut world, 1.0, forward);
        },
    },
    Behaviour {
        name: "only-client",
        what: "only the client's packets pass here",
        act: |scene| one_way(scene, true),
    },
    Behaviour {
        name: "only-server",
        what: "only the server's packets pass here",
        act: |scene| one_way(scene, false),
    },
    Behaviour {
        name: "midway",
        what: "the capture begins in the middle of the connection, which is reset",
        act: |scene| {
            let mut world = aborted(scene);
            world.blind_until = scene.rng.below(6 * scene.rtt());
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "midway-closed",
        what: "the capture begins in the middle of the connection, which is closed",
        act: |scene| {
            let mut world = usual(scene);
            world.blind_until = scene.rng.below(6 * scene.rtt());
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "bundled",
        what: "segments of up to 60,000 octets, as before the network card cuts them",
        act: |scene| bundled(scene, 40),
    },
    Behaviour {
        name: "joined",
        what: "segments of a few largest sizes, as after the network card has joined them",
        act: |scene| {
            let bundle = scene.rng.range(2, 8) as u16;
            bundled(scene, bundle);
        },
    },
    Behaviour {
        name: "capture-drops",
        what: "the capture itself loses one packet in ten; the ends do not",
        act: |scene| {
            let mut world = aborted(scene);
            let first = scene.tape.records.len();
            scene.run(&mut world);
            let mut rng = scene.rng.clone();
            let mut index = 0;
            scene.tape.retain(|_, _| {
                index += 1;
                index <= first || !rng.chance(0.1)
            });
        },
    },
];

/// A connection that the server or the client aborts, now and then closes.
fn aborted(scene: &mut Scene<'_>) -> World {
    let talk = Talk::tls("www.example.org", false, 9_000, &mut scene.rng);
    let pause = scene.rng.below(2 * scene.rtt());
    let (mut client, mut server) = (talk.client(), talk.server(MS));
    match scene.rng.below(3) {
        0 => server.extend([Step::Pause(pause), Step::Abort]),
        1 => {
            client.pop_back();
            client.extend([Step::Await(talk.greeting() + 2_000), Step::Abort]);
        }
        _ => {
            client.push_back(Step::Close);
            server.extend([Step::AwaitFin, Step::Close]);
        }
    }
    let server = then(server, [Step::AwaitFin, Step::Pause(SECOND)]);
    scene.world(client, server)
}

/// Runs `world`, and doubles a share of the packets, the copy changed by `change`.
fn copies(scene: &mut Scene<'_>, world: &mut World, share: f64, change: fn(&mut [u8])) {
    let first = scene.tape.records.len();
    scene.run(world);
    for index in first..scene.tape.records.len() {
        if scene.rng.chance(share) {
            let time = scene.tape.records[index].time + scene.rng.range(1_000, 60_000);
            scene.tape.copy(index, time, change);
        }
    }
}

fn one_way(scene: &mut Scene<'_>, client: bool) {
    let mut world = aborted(scene);
    let first = scene.tape.records.len();
    scene.run(&mut world);
    let mut index = 0;
    scene.tape.retain(|_, record| {
        index += 1;
        index <= first || record.from_client == client
    });
}

fn bundled(scene: &mut Scene<'_>, bundle: u16) {
    let talk = Talk::tls("www.example.org", false, 120_000 / scene.brief, &mut scene.rng);
    let last = if scene.rng.chance(0.4) { Step::Abort } else { Step::Close };
    let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(then(talk.client(), [last]), server);
    world.ends.iter_mut().for_each(|end| end.knobs.bundle = bundle);
    scene.run(&mut world);
}
