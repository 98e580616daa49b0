//! Packets that somebody made by hand, and nobody on the way.

use super::{Behaviour, network::usual};
use crate::corpus::{
    apps,
    path::node,
    scene::{Scene, Talk, then},
    script::{MS, SECOND, Step},
    segment::{End, Segment, Truth, flag},
    world::World,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fake-hello",
        what: "a circumvention tool sends a ClientHello for another name that dies on the way, \
               then the true one at the same number",
        act: |scene| {
            let mut world = tool(scene);
            let mut fake = from_client(scene, &world);
            fake.flags = flag::PSH | flag::ACK;
            fake.payload = apps::client_hello("www.w3.org", false, &mut scene.rng);
            let at = scene.rtt() + scene.rtt() / 20 + MS / 2;
            world.intrude(node::CLIENT, at, fake);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "fake-reset",
        what: "a circumvention tool sends a reset that dies on the way",
        act: |scene| {
            let mut world = tool(scene);
            let mut fake = from_client(scene, &world);
            fake.flags = if scene.rng.chance(0.5) { flag::RST } else { flag::RST | flag::ACK };
            let at = scene.rtt() + scene.rtt() / 20 + MS / 2;
            world.intrude(node::CLIENT, at, fake);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "blind-resets",
        what: "somebody far away guesses: resets in the server's name with random numbers, all of \
               which miss",
        act: |scene| {
            let mut world = usual(scene);
            for index in 0..scene.rng.range(3, 20) {
                let mut reset = Segment::empty(End::Server);
                reset.truth = Truth::Spoofed;
                reset.flags = flag::RST;
                (reset.seq, reset.ip_id) = (scene.rng.u32(), scene.rng.u16());
                reset.ttl = 255;
                world.intrude(node::SERVER, scene.rtt() * 2 + index * MS, reset);
            }
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "challenge",
        what: "the same with a number within the window: the client answers with an ACK (RFC 5961)",
        act: |scene| {
            let mut world = usual(scene);
            let mut reset = Segment::empty(End::Server);
            reset.truth = Truth::Spoofed;
            reset.flags = flag::RST;
            reset.seq = world.ends[1].isn().wrapping_add(scene.rng.range(40_000, 60_000) as u32);
            reset.ttl = 255;
            world.intrude(node::SERVER, scene.rtt() * 2, reset);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "old-reset",
        what: "a reset of the connection that had these ports before comes late",
        act: |scene| {
            let mut world = usual(scene);
            let mut reset = Segment::empty(End::Server);
            reset.flags = flag::RST | flag::ACK;
            (reset.seq, reset.ack) = (scene.rng.u32(), scene.rng.u32());
            reset.ttl = scene.site.os.ttl;
            world.intrude(node::SERVER, scene.rtt() * 3 / 2, reset);
            scene.run(&mut world);
        },
    },
];

/// A connection of a client whose tool waits a little before it lets the true request out.
fn tool(scene: &mut Scene<'_>) -> World {
    let talk = Talk::tls("blocked.example.org", false, 3_000, &mut scene.rng);
    let mut client = talk.client();
    client.push_front(Step::Pause(scene.rtt() / 8 + 2 * MS));
    let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
    let client = then(client, [Step::Pause(SECOND), Step::Close]);
    scene.world(client, server)
}

/// A packet of the client's tool: right numbers, a TTL that does not reach the server.
fn from_client(scene: &mut Scene<'_>, world: &World) -> Segment {
    let mut fake = Segment::empty(End::Client);
    fake.ttl = scene.guest.hops + 3;
    fake.ip_id = scene.rng.u16();
    fake.seq = world.ends[0].isn().wrapping_add(1);
    fake.ack = world.ends[1].isn().wrapping_add(1);
    fake.window = 502;
    fake
}
