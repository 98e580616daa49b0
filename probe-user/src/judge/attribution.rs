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
    exchange::{Exchange, Reply},
    hops,
    lineage::{self, Layer, Mark},
    resolvers::Resolver,
    truth,
};
use crate::sinkholes::is_bogon;

/// Sooner than the resolver can answer.
const TOO_SOON: u32 = 3;
/// An IP-ID copied from the query.
const COPIED_ID: u32 = 3;
/// An address that no public name has, from a resolver with a public address.
const BOGON: u32 = 2;
/// Outside of the networks that a watched service is served from, beside an answer from within.
const STRANGE: u32 = 2;
/// A TTL that other answers of a resolver that is little known yet did not have.
const NEW_HOPS: u32 = 2;
/// No OPT record, where another answer has one.
const NO_EDNS: u32 = 2;
/// Small oddities beside answers that have none.
const ODDITY: u32 = 1;

/// Hops between machines of one pool, at most: they stand in one place, or in two of one town.
const POOL_HOPS: u8 = 3;

/// As late as this after another answer, in nanoseconds, one may be to the question asked again, which the observer
/// did not see: by another uplink, it is answered at another site of an anycast address. Stub resolvers wait a second
/// at least. 99 % of genuine answers follow a forged one within 364 ms (Hoang et al., USENIX Security 2021).
const AGAIN: u64 = 900_000_000;

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
    let rivals = |reply: &'a Reply| {
        exchange.replies.iter().filter(|other| reply.contradicts(other, knowledge))
    };
    let mut points: Vec<(u32, &Reply)> = Vec::new();
    for reply in &exchange.replies {
        if rivals(reply).next().is_some() {
            points.push((against(reply, exchange, knowledge), reply));
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
/// headers and their times: no resolver contradicts itself so. A question that the network doubled may
/// be answered by two machines of a pool, which stand a few hops apart; each of them has answered before,
/// if the resolver is well known and goes on as it was.
pub(super) fn are_apart(exchange: &Exchange, knowledge: &Knowledge) -> bool {
    let resolver = knowledge.resolver(exchange.resolver().0);
    let points = |reply: &Reply| made(reply, exchange, resolver);
    let stacks = |reply: &Reply| stack(reply, exchange, resolver);
    // An IP-ID is zero, or that of the question, by chance, too.
    let df = |reply: &Reply| reply.stack().map(|stack| stack.df);
    let otherwise = |one: &Reply, other: &Reply| {
        points(one) != points(other) || df(one) != df(other) && stacks(one) != stacks(other)
    };
    let far = |one: &Reply, other: &Reply| {
        let beyond_pool = one.hops().abs_diff(other.hops()) > POOL_HOPS;
        let Some(known) = resolver.filter(|resolver| resolver.is_known()) else {
            return beyond_pool;
        };
        // Neither a rare machine nor a new site of an anycast address, with a pool of its own.
        let new = |reply: &Reply| {
            known.is_well_known()
                && !known.has_ever_had(reply.hops())
                && known.went_on_after(reply.time())
        };
        let distance = |reply: &Reply| path(reply, exchange, resolver);
        distance(one) != distance(other) && (beyond_pool || new(one) || new(other))
    };
    exchange.replies.iter().enumerate().any(|(at, one)| {
        exchange.replies[at + 1..].iter().any(|other| {
            one.time().abs_diff(other.time()) < AGAIN
                && (far(one, other) || otherwise(one, other))
                && one.contradicts(other, knowledge)
        })
    })
}

/// Whether one of the answers leads outside of the networks that a watched service is served from, and
/// another one into them: machines of one pool know one service.
pub(super) fn leads_astray(exchange: &Exchange, knowledge: &Knowledge) -> bool {
    exchange.replies.iter().any(|reply| is_strange(reply, exchange, knowledge))
}

fn is_strange(reply: &Reply, exchange: &Exchange, knowledge: &Knowledge) -> bool {
    let service = exchange.name().and_then(|name| knowledge.targets().service_of_name(name));
    let Some(service) = service.filter(|one| !one.is_control() && one.has_home()) else {
        return false;
    };
    let home = |at: IpAddr| truth::is_home(knowledge.targets(), service, at);
    let mut addresses = reply.dns.addresses().peekable();
    addresses.peek().is_some()
        && !addresses.any(home)
        && exchange.replies.iter().any(|other| other.dns.addresses().any(home))
}

/// How much speaks against a reply, in points.
fn against(reply: &Reply, exchange: &Exchange, knowledge: &Knowledge) -> u32 {
    let resolver = knowledge.resolver(exchange.resolver().0);
    let mut points = path(reply, exchange, resolver)
        + stack(reply, exchange, resolver)
        + made(reply, exchange, resolver);
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
    if is_strange(reply, exchange, knowledge) {
        points += STRANGE;
    }
    points
}

/// How much of that lies in the way that it came: how far, and how fast.
fn path(reply: &Reply, exchange: &Exchange, resolver: Option<&Resolver>) -> u32 {
    let others = || exchange.replies.iter().filter(|other| !std::ptr::eq(*other, reply));
    if let Some(resolver) = resolver.filter(|resolver| resolver.is_known()) {
        let hops = weight(reply, resolver, |layer| layer == Layer::Path);
        return hops + if reply.is_too_soon(resolver) { TOO_SOON } else { 0 };
    }
    let mut points = 0;
    let mut put = |found: bool, weight: u32| points += if found { weight } else { 0 };
    let seen = resolver.filter(|resolver| resolver.answers() > 0);
    put(seen.is_some_and(|resolver| !resolver.has_had(reply.hops())), NEW_HOPS);
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

/// The marks of a known resolver's reply in some layers, in points.
fn weight(reply: &Reply, resolver: &Resolver, of: fn(Layer) -> bool) -> u32 {
    let marks = lineage::marks(reply, resolver).into_iter();
    marks.filter(|mark| of(mark.layer())).map(Mark::weight).sum()
}

/// How much of it lies in how its IP header is made.
fn stack(reply: &Reply, exchange: &Exchange, resolver: Option<&Resolver>) -> u32 {
    let others = || exchange.replies.iter().filter(|other| !std::ptr::eq(*other, reply));
    let mut points = 0;
    let mut put = |found: bool, weight: u32| points += if found { weight } else { 0 };
    let copied = |reply: &Reply| reply.is_mirrored();
    put(
        copied(reply) == Some(true) && others().any(|other| copied(other) == Some(false)),
        COPIED_ID,
    );
    if let Some(resolver) = resolver.filter(|resolver| resolver.is_known()) {
        return points + weight(reply, resolver, |layer| layer == Layer::Stack);
    }
    // Hand-made packets: a fixed small IP-ID, no "don't fragment", where the others have something else.
    if let Some(stack) = reply.stack() {
        let stacks = || others().filter_map(Reply::stack);
        put(stack.ip_id <= 1 && stacks().any(|other| other.ip_id > 1), ODDITY);
        put(!stack.df && stacks().any(|other| other.df), ODDITY);
    }
    points
}

/// How much of it lies in what it says beside the answer, and in how it repeats the question.
fn made(reply: &Reply, exchange: &Exchange, resolver: Option<&Resolver>) -> u32 {
    let mut points = match resolver.filter(|resolver| resolver.is_known()) {
        Some(resolver) => {
            weight(reply, resolver, |layer| matches!(layer, Layer::Message | Layer::Echo))
        }
        None => lineage::standing(reply).into_iter().map(Mark::weight).sum(),
    };
    let others = || exchange.replies.iter().filter(|other| !std::ptr::eq(*other, reply));
    let mut put = |found: bool, weight: u32| points += if found { weight } else { 0 };
    let edns = |reply: &Reply| reply.has_edns();
    put(edns(reply) == Some(false) && others().any(|other| edns(other) == Some(true)), NO_EDNS);
    // Recursive resolvers are not authoritative for other people's names.
    let recursive = |other: &Reply| other.dns.flags.ra && !other.dns.flags.aa;
    put(reply.dns.flags.aa && others().any(recursive), ODDITY);
    points
}
