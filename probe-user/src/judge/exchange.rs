//! One DNS question and everything that came back.

use std::net::IpAddr;

use bytes::Bytes;
use probe_common::{
    dns::{DnsRecord, mark},
    event::DnsEvent,
    resolver::ResolverRecord,
    wire::{Address, Packet, dns::flag},
};

use super::{
    Knowledge,
    attribution::{self, Attribution},
    case::{LIVE, Seen},
    lineage,
    resolvers::{Observation, Resolver, Stack, asked, is_turned_back},
    untold,
};
use crate::evidence::OCTETS_MAX;
use crate::names::dns::{
    AnswerData, Difference, Dns, RCODE_NOERROR, RCODE_NXDOMAIN, same_substance,
};

/// Replies kept of one question: an injector that answers each of three devices' triggers sends
/// three, and the resolver one for each query.
pub const REPLIES_MAX: usize = 16;

/// TTL difference between two replies that makes them look like two senders.
pub(super) const HOPS_APART: u8 = 2;

/// One reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) event: DnsEvent,
    /// Whether it was never told of, and only its question's record knows it.
    pub(super) untold: bool,
    /// Its place among the replies to its question, from 0.
    pub(super) place: usize,
    /// What it says.
    pub dns: Dns,
    /// Its first octets, to be shown if it is forged.
    pub payload: Bytes,
    /// The segments that carried it, over TCP.
    pub(super) carried: Vec<Seen>,
}

/// One question and its replies, each packet once, in the order they came.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The replies.
    pub replies: Vec<Reply>,
    /// Replies that were captured once more.
    copies: usize,
    /// Replies that found no room.
    pub(super) dropped: u64,
}

impl Reply {
    pub(super) fn new(event: &DnsEvent, dns: Dns, payload: &[u8]) -> Self {
        let payload = Bytes::copy_from_slice(&payload[..payload.len().min(OCTETS_MAX)]);
        Self { event: *event, untold: false, place: 0, dns, payload, carried: Vec::new() }
    }

    /// Octets of memory that it takes.
    fn octets(&self) -> usize {
        size_of::<Self>() + self.payload.len() + self.dns.heap_octets()
    }

    /// The segments that carried it, over TCP, in the order they came, without their payload; as many as
    /// are kept. Empty over UDP.
    pub fn carried(&self) -> &[Seen] {
        &self.carried
    }

    /// Its headers.
    pub const fn packet(&self) -> &Packet {
        &self.event.packet
    }

    /// Whether it was never told of, and only its question's record knows it.
    pub const fn is_untold(&self) -> bool {
        self.untold
    }

    /// What tells it apart from the other replies to its question: its number in the capture, or, where
    /// it is in none, a number far beyond those of captures.
    pub const fn number(&self) -> u64 {
        match self.event.header.frame {
            0 => LIVE + self.place as u64,
            frame => frame,
        }
    }

    /// When it was seen.
    pub const fn time(&self) -> u64 {
        self.event.packet.time
    }

    /// TTL or hop limit.
    pub const fn hops(&self) -> u8 {
        self.event.packet.hops
    }

    /// What was asked and answered at its sender's address, as it stood before the reply.
    pub const fn counts(&self) -> &ResolverRecord {
        &self.event.resolver
    }

    /// Whether the name asked for is on the list of watched ones, or seemed to be.
    pub const fn is_watched(&self) -> bool {
        self.event.marks & mark::WATCHED != 0
    }

    /// What it answers, as it stood before the reply; none if that was not seen.
    pub const fn asked(&self) -> Option<&DnsRecord> {
        asked(&self.event)
    }

    /// Queries that it may answer, as far as they were seen.
    pub fn queries(&self) -> usize {
        self.asked().map_or(0, |query| query.queries.into())
    }

    /// Time since the query, the first if it was sent again, in nanoseconds: the longest that the
    /// reply may have taken. None if the query was not seen, or it is but sent back to ask over TCP.
    pub fn delay(&self) -> Option<u64> {
        let asked = self.asked().filter(|_| !self.is_turned_back())?;
        self.time().checked_sub(asked.asked)
    }

    /// Whether it is but a request to ask over TCP: a question turned round, with TC. Machines that shield resolvers
    /// from floods answer so in their name, faster than they do and without an OPT record; nobody is misled.
    pub const fn is_turned_back(&self) -> bool {
        is_turned_back(&self.event)
    }

    /// Whether it came in less than half of the time that `resolver` takes at least.
    pub(super) fn is_too_soon(&self, resolver: &Resolver) -> bool {
        resolver.floor().zip(self.delay()).is_some_and(|(floor, delay)| delay < floor / 2)
    }

    /// DF and IP-ID, of IPv4.
    pub const fn stack(&self) -> Option<Stack> {
        Stack::of(&self.event.packet)
    }

    /// Whether it has the query's IP-ID, if that is not zero.
    pub fn is_mirrored(&self) -> Option<bool> {
        let query = self.asked().filter(|query| query.query_ip_id != 0)?;
        Some(self.stack()?.ip_id == query.query_ip_id)
    }

    /// Whether it has the query's TTL.
    pub fn has_query_hops(&self) -> Option<bool> {
        Some(self.hops() == self.asked()?.query_hops)
    }

    /// Whether it has an OPT record; none if the query has none, is none for recursion, or it cannot be
    /// told.
    pub fn has_edns(&self) -> Option<bool> {
        let asked = self.asked().is_some_and(|query| {
            query.query_opt != 0 && query.queries == 1 && query.flags & flag::RD != 0
        });
        let whole = self.says() && !self.dns.truncated && self.dns.flags.opcode == 0;
        (asked && whole).then_some(self.dns.opt.is_some())
    }

    /// What it shows of whoever sent it.
    pub fn observation(&self) -> Observation {
        Observation { edns: self.has_edns(), ..Observation::of(&self.event) }
    }

    /// Whether it says something of the name, not of the server's troubles.
    const fn says(&self) -> bool {
        matches!(self.dns.rcode, RCODE_NOERROR | RCODE_NXDOMAIN)
    }

    /// What it answers, in short: addresses, or what there is instead.
    pub fn answer(&self) -> String {
        let mut parts: Vec<String> = self.dns.addresses().map(|ip| ip.to_string()).collect();
        parts.truncate(4);
        if parts.is_empty() {
            parts.extend(self.dns.answers.iter().take(2).map(|answer| match &answer.data {
                AnswerData::Cname(name) => format!("CNAME {name}"),
                _ => format!("a record of type {}", answer.rtype),
            }));
        }
        if parts.is_empty() {
            format!("no address (rcode {})", self.dns.rcode)
        } else {
            parts.join(" ")
        }
    }

    /// How it differs from `other`.
    pub fn difference(&self, other: &Self, knowledge: &Knowledge) -> Difference {
        let same_origin = |one: IpAddr, other: IpAddr| knowledge.same_origin(one, other);
        same_substance(&self.dns, &other.dns, same_origin)
    }

    /// Whether it contradicts `other` in substance. Addresses beside an answer without any do so if the
    /// two look like two senders: of a name without AAAA records a device makes up one.
    pub fn contradicts(&self, other: &Self, knowledge: &Knowledge) -> bool {
        match self.difference(other, knowledge) {
            Difference::OneIsEmpty => self.is_made_otherwise(other),
            difference => difference.is_contradiction(),
        }
    }

    /// Whether TTL, IP header or flags are those of another sender.
    fn is_made_otherwise(&self, other: &Self) -> bool {
        const FLAGS: u16 = flag::AA | flag::RD | flag::RA;
        self.hops().abs_diff(other.hops()) >= HOPS_APART
            || self.stack().map(Stack::class) != other.stack().map(Stack::class)
            || (self.dns.flags.raw ^ other.dns.flags.raw) & FLAGS != 0
    }

    /// Whether it is the very packet `other`, captured twice: before and after forwarding, or by
    /// two ports of a mirror.
    fn is_copy_of(&self, other: &Self) -> bool {
        let (this, other_packet) = (&self.event.packet, &other.event.packet);
        this.ip_id == other_packet.ip_id
            && this.checksum == other_packet.checksum
            && this.payload == other_packet.payload
            && (self.dns == other.dns || other.untold && this.checksum != 0)
    }
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self { replies: Vec::new(), copies: 0, dropped: 0 }
    }

    /// The exchange that ends with the only reply there can be, in a stream.
    pub(super) fn of(reply: Reply) -> Self {
        Self { replies: vec![reply], ..Self::new() }
    }

    /// Adds a reply, unless it is here already. Of one that only its question's record knows, before
    /// the first that was told, as much is added as is known.
    pub(super) fn add(&mut self, mut reply: Reply) -> bool {
        if self.replies.is_empty() {
            // Most questions get one reply; a list that grows by itself begins with four places.
            self.replies.reserve_exact(1);
        }
        if self.replies.is_empty()
            && let Some(untold) = untold::first(&reply)
        {
            self.replies.push(untold);
        }
        if self.replies.iter().any(|other| reply.is_copy_of(other)) {
            self.copies += 1;
            return false;
        }
        if self.replies.len() == REPLIES_MAX {
            self.dropped += 1;
            return false;
        }
        reply.place = self.replies.len();
        self.replies.push(reply);
        true
    }

    /// Octets of memory that it takes: what is answered decides whether that is one KiB or a hundred.
    pub(super) fn octets(&self) -> usize {
        self.replies.iter().map(Reply::octets).sum()
    }

    /// Address and port of the resolver.
    pub fn resolver(&self) -> (Address, u16) {
        self.replies.first().map_or_else(Default::default, |reply| {
            (reply.event.packet.source, reply.event.packet.source_port)
        })
    }

    /// Address and port of who asked.
    pub(super) fn client(&self) -> (Address, u16) {
        let of =
            |reply: &Reply| (reply.event.packet.destination, reply.event.packet.destination_port);
        self.replies.first().map_or_else(Default::default, of)
    }

    /// How often the question was asked, as far as it was seen.
    pub fn queries(&self) -> usize {
        self.replies.iter().map(Reply::queries).max().unwrap_or_default()
    }

    /// The name asked for.
    pub fn name(&self) -> Option<&str> {
        self.replies.iter().find_map(|reply| reply.dns.qname())
    }

    /// The first two replies that contradict each other in substance.
    pub fn contradiction(&self, knowledge: &Knowledge) -> Option<(&Reply, &Reply)> {
        self.replies.iter().enumerate().find_map(|(at, first)| {
            let contradicts = |second: &&Reply| first.contradicts(second, knowledge);
            self.replies[at + 1..].iter().find(contradicts).map(|second| (first, second))
        })
    }

    /// Whether at some time there were more answers, different in substance, than queries: not what a
    /// question sent again explains, nor an answer that came twice.
    pub fn exceeds_queries(&self, knowledge: &Knowledge) -> bool {
        // Where each reply was captured twice, so were the queries.
        let times = if self.copies >= self.replies.len() { 2 } else { 1 };
        let mut answers: Vec<&Reply> = Vec::new();
        self.replies.iter().any(|reply| {
            if answers.iter().all(|answer| reply.contradicts(answer, knowledge)) {
                answers.push(reply);
            }
            let queries = reply.queries().div_ceil(times);
            queries != 0 && answers.len() > queries
        })
    }

    /// Which replies look forged, by lineage, timing and content, as far as anything speaks for it.
    pub fn forged(&self, knowledge: &Knowledge) -> Attribution<'_> {
        attribution::of(self, knowledge)
    }

    /// Whether answers that contradict each other look as if different senders made them.
    pub fn are_apart(&self, knowledge: &Knowledge) -> bool {
        attribution::are_apart(self, knowledge)
    }

    /// Whether one of the answers leads outside of the networks that a watched service is served from,
    /// and another one into them.
    pub fn leads_astray(&self, knowledge: &Knowledge) -> bool {
        attribution::leads_astray(self, knowledge)
    }

    /// Whether any of the replies is unlike the resolver's others, or sooner than it answers.
    pub(super) fn is_odd(&self, knowledge: &Knowledge) -> bool {
        let Some(resolver) = knowledge.resolver(self.resolver().0) else { return false };
        let marked = |reply: &Reply| !lineage::marks(reply, resolver).is_empty();
        self.replies.iter().any(|reply| reply.is_too_soon(resolver) || marked(reply))
    }

    /// What it teaches of the resolver: of answers to a query that was seen, none of which contradicts
    /// another.
    pub(super) fn observation(&self, knowledge: &Knowledge) -> Option<Observation> {
        let first = self.replies.first()?;
        if first.asked().is_none() || self.contradiction(knowledge).is_some() {
            return None;
        }
        Some(first.observation())
    }
}
