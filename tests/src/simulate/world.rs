//! The simulated world: services, servers, resolvers, clients, and what they do on an ordinary day.

use probe_user::attribute::outcome::{Client, Network, PATHS, Place, Protocol};

use crate::corpus::rng::Rng;

/// Seconds of a window of the attributor, and its nanoseconds.
pub const WINDOW: u64 = probe_user::attribute::WINDOW;

/// One second.
pub const SECOND: u64 = 1_000_000_000;

/// Services by their place in `targets.toml`, sorted by id as the target set has them.
pub const BLOCKED: u16 = 0;
/// A target that nobody blocks.
pub const BYSTANDER: u16 = 1;
/// Controls.
pub const CHECKS: u16 = 2;
/// A control on the front that the target shares.
pub const FRONT: u16 = 3;
/// A control.
pub const NEUTRAL: u16 = 4;
/// A control on the content network that the target uses.
pub const VIDEO: u16 = 5;

/// A server: where it is, and whom it serves.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Its network's third octet, in 198.18.0.0/15.
    pub network: u8,
    /// Who announces it.
    pub asn: u32,
    /// Hops to it.
    pub hops: u8,
    /// Services that it serves, with the weight that clients go there with.
    pub serves: &'static [(u16, u32)],
    /// Answers QUIC.
    pub quic: bool,
}

/// The networks: a shared front, the target's own, a content network, another hoster.
pub const FRONT_NET: u8 = 1;
/// The target's own network.
pub const OWN_NET: u8 = 2;
/// The content network.
pub const CDN_NET: u8 = 3;
/// Where the service may move to.
pub const NEW_NET: u8 = 9;

/// All servers.
pub const SERVERS: [Server; 9] = [
    Server {
        network: FRONT_NET,
        asn: 8_068,
        hops: 9,
        serves: &[(BLOCKED, 5), (FRONT, 5), (BYSTANDER, 3)],
        quic: true,
    },
    Server { network: FRONT_NET, asn: 8_068, hops: 9, serves: &[(FRONT, 3)], quic: true },
    Server { network: FRONT_NET, asn: 8_068, hops: 9, serves: &[(NEUTRAL, 2)], quic: false },
    Server { network: OWN_NET, asn: 14_413, hops: 13, serves: &[(BLOCKED, 3)], quic: true },
    Server { network: OWN_NET, asn: 14_413, hops: 13, serves: &[(NEUTRAL, 2)], quic: false },
    Server {
        network: CDN_NET,
        asn: 20_940,
        hops: 7,
        serves: &[(BLOCKED, 4), (VIDEO, 4)],
        quic: true,
    },
    Server {
        network: CDN_NET,
        asn: 20_940,
        hops: 7,
        serves: &[(VIDEO, 3), (CHECKS, 2), (BYSTANDER, 2)],
        quic: true,
    },
    Server { network: 4, asn: 15_133, hops: 11, serves: &[(CHECKS, 4), (NEUTRAL, 4)], quic: false },
    Server { network: NEW_NET, asn: 16_509, hops: 12, serves: &[], quic: true },
];

/// The server that the service may move to.
pub const NEW_SERVER: usize = 8;

/// A resolver.
#[derive(Clone, Copy, Debug)]
pub struct Resolver {
    /// Its network's third octet.
    pub network: u8,
    /// Who announces it.
    pub asn: u32,
    /// It stands with the client.
    pub local: bool,
    /// Of a hundred clients, how many ask it.
    pub share: u32,
}

/// The provider's, two public ones, one that filters advertisements, and those at home.
pub const RESOLVERS: [Resolver; 5] = [
    Resolver { network: 60, asn: 64_500, local: false, share: 58 },
    Resolver { network: 61, asn: 15_169, local: false, share: 24 },
    Resolver { network: 62, asn: 13_335, local: false, share: 8 },
    Resolver { network: 63, asn: 212_772, local: false, share: 6 },
    Resolver { network: 64, asn: 0, local: true, share: 4 },
];

/// The resolver that filters.
pub const FILTERING: usize = 3;
/// Those at home.
pub const HOME: usize = 4;

/// The network with this third octet.
pub fn network(third: u8) -> Network {
    Network::of(std::net::IpAddr::from([198, 18, third, 1]))
}

/// The place of a server.
pub fn place(server: usize) -> Place {
    let at = SERVERS[server];
    Place {
        network: network(at.network),
        asn: Some(at.asn),
        server: 100 + server as u64,
        local: false,
    }
}

/// The place of a resolver.
pub fn resolver_place(resolver: usize) -> Place {
    let at = RESOLVERS[resolver];
    let asn = (at.asn != 0).then_some(at.asn);
    Place { network: network(at.network), asn, server: 200 + resolver as u64, local: at.local }
}

/// A client.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Its tokens, on the first day.
    pub client: Client,
    /// How likely it is to be there in a window of average load.
    pub active: f64,
    /// The resolver it asks.
    pub resolver: usize,
    /// Mbit/s of its line.
    pub line: f64,
    /// Its software sends large first messages.
    pub large_hello: bool,
    /// A number from 0 to 1 that is its own.
    pub draw: f64,
    /// Something is the matter with it.
    pub is_marked: bool,
}

/// One thing that a client wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intent {
    /// When, nanoseconds since the Unix epoch.
    pub time: u64,
    /// Who.
    pub person: usize,
    /// From which service.
    pub service: u16,
    /// Over what.
    pub protocol: Protocol,
    /// From which server; of DNS, through which resolver.
    pub server: usize,
    /// By which path.
    pub path: u8,
    /// Which of the service's names.
    pub suffix: u16,
    /// How often it has been tried before.
    pub tries: u8,
    /// Large enough that its speed can be told.
    pub large: bool,
}

/// The world of one run.
#[derive(Clone, Debug)]
pub struct World {
    /// Its clients.
    pub people: Vec<Person>,
    /// Start of the first window.
    pub start: u64,
    /// How many windows there are.
    pub windows: u64,
    /// How much the load swings with the day, 0 to 1.
    pub swing: f64,
    /// Share of flows that fail for no reason in particular.
    pub loss: f64,
}

/// Share of client-windows that ask for a service.
const VISITS: [(u16, f64); 6] =
    [(BLOCKED, 0.6), (BYSTANDER, 0.3), (CHECKS, 0.4), (FRONT, 0.5), (NEUTRAL, 0.3), (VIDEO, 0.5)];

/// How large worlds are. More clients than are there at a time are there more seldom, and the more are
/// there, the fewer windows are played: a world of 20,000 takes not much longer than one of 20.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Most clients that are there at a time.
    at_once: f64,
    /// Client-windows of a world, unless it would have too many windows or too few.
    client_windows: f64,
}

impl Size {
    /// Long enough to decide in nearly all worlds.
    pub const FULL: Self = Self { at_once: 300.0, client_windows: 16_000.0 };

    /// A quarter of that to play: fewer are decided.
    pub const LIGHT: Self = Self { at_once: 60.0, client_windows: 4_000.0 };
}

impl World {
    /// Draws a world.
    pub fn draw(size: Size, rng: &mut Rng) -> Self {
        // Evenly over the orders of magnitude from 20 to 20,000.
        let clients = (20.0 * 1_000f64.powf(unit(rng))).round() as usize;
        let active = 0.25f64.min(size.at_once / clients as f64);
        let people = (0..clients).map(|_| person(rng, active)).collect();
        let day = 20_000 + rng.below(400);
        let start = (day * 86_400 + rng.below(86_400)) * SECOND;
        let busy = (clients as f64 * active).max(5.0);
        let windows = (size.client_windows / busy).clamp(72.0, 576.0) as u64;
        Self {
            people,
            start: start - start % WINDOW,
            windows,
            swing: 0.2 + 0.7 * unit(rng),
            loss: *rng.pick(&[0.001, 0.003, 0.01]),
        }
    }

    /// The factor of load at a time: a day's wave, least at four in the morning.
    pub fn load(&self, time: u64) -> f64 {
        let hour = (time / SECOND % 86_400) as f64 / 3_600.0;
        1.0 - self.swing * ((hour - 4.0) / 24.0 * std::f64::consts::TAU).cos()
    }

    /// Draws what is wanted in a window, in the order of time. `more` multiplies visits to a service.
    pub fn intents(&self, window: u64, rng: &mut Rng, more: impl Fn(u16) -> f64) -> Vec<Intent> {
        let start = self.start + window * WINDOW;
        let load = self.load(start);
        let mut intents = Vec::new();
        for (person, who) in self.people.iter().enumerate() {
            if !rng.chance(who.active * load) {
                continue;
            }
            for (service, share) in VISITS {
                if rng.chance((share * more(service)).min(1.0)) {
                    let visits = rng.range(1, 3);
                    for _ in 0..visits {
                        let at = start + rng.below(WINDOW - 20 * SECOND);
                        visit(&mut intents, rng, person, who, service, at);
                    }
                }
            }
        }
        intents
    }
}

/// A number from 0 to 1.
pub fn unit(rng: &mut Rng) -> f64 {
    (rng.bits() >> 11) as f64 / (1u64 << 53) as f64
}

fn person(rng: &mut Rng, active: f64) -> Person {
    let mut pick = rng.below(100) as u32;
    let resolver = RESOLVERS
        .iter()
        .position(|resolver| {
            let chosen = pick < resolver.share;
            pick = pick.saturating_sub(resolver.share);
            chosen
        })
        .unwrap_or(0);
    let token = rng.bits();
    Person {
        client: Client { token, network: rng.bits() },
        active: active * (0.3 + 1.4 * unit(rng)),
        resolver,
        line: 4.0 * 30f64.powf(unit(rng)),
        large_hello: rng.chance(0.4),
        draw: unit(rng),
        is_marked: false,
    }
}

/// One page: a question, and flows to one server within seconds.
fn visit(
    intents: &mut Vec<Intent>,
    rng: &mut Rng,
    person: usize,
    who: &Person,
    service: u16,
    at: u64,
) {
    let weights = |server: &Server| {
        server.serves.iter().find(|(of, _)| *of == service).map_or(0, |&(_, weight)| weight)
    };
    let all: u32 = SERVERS.iter().map(weights).sum();
    let mut pick = rng.below(u64::from(all.max(1))) as u32;
    let server = SERVERS
        .iter()
        .position(|server| {
            let weight = weights(server);
            let chosen = pick < weight;
            pick = pick.saturating_sub(weight);
            chosen
        })
        .unwrap_or(0);
    let suffix = if service == BLOCKED { rng.below(2) as u16 } else { 0 };
    let mut want = |protocol, server, time, large, rng: &mut Rng| {
        let path = rng.below(u64::from(PATHS)) as u8;
        intents.push(Intent {
            time,
            person,
            service,
            protocol,
            server,
            path,
            suffix,
            tries: 0,
            large,
        });
    };
    want(Protocol::Dns, who.resolver, at, false, rng);
    for _ in 0..rng.range(1, 6) {
        let protocol = match rng.below(100) {
            0..12 => Protocol::TcpHttp,
            12..35 if SERVERS[server].quic => Protocol::Quic,
            _ => Protocol::TcpTls,
        };
        let large = protocol != Protocol::TcpHttp && rng.chance(0.35);
        let time = at + 50_000_000 + rng.below(8 * SECOND);
        want(protocol, server, time, large, rng);
    }
}
