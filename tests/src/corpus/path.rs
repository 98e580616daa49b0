//! The way between the two ends, and where on it somebody watches.
//!
//! ```text
//!  client ──0── [censor] ──1── router ──2── [censor] ──3── server
//!             downstream       observed     upstream
//! ```

use super::{rng::Rng, script::MS};

/// Places on the way.
pub mod node {
    /// The end that asks.
    pub const CLIENT: usize = 0;
    /// A device between client and router.
    pub const DOWNSTREAM: usize = 1;
    /// The observed port.
    pub const ROUTER: usize = 2;
    /// A device between router and server.
    pub const UPSTREAM: usize = 3;
    /// The end that is asked.
    pub const SERVER: usize = 4;
}

/// One stretch of the way, the same in both directions.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Routers on it that lower the TTL.
    pub hops: u8,
    /// Least delay, in nanoseconds.
    pub delay: u64,
    /// Most that is added to it, in nanoseconds.
    pub jitter: u64,
    /// Share of packets that are lost.
    pub loss: f64,
    /// Share of packets that arrive twice.
    pub twice: f64,
    /// Share of packets that later ones overtake.
    pub late: f64,
    /// Share of packets in which a bit goes wrong.
    pub wrong: f64,
    /// Packets longer than this, without header, vanish without a word; 0: none do.
    pub narrow: usize,
}

/// What routes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Stay.
    Steady,
    /// Change once, at this time, to so many hops more or fewer behind the router.
    Changes(u64, i8),
    /// Differ from packet to packet by up to so many hops (balanced by packet).
    Sprays(u8),
}

/// The whole way.
#[derive(Clone, Debug)]
pub struct Path {
    /// Its stretches, from the client on.
    pub links: [Link; 4],
    /// What the route does behind the router.
    pub route: Route,
}

impl Path {
    /// A clean way of usual length.
    pub fn usual(rng: &mut Rng) -> Self {
        let near = rng.range(MS / 5, 12 * MS);
        let far = rng.range(3 * MS, 90 * MS);
        Self::of(rng.range(1, 2) as u8, near, rng.range(4, 16) as u8, far)
    }

    /// A clean way of given length: hops and delay in nanoseconds before and behind the router.
    pub fn of(near_hops: u8, near: u64, far_hops: u8, far: u64) -> Self {
        let link = |hops: u8, delay: u64| Link {
            hops,
            delay,
            jitter: delay / 20 + MS / 20,
            ..Link::default()
        };
        // Devices stand at half of either way. The hop next to the client is a switch.
        let (one, two) = (near_hops / 2, near_hops - near_hops / 2);
        let (three, four) = (far_hops / 2, far_hops - far_hops / 2);
        Self {
            links: [
                link(one, near / 2),
                link(two, near - near / 2),
                link(three, far * 2 / 5),
                link(four, far - far * 2 / 5),
            ],
            route: Route::Steady,
        }
    }

    /// With loss, duplication and overtaking on both sides of the router, each a share.
    pub fn rough(mut self, loss: f64, twice: f64, late: f64) -> Self {
        for link in [0, 3] {
            let link = &mut self.links[link];
            (link.loss, link.twice, link.late) = (loss, twice, late);
        }
        self
    }

    /// Time from the router to the server and back, without jitter, in nanoseconds.
    pub fn far_rtt(&self) -> u64 {
        2 * (self.links[2].delay + self.links[3].delay)
    }
}
