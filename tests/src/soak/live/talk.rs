//! Conversations, packet by packet: forged ones, each with a name of its own, and such as only look so.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use probe_common::wire::tcp_flag::{ACK, FIN, PSH, RST, SYN};

use crate::{
    corpus::{apps, rng::Rng},
    craft::{
        dns,
        net::Ip,
        segment::{Segment, syn_options, timestamps},
    },
    lab::injector::{craft, model::Model},
};

/// What all names end in: a watched service's.
const UNDER: &str = "linkedin.com";

/// Where all names are: of the service's own networks.
const SERVER: Ipv4Addr = Ipv4Addr::new(108, 174, 10, 10);

/// Who is asked for them.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);

/// From a packet to what the other end answers.
const AWAY: Duration = Duration::from_millis(20);

/// From a packet to its sender's next.
const NEXT: Duration = Duration::from_millis(1);

/// From what a forger sees to what he sends.
const THINKING: Duration = Duration::from_millis(3);

/// Octets that a server answers with.
const ANSWER: usize = 1_200;

/// What becomes of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody beside the way resets the connection; the server goes on.
    Reset,
    /// Somebody beside the way answers before the resolver does.
    Answer,
    /// A connection, answered and closed.
    Whole,
    /// A connection that is answered, and stays open.
    Open,
    /// The server itself resets it in place of an answer.
    OwnReset,
    /// The server itself resets it after its answer.
    LateReset,
    /// Nobody listens at the port.
    Refused,
    /// A look-up.
    Lookup,
    /// A look-up whose answer the network doubles.
    Doubled,
}

impl Kind {
    /// All of them, with how many there are in a second; of forged ones that is up to who asks.
    pub const ALL: [(Self, f64); 9] = [
        (Self::Reset, 0.0),
        (Self::Answer, 0.0),
        (Self::Whole, 60.0),
        (Self::Open, 140.0),
        (Self::OwnReset, 20.0),
        (Self::LateReset, 20.0),
        (Self::Refused, 10.0),
        (Self::Lookup, 150.0),
        (Self::Doubled, 20.0),
    ];

    /// Whether somebody interferes.
    pub const fn is_forged(self) -> bool {
        matches!(self, Self::Reset | Self::Answer)
    }

    /// What names of such conversations begin with.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Answer => "answer",
            Self::Whole => "whole",
            Self::Open => "open",
            Self::OwnReset => "own-reset",
            Self::LateReset => "late-reset",
            Self::Refused => "refused",
            Self::Lookup => "lookup",
            Self::Doubled => "doubled",
        }
    }

    /// Which conversation `name` belongs to, unless it is none of ours.
    pub fn of(name: &str) -> Option<(Self, u64)> {
        let (word, number) = name.strip_suffix(UNDER)?.strip_suffix('.')?.rsplit_once('-')?;
        let (kind, _) = Self::ALL.into_iter().find(|(kind, _)| kind.word() == word)?;
        Some((kind, number.parse().ok()?))
    }
}

/// A packet that is due some time after the one before.
#[derive(Clone, Debug)]
pub struct Step {
    /// How long after.
    pub after: Duration,
    /// Whether it answers what came before: then it is never sooner, by the measure of this connection.
    pub answers: bool,
    /// The packet, from its IP header on.
    pub packet: Vec<u8>,
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What becomes of it.
    pub kind: Kind,
    /// Which of its kind it is.
    pub number: u64,
    /// Packets that are still to be sent.
    pub steps: VecDeque<Step>,
}

impl Talk {
    /// The conversation `number` of its kind.
    pub fn new(kind: Kind, number: u64) -> Self {
        let name = format!("{}-{number}.{UNDER}", kind.word());
        let client = client(kind, number);
        let steps = match kind {
            Kind::Answer | Kind::Lookup | Kind::Doubled => look_up(kind, client, &name, number),
            _ => connection(kind, client, &name, number),
        };
        Self { kind, number, steps: steps.into() }
    }
}

/// Each has an address of its own, until four million have had one.
fn client(kind: Kind, number: u64) -> SocketAddr {
    let place = number * Kind::ALL.len() as u64 + kind as u64;
    let network = u32::from(Ipv4Addr::new(100, 64, 0, 0));
    let address = Ipv4Addr::from(network | (place as u32 & 0x003f_ffff));
    SocketAddr::new(address.into(), 20_000 + (place % 40_000) as u16)
}

fn step(after: Duration, packet: Vec<u8>) -> Step {
    Step { after, answers: after >= AWAY, packet }
}

/// What both ends of a connection have said so far.
struct Ends {
    there: Ip,
    ports: (u16, u16),
    /// Next numbers of client and server.
    next: [u32; 2],
    steps: Vec<Step>,
}

impl Ends {
    fn says(&mut self, after: Duration, from_client: bool, flags: u16, payload: &[u8]) {
        let (own, other) = if from_client { (0, 1) } else { (1, 0) };
        let options = match flags {
            _ if flags & SYN != 0 => syn_options(7, 0),
            _ if flags & RST != 0 => Vec::new(),
            _ => timestamps(9, 7),
        };
        let segment = Segment {
            ports: if from_client { self.ports } else { (self.ports.1, self.ports.0) },
            seq: self.next[own],
            ack: if flags & ACK == 0 { 0 } else { self.next[other] },
            flags,
            window: if flags & RST == 0 { 501 } else { 0 },
            options,
            payload: payload.to_vec(),
            ..Segment::default()
        };
        let ip =
            if from_client { self.there.clone() } else { Ip { hops: 57, ..self.there.back() } };
        self.steps.push(step(after, segment.packet(&ip)));
        let taken = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[own] = self.next[own].wrapping_add(taken);
    }
}

fn connection(kind: Kind, client: SocketAddr, name: &str, number: u64) -> Vec<Step> {
    let server = SocketAddr::new(SERVER.into(), 443);
    let seed = (number as u32).wrapping_mul(0x9e37_79b1);
    let mut ends = Ends {
        there: Ip { hops: 63, ..Ip::new(client.ip(), server.ip()) },
        ports: (client.port(), server.port()),
        next: [seed, !seed],
        steps: Vec::new(),
    };
    ends.says(Duration::ZERO, true, SYN, b"");
    if kind == Kind::Refused {
        ends.next[1] = 0;
        ends.says(AWAY, false, RST | ACK, b"");
        return ends.steps;
    }
    ends.says(AWAY, false, SYN | ACK, b"");
    ends.says(NEXT, true, ACK, b"");
    ends.says(NEXT, true, PSH | ACK, &apps::client_hello(name, false, &mut Rng::new(number)));
    let answer = apps::filler(number, ANSWER);
    // A record of TLS' handshake, and what is in it nobody reads.
    let answer = [&[22, 3, 3, 4, 171, 2, 0, 4, 167, 3, 3][..], &answer].concat();
    match kind {
        Kind::Reset => {
            let model = if number.is_multiple_of(2) { Model::TypeTwo } else { Model::Ladder };
            let [of_client, of_server] = ends.next;
            for (place, one) in model.burst().into_iter().enumerate() {
                let after = if place == 0 { THINKING } else { Duration::ZERO };
                let forged = craft::reset(server, client, of_server, of_client, &one);
                ends.steps.push(step(after, forged.0));
            }
            ends.says(AWAY, false, PSH | ACK, &answer);
        }
        Kind::OwnReset => ends.says(AWAY, false, RST | ACK, b""),
        Kind::LateReset => {
            ends.says(AWAY, false, PSH | ACK, &answer);
            ends.says(NEXT, true, ACK, b"");
            ends.says(AWAY, false, RST | ACK, b"");
        }
        _ => {
            ends.says(AWAY, false, PSH | ACK, &answer);
            ends.says(NEXT, true, ACK, b"");
        }
    }
    if kind == Kind::Whole {
        ends.says(NEXT, true, FIN | ACK, b"");
        ends.says(AWAY, false, FIN | ACK, b"");
        ends.says(NEXT, true, ACK, b"");
    }
    ends.steps
}

fn look_up(kind: Kind, client: SocketAddr, name: &str, number: u64) -> Vec<Step> {
    let resolver = SocketAddr::new(RESOLVER.into(), 53);
    let there = Ip { hops: 63, ..Ip::new(client.ip(), resolver.ip()) };
    let back = Ip { hops: 57, ..there.back() };
    let id = (number as u16).wrapping_mul(0x9e3b);
    let query = dns::query(id, name, 1, true);
    let truth = dns::with_opt(dns::reply(id, 0x8180, name, 1, &[IpAddr::V4(SERVER)]));
    let ports = (client.port(), resolver.port());
    let asked = dns::datagram(&there, ports, &query);
    let answered = dns::datagram(&back, (ports.1, ports.0), &truth);
    let mut steps = vec![step(Duration::ZERO, asked)];
    if kind == Kind::Answer
        && let Some(lie) = craft::answer(&query, 1)
    {
        steps.push(step(THINKING, craft::datagram(resolver, client, None, &lie).0));
    }
    steps.push(step(AWAY, answered.clone()));
    if kind == Kind::Doubled {
        steps.push(step(NEXT, answered));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::{Kind, Talk};

    #[test]
    fn names_lead_back_to_their_conversations() {
        for (kind, _) in Kind::ALL {
            let name = format!("{}-17.linkedin.com", kind.word());
            assert_eq!(Kind::of(&name), Some((kind, 17)));
        }
        for name in ["www.linkedin.com", "reset-1.example.org", "reset-.linkedin.com"] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }

    #[test]
    fn only_forged_conversations_have_a_packet_before_its_time() {
        for (kind, _) in Kind::ALL {
            let early = Talk::new(kind, 3).steps.iter().any(|step| step.after == super::THINKING);
            assert_eq!(early, kind.is_forged(), "{kind:?}");
        }
    }
}
