//! How clients ask: twice, from one port, in capitals, of several at once.

use super::{Behaviour, ask, ask_for, failure, passes};
use crate::corpus::{
    dns::{
        message::{Message, Opt, flag, kind, rcode},
        names::{Name, Served},
        resolver::{Node, Resolver},
        scene::{Asked, Manner, Scene},
    },
    rng::Rng,
    script::{MS, SECOND},
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "plain",
        what: "a question and its answer",
        act: |scene| {
            let asked = ask(scene);
            let node = scene.node();
            scene.answer(&asked, &node);
        },
    },
    Behaviour {
        name: "pair",
        what: "both families from one port with two ids, as glibc asks",
        act: |scene| {
            let (name, time) = (scene.name.clone(), scene.start);
            let node = scene.node();
            for (kind, later) in [(kind::A, 0), (kind::AAAA, 20_000)] {
                let asked = scene.ask(&name, kind, time + later, 0);
                scene.answer(&asked, &node);
            }
        },
    },
    Behaviour {
        name: "three-types",
        what: "both families and HTTPS records at once from three ports, as browsers ask",
        act: |scene| {
            let (name, time) = (scene.name.clone(), scene.start);
            for (kind, shift) in [(kind::A, 0), (kind::AAAA, 1), (kind::HTTPS, 2)] {
                scene.exchange(&name, kind, time + u64::from(shift) * 30_000, shift);
            }
        },
    },
    Behaviour {
        name: "capitals",
        what: "capitals and small letters at random, which the answer repeats (0x20)",
        act: |scene| {
            scene.manner.mixes = true;
            let asked = ask(scene);
            let node = scene.node();
            scene.answer(&asked, &node);
        },
    },
    Behaviour {
        name: "capitals-lost",
        what: "the same, and a resolver that answers in small letters; the client asks again without",
        act: |scene| {
            scene.manner.mixes = true;
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 4);
            let mut reply = scene.truth(&asked, &node, time);
            if let Some(question) = &mut reply.question {
                question.name.make_ascii_lowercase();
            }
            scene.reply(&asked, &node, time, &reply);
            scene.manner.mixes = false;
            let name = asked.name;
            scene.exchange(&name, kind::A, time + 5 * MS, 1);
        },
    },
    Behaviour {
        name: "query-lost",
        what: "the question is lost behind the router and asked again with the same id",
        act: |scene| {
            let asked = ask(scene);
            let again = wait(scene, &asked);
            let node = scene.node();
            scene.answer(&again, &node);
        },
    },
    Behaviour {
        name: "answer-late",
        what: "asked again with the same id while the resolver is still looking: two equal answers",
        act: |scene| {
            let asked = ask(scene);
            let node = scene.node();
            twice_answered(scene, &asked, [node, node]);
        },
    },
    Behaviour {
        name: "other-machine",
        what: "asked again, and the second answer is of another machine of the pool, with another TTL",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let nodes = [scene.usual(), *scene.resolver.nodes.last().unwrap_or(&scene.usual())];
            twice_answered(scene, &asked, nodes);
        },
    },
    Behaviour {
        name: "other-network",
        what: "asked again, and a content network gives addresses in another /24 to the other machine",
        act: |scene| {
            scene.name = Name::called("img.shop-front.net", Served::Network, scene.rng.bits());
            let asked = ask_for(scene, kind::A);
            let nodes = [scene.usual(), *scene.resolver.nodes.last().unwrap_or(&scene.usual())];
            twice_answered(scene, &asked, nodes);
        },
    },
    Behaviour {
        name: "impatient",
        what: "asked five times in two seconds, and all five are answered at once",
        act: |scene| {
            let first = ask(scene);
            let mut all = vec![first];
            for _ in 0..4 {
                let time = all[all.len() - 1].time + scene.rng.range(200 * MS, 500 * MS);
                let again = scene.again(&all[0], time);
                all.push(again);
            }
            let node = scene.node();
            let done = all[4].time + scene.trip(&node);
            let reply = scene.truth(&all[0], &node, done);
            for (asked, after) in all.iter().zip(0..) {
                scene.reply(asked, &node, done + after * 15_000, &reply);
            }
        },
    },
    Behaviour {
        name: "new-id",
        what: "asked again from another port with another id; both are answered",
        act: |scene| {
            let (name, time) = (scene.name.clone(), scene.start);
            let first = scene.ask(&name, kind::A, time, 0);
            let later = time + patience(&mut scene.rng);
            let again = scene.ask(&name, kind::A, later, 1);
            let node = scene.node();
            scene.answer(&first, &node);
            scene.answer(&again, &node);
        },
    },
    Behaviour {
        name: "id-again",
        what: "another question with the same port and id, right after the first one's answer",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let done = scene.answer(&asked, &node);
            let name = Scene::any_name(scene.world, &mut scene.rng);
            let mut query = asked.query.clone();
            query.question = Some(name.question(kind::A));
            let time = done + scene.rng.range(MS, 900 * MS);
            let next = scene.send(query, &name, time, 0);
            scene.answer(&next, &node);
        },
    },
    Behaviour {
        name: "same-again",
        what: "the same question with the same port and id some seconds later: the answer has changed",
        act: |scene| {
            scene.name = Name::called("img.shop-front.net", Served::Network, scene.rng.bits());
            let asked = ask_for(scene, kind::A);
            let node = scene.usual();
            let done = scene.answer(&asked, &node);
            let later = scene.again(&asked, done + 31 * SECOND);
            scene.answer(&later, &node);
        },
    },
    Behaviour {
        name: "port-fixed",
        what: "an old client: one port, and ids that count up",
        act: |scene| {
            let (mut time, mut id) = (scene.start, scene.rng.u16());
            for _ in 0..4 {
                let name = Scene::any_name(scene.world, &mut scene.rng);
                let mut query = asked_plainly(&name, kind::A);
                (query.id, id) = (id, id.wrapping_add(1));
                let asked = scene.send(query, &name, time, 0);
                let node = scene.node();
                scene.answer(&asked, &node);
                time += scene.rng.range(MS, 40 * MS);
            }
        },
    },
    Behaviour {
        name: "forwarder",
        what: "a forwarder asks three resolvers at once and takes the first answer",
        act: |scene| {
            let (name, time) = (scene.name.clone(), scene.start);
            for (shift, number) in [(0, 0), (1, 1), (2, 2)] {
                if number > 0 {
                    let seed = scene.world;
                    scene.resolver = Resolver::of(seed, 50 + number);
                }
                scene.exchange(&name, kind::A, time + u64::from(shift) * 12_000, shift);
            }
        },
    },
    Behaviour {
        name: "no-edns",
        what: "FORMERR for the OPT record, then the same question without it under the same id",
        act: |scene| {
            scene.manner.opt = Some(Opt::of(1_232, false));
            scene.resolver.edns = false;
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 5);
            let mut reply = failure(&asked, rcode::FORMERR);
            if scene.rng.chance(0.5) {
                reply.question = None;
            }
            scene.reply(&asked, &node, time, &reply);
            let mut query = asked.query.clone();
            query.opt = None;
            let next = scene.send(query, &asked.name, time + MS, 0);
            scene.answer(&next, &node);
        },
    },
    Behaviour {
        name: "client-subnet",
        what: "two networks' clients behind one forwarder get addresses of different /24 (RFC 7871)",
        act: |scene| {
            let seed = scene.rng.bits();
            scene.name = Name::called("img.shop-front.net", Served::Network, seed);
            for (shift, network) in [(0_u16, 7_u8), (1, 91)] {
                let options = vec![0, 8, 0, 7, 0, 1, 24, 0, 203, 0, network];
                scene.manner =
                    Manner { opt: Some(Opt { options, ..Opt::of(1_232, false) }), mixes: false };
                let (name, time) = (scene.name.clone(), scene.start);
                let asked = scene.ask(&name, kind::A, time + u64::from(shift) * 3 * MS, shift);
                let mut node = scene.usual();
                node.number ^= u64::from(network) << 32;
                scene.answer(&asked, &node);
            }
        },
    },
    Behaviour {
        name: "nat-rebinds",
        what: "asked again with the same id, and a NAT has given the client another port",
        act: |scene| {
            let asked = ask(scene);
            let mut again = asked.clone();
            again.shift = 1;
            again.time += patience(&mut scene.rng);
            let again = scene.again(&again, again.time);
            let node = scene.node();
            scene.answer(&again, &node);
        },
    },
    Behaviour {
        name: "checking-disabled",
        what: "a validating client: DO, CD, and AD in the answer",
        act: |scene| {
            scene.manner.opt = Some(Opt::of(1_232, true));
            let (name, time) = (scene.name.clone(), scene.start);
            let mut query = asked_plainly(&name, kind::A);
            (query.id, query.flags) = (scene.rng.u16(), flag::RD | 0x0010);
            query.opt.clone_from(&scene.manner.opt);
            let asked = scene.send(query, &name, time, 0);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 3);
            let mut reply = scene.truth(&asked, &node, time);
            reply.flags |= flag::AD | 0x0010;
            scene.reply(&asked, &node, time, &reply);
        },
    },
];

fn asked_plainly(name: &Name, kind: u16) -> Message {
    Message::query(0, name.question(kind), None)
}

/// A client's patience, in nanoseconds.
fn patience(rng: &mut Rng) -> u64 {
    *rng.pick(&[400 * MS, SECOND, SECOND, 2 * SECOND, 5 * SECOND]) + rng.below(3 * MS)
}

/// The question again once the client has lost its patience.
fn wait(scene: &mut Scene<'_>, asked: &Asked) -> Asked {
    let time = asked.time + patience(&mut scene.rng);
    scene.again(asked, time)
}

/// The question again, and an answer to each, which come from these machines once both are there.
fn twice_answered(scene: &mut Scene<'_>, asked: &Asked, nodes: [Node; 2]) {
    let again = wait(scene, asked);
    let done = again.time + scene.rng.range(0, 300 * MS);
    for (asked, node) in [asked, &again].into_iter().zip(nodes) {
        let time = done.max(asked.time) + scene.trip(&node);
        let reply = scene.truth(asked, &node, time);
        scene.reply(asked, &node, time, &reply);
    }
}
