//! What networks do to questions and answers on their way.

use super::{Behaviour, ask, ask_for, passes};
use crate::corpus::{
    dns::{
        datagram::Look,
        message::{ANSWER, Record, kind},
        names::address,
        resolver::Node,
        scene::Scene,
    },
    script::{MS, SECOND},
    segment::{ETHERNET, Truth},
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "unanswered",
        what: "nobody answers, however often the client asks",
        act: |scene| {
            let asked = ask(scene);
            for (nth, later) in [(1, SECOND), (2, 3 * SECOND)] {
                let time = asked.time + later + nth;
                scene.again(&asked, time);
            }
        },
    },
    Behaviour {
        name: "doubled",
        what: "the answer arrives twice: one packet, doubled by the network",
        act: |scene| {
            let first = answered(scene);
            let time = scene.tape.records[first].time + scene.rng.range(2_000, 3 * MS);
            scene.tape.copy(first, time, |_| {});
        },
    },
    Behaviour {
        name: "doubled-other-way",
        what: "the same, and the copy came by a longer way: its TTL is lower",
        act: |scene| {
            let first = answered(scene);
            let time = scene.tape.records[first].time + scene.rng.range(2_000, 9 * MS);
            scene.tape.copy(first, time, crate::corpus::tape::forward);
        },
    },
    Behaviour {
        name: "damaged",
        what: "a bit of the answer goes wrong, as its checksum tells; the client asks again with the same id, and is answered",
        act: |scene| {
            let asked = ask(scene);
            let node = scene.node();
            let first = scene.mark();
            scene.answer(&asked, &node);
            damage(scene, first);
            let later = scene.rng.range(300 * MS, 6 * SECOND);
            let again = scene.again(&asked, asked.time + later);
            scene.answer(&again, &node);
        },
    },
    Behaviour {
        name: "doubled-damaged",
        what: "the answer is doubled by the network, and a bit of the first copy goes wrong, as its checksum tells",
        act: |scene| {
            let first = answered(scene);
            let time = scene.tape.records[first].time + scene.rng.range(2_000, 3 * MS);
            scene.tape.copy(first, time, |_| {});
            damage(scene, first);
        },
    },
    Behaviour {
        name: "overtaken",
        what: "the answers to two questions of one port come in the other order",
        act: |scene| {
            let (name, time) = (scene.name.clone(), scene.start);
            let node = scene.node();
            let first = scene.ask(&name, kind::A, time, 0);
            let second = scene.ask(&name, kind::AAAA, time + 10_000, 0);
            let slow = passes(scene, &first, &node, 40 * MS);
            let reply = scene.truth(&first, &node, slow);
            scene.reply(&first, &node, slow, &reply);
            scene.answer(&second, &node);
        },
    },
    Behaviour {
        name: "anycast-flap",
        what: "every other question reaches another site of the resolver: other TTL, other delay",
        act: |scene| {
            let sites = [scene.usual(), site(scene, 100, 3)];
            flap(scene, sites);
        },
    },
    Behaviour {
        name: "anycast-nearer",
        what: "from now on a site answers that is four times as near, with another TTL",
        act: |scene| {
            let near = site(scene, 25, 4);
            flap(scene, [near, near]);
        },
    },
    Behaviour {
        name: "anycast-farther",
        what: "the same, four times as far",
        act: |scene| {
            let far = site(scene, 400, 5);
            flap(scene, [far, far]);
        },
    },
    Behaviour {
        name: "route-changes",
        what: "the route to the resolver changes by three hops",
        act: |scene| {
            let node = scene.usual();
            let other = Node { hops: node.hops + 3, ..node };
            flap(scene, [node, other]);
        },
    },
    Behaviour {
        name: "balanced-by-packet",
        what: "packets take ways of different length",
        act: |scene| {
            let node = scene.usual();
            let other = Node { hops: node.hops + scene.rng.range(1, 3) as u8, ..node };
            flap(scene, [other, node]);
        },
    },
    Behaviour {
        name: "slow-link",
        what: "the link fills up: answers of a second and more",
        act: |scene| {
            let asked = ask(scene);
            let node = scene.node();
            let queue = scene.rng.range(700 * MS, 2_600 * MS);
            let time = passes(scene, &asked, &node, queue);
            let reply = scene.truth(&asked, &node, time);
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "blind-answers",
        what: "somebody far away floods answers with guessed ids in the resolver's name, all of which miss",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let start = asked.time;
            for nth in 0..12 {
                let guess = scene.rng.u16();
                if guess == asked.query.id {
                    continue;
                }
                let seed = scene.rng.bits();
                let record = Record::address(600, address(seed, 1, false));
                let mut forged = asked.query.reply(ANSWER, vec![record]);
                forged.id = guess;
                let look = Look { ttl: 47, ip_id: scene.rng.u16(), df: false };
                let time = start + (nth + 1) * 90_000;
                scene.put_octets(&asked, look, time, false, Truth::Spoofed, &forged.octets());
            }
            scene.answer(&asked, &node);
        },
    },
];

/// An ordinary look-up; the place of the answer's frame.
pub(super) fn answered(scene: &mut Scene<'_>) -> usize {
    let asked = ask(scene);
    let node = scene.node();
    scene.answer(&asked, &node);
    scene.mark() - 1
}

/// Gets a bit of frame `index` wrong: of its UDP header or what is in it.
fn damage(scene: &mut Scene<'_>, index: usize) {
    let record = scene.tape.records[index];
    let bit = scene.rng.bits() as usize;
    let frame = &mut scene.tape.octets[record.at..record.at + record.len];
    let header = if frame[ETHERNET] >> 4 == 6 { 40 } else { 20 };
    let udp = &mut frame[ETHERNET + header..];
    let bit = bit % (udp.len() * 8);
    udp[bit / 8] ^= 1 << (bit % 8);
}

/// A site of the same resolver, so many percent as far away, with hops of its own.
fn site(scene: &Scene<'_>, percent: u64, hops: u8) -> Node {
    let node = scene.usual();
    let other = if node.hops > hops + 4 { node.hops - hops } else { node.hops + hops };
    Node { number: node.number ^ 0x80, delay: node.delay * percent / 100, hops: other, ..node }
}

/// Four questions, answered by the one site and the other in turn.
fn flap(scene: &mut Scene<'_>, sites: [Node; 2]) {
    let mut time = scene.start;
    for shift in 0..4 {
        let name = Scene::any_name(scene.world, &mut scene.rng);
        let asked = scene.ask(&name, kind::A, time, shift);
        scene.answer(&asked, &sites[usize::from(shift) % 2]);
        time += scene.rng.range(20 * MS, 700 * MS);
    }
}
