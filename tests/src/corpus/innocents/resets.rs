//! Resets that endpoints, or what stands in their place, send for reasons of their own.

use super::{Behaviour, ordinary};
use crate::{
    corpus::{
        apps, host,
        host::Os,
        path::node,
        scene::{Scene, Talk, Trait, then},
        script::{MS, SECOND, Step},
        segment::{End, Segment, flag},
    },
    script,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "server-abort",
        what: "the server aborts in the middle of a response; what is in flight is answered by \
               resets of its stack, at rising numbers below the first",
        act: |scene| server_aborts(scene, 30_000, 0),
    },
    Behaviour {
        name: "server-refuses-name",
        what: "the server aborts when it reads the ClientHello",
        act: |scene| {
            let talk = Talk::tls("unknown.example.org", false, 100, &mut scene.rng);
            let thought = scene.thought();
            let server =
                script![Step::Await(talk.asks.len() as u32), Step::Pause(thought), Step::Abort];
            let mut world = scene.world(talk.client(), server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "server-linger-0",
        what: "the server writes its response and aborts at once: reset right behind the data",
        act: |scene| {
            let talk = scene.http(4_000);
            let server = then(talk.server(MS), [Step::Abort]);
            let mut world = scene.world(talk.client(), server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "accept-then-reset",
        what: "the server accepts and resets at once: a full queue, a health check",
        act: |scene| {
            let talk = scene.http(400);
            let mut world = scene.world(talk.client(), script![Step::Abort]);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "refused",
        what: "the port is closed",
        act: |scene| {
            scene.go_to(Trait::Refusing);
            let mut world = scene.world(script![], script![]);
            world.ends[1].close_port();
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "dns-over-tcp-refused",
        what: "a resolver without TCP",
        act: |scene| {
            scene.go_to(Trait::Refusing);
            scene.port = 53;
            let mut world = scene.world(script![], script![]);
            world.ends[1].close_port();
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "dns-over-tcp-reaped",
        what: "a resolver that resets a connection of a look-up after ten idle seconds",
        act: |scene| {
            let talk = ordinary::dns(scene);
            let server = then(talk.server(MS), [Step::Pause(10 * SECOND), Step::Abort]);
            let mut world = scene.world(talk.client(), server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "refused-repeated",
        what: "the port is closed, and Windows asks three times",
        act: |scene| {
            scene.go_to(Trait::Refusing);
            scene.guest.os = &host::WINDOWS;
            let mut world = scene.world(script![], script![]);
            world.ends[1].close_port();
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "refused-then-accepted",
        what: "the port is closed, Windows asks again, and it has been opened meanwhile",
        act: |scene| {
            scene.guest.os = &host::WINDOWS;
            let talk = scene.http(400);
            let client = then(talk.client(), [Step::Close]);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            world.ends[1].close_port();
            world.ends[1].knobs.opens_at = scene.rtt() / 2 + 300 * MS;
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "tab-closed",
        what: "the client aborts in the middle of a response; what is in flight is answered by \
               resets of its stack",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 60_000, &mut scene.rng);
            let part = talk.greeting() + scene.rng.range(2_000, 40_000) as u32;
            let mut client = talk.client();
            client.pop_back();
            let client = then(client, [Step::Await(part), Step::Abort]);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "late-data",
        what: "the client has closed and the server sends more: bare resets, IP-ID 0 on Linux",
        act: |scene| {
            let talk = scene.http(30_000);
            let client = script![Step::Send(talk.asks.clone()), Step::Await(3_000), Step::Close];
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "server-closed-early",
        what: "the server has sent FIN and the client sends more: reset after FIN",
        act: |scene| {
            let talk = scene.http(900);
            let more = talk.asks.clone();
            let client = then(talk.client(), [Step::Pause(2 * MS), Step::Send(more)]);
            let server = then(talk.server(MS), [Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "alert-close-reset",
        what: "the client sends an alert and FIN, the server's alert crosses it: reset",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 2_000, &mut scene.rng);
            let client = then(talk.client(), [Step::Send(apps::alert()), Step::Close]);
            let server = then(
                talk.server(MS),
                [Step::Await(talk.question() + 24), Step::Send(apps::alert()), Step::Close],
            );
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "balancer-reaps",
        what: "a load balancer resets an idle connection: TTL 255, no DF, IP-ID of its own",
        act: |scene| {
            scene.go_to(Trait::Balancer);
            idle_then(scene, 62 * SECOND, Step::Abort);
        },
    },
    Behaviour {
        name: "balancer-resets",
        what: "a load balancer resets in the server's name in the middle of a response",
        act: |scene| {
            scene.go_to(Trait::Balancer);
            server_aborts(scene, 9_000, 0);
        },
    },
    Behaviour {
        name: "balancer-no-ack",
        what: "the same without an acknowledgment, with IP-ID 0 and TTL 128 for 64",
        act: |scene| {
            scene.go_to(Trait::Front);
            server_aborts(scene, 9_000, 0);
        },
    },
    Behaviour {
        name: "embedded-bare",
        what: "a small stack that resets without an acknowledgment",
        act: |scene| {
            scene.go_to(Trait::Embedded);
            server_aborts(scene, 2_000, 0);
        },
    },
    Behaviour {
        name: "reset-overtakes",
        what: "the server's reset overtakes the data before it",
        act: |scene| {
            scene.rough.2 = 0.3;
            server_aborts(scene, 12_000, 0);
        },
    },
    Behaviour {
        name: "diagnostic-text",
        what: "a reset with a text in it (RFC 1122, section 4.2.2.12)",
        act: |scene| with_payload(scene, b"process terminated by signal 9"),
    },
    Behaviour {
        name: "diagnostic-cbor",
        what: "a reset with a reason in CBOR (draft-ietf-tcpm-rst-diagnostic-payload)",
        act: |scene| with_payload(scene, b"\xd8\xc9\xa2\x00\x07\x01\x19\x01\x02"),
    },
    Behaviour {
        name: "server-restarts",
        what: "the server forgets; the next packet is answered by a reset at its acknowledgment",
        act: |scene| {
            let talk = scene.http(3_000);
            let more = talk.asks.clone();
            let client = then(talk.client(), [Step::Pause(SECOND), Step::Send(more)]);
            let server = then(talk.server(MS), [Step::Pause(SECOND / 2), Step::Forget]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "server-restarts-download",
        what: "the server forgets while acknowledgments are under way: resets at rising numbers",
        act: |scene| {
            let talk = scene.http(60_000);
            let pause = scene.rtt() + 3 * MS;
            let server = then(talk.server(MS), [Step::Pause(pause), Step::Forget]);
            let mut world = scene.world(talk.client(), server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "timer-meets-request",
        what: "the server's timer resets an idle connection while a request is under way to it",
        act: |scene| {
            let idle = 5 * SECOND;
            let talk = scene.http(1_000);
            let before = scene.rng.range(0, scene.rtt());
            let more = talk.asks.clone();
            let client = then(talk.client(), [Step::Pause(idle - before), Step::Send(more)]);
            let server = then(talk.server(MS), [Step::Pause(idle), Step::Abort]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "client-probe",
        what: "the client connects and aborts at once: a health check",
        act: |scene| {
            let mut world = scene.world(script![Step::Abort], script![Step::AwaitFin]);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "client-aborts-hello",
        what: "the client aborts while its ClientHello is being answered",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 1_000, &mut scene.rng);
            let patience = scene.rng.range(1, scene.rtt() / MS + 4) * MS;
            let client = script![Step::Send(talk.asks.clone()), Step::Pause(patience), Step::Abort];
            let mut world = scene.world(client, talk.server(MS));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "client-killed",
        what: "the client's program is killed after its ClientHello: the ServerHello is answered \
               by bare resets and never acknowledged",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 1_000, &mut scene.rng);
            let mut world = scene.world(talk.client(), talk.server(MS));
            let rtt = scene.rtt();
            world.ends[0].knobs.leaves_at = rtt * 11 / 10 + scene.rng.below(rtt * 9 / 10) + MS;
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "certificate-refused",
        what: "the client does not like the certificate: alert, then reset",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 1_000, &mut scene.rng);
            let client = script![
                Step::Send(talk.asks.clone()),
                Step::Await(talk.greeting()),
                Step::Send(apps::alert()),
                Step::Abort
            ];
            let mut world = scene.world(client, talk.server(MS));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "client-vanishes",
        what: "the client's machine sleeps; the server sends again, waits, and resets",
        act: |scene| {
            let talk = scene.http(9_000);
            let client = script![Step::Send(talk.asks.clone()), Step::Await(1_000), Step::Vanish];
            let server = then(talk.server(MS), [Step::Pause(20 * SECOND), Step::Abort]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "preconnect",
        what: "a browser connects ahead of need and never uses it; it closes after ten seconds",
        act: |scene| {
            let client = script![Step::Pause(10 * SECOND), Step::Close];
            let mut world = scene.world(client, script![Step::AwaitFin, Step::Close]);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "preconnect-reset",
        what: "the same, and the server's patience ends first, by reset",
        act: |scene| {
            let client = script![Step::Pause(20 * SECOND), Step::Close];
            let mut world = scene.world(client, script![Step::Pause(8 * SECOND), Step::Abort]);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "firewall-reaps",
        what: "the site's firewall resets both sides of a connection that was idle for a minute",
        act: firewall_reaps,
    },
    Behaviour {
        name: "retry-after-reset",
        what: "the server resets, and the client connects anew at once from another port",
        act: |scene| {
            server_aborts(scene, 3_000, 0);
            scene.start = scene.last() + MS;
            scene.guest.port += 1;
            ordinary::https(scene);
        },
    },
];

/// The server aborts after some of a response, `pause` later.
fn server_aborts(scene: &mut Scene<'_>, length: usize, pause: u64) {
    let talk = Talk::tls("www.example.org", false, length, &mut scene.rng);
    let thought = scene.thought();
    let pause = if pause == 0 { scene.rng.below(2 * scene.rtt()) } else { pause };
    let server = then(talk.server(thought), [Step::Pause(pause), Step::Abort]);
    let client = then(talk.client(), [Step::Pause(SECOND), Step::Close]);
    let mut world = scene.world(client, server);
    scene.run(&mut world);
}

fn with_payload(scene: &mut Scene<'_>, payload: &'static [u8]) {
    let talk = scene.http(3_000);
    let server = then(talk.server(MS), [Step::Abort]);
    let mut world = scene.world(talk.client(), server);
    world.ends[1].knobs.reset_payload = payload;
    scene.run(&mut world);
}

/// After a response nothing happens for `idle`, then the server does `last`.
fn idle_then(scene: &mut Scene<'_>, idle: u64, last: Step) {
    let talk = scene.http(2_000);
    let server = then(talk.server(MS), [Step::Pause(idle), last]);
    let mut world = scene.world(then(talk.client(), [Step::AwaitFin]), server);
    world.horizon = idle + 10 * SECOND;
    scene.run(&mut world);
}

fn firewall_reaps(scene: &mut Scene<'_>) {
    let talk = scene.http(2_000);
    let (asked, got) = (talk.question(), talk.answer());
    let mut world = scene.world(talk.client(), talk.server(MS));
    world.horizon = 70 * SECOND;
    let seqs = [1 + asked, 1 + got];
    let isns = [world.ends[0].isn(), world.ends[1].isn()];
    let ip_id = scene.rng.u16();
    for end in [End::Server, End::Client] {
        let (own, other) = (end as usize, end.other() as usize);
        let mut reset = Segment::empty(end);
        let os: &Os = &host::EMBEDDED;
        reset.ttl = os.ttl;
        reset.df = os.df;
        reset.ip_id = ip_id;
        reset.flags = flag::RST | flag::ACK;
        reset.seq = isns[own].wrapping_add(seqs[own]);
        reset.ack = isns[other].wrapping_add(seqs[other]);
        world.intrude(node::UPSTREAM, 62 * SECOND, reset);
    }
    scene.run(&mut world);
}
