//! Where a look-up takes place: who asks whom, and what of it passes the router's port.
//!
//! There are no events to simulate as there are for TCP: a question passes the router, and what
//! comes back passes it later. A behaviour or a device says what, and when.

use std::net::SocketAddr;

use super::{
    datagram::{Datagram, Look},
    message::{ANSWER, Message, Opt, Question, kind},
    names::{Name, mixed},
    resolver::{Node, Resolver},
};
use crate::corpus::{rng::Rng, scene::Guest, script::MS, segment::Truth, tape::Tape};

/// A question under way.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The query as it was sent.
    pub query: Message,
    /// What is added to the client's port.
    pub shift: u16,
    /// When it passed the router, in nanoseconds.
    pub time: u64,
    /// Its header where it passed the router.
    pub look: Look,
    /// When it was sent first, if it is a repetition: the same as `time` if not.
    pub first: u64,
    /// What is asked for.
    pub name: Name,
}

/// How a client asks.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Its OPT record.
    pub opt: Option<Opt>,
    /// Whether it mixes capitals and small letters.
    pub mixes: bool,
}

/// A look-up about to happen, or a few that belong together.
pub struct Scene<'a> {
    /// Random numbers of this scene.
    pub rng: Rng,
    /// Whose resolvers and names there are.
    pub world: u64,
    /// The client.
    pub guest: Guest,
    /// Whom it asks.
    pub resolver: Resolver,
    /// IPv6.
    pub v6: bool,
    /// When it begins, in nanoseconds.
    pub start: u64,
    /// Where frames go.
    pub tape: &'a mut Tape,
    /// How it asks.
    pub manner: Manner,
    /// Which name is asked for where a behaviour does not care.
    pub name: Name,
    /// Packets sent so far.
    sent: u16,
}

impl<'a> Scene<'a> {
    /// A scene in which client `number` asks `resolver` at `start`.
    pub fn new(
        world: u64,
        number: u64,
        resolver: Resolver,
        (v6, start): (bool, u64),
        tape: &'a mut Tape,
        mut rng: Rng,
    ) -> Self {
        let guest = Guest::of(number, &mut rng);
        let opt = match rng.below(10) {
            0..5 => None,
            5..8 => Some(Opt::of(1_232, false)),
            8 => Some(Opt::of(4_096, true)),
            _ => Some(Opt {
                options: vec![0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
                ..Opt::of(1_232, false)
            }),
        };
        let manner = Manner { opt, mixes: rng.chance(0.2) };
        let name = Self::any_name(world, &mut rng);
        Self { rng, world, guest, resolver, v6, start, tape, manner, name, sent: 0 }
    }

    /// A name as clients ask for: some are watched, some are controls.
    pub fn any_name(world: u64, rng: &mut Rng) -> Name {
        match rng.below(100) {
            0..12 => Name::watched(rng.bits()),
            12..20 => Name::control(rng.bits()),
            // A few names make up most of what is asked for.
            20..70 => Name::of(world, rng.below(200)),
            _ => Name::of(world, rng.below(50_000)),
        }
    }

    /// A type as clients ask for.
    pub fn any_kind(&mut self) -> u16 {
        match self.rng.below(100) {
            0..52 => kind::A,
            52..92 => kind::AAAA,
            92..98 => kind::HTTPS,
            _ => kind::TXT,
        }
    }

    /// The client's address and port.
    pub fn client(&self, shift: u16) -> SocketAddr {
        SocketAddr::new(self.guest.address[usize::from(self.v6)], self.guest.port + shift)
    }

    /// The resolver's.
    pub fn server(&self) -> SocketAddr {
        SocketAddr::new(self.resolver.address[usize::from(self.v6)], 53)
    }

    /// The machine that answers usually.
    pub fn usual(&self) -> Node {
        self.resolver.nodes[0]
    }

    /// Any machine of the resolver's: mostly the same for the same client.
    pub fn node(&mut self) -> Node {
        let mine = usize::from(self.guest.port) + self.client_number() as usize;
        let nodes = &self.resolver.nodes;
        if self.rng.chance(0.9) { nodes[mine / 64 % nodes.len()] } else { *self.rng.pick(nodes) }
    }

    /// From the router to `node` and back, with what queues add, in nanoseconds.
    pub fn trip(&mut self, node: &Node) -> u64 {
        let queue = if self.rng.chance(0.03) { self.rng.below(12 * MS) } else { 0 };
        2 * node.delay + self.rng.below(node.delay / 12 + MS / 8) + queue
    }

    /// How long a resolver takes: from memory, or by asking others first.
    pub fn work(&mut self) -> u64 {
        if self.rng.below(100) < self.resolver.cold {
            let far = if self.rng.chance(0.1) { 600 } else { 90 };
            self.rng.range(6 * MS, far * MS)
        } else {
            self.rng.range(MS / 20, MS / 2)
        }
    }

    /// Composes a question for `name` and has it pass the router at `time`.
    pub fn ask(&mut self, name: &Name, kind: u16, time: u64, shift: u16) -> Asked {
        let mut question: Question = name.question(kind);
        if self.manner.mixes {
            question.name = mixed(&question.name, &mut self.rng);
        }
        let query = Message::query(self.rng.u16(), question, self.manner.opt.clone());
        self.send(query, name, time, shift)
    }

    /// Has `query` pass the router at `time`.
    pub fn send(&mut self, query: Message, name: &Name, time: u64, shift: u16) -> Asked {
        let look = Look {
            ttl: self.guest.os.ttl - self.guest.hops,
            ip_id: self.rng.u16(),
            df: self.rng.chance(0.5),
        };
        let asked = Asked { query, shift, time, look, first: time, name: name.clone() };
        self.put_query(&asked);
        asked
    }

    /// Sends the same question again, from the same port with the same id.
    pub fn again(&mut self, asked: &Asked, time: u64) -> Asked {
        let look = Look { ip_id: self.rng.u16(), ..asked.look };
        let again = Asked { time, look, ..asked.clone() };
        self.put_query(&again);
        again
    }

    fn put_query(&mut self, asked: &Asked) {
        let payload = asked.query.octets();
        self.put_octets(asked, asked.look, asked.time, true, Truth::Genuine, &payload);
    }

    /// Puts a datagram of this exchange on the tape, in either direction.
    pub fn put_octets(
        &mut self,
        asked: &Asked,
        look: Look,
        time: u64,
        from_client: bool,
        truth: Truth,
        payload: &[u8],
    ) {
        let (client, server) = (self.client(asked.shift), self.server());
        let (from, to) = if from_client { (client, server) } else { (server, client) };
        let datagram = Datagram { from, to, from_client, look, payload };
        self.tape.put(time, truth, from_client, |out| datagram.write(out));
        self.sent = self.sent.wrapping_add(1);
    }

    /// The header of a packet that `node` sends at `time`.
    pub fn look(&mut self, node: &Node, time: u64) -> Look {
        let client = self.client_number();
        let ip_id = node.ip_id(client, time, self.sent, &mut self.rng);
        Look { ttl: node.ttl_here(), ip_id, df: node.df }
    }

    fn client_number(&self) -> u16 {
        match self.guest.address[0] {
            std::net::IpAddr::V4(v4) => u32::from(v4) as u16,
            std::net::IpAddr::V6(_) => 0,
        }
    }

    /// The OPT record that a resolver answers `asked` with.
    pub fn opt(&self, asked: &Asked) -> Option<Opt> {
        let asks = asked.query.opt.as_ref().filter(|_| self.resolver.edns)?;
        Some(Opt::of(1_232, asks.dnssec))
    }

    /// What `node` says at `time` if it tells the truth.
    pub fn truth(&mut self, asked: &Asked, node: &Node, time: u64) -> Message {
        let opt = self.opt(asked);
        let said = asked.name.truth(asked.query.kind(), node.number, time, &mut self.rng);
        said.reply(&asked.query, ANSWER, opt)
    }

    /// Has a genuine reply pass the router at `time`.
    pub fn reply(&mut self, asked: &Asked, node: &Node, time: u64, reply: &Message) {
        let look = self.look(node, time);
        self.put_octets(asked, look, time, false, Truth::Genuine, &reply.octets());
    }

    /// Has `node` tell the truth after as long as it takes; returns when that passed.
    pub fn answer(&mut self, asked: &Asked, node: &Node) -> u64 {
        let time = asked.time + self.trip(node) + self.work();
        let reply = self.truth(asked, node, time);
        self.reply(asked, node, time, &reply);
        time
    }

    /// A question and its true answer, at `time`; returns when that passed.
    pub fn exchange(&mut self, name: &Name, kind: u16, time: u64, shift: u16) -> u64 {
        let asked = self.ask(name, kind, time, shift);
        let node = self.node();
        self.answer(&asked, &node)
    }

    /// Frames that it has put on the tape so far are counted from here.
    pub fn mark(&self) -> usize {
        self.tape.records.len()
    }
}
