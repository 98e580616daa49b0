//! What networks do to packets without meaning it.

use super::{Accident, Behaviour, Fate, ordinary};
use crate::{
    corpus::{
        path::{Route, node},
        scene::{Scene, Talk, Trait, then},
        script::{MS, SECOND, Step},
        segment::{End, Segment, Wrong, flag},
        world::World,
    },
    script,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "loss",
        what: "one packet in thirty is lost",
        act: |scene| {
            scene.rough = (0.03, 0.0, 0.0);
            ordinary::https(scene);
        },
    },
    Behaviour {
        name: "loss-heavy",
        what: "one packet in ten is lost: a bad radio link",
        act: |scene| {
            scene.rough = (0.1, 0.0, 0.0);
            ordinary::https(scene);
        },
    },
    Behaviour {
        name: "reordering",
        what: "one packet in eight is overtaken",
        act: |scene| {
            scene.rough = (0.0, 0.0, 0.12);
            ordinary::https(scene);
        },
    },
    Behaviour {
        name: "duplication",
        what: "one packet in eight arrives twice",
        act: |scene| {
            scene.rough = (0.0, 0.12, 0.0);
            ordinary::https(scene);
        },
    },
    Behaviour {
        name: "rough-abort",
        what: "loss, duplication, overtaking, and the server aborts in the middle",
        act: |scene| {
            scene.rough = (0.02, 0.06, 0.12);
            let talk = Talk::tls("www.example.org", false, 20_000, &mut scene.rng);
            let pause = scene.rng.below(2 * scene.rtt());
            let server = then(talk.server(MS), [Step::Pause(pause), Step::Abort]);
            let client = then(talk.client(), [Step::Pause(SECOND), Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "rough-tab-closed",
        what: "the same, and the client aborts",
        act: |scene| {
            scene.rough = (0.02, 0.06, 0.12);
            let talk = Talk::tls("www.example.org", false, 20_000, &mut scene.rng);
            let part = talk.greeting() + 4_000;
            let mut client = talk.client();
            client.pop_back();
            let client = then(client, [Step::Await(part), Step::Abort]);
            let mut world = scene.world(client, talk.server(MS));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "spurious-retransmission",
        what: "a packet waits for most of a second in a queue; its copy arrives first",
        act: |scene| {
            let nth = scene.rng.range(2, 6);
            let hold = scene.rng.range(300, 1_500) * MS;
            let mut world = usual(scene);
            let mut count = 0;
            let accident = Accident(move |segment: &Segment| {
                count += u64::from(!segment.payload.is_empty());
                if count == nth && !segment.payload.is_empty() {
                    count += 1;
                    return Fate::IsHeld(hold);
                }
                Fate::Passes
            });
            let place = if scene.rng.chance(0.5) { node::UPSTREAM } else { node::DOWNSTREAM };
            world.put(place, Box::new(accident));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "bits-flipped",
        what: "in one packet of eight a bit goes wrong; who it is for throws it away for its checksum, \
               and it is sent again",
        act: |scene| {
            let mut world = usual(scene);
            for link in [0, 3] {
                world.path.links[link].wrong = 0.12;
            }
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "bits-flipped-abort",
        what: "the same, and the server aborts in the middle",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 20_000, &mut scene.rng);
            let pause = scene.rng.below(2 * scene.rtt());
            let server = then(talk.server(MS), [Step::Pause(pause), Step::Abort]);
            let client = then(talk.client(), [Step::Pause(SECOND), Step::Close]);
            let mut world = scene.world(client, server);
            for link in [0, 3] {
                world.path.links[link].wrong = 0.12;
            }
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "flags-flipped",
        what: "one of the server's packets looks like a reset, by a bit that went wrong; its checksum is \
               wrong, and it is sent again",
        act: |scene| {
            let nth = scene.rng.range(0, 8);
            let mut world = usual(scene);
            let mut count = 0;
            let accident = Accident(move |segment: &Segment| {
                count += u64::from(segment.from == End::Server);
                if count == nth + 1 && segment.from == End::Server {
                    count += 1;
                    return Fate::IsDamaged(Wrong::Flags(flag::RST));
                }
                Fate::Passes
            });
            world.put(node::UPSTREAM, Box::new(accident));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "repacked",
        what: "a retransmission is cut differently from what it repeats",
        act: |scene| {
            scene.rough = (0.06, 0.0, 0.0);
            let mut world = usual(scene);
            world.ends.iter_mut().for_each(|end| end.knobs.repacks = true);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "route-changes",
        what: "the route changes in the middle: TTL differs from then on",
        act: |scene| {
            scene.go_to(Trait::Wandering);
            let shift = [-3, -2, 2, 3, 5][scene.site.number() as usize % 5];
            let at = scene.rng.below(4 * scene.rtt());
            let mut world = usual(scene);
            world.path.route = Route::Changes(at, shift);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "route-changes-abort",
        what: "the same, and the server resets",
        act: |scene| {
            scene.go_to(Trait::Wandering);
            let at = scene.rng.below(5 * scene.rtt());
            let talk = Talk::tls("www.example.org", false, 6_000, &mut scene.rng);
            let server = then(talk.server(MS), [Step::Pause(MS), Step::Abort]);
            let shift = [-3, -2, 2, 3, 5][scene.site.number() as usize % 5];
            let mut world = scene.world(talk.client(), server);
            world.path.route = Route::Changes(at, shift);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "balanced-by-packet",
        what: "packets take ways of different length: TTL differs from packet to packet",
        act: |scene| {
            scene.go_to(Trait::Sprayed);
            let mut world = usual(scene);
            world.path.route = Route::Sprays(3);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "balanced-by-packet-abort",
        what: "the same, and the server resets",
        act: |scene| {
            scene.go_to(Trait::Sprayed);
            let talk = Talk::tls("www.example.org", false, 12_000, &mut scene.rng);
            let server = then(talk.server(MS), [Step::Abort]);
            let mut world = scene.world(talk.client(), server);
            world.path.route = Route::Sprays(3);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "syn-proxy",
        what: "a proxy answers the SYN, the server behind it sends the rest: TTL differs",
        act: |scene| behind_proxy(scene, Step::Close),
    },
    Behaviour {
        name: "syn-proxy-abort",
        what: "the same, and the server resets",
        act: |scene| behind_proxy(scene, Step::Abort),
    },
    Behaviour {
        name: "mtu-blackhole",
        what: "packets over 1300 octets vanish behind the router: a large ClientHello never arrives",
        act: |scene| {
            scene.go_to(Trait::Narrow);
            let talk = Talk::tls("www.example.org", true, 1_000, &mut scene.rng);
            let mut world = scene.world(talk.client(), talk.server(MS));
            world.path.links[3].narrow = 1_300;
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "outage",
        what: "the server dies: silence from then on",
        act: |scene| {
            scene.go_to(Trait::Dying);
            let talk = Talk::tls("www.example.org", false, 9_000, &mut scene.rng);
            let mut server = talk.server(MS);
            server.truncate(scene.rng.range(0, 5) as usize);
            let mut world = scene.world(talk.client(), then(server, [Step::Vanish]));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "host-down",
        what: "nobody is there: SYNs into the void",
        act: |scene| {
            scene.go_to(Trait::Absent);
            let mut world = scene.world(script![], script![]);
            world.ends[1].leave();
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "nat-rebinds",
        what: "a NAT before the router forgets the connection; its next packet has another port \
               and is answered by a reset",
        act: |scene| {
            let talk = scene.http(1_500);
            let more = talk.asks.clone();
            let client = then(
                talk.client(),
                [
                    Step::Pause(5 * SECOND),
                    Step::Rebind(1),
                    Step::Send(more),
                    Step::Await(2 * talk.answer()),
                ],
            );
            let server = then(
                talk.server(MS),
                [Step::Await(2 * talk.question()), Step::Send(talk.gets.clone())],
            );
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "ack-lost-abort",
        what: "the client's last acknowledgment is lost, and the server aborts: the reset follows \
               a retransmission",
        act: |scene| {
            let talk = scene.http(6_000);
            let server = then(talk.server(MS), [Step::Pause(900 * MS), Step::Abort]);
            let mut world = scene.world(talk.client(), server);
            let mut count = 0;
            let accident = Accident(move |segment: &Segment| {
                let ack = segment.from == End::Client && segment.payload.is_empty();
                count += u32::from(ack);
                if ack && (3..9).contains(&count) { Fate::IsLost } else { Fate::Passes }
            });
            world.put(node::UPSTREAM, Box::new(accident));
            scene.run(&mut world);
        },
    },
];

/// The server's packets differ in TTL from its SYN+ACK.
fn behind_proxy(scene: &mut Scene<'_>, last: Step) {
    scene.go_to(Trait::Proxied);
    let shift = [-9, -4, -3, 4, 6][scene.site.number() as usize % 5];
    let talk = Talk::tls("www.example.org", false, 5_000, &mut scene.rng);
    let mut server = then(talk.server(MS), [last]);
    server.push_front(Step::Reroute(shift));
    let client = then(talk.client(), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(client, server);
    scene.run(&mut world);
}

/// An ordinary connection, not yet begun.
pub(super) fn usual(scene: &mut Scene<'_>) -> World {
    let length = scene.rng.range(4_000, 30_000) as usize / scene.brief;
    let talk = Talk::tls("www.example.org", false, length, &mut scene.rng);
    let thought = scene.thought();
    let server = then(talk.server(thought), [Step::AwaitFin, Step::Close]);
    scene.world(then(talk.client(), [Step::Close]), server)
}
