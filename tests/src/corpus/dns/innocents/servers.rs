//! How resolvers and authorities answer: twice, not at all, in other words, by other ways.

use super::{Behaviour, ask, ask_for, failure, passes};
use crate::corpus::{
    dns::{
        datagram::Datagram,
        message::{ANSWER, Data, Message, Opt, Record, flag, kind, rcode},
        names::{Name, Said, Served, address, authoritative, mixed, soa},
        resolver::Node,
        scene::{Asked, Scene},
    },
    host::{self, Host},
    path::Path,
    scene::{Talk, then},
    script::{MS, SECOND, Step},
    segment::{Pair, Truth},
    world::World,
};
use crate::script;

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "round-robin",
        what: "the same four addresses in another order to each of two clients",
        act: |scene| served(scene, Served::RoundRobin),
    },
    Behaviour {
        name: "pool",
        what: "four of sixteen addresses in two networks, others each time",
        act: |scene| served(scene, Served::Pool),
    },
    Behaviour {
        name: "cold-then-cached",
        what: "the first answer takes a third of a second, the next no time",
        act: |scene| {
            let (name, time) = (scene.name.clone(), scene.start);
            let node = scene.node();
            let asked = scene.ask(&name, kind::A, time, 0);
            let done = passes(scene, &asked, &node, 330 * MS);
            let reply = scene.truth(&asked, &node, done);
            scene.reply(&asked, &node, done, &reply);
            let next = scene.ask(&name, kind::A, done + 20 * MS, 1);
            let time = passes(scene, &next, &node, MS / 20);
            let mut reply = reply;
            (reply.id, reply.question) = (next.query.id, next.query.question.clone());
            scene.reply(&next, &node, time, &reply);
        },
    },
    Behaviour {
        name: "nowhere",
        what: "a name that does not exist, from memory the second time",
        act: |scene| served(scene, Served::Nowhere),
    },
    Behaviour {
        name: "empty",
        what: "a name without addresses",
        act: |scene| served(scene, Served::Empty),
    },
    Behaviour {
        name: "created",
        what: "a name that does not exist, and does when it is asked for again under the same id",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let time = passes(scene, &asked, &node, 20 * MS);
            let mut reply = failure(&asked, rcode::NXDOMAIN);
            reply.authority.push(soa(5));
            scene.reply(&asked, &node, time, &reply);
            let wait = scene.rng.range(900 * MS, 6 * SECOND);
            let mut again = scene.again(&asked, time + wait);
            again.name = Name::called(&again.name.text, Served::Alone, scene.rng.bits());
            scene.answer(&again, &node);
        },
    },
    Behaviour {
        name: "failure-then-answer",
        what: "SERVFAIL, and the answer after all",
        act: |scene| fails(scene, rcode::SERVFAIL, true),
    },
    Behaviour {
        name: "answer-then-failure",
        what: "an answer, and SERVFAIL of a second machine that was asked, too",
        act: |scene| fails(scene, rcode::SERVFAIL, false),
    },
    Behaviour {
        name: "refused",
        what: "REFUSED for whoever is not a customer",
        act: |scene| {
            let asked = ask(scene);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 20);
            let reply = failure(&asked, rcode::REFUSED);
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "lame",
        what: "a server that should know the name and refers to others, then SERVFAIL from the next",
        act: lame,
    },
    Behaviour {
        name: "two-of-one-network",
        what: "two answers to one question, two addresses of one /24: the first of two in Duan et al. (2012)",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let seed = scene.rng.bits();
            let time = passes(scene, &asked, &node, MS / 3);
            for (host, later) in [(10, 0), (11, 2 * MS)] {
                let record = Record::address(60, address(seed, host, false));
                let mut reply = asked.query.reply(ANSWER, vec![record]);
                reply.opt = scene.opt(&asked);
                scene.reply(&asked, &node, time + later, &reply);
            }
        },
    },
    Behaviour {
        name: "doubled-behind",
        what: "the question is doubled behind the router: two answers in turned order, with TTLs that have gone on",
        act: |scene| {
            scene.name = Name::called("www.turning.net", Served::RoundRobin, scene.rng.bits());
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 3);
            let mut reply = scene.truth(&asked, &node, time);
            scene.reply(&asked, &node, time, &reply);
            reply.answers.rotate_left(1);
            for record in &mut reply.answers {
                record.ttl = record.ttl.saturating_sub(1);
            }
            let later = scene.rng.range(MS / 50, 30 * MS);
            scene.reply(&asked, &node, time + later, &reply);
        },
    },
    Behaviour {
        name: "doubled-behind-pool",
        what: "the question is doubled behind the router, and two machines of a pool answer, to which a content network gives addresses of two /24",
        act: |scene| {
            scene.name = Name::called("img.shop-front.net", Served::Network, scene.rng.bits());
            let asked = ask_for(scene, kind::A);
            let nodes = [scene.usual(), *scene.resolver.nodes.last().unwrap_or(&scene.usual())];
            for node in nodes {
                let work = MS / 5 + scene.rng.below(20 * MS);
                let time = passes(scene, &asked, &node, work);
                let reply = scene.truth(&asked, &node, time);
                scene.reply(&asked, &node, time, &reply);
            }
        },
    },
    Behaviour {
        name: "sent-twice",
        what: "a resolver that sends each answer twice, with two IP-IDs",
        act: |scene| {
            let asked = ask(scene);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 3);
            let reply = scene.truth(&asked, &node, time);
            scene.reply(&asked, &node, time, &reply);
            scene.reply(&asked, &node, time + MS / 10, &reply);
        },
    },
    Behaviour {
        name: "authority",
        what: "a resolver among the clients asks an authority: AA set, RA clear",
        act: |scene| {
            let asked = authority_asked(scene);
            let node = scene.usual();
            let time = passes(scene, &asked, &node, MS / 10);
            let said = asked.name.truth(asked.query.kind(), node.number, time, &mut scene.rng);
            let flags = authoritative(asked.query.flags);
            let reply = said.reply(&asked.query, flags, scene.opt(&asked));
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "referral",
        what: "an authority refers to the next one below",
        act: |scene| {
            let asked = authority_asked(scene);
            let node = scene.usual();
            let time = passes(scene, &asked, &node, MS / 10);
            let mut reply = asked.query.reply(flag::QR, Vec::new());
            reply.authority.push(soa(172_800));
            reply.opt = scene.opt(&asked);
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "truncated",
        what: "TC, then the whole answer over TCP",
        act: |scene| {
            scene.manner.opt = Some(Opt::of(1_232, false));
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 3);
            let mut whole = scene.truth(&asked, &node, time);
            let mut cut = whole.clone();
            cut.flags |= flag::TC;
            cut.answers.clear();
            scene.reply(&asked, &node, time, &cut);
            whole.id = scene.rng.u16();
            over_tcp(scene, &asked, &whole, time + MS);
        },
    },
    Behaviour {
        name: "truncated-full",
        what: "TC with some of the answers, and again, asked again, with others",
        act: |scene| {
            scene.name = Name::called("many.turning.net", Served::Pool, scene.rng.bits());
            let asked = ask_for(scene, kind::A);
            let node = scene.node();
            let time = passes(scene, &asked, &node, MS / 3);
            let mut cut = scene.truth(&asked, &node, time);
            cut.flags |= flag::TC;
            scene.reply(&asked, &node, time, &cut);
            let again = scene.again(&asked, time + 10 * MS);
            scene.answer(&again, &node);
        },
    },
    Behaviour {
        name: "signed",
        what: "an answer with signatures, and AD",
        act: |scene| {
            let (asked, node, time) = signed_asked(scene);
            let reply = signed(scene, &asked, &node, time, 1);
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "fragments",
        what: "signatures for two packets: the answer comes in fragments",
        act: |scene| in_fragments(scene, |pieces| pieces),
    },
    Behaviour {
        name: "fragments-reversed",
        what: "the same, the last fragment first",
        act: |scene| {
            in_fragments(scene, |mut pieces| {
                pieces.reverse();
                pieces
            });
        },
    },
    Behaviour {
        name: "fragment-lost",
        what: "the same, the first fragment is lost; the client asks again for less",
        act: |scene| {
            in_fragments(scene, |mut pieces| {
                pieces.remove(0);
                pieces
            });
            scene.manner.opt = Some(Opt::of(512, false));
            let (name, time) = (scene.name.clone(), scene.start + 1_100 * MS);
            scene.exchange(&name, kind::A, time, 1);
        },
    },
    Behaviour {
        name: "restart",
        what: "the resolver restarts: silence, failures, then slow answers, all under one id",
        act: |scene| {
            let mut asked = ask_for(scene, kind::A);
            let node = scene.usual();
            for _ in 0..2 {
                let time = asked.time + SECOND;
                asked = scene.again(&asked, time);
            }
            let time = passes(scene, &asked, &node, MS / 20);
            let reply = failure(&asked, rcode::SERVFAIL);
            scene.reply(&asked, &node, time, &reply);
            let again = scene.again(&asked, time + 300 * MS);
            let time = passes(scene, &again, &node, 700 * MS);
            let reply = scene.truth(&again, &node, time);
            scene.reply(&again, &node, time, &reply);
        },
    },
    Behaviour {
        name: "very-late",
        what: "the answer comes after four seconds, beside that to the repetition",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.usual();
            let again = scene.again(&asked, asked.time + 2_500 * MS);
            let time = passes(scene, &again, &node, MS);
            let reply = scene.truth(&again, &node, time);
            scene.reply(&again, &node, time, &reply);
            let late = asked.time + 4 * SECOND + scene.rng.below(900 * MS);
            let reply = scene.truth(&asked, &node, late);
            scene.reply(&asked, &node, late, &reply);
        },
    },
    Behaviour {
        name: "stale",
        what: "expired data at once, and fresh data of another network when asked again (RFC 8767)",
        act: |scene| {
            let asked = ask_for(scene, kind::A);
            let node = scene.usual();
            let time = passes(scene, &asked, &node, MS / 10);
            let (old, new) = (scene.rng.bits(), scene.rng.bits());
            for (seed, ttl, later) in [(old, 30, 0), (new, 300, 2_200 * MS)] {
                let again =
                    if later == 0 { asked.clone() } else { scene.again(&asked, time + later) };
                let record = Record::address(ttl, address(seed, 1, false));
                let mut reply = again.query.reply(ANSWER, vec![record]);
                reply.opt = scene.opt(&again);
                let time = passes(scene, &again, &node, MS / 10);
                scene.reply(&again, &node, time, &reply);
            }
        },
    },
];

/// Two clients' ports ask for a name that is served so.
fn served(scene: &mut Scene<'_>, how: Served) {
    let seed = scene.rng.bits();
    let name = Name::called(&format!("www.turning-{}.net", seed % 1_000), how, seed);
    let time = scene.start;
    for shift in 0..2 {
        let wait = scene.rng.below(300 * MS) * u64::from(shift);
        scene.exchange(&name, kind::A, time + wait, shift);
    }
}

fn fails(scene: &mut Scene<'_>, code: u16, first: bool) {
    let asked = ask_for(scene, kind::A);
    let node = scene.node();
    let time = passes(scene, &asked, &node, MS / 3);
    let later = time + scene.rng.range(MS, 400 * MS);
    let reply = scene.truth(&asked, &node, time);
    let error = failure(&asked, code);
    let both = if first { [error, reply] } else { [reply, error] };
    scene.reply(&asked, &node, time, &both[0]);
    scene.reply(&asked, &node, later, &both[1]);
}

fn lame(scene: &mut Scene<'_>) {
    let asked = authority_asked(scene);
    let node = scene.usual();
    let time = passes(scene, &asked, &node, MS / 10);
    let code = *scene.rng.pick(&[rcode::REFUSED, rcode::SERVFAIL, 0]);
    let mut reply = asked.query.reply(flag::QR | code, Vec::new());
    reply.authority.push(soa(3_600));
    scene.reply(&asked, &node, time, &reply);
    let again = scene.again(&asked, time + 376 * MS);
    let time = passes(scene, &again, &node, MS / 10);
    let reply = again.query.reply(flag::QR | rcode::SERVFAIL, Vec::new());
    scene.reply(&again, &node, time, &reply);
}

/// A question without RD, as resolvers ask authorities, in capitals at random.
fn authority_asked(scene: &mut Scene<'_>) -> Asked {
    scene.manner.mixes = true;
    scene.manner.opt = Some(Opt::of(1_232, true));
    let (name, time) = (scene.name.clone(), scene.start);
    let mut question = name.question(kind::A);
    question.name = mixed(&question.name, &mut scene.rng);
    let mut query = Message::query(scene.rng.u16(), question, scene.manner.opt.clone());
    query.flags = 0;
    scene.send(query, &name, time, 0)
}

fn signed_asked(scene: &mut Scene<'_>) -> (Asked, Node, u64) {
    scene.manner.opt = Some(Opt::of(4_096, true));
    scene.resolver.edns = true;
    let asked = ask_for(scene, kind::A);
    let node = scene.node();
    let time = passes(scene, &asked, &node, MS / 2);
    (asked, node, time)
}

/// The truth with `count` signatures of 256 octets.
fn signed(scene: &mut Scene<'_>, asked: &Asked, node: &Node, time: u64, count: usize) -> Message {
    let mut reply = scene.truth(asked, node, time);
    reply.flags |= flag::AD;
    for _ in 0..count {
        let octets = (0..18 + 20 + 256).map(|_| scene.rng.u16() as u8).collect();
        reply.answers.push(Record::new(300, Data::Opaque(kind::RRSIG, octets)));
    }
    reply
}

/// Frames of the fragments of one datagram.
type Pieces = Vec<Vec<u8>>;

/// A large answer in fragments, in the order that `order` makes of them.
fn in_fragments(scene: &mut Scene<'_>, order: fn(Pieces) -> Pieces) {
    let (asked, node, time) = signed_asked(scene);
    let payload = signed(scene, &asked, &node, time, 6).octets();
    let look = scene.look(&node, time);
    let datagram = Datagram {
        from: scene.server(),
        to: scene.client(asked.shift),
        from_client: false,
        look,
        payload: &payload,
    };
    let piece = if scene.v6 { 1_232 } else { 1_480 };
    for (piece, nth) in order(datagram.fragments(piece)).into_iter().zip(0..) {
        let time = time + nth * 40_000;
        scene.tape.put(time, Truth::Genuine, false, |out| out.extend_from_slice(&piece));
    }
}

/// The answer `whole` over TCP, asked for at `time`.
pub(super) fn over_tcp(scene: &mut Scene<'_>, asked: &Asked, whole: &Message, time: u64) {
    let query = Message { id: whole.id, ..asked.query.clone() };
    let talk = Talk::prefixed(&query, whole);
    let node = scene.usual();
    let hosts =
        [Host::new(scene.guest.os, &mut scene.rng), Host::new(&host::LINUX, &mut scene.rng)];
    let pair = Pair { client: scene.client(3), server: scene.server() };
    let path = Path::of(scene.guest.hops, scene.guest.delay, node.hops, node.delay);
    let scripts = [
        then(talk.client(), [Step::Close]),
        then(talk.server(MS / 5), script![Step::AwaitFin, Step::Close]),
    ];
    let mut world = World::new(pair, hosts, scripts, path, &mut scene.rng);
    world.run(time, scene.tape);
}

/// Says no more than that there is nothing.
pub(super) fn nothing(asked: &Asked, code: u16, opt: Option<Opt>) -> Message {
    Said { rcode: code, answers: Vec::new(), authority: vec![soa(300)] }.reply(
        &asked.query,
        ANSWER,
        opt,
    )
}
