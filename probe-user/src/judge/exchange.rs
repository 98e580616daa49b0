//! One DNS question and everything that came back.

use std::net::IpAddr;

use probe_common::{
    dns::DnsRecord,
    event::DnsEvent,
    wire::{Address, Packet, quirk},
};

use super::Knowledge;
use crate::names::dns::{AnswerData, Dns, same_substance};

/// Replies kept of one question: an injector that answers each of three devices' triggers sends
/// three, and the resolver one for each query.
pub const REPLIES_MAX: usize = 16;

/// One reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) packet: Packet,
    pub(super) query: DnsRecord,
    pub(super) frame: u64,
    /// What it says.
    pub dns: Dns,
}

/// One question and its replies, each packet once, in the order they came.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The replies.
    pub replies: Vec<Reply>,
    /// Time of the last reply, copies included.
    pub(super) last: u64,
    /// Replies that found no room.
    pub(super) dropped: u64,
}

impl Reply {
    /// Numbers in the capture; 0 live.
    pub const fn frame(&self) -> u64 {
        self.frame
    }

    /// When it was seen.
    pub const fn time(&self) -> u64 {
        self.packet.time
    }

    /// TTL or hop limit.
    pub const fn hops(&self) -> u8 {
        self.packet.hops
    }

    /// Time since the query, the latest if it was sent again, in nanoseconds; none if the query
    /// was not seen.
    pub fn delay(&self) -> Option<u64> {
        if self.query.asked == 0 {
            return None;
        }
        self.packet.time.checked_sub(self.query.asked_again)
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

    /// Whether it is the very packet `other`, captured twice: before and after forwarding, or by
    /// two ports of a mirror.
    fn is_copy_of(&self, other: &Self) -> bool {
        self.packet.ip_id == other.packet.ip_id
            && self.packet.checksum == other.packet.checksum
            && self.packet.payload == other.packet.payload
            && self.dns == other.dns
    }
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self { replies: Vec::new(), last: 0, dropped: 0 }
    }

    pub(super) fn add(&mut self, event: &DnsEvent, dns: Dns) -> bool {
        self.last = event.packet.time;
        let reply =
            Reply { packet: event.packet, query: event.query, frame: event.header.frame, dns };
        if self.replies.iter().any(|other| reply.is_copy_of(other)) {
            return false;
        }
        if self.replies.len() == REPLIES_MAX {
            self.dropped += 1;
            return false;
        }
        self.replies.push(reply);
        true
    }

    /// Address and port of the resolver.
    pub fn resolver(&self) -> (Address, u16) {
        self.replies
            .first()
            .map_or_else(Default::default, |reply| (reply.packet.source, reply.packet.source_port))
    }

    /// Address and port of who asked.
    pub(super) fn client(&self) -> (Address, u16) {
        let of = |reply: &Reply| (reply.packet.destination, reply.packet.destination_port);
        self.replies.first().map_or_else(Default::default, of)
    }

    /// How often the question was asked, as far as it was seen.
    pub fn queries(&self) -> usize {
        self.replies.iter().map(|reply| usize::from(reply.query.queries)).max().unwrap_or_default()
    }

    /// The name asked for.
    pub fn name(&self) -> Option<&str> {
        self.replies.iter().find_map(|reply| reply.dns.qname())
    }

    /// The first two replies that contradict each other in substance.
    pub fn contradiction(&self, knowledge: &Knowledge) -> Option<(&Reply, &Reply)> {
        let same_origin = |one: IpAddr, other: IpAddr| knowledge.same_origin(one, other);
        self.replies.iter().enumerate().find_map(|(at, first)| {
            let contradicts = |second: &&Reply| {
                same_substance(&first.dns, &second.dns, same_origin).is_contradiction()
            };
            self.replies[at + 1..].iter().find(contradicts).map(|second| (first, second))
        })
    }

    /// Which replies look forged: those that contradict the one with the least against it.
    ///
    /// Where nothing speaks for or against either, the later is taken for genuine: injectors are
    /// built to win the race, though not all do.
    pub fn forged(&self, knowledge: &Knowledge) -> Vec<&Reply> {
        let genuine = self.replies.iter().rev().min_by_key(|reply| self.against(reply, knowledge));
        let Some(genuine) = genuine else { return Vec::new() };
        let same_origin = |one: IpAddr, other: IpAddr| knowledge.same_origin(one, other);
        self.replies
            .iter()
            .filter(|reply| {
                same_substance(&genuine.dns, &reply.dns, same_origin).is_contradiction()
            })
            .collect()
    }

    /// How much speaks against a reply, in points.
    fn against(&self, reply: &Reply, knowledge: &Knowledge) -> u32 {
        let mut points = 0;
        if let Some(resolver) = knowledge.resolver(self.resolver().0) {
            if resolver.is_foreign(reply.hops()) {
                points += 3;
            }
            if let (Some(floor), Some(delay)) = (resolver.floor(), reply.delay())
                && delay < floor / 2
            {
                points += 2;
            }
        }
        // A resolver that was asked with EDNS answers with EDNS (RFC 6891, section 6.1.1).
        if reply.query.query_additional != 0 && reply.dns.opt.is_none() {
            points += 2;
        }
        // Recursive resolvers are not authoritative for other people's names.
        if reply.dns.flags.aa && reply.dns.flags.rd {
            points += 1;
        }
        // Hand-made packets: a fixed small IP-ID, no "don't fragment", where the others have.
        let df = |reply: &Reply| reply.packet.quirks & quirk::DF != 0;
        let others = || self.replies.iter().filter(|other| other.frame != reply.frame);
        if reply.packet.version == 4 {
            if reply.packet.ip_id <= 1 && others().any(|other| other.packet.ip_id > 1) {
                points += 1;
            }
            if !df(reply) && others().any(df) {
                points += 1;
            }
        }
        // A resolver inside a private network may well know private addresses.
        if !is_bogon(self.resolver().0.ip())
            && reply.dns.addresses().any(is_bogon)
            && others().any(|other| {
                other.dns.addresses().next().is_some() && !other.dns.addresses().any(is_bogon)
            })
        {
            points += 2;
        }
        points
    }
}

/// Whether no public name has this address.
fn is_bogon(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_loopback() || ip.is_unspecified() || ip.is_link_local()
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    }
}
