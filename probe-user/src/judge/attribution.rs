//! Which of several answers that contradict each other is forged: by lineage, timing and content, and
//! only as far as these go.
//!
//! Each answer gets points for what speaks against it. The one with the least is taken for genuine if
//! all that contradict it have more; otherwise it is not known which of those is forged. That an answer
//! came first is no point: injectors are built to win the race, and one in ten forged answers loses it
//! (Hoang et al., USENIX Security 2021).

use std::net::IpAddr;

use super::{
    Knowledge,
    exchange::{Exchange, HOPS_APART, Reply},
    hops, lineage,
    resolvers::Resolver,
};

/// Sooner than the resolver can answer.
const TOO_SOON: u32 = 3;
/// An IP-ID copied from the query.
const COPIED_ID: u32 = 3;
/// An address that no public name has, from a resolver with a public address.
const BOGON: u32 = 2;
/// A TTL that other answers of a resolver that is little known yet did not have.
const NEW_HOPS: u32 = 2;
/// No OPT record, where another answer has one.
const NO_EDNS: u32 = 2;
/// Small oddities beside answers that have none.
const ODDITY: u32 = 1;

/// Who forged what.
#[derive(Clone, Debug, Default)]
pub struct Attribution<'a> {
    /// The replies that look forged; none where nothing tells them from the genuine one.
    pub forged: Vec<&'a Reply>,
    /// The one they contradict, if it is known.
    pub genuine: Option<&'a Reply>,
}

impl Attribution<'_> {
    /// [Numbers](Reply::number) of the packets that look forged.
    pub fn numbers(&self) -> Vec<u64> {
        self.forged.iter().map(|reply| reply.number()).collect()
    }
}

pub(super) fn of<'a>(exchange: &'a Exchange, knowledge: &Knowledge) -> Attribution<'a> {
    let resolver = knowledge.resolver(exchange.resolver().0);
    let rivals = |reply: &'a Reply| {
        exchange.replies.iter().filter(|other| reply.contradicts(other, knowledge))
    };
    let mut points: Vec<(u32, &Reply)> = Vec::new();
    for reply in &exchange.replies {
        if rivals(reply).next().is_some() {
            points.push((against(reply, exchange, resolver), reply));
        }
    }
    let Some(&(least, best)) = points.iter().min_by_key(|(points, _)| *points) else {
        return Attribution::default();
    };
    points.retain(|(_, reply)| best.contradicts(reply, knowledge));
    let worse = |&&(points, _): &&(u32, &Reply)| points > least;
    Attribution {
        forged: points.iter().filter(worse).map(|&(_, reply)| reply).collect(),
        genuine: points.iter().all(|one| worse(&one)).then_some(best),
    }
}

/// Whether two answers that contradict each other come from different senders, to judge by their
/// headers and their times: no resolver contradicts itself so.
pub(super) fn are_apart(exchange: &Exchange, knowledge: &Knowledge) -> bool {
    let resolver = knowledge.resolver(exchange.resolver().0);
    let known = resolver.is_some_and(Resolver::is_known);
    let points = |reply| headers(reply, exchange, resolver);
    exchange.replies.iter().enumerate().any(|(at, one)| {
        exchange.replies[at + 1..].iter().any(|other| {
            let far = !known && one.hops().abs_diff(other.hops()) >= HOPS_APART;
            (far || points(one) != points(other)) && one.contradicts(other, knowledge)
        })
    })
}

/// How much speaks against a reply, in points.
fn against(reply: &Reply, exchange: &Exchange, resolver: Option<&Resolver>) -> u32 {
    let mut points = headers(reply, exchange, resolver);
    // A resolver inside a private network may well know private addresses.
    let addresses = |reply: &Reply| reply.dns.addresses().next().is_some();
    let bogon = |reply: &Reply| reply.dns.addresses().any(is_bogon);
    let others = || exchange.replies.iter().filter(|other| !std::ptr::eq(*other, reply));
    if !is_bogon(exchange.resolver().0.ip())
        && bogon(reply)
        && others().any(|other| addresses(other) && !bogon(other))
    {
        points += BOGON;
    }
    points
}

/// How much of that lies in headers and time.
fn headers(reply: &Reply, exchange: &Exchange, resolver: Option<&Resolver>) -> u32 {
    let known = resolver.filter(|resolver| resolver.is_known());
    let mut points = match known {
        Some(resolver) => {
            lineage::marks(reply, resolver).into_iter().map(lineage::Mark::weight).sum()
        }
        None => unknown(reply, exchange, resolver),
    };
    let others = || exchange.replies.iter().filter(|other| !std::ptr::eq(*other, reply));
    let mut put = |found: bool, weight: u32| points += if found { weight } else { 0 };
    let edns = |reply: &Reply| reply.has_edns();
    put(edns(reply) == Some(false) && others().any(|other| edns(other) == Some(true)), NO_EDNS);
    // Recursive resolvers are not authoritative for other people's names.
    let recursive = |other: &Reply| other.dns.flags.ra && !other.dns.flags.aa;
    put(reply.dns.flags.aa && others().any(recursive), ODDITY);
    let floor = resolver.and_then(Resolver::floor);
    put(floor.zip(reply.delay()).is_some_and(|(floor, delay)| delay < floor / 2), TOO_SOON);
    let copied = |reply: &Reply| reply.is_mirrored();
    put(
        copied(reply) == Some(true) && others().any(|other| copied(other) == Some(false)),
        COPIED_ID,
    );
    points
}

/// The same by what the other replies show, where the resolver is little known.
fn unknown(reply: &Reply, exchange: &Exchange, resolver: Option<&Resolver>) -> u32 {
    let others = || exchange.replies.iter().filter(|other| !std::ptr::eq(*other, reply));
    let mut points = 0;
    let mut put = |found: bool, weight: u32| points += if found { weight } else { 0 };
    for mark in lineage::standing(reply) {
        put(true, mark.weight());
    }
    let seen = resolver.filter(|resolver| resolver.answers() > 0);
    put(seen.is_some_and(|resolver| !resolver.has_had(reply.hops())), NEW_HOPS);
    // Hand-made packets: a fixed small IP-ID, no "don't fragment", the query's TTL, where the others
    // have something else.
    if let Some(stack) = reply.stack() {
        let stacks = || others().filter_map(Reply::stack);
        put(stack.ip_id <= 1 && stacks().any(|other| other.ip_id > 1), ODDITY);
        put(!stack.df && stacks().any(|other| other.df), ODDITY);
    }
    let copies = |reply: &Reply| reply.has_query_hops() == Some(true);
    put(copies(reply) && others().any(|other| !copies(other)), ODDITY);
    // A device on the way stands nearer than the resolver behind it.
    let distance = |reply: &Reply| hops::from_ttl(reply.hops());
    if seen.is_none()
        && let Some(own) = distance(reply)
    {
        put(others().filter_map(distance).any(|other| other > own + 1), ODDITY);
    }
    points
}

/// Whether no public name has this address.
pub(crate) fn is_bogon(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_loopback() || ip.is_unspecified() || ip.is_link_local()
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    }
}
