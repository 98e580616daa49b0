//! Programs that talk, wait, and close.

use super::Behaviour;
use crate::corpus::{
    apps, host,
    scene::{Scene, Talk, Trait, then},
    script::{MS, SECOND, Step},
};
use crate::script;

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour { name: "https", what: "HTTPS, the client closes", act: https },
    Behaviour {
        name: "https-post-quantum",
        what: "HTTPS with a ClientHello of two segments",
        act: |scene| {
            let talk = Talk::tls("www.example.org", true, 6_000 / scene.brief, &mut scene.rng);
            closes(scene, &talk, true);
        },
    },
    Behaviour {
        name: "http",
        what: "HTTP, the server closes",
        act: |scene| {
            let talk = scene.http(8_000 / scene.brief);
            closes(scene, &talk, false);
        },
    },
    Behaviour {
        name: "dns-over-tcp",
        what: "a look-up over TCP; either side closes",
        act: |scene| {
            let talk = dns(scene);
            let client = scene.rng.chance(0.5);
            closes(scene, &talk, client);
        },
    },
    Behaviour {
        name: "download",
        what: "a long response",
        act: |scene| {
            let length = 400_000 / (scene.brief * scene.brief);
            let talk = Talk::tls("www.example.org", false, length, &mut scene.rng);
            closes(scene, &talk, true);
        },
    },
    Behaviour {
        name: "requests",
        what: "several requests on one connection",
        act: |scene| {
            let (mut client, mut server) = (script![], script![]);
            let (mut asked, mut got) = (0, 0);
            for _ in 0..3 {
                let talk = scene.http(900);
                asked += talk.question();
                got += talk.answer();
                let pause = scene.rng.range(5, 900) * MS;
                client.extend([Step::Send(talk.asks), Step::Await(got), Step::Pause(pause)]);
                server.extend([Step::Await(asked), Step::Send(talk.gets)]);
            }
            client.push_back(Step::Close);
            let server = then(server, [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "keep-alive",
        what: "idle for a minute, with keep-alive probes",
        act: |scene| keep_alive(scene, false),
    },
    Behaviour {
        name: "keep-alive-octet",
        what: "keep-alive probes with an octet of rubbish at an old number",
        act: |scene| keep_alive(scene, true),
    },
    Behaviour {
        name: "server-slow",
        what: "the server takes five seconds to answer",
        act: |scene| {
            let talk = scene.http(2_000);
            let server = then(talk.server(5 * SECOND), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(then(talk.client(), [Step::Close]), server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "pause",
        what: "the server's program stops in the middle of a response for some seconds",
        act: |scene| {
            let talk = Talk::tls("www.example.org", false, 16_000, &mut scene.rng);
            let more = apps::sealed(8_000, &mut scene.rng);
            let answer = talk.answer();
            let all = answer + more.len() as u32;
            let server = then(
                talk.server(MS),
                [Step::Pause(6 * SECOND), Step::Send(more), Step::AwaitFin, Step::Close],
            );
            let client = then(talk.client(), [Step::Await(all), Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "half-close",
        what: "the client sends FIN and goes on reading",
        act: |scene| {
            let talk = scene.http(20_000 / scene.brief);
            let client =
                script![Step::Send(talk.asks.clone()), Step::Shutdown, Step::AwaitFin, Step::Close];
            let server = then(talk.server(20 * MS), [Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "zero-window",
        what: "the client stops reading; the server probes the closed window",
        act: |scene| {
            let talk = scene.http(400_000);
            let client = script![
                Step::Send(talk.asks.clone()),
                Step::StopReading,
                Step::Pause(4 * SECOND),
                Step::StartReading,
                Step::Await(talk.answer()),
                Step::Close
            ];
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "no-timestamps",
        what: "neither side has timestamps",
        act: |scene| {
            scene.guest.os = &host::WINDOWS;
            scene.go_to(Trait::Plain);
            https(scene);
        },
    },
    Behaviour {
        name: "login-redirect",
        what: "the server itself answers with a redirection to a login page",
        act: |scene| {
            let mut talk = scene.http(0);
            talk.gets = apps::redirect(302, "http://login.example.org/?next=%2F");
            closes(scene, &talk, false);
        },
    },
    Behaviour {
        name: "small-writes",
        what: "an interactive program that writes little at a time",
        act: |scene| {
            let (mut client, mut server) = (script![], script![]);
            for round in 1..=12 {
                let pause = scene.rng.range(20, 250) * MS;
                client.extend([
                    Step::Send(apps::filler(round.into(), 36)),
                    Step::Await(round * 44),
                    Step::Pause(pause),
                ]);
                server.extend([
                    Step::Await(round * 36),
                    Step::Send(apps::filler(u64::from(round) + 99, 44)),
                ]);
            }
            client.push_back(Step::Close);
            scene.port = 22;
            let mut world = scene.world(client, then(server, [Step::AwaitFin, Step::Close]));
            scene.run(&mut world);
        },
    },
    Behaviour {
        name: "both-close",
        what: "both sides send FIN at once",
        act: |scene| {
            let talk = scene.http(3_000);
            let half = scene.rtt() / 2;
            let client = then(talk.client(), [Step::Close]);
            let server = then(talk.server(MS), [Step::Pause(half), Step::Close]);
            let mut world = scene.world(client, server);
            scene.run(&mut world);
        },
    },
];

/// A look-up over TCP.
pub(super) fn dns(scene: &mut Scene<'_>) -> Talk {
    scene.port = 53;
    let name = *scene.rng.pick(&["www.linkedin.com", "www.example.org", "a.site-7.net"]);
    Talk::dns(name, &mut scene.rng)
}

/// An ordinary connection.
pub(super) fn https(scene: &mut Scene<'_>) {
    let length = scene.rng.range(400, 24_000) as usize / scene.brief;
    let talk = Talk::tls("www.example.org", false, length, &mut scene.rng);
    closes(scene, &talk, true);
}

/// `talk`, closed by the client or the server.
pub(super) fn closes(scene: &mut Scene<'_>, talk: &Talk, client_first: bool) {
    let thought = scene.thought();
    let (client, server) = if client_first {
        (
            then(talk.client(), [Step::Close]),
            then(talk.server(thought), [Step::AwaitFin, Step::Close]),
        )
    } else {
        (
            then(talk.client(), [Step::AwaitFin, Step::Close]),
            then(talk.server(thought), [Step::Close]),
        )
    };
    let mut world = scene.world(client, server);
    scene.run(&mut world);
}

fn keep_alive(scene: &mut Scene<'_>, rubbish: bool) {
    let talk = scene.http(2_000);
    let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
    let client = then(
        talk.client(),
        [Step::KeepAlive(12 * SECOND, rubbish), Step::Pause(58 * SECOND), Step::Close],
    );
    let mut world = scene.world(client, server);
    world.horizon = 70 * SECOND;
    scene.run(&mut world);
}
