//! Look-ups of one client at one resolver, written down packet by packet.

use std::net::{IpAddr, Ipv4Addr};

use super::{Capture, DAY, Packet, dns, frame, net::Ip};

/// The resolver's address.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);

/// TTL of queries where they are captured.
pub const QUERY_TTL: u8 = 63;

/// TTL of the resolver's packets there.
pub const TTL: u8 = 57;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Transaction id.
    pub id: u16,
    /// The client's port.
    pub port: u16,
    /// IP-ID of the query.
    pub ip_id: u16,
    /// The name, as it is spelled.
    pub name: String,
    /// Type asked for.
    pub kind: u16,
    /// Whether the query has an OPT record.
    pub edns: bool,
}

/// A reply, as the resolver makes it unless said otherwise.
#[derive(Clone, Debug)]
pub struct Answer {
    /// TTL.
    pub hops: u8,
    /// IP-ID.
    pub ip_id: u16,
    /// "Don't fragment".
    pub df: bool,
    /// DNS flags, response code included.
    pub flags: u16,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it has an OPT record.
    pub edns: bool,
    /// The name in another spelling.
    pub name: Option<String>,
    /// Whether more fragments follow.
    pub fragment: bool,
}

/// A capture of them.
#[derive(Debug)]
pub struct Lookups {
    /// What there is so far.
    pub capture: Capture,
    there: Ip,
    back: Ip,
    next: u16,
}

impl Question {
    /// One that nobody asked before.
    pub fn new(number: u16, name: &str) -> Self {
        Self {
            id: number.wrapping_mul(7_919),
            port: 40_000 + number % 20_000,
            ip_id: number.wrapping_mul(257) | 1,
            name: name.into(),
            kind: 1,
            edns: false,
        }
    }
}

impl Answer {
    /// A genuine one with this address; its IP-ID goes on from answer to answer.
    pub fn genuine(number: u16, address: [u8; 4]) -> Self {
        Self {
            hops: TTL,
            ip_id: 0x4000_u16.wrapping_add(number.wrapping_mul(3)),
            df: false,
            flags: 0x8180,
            addresses: vec![IpAddr::from(address)],
            edns: false,
            name: None,
            fragment: false,
        }
    }
}

impl Lookups {
    /// None yet.
    pub fn new(name: &str) -> Self {
        Self::from(name, Ipv4Addr::new(10, 0, 0, 1), RESOLVER)
    }

    /// None yet, of this client at this resolver.
    pub fn from(name: &str, client: Ipv4Addr, resolver: Ipv4Addr) -> Self {
        let there = Ip { hops: QUERY_TTL, ..Ip::new(client.into(), resolver.into()) };
        let back = there.back();
        Self { capture: Capture::new(name), there, back, next: 0 }
    }

    /// A question of this name, of its own id and port.
    pub fn question(&mut self, name: &str) -> Question {
        self.next += 1;
        Question::new(self.next, name)
    }

    /// The client asks at `micros`.
    pub fn ask(&mut self, micros: u64, question: &Question) {
        let query = dns::query(question.id, &question.name, question.kind, question.edns);
        let ip = Ip { id: question.ip_id, ..self.there.clone() };
        self.put(micros, &dns::datagram(&ip, (question.port, 53), &query));
    }

    /// A reply comes at `micros`.
    pub fn reply(&mut self, micros: u64, question: &Question, answer: &Answer) {
        let name = answer.name.as_deref().unwrap_or(&question.name);
        let kind = question.kind;
        let addresses: &[IpAddr] = if answer.flags & 15 == 0 { &answer.addresses } else { &[] };
        let mut message = dns::reply(question.id, answer.flags, name, kind, addresses);
        if answer.edns {
            message = dns::with_opt(message);
        }
        let ip = Ip {
            hops: answer.hops,
            id: answer.ip_id,
            df: answer.df,
            fragment: answer.fragment.then_some((0, true)),
            ..self.back.clone()
        };
        self.put(micros, &dns::datagram(&ip, (53, question.port), &message));
    }

    /// `count` look-ups of other names from `micros` on, a tenth of a second apart, each answered after
    /// the time that `delay` says, in microseconds; `change` may change question and answer. Returns
    /// when the next may begin.
    pub fn usual(
        &mut self,
        micros: u64,
        count: u16,
        delay: impl Fn(u64) -> u64,
        change: impl Fn(u16, &mut Question, &mut Answer),
    ) -> u64 {
        for number in 0..count {
            let mut question = self.question(&format!("host-{number}.example.org"));
            let mut answer = Answer::genuine(self.next, [192, 0, 2, number as u8]);
            change(number, &mut question, &mut answer);
            let start = micros + u64::from(number) * 100_000;
            self.ask(start, &question);
            self.reply(start + delay(number.into()), &question, &answer);
        }
        self.sort();
        micros + u64::from(count) * 100_000
    }

    /// The last packet is captured once more, `micros` later and with a TTL less by one, as a mirror of
    /// both sides of a router does.
    pub fn copy_last(&mut self, micros: u64) {
        if let Some(last) = self.capture.packets.last().cloned() {
            let mut copy = Packet { time: last.time + micros * 1_000, ..last };
            // Its header's checksum, which nobody looks at, is that of the TTL before.
            copy.data[14 + 8] -= 1;
            self.capture.packets.push(copy);
        }
    }

    /// Puts the packets in the order of their time.
    pub fn sort(&mut self) {
        self.capture.packets.sort_by_key(|packet| packet.time);
    }

    fn put(&mut self, micros: u64, packet: &[u8]) {
        let packet = Packet::whole(DAY + micros * 1_000, frame::ethernet(packet));
        self.capture.packets.push(packet);
    }
}
