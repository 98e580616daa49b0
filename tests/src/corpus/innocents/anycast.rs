//! One address at several sites (RFC 4786): a route that changes leads to another site, which knows nothing of the
//! connection and says so, while the first one goes on.
//!
//! Such changes are rare and real: Wei, Heidemann: Does Anycast Hang Up on You? (TMA 2017) found one place in a hundred
//! from which packets take turns between sites.

use super::{Behaviour, network};
use crate::corpus::{
    device::{Device, Passing, Shot},
    path::node,
    rng::Rng,
    scene::{Scene, Talk, Trait, then},
    script::{MS, SECOND, Step},
    segment::{End, Segment, flag},
    world::World,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "anycast-moves",
        what: "in the middle of a download the way of acknowledgments changes to another site of the same address, which \
               resets what it does not know; the first site still sends what it may",
        act: |scene| {
            scene.go_to(Trait::Wandering);
            let talk = Talk::tls("www.example.org", false, 60_000, &mut scene.rng);
            let server = then(talk.server(MS), [Step::AwaitFin, Step::Close]);
            let mut world = scene.world(then(talk.client(), [Step::Close]), server);
            let at = scene.rng.range(scene.rtt(), 6 * scene.rtt());
            moves(scene, &mut world, at, 1.0);
        },
    },
    Behaviour {
        name: "anycast-moves-request",
        what: "the same while the server works on a request: the next one is reset, and then comes the answer to the first",
        act: |scene| {
            scene.go_to(Trait::Wandering);
            let talk = scene.http(3_000);
            let more = talk.asks.clone();
            let wait = scene.rtt() + scene.rng.range(50 * MS, 400 * MS);
            let mut client = talk.client();
            client.pop_back();
            let client = then(
                client,
                [Step::Pause(wait), Step::Send(more), Step::Pause(SECOND), Step::Close],
            );
            let server = then(
                talk.server(wait + scene.rng.range(10 * MS, SECOND)),
                [Step::AwaitFin, Step::Close],
            );
            let mut world = scene.world(client, server);
            let at = 2 * scene.rtt() + 40 * MS;
            moves(scene, &mut world, at, 1.0);
        },
    },
    Behaviour {
        name: "anycast-balanced",
        what: "packets take turns between two sites, of which one knows the connection",
        act: |scene| {
            scene.go_to(Trait::Wandering);
            let mut world = network::usual(scene);
            moves(scene, &mut world, 0, 0.3);
        },
    },
];

/// Runs a world in which from `at` on that share of the client's packets goes to another site.
fn moves(scene: &mut Scene<'_>, world: &mut World, at: u64, share: f64) {
    // Where the other site stands is the address' and not the connection's.
    let mut place = Rng::part(0xa_17ca57, scene.site.number().into());
    let site = OtherSite {
        at,
        share,
        delay: place.range(2 * MS, 60 * MS),
        ttl: 64 - place.range(3, 20) as u8,
        rng: Rng::new(scene.rng.bits()),
    };
    world.put(node::UPSTREAM, Box::new(site));
    scene.run(world);
}

/// Another site behind the same address: a stack without a socket (RFC 9293, section 3.10.7.1).
struct OtherSite {
    /// From when on the way leads there.
    at: u64,
    /// For which share of packets.
    share: f64,
    /// How long an answer takes.
    delay: u64,
    /// TTL of its packets where the ways part.
    ttl: u8,
    rng: Rng,
}

impl Device for OtherSite {
    fn pass(&mut self, segment: Segment, passing: &mut Passing) -> Option<Segment> {
        if segment.from == End::Server || passing.now < self.at || !self.rng.chance(self.share) {
            return Some(segment);
        }
        if segment.has(flag::RST) || segment.has(flag::SYN) {
            // A SYN it would accept: that is another connection's beginning.
            return if segment.has(flag::SYN) { Some(segment) } else { None };
        }
        let mut reset = Segment::empty(End::Server);
        (reset.flags, reset.seq, reset.ttl) = (flag::RST, segment.ack, self.ttl);
        passing.shots.push(Shot { delay: self.delay, segment: reset });
        None
    }
}
