//! Unusual beginnings.

use bytes::Bytes;

use super::{Accident, Behaviour, Fate, ordinary};
use crate::{
    corpus::{
        host,
        path::node,
        scene::{Scene, Talk, Trait, then},
        script::{MS, SECOND, Step},
        segment::{End, Segment, flag},
    },
    script,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "happy-eyeballs",
        what: "two connections at once; the loser is given up before its SYN+ACK comes",
        act: |scene| {
            let mut loser = scene.world(script![], script![Step::AwaitFin]);
            loser.pair = scene.pair(1);
            loser.ends[0].knobs.leaves_at = scene.rtt() * 3 / 4;
            scene.run(&mut loser);
            ordinary::https(scene);
        },
    },
    Behaviour {
        name: "happy-eyeballs-late",
        what: "the same, and the loser is closed or aborted once it stands",
        act: |scene| {
            let end = if scene.rng.chance(0.5) { Step::Close } else { Step::Abort };
            let mut loser =
                scene.world(script![Step::Pause(MS), end], script![Step::AwaitFin, Step::Close]);
            loser.pair = scene.pair(1);
            scene.run(&mut loser);
            ordinary::https(scene);
        },
    },
    Behaviour {
        name: "syn-lost",
        what: "the first SYN is lost behind the router",
        act: |scene| loses_first(scene, node::UPSTREAM, End::Client),
    },
    Behaviour {
        name: "syn-ack-lost",
        what: "the first SYN+ACK is lost behind the router, or before the client",
        act: |scene| {
            let place = if scene.rng.chance(0.5) { node::UPSTREAM } else { node::DOWNSTREAM };
            loses_first(scene, place, End::Server);
        },
    },
    Behaviour {
        name: "ports-reused",
        what: "the same ports again soon after FIN from both sides, with a higher number",
        act: |scene| reuse(scene, false),
    },
    Behaviour {
        name: "ports-reused-after-reset",
        what: "the same ports again some milliseconds after a reset, with a new number",
        act: |scene| reuse(scene, true),
    },
    Behaviour {
        name: "fast-open",
        what: "the request travels in the SYN (RFC 7413)",
        act: |scene| {
            scene.guest.os = &host::LINUX;
            scene.go_to(Trait::FastOpen);
            let talk = scene.http(3_000);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(then(talk.client(), [Step::Close]), server);
            let accepted = scene.rng.chance(0.7);
            world.ends[0].knobs.fast_open = true;
            world.ends[0].knobs.syn_extra = &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8];
            world.ends[1].knobs.fast_open = accepted;
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "syn-cookies",
        what: "the server answers with a cookie: no options but the segment size",
        act: |scene| {
            scene.go_to(Trait::Cookies);
            let talk = scene.http(3_000);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(then(talk.client(), [Step::Close]), server);
            world.ends[1].knobs.cookies = true;
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "multipath",
        what: "Multipath TCP: options on every segment",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 3_000, &mut scene.rng);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(then(talk.client(), [Step::Close]), server);
            for end in &mut world.ends {
                end.knobs.syn_extra = &[30, 12, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8];
                end.knobs.extra = &[30, 8, 0x20, 1, 0, 0, 0, 9];
                end.knobs.mss = 1_400;
            }
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "both-open",
        what: "both sides send a SYN at once",
        act: |scene| {
            let request = Bytes::from_static(b"hello, peer");
            let client = script![Step::Send(request.clone()), Step::Await(11), Step::Close];
            let server = script![Step::Send(request), Step::Await(11), Step::AwaitFin, Step::Close];
            scene.port = 6_881;
            let at = scene.rng.below(scene.rtt() / 2);
            let mut world = scene.world(client, server);
            world.connect(End::Server, at);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "scanner",
        what: "ZMap: SYN with IP-ID 54321, no options, TTL 255; its kernel resets the answer",
        act: |scene| {
            scene.guest.os = &host::LINUX;
            let mut world = scene.world(script![], script![Step::AwaitFin]);
            world.ends[0].close_port();
            let mut syn = Segment::empty(End::Client);
            (syn.ttl, syn.ip_id, syn.df) = (255, 54_321, false);
            (syn.flags, syn.seq, syn.window) = (flag::SYN, scene.rng.u32(), 65_535);
            world.intrude(node::CLIENT, 0, syn);
            world.run_on(scene.start, scene.tape);
        },
    },
    Behaviour {
        name: "scanner-refused",
        what: "the same against a closed port",
        act: |scene| {
            scene.go_to(Trait::Refusing);
            let mut world = scene.world(script![], script![]);
            world.ends[0].close_port();
            world.ends[1].close_port();
            let mut syn = Segment::empty(End::Client);
            (syn.ttl, syn.ip_id, syn.df) = (255, 54_321, false);
            (syn.flags, syn.seq, syn.window) = (flag::SYN, scene.rng.u32(), 65_535);
            world.intrude(node::CLIENT, 0, syn);
            world.run_on(scene.start, scene.tape);
        },
    },
    Behaviour {
        name: "syn-flood",
        what: "SYNs in the name of hosts that are not there, or that reset the answer",
        act: |scene| {
            let mut world = scene.world(script![], script![Step::AwaitFin]);
            if scene.rng.chance(0.5) {
                world.ends[0].close_port();
            } else {
                world.ends[0].leave();
            }
            for copy in 0..scene.rng.range(1, 3) {
                let mut syn = Segment::empty(End::Client);
                (syn.ttl, syn.ip_id) = (scene.rng.range(40, 250) as u8, scene.rng.u16());
                (syn.flags, syn.seq, syn.window) = (flag::SYN, scene.rng.u32(), 512);
                world.intrude(node::CLIENT, copy * 3 * MS, syn);
            }
            world.run_on(scene.start, scene.tape);
        },
    },
    Behaviour {
        name: "mirroring-server",
        what: "an endpoint or SYN proxy that copies IP-ID and window of what it answers",
        act: |scene| {
            scene.go_to(Trait::Mirroring);
            let talk = scene.http(1_200);
            let last = if scene.rng.chance(0.5) { Step::Abort } else { Step::Close };
            let server = then(talk.server(MS), [last]);
            let client = then(talk.client(), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            world.ends[1].knobs.mirrors = true;
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "old-syn",
        what: "a copy of the SYN that took a detour comes in when the connection stands",
        act: |scene| {
            let talk = scene.http(1_200);
            let client = then(talk.client(), [Step::Pause(SECOND), Step::Close]);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            let mut syn = Segment::empty(End::Client);
            let isn = world.ends[0].isn();
            (syn.flags, syn.seq, syn.window) = (flag::SYN, isn, 64_240);
            syn.ttl = scene.guest.os.ttl;
            world.intrude(node::CLIENT, scene.rtt() * 2 + 5 * MS, syn);
            scene.run(&mut world);
        },
    },
];

/// The first SYN or SYN+ACK is lost.
fn loses_first(scene: &mut Scene<'_>, place: usize, from: End) {
    let talk = Talk::tls("www.example.org", false, 1_000, &mut scene.rng);
    let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(then(talk.client(), [Step::Close]), server);
    let mut lost = false;
    let accident = Accident(move |segment: &Segment| {
        if segment.from == from && segment.has(flag::SYN) && !lost {
            lost = true;
            return Fate::IsLost;
        }
        Fate::Passes
    });
    world.put(place, Box::new(accident));
    scene.run(&mut world);
}

/// Two connections on the same ports, one after the other.
fn reuse(scene: &mut Scene<'_>, reset: bool) {
    let talk = scene.http(1_500);
    let last = if reset { Step::Abort } else { Step::Close };
    let mut world = scene
        .world(then(talk.client(), [Step::AwaitFin, Step::Close]), then(talk.server(MS), [last]));
    let isn = world.ends[0].isn();
    scene.run(&mut world);
    let pause = scene.rng.range(4, 400) * MS;
    scene.start = scene.last() + pause;
    let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
    let mut second = scene.world(then(talk.client(), [Step::Close]), server);
    if !reset {
        // What Linux and Windows make sure of: a higher number than before.
        second.ends[0].knobs.isn = Some(isn.wrapping_add(scene.rng.range(70_000, 900_000) as u32));
    }
    scene.run(&mut second);
}
