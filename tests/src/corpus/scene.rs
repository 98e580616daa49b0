//! Where a connection takes place: who talks to whom over which way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::{
    apps,
    dns::{
        message::{ANSWER, Message, Opt, kind},
        names::{Name, Served},
    },
    host::{self, Host, Os},
    path::Path,
    rng::Rng,
    script::{MS, Script, Step},
    segment::Pair,
    tape::Tape,
    world::World,
};
use crate::script;

/// A server: its address, how far away it is, and what it runs. The same number is always the same
/// server, since an observer learns what is normal for one.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its address, without a port.
    pub address: [IpAddr; 2],
    /// Hops behind the router.
    pub hops: u8,
    /// One-way delay behind the router, in nanoseconds.
    pub delay: u64,
    /// What it runs.
    pub os: &'static Os,
    /// Which one of which world it is.
    number: (u64, u32),
}

/// Servers of the world that are like each other; others have traits of their own.
pub const SITES: u32 = 2_000;

/// Servers with a trait of their own, which all connections to them meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// Runs this.
    Balancer = 1,
    /// Runs this.
    Front,
    /// Runs this.
    Embedded,
    /// Has no timestamps.
    Plain,
    /// Copies header fields of what it answers.
    Mirroring,
    /// Takes data in the SYN.
    FastOpen,
    /// Has no such port open.
    Refusing,
    /// Is not there.
    Absent,
    /// Dies.
    Dying,
    /// Lies behind a narrow link whose errors are lost.
    Narrow,
    /// Is reached by several ways at once.
    Sprayed,
    /// Is reached by a way that changes.
    Wandering,
    /// Lies behind a proxy that answers SYNs.
    Proxied,
    /// Answers with cookies.
    Cookies,
}

impl Site {
    /// Server `number` of the world of `seed`.
    pub fn of(seed: u64, number: u32) -> Self {
        let mut rng = Rng::part(seed ^ 0x5e17e, number.into());
        // 198.18.0.0/15 and 2001:db8::/32 are set apart for measurements and examples.
        let v4 = Ipv4Addr::from(0xc612_0000 + (number % 0x1_fffe) + 1);
        let [high, low] = [(number >> 16) as u16, number as u16];
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, high, low.wrapping_add(1));
        Self {
            address: [v4.into(), v6.into()],
            hops: rng.range(4, 16) as u8,
            delay: rng.range(2 * MS, 90 * MS),
            os: host::server(&mut rng),
            number: (seed, number),
        }
    }

    /// Another server that has a trait, the same for the same server.
    fn with(&self, which: Trait) -> Self {
        let (seed, number) = self.number;
        let mut site = Self::of(seed, number % SITES + which as u32 * SITES);
        match which {
            Trait::Balancer => site.os = &host::BALANCER,
            Trait::Front => site.os = &host::FRONT,
            Trait::Embedded => site.os = &host::EMBEDDED,
            Trait::Plain | Trait::Mirroring => site.os = &host::LINUX_PLAIN,
            Trait::FastOpen => site.os = &host::LINUX,
            _ => {}
        }
        site
    }

    /// A number that is always the same for this server.
    pub const fn number(&self) -> u32 {
        self.number.1
    }
}

/// A client and its way to the router.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Address in either family.
    pub address: [IpAddr; 2],
    /// Port.
    pub port: u16,
    /// Hops before the router.
    pub hops: u8,
    /// One-way delay before the router, in nanoseconds.
    pub delay: u64,
    /// What it runs.
    pub os: &'static Os,
}

/// Clients, each with an address of its own.
const GUESTS: u64 = 8_192;

/// Networks (/24 and /48) that they are in, one after the other.
const NETWORKS: u32 = 64;

/// Ports that a client uses in turn; they are 4 apart, so that a connection that takes another
/// port stays its own.
const PORTS: u64 = 15_000;

impl Guest {
    /// The client of connection `number`: no two connections share address and port until all have
    /// been used. What it runs is up to `rng`, since several devices may share an address.
    pub fn of(number: u64, rng: &mut Rng) -> Self {
        let host = (number % GUESTS) as u32;
        let (network, within) = (host % NETWORKS, host / NETWORKS + 1);
        let v4 = Ipv4Addr::new(10, 0, network as u8, within as u8);
        let v6 = Ipv6Addr::new(0xfd00, 0, network as u16, 1, 0, 0, 0, within as u16);
        let mut own = Rng::part(0x9e57, host.into());
        Self {
            address: [v4.into(), v6.into()],
            port: 4_096 + (number / GUESTS % PORTS) as u16 * 4,
            hops: own.range(0, 1) as u8,
            delay: own.range(MS / 10, 8 * MS),
            os: host::client(rng),
        }
    }

    /// The number of the connection that has this client, whichever of its ports it uses.
    pub fn number(client: SocketAddr) -> Option<u64> {
        let host = match client.ip().to_canonical() {
            IpAddr::V4(v4) if v4.octets()[0] == 10 => {
                let [_, _, network, within] = v4.octets().map(u32::from);
                network + (within - 1) * NETWORKS
            }
            IpAddr::V6(v6) if v6.segments()[0] == 0xfd00 => {
                let [_, _, network, _, _, _, _, within] = v6.segments().map(u32::from);
                network + (within - 1) * NETWORKS
            }
            _ => return None,
        };
        let port = client.port().checked_sub(4_096)? / 4;
        Some(u64::from(port) * GUESTS + u64::from(host))
    }
}

/// One connection about to happen, or a few that belong together.
pub struct Scene<'a> {
    /// Random numbers of this connection.
    pub rng: Rng,
    /// The client.
    pub guest: Guest,
    /// The server.
    pub site: Site,
    /// The server's port.
    pub port: u16,
    /// IPv6.
    pub v6: bool,
    /// When it begins, in nanoseconds.
    pub start: u64,
    /// Where frames go.
    pub tape: &'a mut Tape,
    /// Shares of packets lost, doubled and late on either side.
    pub rough: (f64, f64, f64),
    /// Divides amounts of data, so that a soak gets more connections out of a minute.
    pub brief: usize,
}

impl Scene<'_> {
    /// Goes to a server that has this trait.
    pub fn go_to(&mut self, which: Trait) {
        self.site = self.site.with(which);
    }

    /// An HTTP exchange with `length` octets of response, on its port.
    pub fn http(&mut self, length: usize) -> Talk {
        self.port = 80;
        Talk::http("www.example.org", length, &mut self.rng)
    }

    /// Addresses and ports; `shift` is added to the client's port.
    pub fn pair(&self, shift: u16) -> Pair {
        let family = usize::from(self.v6);
        Pair {
            client: SocketAddr::new(self.guest.address[family], self.guest.port + shift),
            server: SocketAddr::new(self.site.address[family], self.port),
        }
    }

    /// The way, with whatever goes wrong on it.
    pub fn path(&self) -> Path {
        let (guest, site) = (&self.guest, &self.site);
        let (loss, twice, late) = self.rough;
        Path::of(guest.hops, guest.delay, site.hops, site.delay).rough(loss, twice, late)
    }

    /// A world with these scripts.
    pub fn world(&mut self, client: Script, server: Script) -> World {
        let rng = &mut self.rng;
        let hosts = [Host::new(self.guest.os, rng), Host::new(self.site.os, rng)];
        let (pair, path) = (self.pair(0), self.path());
        let mut world = World::new(pair, hosts, [client, server], path, &mut self.rng);
        if self.v6 {
            // 20 octets more of header.
            world.ends.iter_mut().for_each(|end| end.knobs.mss = 1_440);
        }
        world
    }

    /// Runs a world.
    pub fn run(&mut self, world: &mut World) {
        world.run(self.start, self.tape);
    }

    /// When the router saw the last frame so far, in nanoseconds.
    pub fn last(&self) -> u64 {
        self.tape.records.iter().map(|record| record.time).max().unwrap_or(self.start)
    }

    /// Time from the router to the server and back, in nanoseconds.
    pub fn far_rtt(&self) -> u64 {
        2 * self.site.delay
    }

    /// Time between both ends and back, in nanoseconds.
    pub fn rtt(&self) -> u64 {
        2 * (self.site.delay + self.guest.delay)
    }

    /// What a program takes to think, in nanoseconds.
    pub fn thought(&mut self) -> u64 {
        self.rng.range(MS / 5, 4 * MS)
    }
}

/// What is said in an HTTPS or HTTP connection.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What the client says first.
    pub asks: Bytes,
    /// What the server answers first; nothing for HTTP.
    pub greets: Option<Bytes>,
    /// What the client says then.
    pub wants: Option<Bytes>,
    /// The response.
    pub gets: Bytes,
}

impl Talk {
    /// HTTPS with `name`, `length` octets of response.
    pub fn tls(name: &str, post_quantum: bool, length: usize, rng: &mut Rng) -> Self {
        let flight = rng.range(2_200, 4_600) as usize;
        Self {
            asks: apps::client_hello(name, post_quantum, rng),
            greets: Some(apps::server_hello(flight, rng)),
            wants: Some(apps::sealed(rng.range(150, 700) as usize, rng)),
            gets: apps::sealed(length, rng),
        }
    }

    /// HTTP with `name`.
    pub fn http(name: &str, length: usize, rng: &mut Rng) -> Self {
        Self { asks: apps::get(name, "/"), greets: None, wants: None, gets: apps::ok(length, rng) }
    }

    /// A look-up of `name` over TCP (RFC 7766).
    pub fn dns(name: &str, rng: &mut Rng) -> Self {
        let name = Name::called(name, Served::RoundRobin, rng.bits());
        let query = Message::query(rng.u16(), name.question(kind::A), Some(Opt::of(1_232, false)));
        let reply = name.truth(kind::A, 0, 0, rng).reply(&query, ANSWER, query.opt.clone());
        Self::prefixed(&query, &reply)
    }

    /// A question and its answer over TCP, each behind its length.
    pub fn prefixed(query: &Message, reply: &Message) -> Self {
        let [asks, gets] = [query, reply].map(|message| {
            let octets = message.octets();
            (octets.len() as u16).to_be_bytes().into_iter().chain(octets).collect()
        });
        Self { asks, greets: None, wants: None, gets }
    }

    /// Octets of the server's first flight.
    pub fn greeting(&self) -> u32 {
        self.greets.as_ref().map_or(0, |flight| flight.len() as u32)
    }

    /// Octets that the server sends in all.
    pub fn answer(&self) -> u32 {
        self.greeting() + self.gets.len() as u32
    }

    /// Octets that the client sends in all.
    pub fn question(&self) -> u32 {
        self.asks.len() as u32 + self.wants.as_ref().map_or(0, |wants| wants.len() as u32)
    }

    /// The client's side up to the response.
    pub fn client(&self) -> Script {
        let mut script = script![Step::Send(self.asks.clone())];
        if let Some(wants) = &self.wants {
            script.extend([Step::Await(self.greeting()), Step::Send(wants.clone())]);
        }
        script.push_back(Step::Await(self.answer()));
        script
    }

    /// The server's side up to the response; it thinks for `thought` nanoseconds.
    pub fn server(&self, thought: u64) -> Script {
        let mut script = script![Step::Await(self.asks.len() as u32), Step::Pause(thought)];
        if let Some(flight) = &self.greets {
            script.extend([
                Step::Send(flight.clone()),
                Step::Await(self.question()),
                Step::Pause(thought),
            ]);
        }
        script.push_back(Step::Send(self.gets.clone()));
        script
    }
}

/// `script` and then `steps`.
pub fn then(mut script: Script, steps: impl IntoIterator<Item = Step>) -> Script {
    script.extend(steps);
    script
}
