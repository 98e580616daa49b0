//! Look-ups over TCP: questions and replies put together out of the streams of connections to ports where
//! DNS is spoken.
//!
//! A reply that was read whole is judged by what it says, as one over UDP. How it was sent is judged as of
//! any connection: bytes sent twice with two values, resets, silence.

use probe_common::{
    ABI_VERSION,
    dns::DnsRecord,
    event::{DnsEvent, Header, TcpEvent, kind},
    flow::{FlowKey, Side},
};

use super::{Seen, arrivals::offset, bounded::Bounded, case::LIVE, exchange::Reply};
use crate::names::{
    dns::{Dns, tcp},
    stream::Prefix,
};

/// Connections that are read at a time. At some 13 KiB each, 13 MiB.
const LOOK_UPS_MAX: usize = 1_024;

/// Questions of one connection that wait for their reply.
const QUESTIONS_MAX: usize = 32;

/// Segments of one reply that are kept to be shown; of more, the first ones and the last.
const CARRIED_MAX: usize = 4;

/// All of them.
#[derive(Debug)]
pub(super) struct LookUps {
    open: Bounded<FlowKey, LookUp>,
}

/// One connection.
#[derive(Debug, Default)]
struct LookUp {
    opened: u64,
    asked: Stream,
    said: Stream,
    questions: Vec<DnsRecord>,
    /// Segments that brought something new since the last reply was complete.
    carried: Vec<Seen>,
}

/// One direction.
#[derive(Debug, Default)]
struct Stream {
    prefix: Prefix,
    /// Messages that were read.
    read: usize,
}

impl Default for LookUps {
    fn default() -> Self {
        Self { open: Bounded::new(LOOK_UPS_MAX) }
    }
}

impl LookUps {
    /// Takes an event of a connection on a port where DNS is spoken; returns the replies that it completes.
    pub(super) fn take(&mut self, event: &TcpEvent, payload: &[u8]) -> Vec<Reply> {
        if event.header.kind == kind::FLOW_END {
            self.open.remove(&event.flow.key);
            return Vec::new();
        }
        let piece = matches!(event.header.kind, kind::OPENING | kind::ODD);
        if !piece || event.packet.payload == 0 {
            return Vec::new();
        }
        let (key, opened) = (event.flow.key, event.flow.opened);
        let (look_up, _) = self.open.entry(key, LookUp::default);
        if look_up.opened != opened {
            *look_up = LookUp { opened, ..LookUp::default() };
        }
        let side = Side::from_index(event.header.side);
        let Some(offset) = offset(event, event.flow.half(side)) else { return Vec::new() };
        if side == event.flow.initiator() {
            for dns in look_up.asked.messages(offset, payload).unwrap_or_default() {
                look_up.ask(event, &dns);
            }
            return Vec::new();
        }
        let Some(answers) = look_up.said.messages(offset, payload) else { return Vec::new() };
        look_up.carry(event);
        if answers.is_empty() {
            return Vec::new();
        }
        let carried = std::mem::take(&mut look_up.carried);
        answers.into_iter().map(|dns| look_up.reply(event, dns, carried.clone())).collect()
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.open.evicted()
    }
}

impl Stream {
    /// Takes a piece; returns the messages that it completes. None if it brings nothing new.
    fn messages(&mut self, offset: u32, payload: &[u8]) -> Option<Vec<Dns>> {
        if !self.prefix.push(offset, payload).grew {
            return None;
        }
        let new = tcp::messages(self.prefix.bytes()).skip(self.read);
        let parsed: Vec<_> = new.map(Dns::parse).collect();
        self.read += parsed.len();
        Some(parsed.into_iter().flatten().collect())
    }
}

impl LookUp {
    fn ask(&mut self, event: &TcpEvent, dns: &Dns) {
        if dns.flags.qr {
            return;
        }
        if self.questions.len() == QUESTIONS_MAX {
            self.questions.remove(0);
        }
        self.questions.push(DnsRecord {
            key: event.flow.key,
            asked: event.packet.time,
            asked_again: event.packet.time,
            question: digest(dns),
            id: dns.id,
            flags: dns.flags.raw,
            queries: 1,
            query_hops: event.packet.hops,
            query_additional: dns.counts.additional.min(255) as u8,
            query_opt: dns.opt.map_or(0, |opt| opt.udp_size),
            ..DnsRecord::default()
        });
    }

    /// Keeps the headers of a segment of a reply.
    fn carry(&mut self, event: &TcpEvent) {
        if self.carried.len() == CARRIED_MAX {
            self.carried.pop();
        }
        let number = match event.header.frame {
            0 => LIVE + self.carried.len() as u64,
            frame => frame,
        };
        self.carried.push(Seen::new(event, &[], number));
    }

    fn reply(&mut self, event: &TcpEvent, dns: Dns, carried: Vec<Seen>) -> Reply {
        let asked = self.questions.iter().position(|question| question.id == dns.id);
        let query = asked.map(|at| self.questions.remove(at)).unwrap_or_default();
        let header = Header {
            kind: kind::DNS_REPLY,
            version: ABI_VERSION,
            side: event.header.side,
            frame: event.header.frame,
            ..Header::default()
        };
        let counts =
            [dns.counts.question, dns.counts.answer, dns.counts.authority, dns.counts.additional];
        let reply = DnsEvent {
            header,
            packet: event.packet,
            query,
            flags: dns.flags.raw,
            id: dns.id,
            question: digest(&dns),
            counts,
            opt: dns.opt.map_or(0, |opt| opt.udp_size),
            ..DnsEvent::default()
        };
        Reply { carried, ..Reply::new(&reply, dns, &[]) }
    }
}

/// Of name and type asked for; 0 if there are none. Only compared within a connection.
fn digest(dns: &Dns) -> u32 {
    let Some(question) = &dns.question else { return 0 };
    let step = |hash: u32, octet: u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    let octets = question.name.bytes().chain(question.qtype.to_be_bytes());
    octets.fold(0x811c_9dc5, step).max(1)
}
