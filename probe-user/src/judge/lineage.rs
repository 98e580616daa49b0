//! Marks on a reply that its supposed sender does not make.

use probe_common::wire::dns::flag;

use super::{
    exchange::Reply,
    resolvers::{IpIds, Resolver},
};
use crate::names::dns::{RCODE_NOERROR, RCODE_NXDOMAIN};

/// What a mark is found in. Marks of one layer have one cause: another machine of a pool has another
/// TTL, and often another stack; an answer made up by a filter has other flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// How far the packet came.
    Path,
    /// How its IP header was made.
    Stack,
    /// What the message's header and OPT record say.
    Message,
    /// How it repeats the question.
    Echo,
}

/// One mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// TTL off by more than one from all that are usual.
    Hops,
    /// DF, or an IP-ID of zero, as never before.
    Stack,
    /// An IP-ID far from the resolver's counter.
    IpId,
    /// AA from a resolver that never sets it.
    Authority,
    /// RA missing from a resolver that always sets it.
    Recursion,
    /// RD unlike the query's, which a reply copies (RFC 1035, section 4.1.1).
    Desired,
    /// No OPT record, where the query had one (RFC 6891, section 6.1.1).
    Edns,
    /// A reserved bit is set.
    Reserved,
    /// Capitals of the question are not repeated.
    Capitals,
    /// An answer without the question.
    Question,
}

impl Mark {
    /// Where it is found.
    pub const fn layer(self) -> Layer {
        match self {
            Self::Hops => Layer::Path,
            Self::Stack | Self::IpId => Layer::Stack,
            Self::Authority | Self::Recursion | Self::Desired | Self::Edns | Self::Reserved => {
                Layer::Message
            }
            Self::Capitals | Self::Question => Layer::Echo,
        }
    }

    /// In a few words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hops => "an unusual TTL",
            Self::Stack => "an unusual DF or IP-ID",
            Self::IpId => "an IP-ID off the counter",
            Self::Authority => "AA set",
            Self::Recursion => "RA missing",
            Self::Desired => "RD not as in the query",
            Self::Edns => "no OPT record",
            Self::Reserved => "a reserved bit set",
            Self::Capitals => "capitals lost",
            Self::Question => "no question",
        }
    }

    /// Its name in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hops => "ttl",
            Self::Stack => "stack",
            Self::IpId => "ip_id",
            Self::Authority => "aa",
            Self::Recursion => "ra",
            Self::Desired => "rd",
            Self::Edns => "opt",
            Self::Reserved => "z",
            Self::Capitals => "capitals",
            Self::Question => "question",
        }
    }

    /// What it says against a reply beside another one, in points.
    pub(super) const fn weight(self) -> u32 {
        match self {
            Self::Hops | Self::Capitals | Self::Question => 3,
            Self::Stack | Self::Authority | Self::Recursion | Self::Desired | Self::Edns => 2,
            Self::IpId | Self::Reserved => 1,
        }
    }
}

/// The marks of `reply` that are against its resolver's habits, in order; none as long as it is not
/// known. Where its route has just changed, TTL and stack say nothing.
pub fn marks(reply: &Reply, resolver: &Resolver) -> Vec<Mark> {
    let mut marks = Vec::new();
    if !resolver.is_known() {
        return marks;
    }
    let mut put = |found: bool, mark| {
        if found {
            marks.push(mark);
        }
    };
    let seen = reply.observation();
    let settled = !resolver.has_changed();
    let other_stack = settled && resolver.is_other_stack(seen.stack);
    let joined = resolver.has_newcomer(seen.hops, seen.time);
    put(settled && !joined && resolver.is_foreign(seen.hops), Mark::Hops);
    put(other_stack, Mark::Stack);
    put(
        settled
            && !other_stack
            && resolver.ip_ids() == Some(IpIds::Counter)
            && seen.stack.is_some_and(|stack| !resolver.goes_on(stack.ip_id, seen.time)),
        Mark::IpId,
    );
    let own_zone = reply.dns.qname().is_some_and(is_local_zone);
    put(
        seen.authority == Some(true) && !own_zone && resolver.is_never_authority(),
        Mark::Authority,
    );
    put(seen.recursion == Some(false) && resolver.always_recurses(), Mark::Recursion);
    put(seen.edns == Some(false) && resolver.always_edns(), Mark::Edns);
    put(seen.capitals == Some(false) && resolver.always_capitals(), Mark::Capitals);
    marks.extend(standing(reply));
    marks.sort_unstable();
    marks
}

/// Whether resolvers answer a name by themselves, as authorities: special-use names (RFC 6761), zones of private
/// addresses (RFC 6303), and the one by which browsers ask whether they may use DNS over HTTPS.
fn is_local_zone(name: &str) -> bool {
    const ZONES: [&str; 7] =
        ["arpa", "localhost", "local", "test", "invalid", "onion", "use-application-dns.net"];
    let within = |zone: &&str| {
        name.strip_suffix(*zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    ZONES.iter().any(within)
}

/// The marks that no honest sender makes, known or not.
pub(super) fn standing(reply: &Reply) -> Vec<Mark> {
    let mut marks = Vec::new();
    if !matches!(reply.dns.rcode, RCODE_NOERROR | RCODE_NXDOMAIN) {
        return marks;
    }
    if reply.asked().is_some_and(|query| (query.flags ^ reply.dns.flags.raw) & flag::RD != 0) {
        marks.push(Mark::Desired);
    }
    if reply.dns.flags.z {
        marks.push(Mark::Reserved);
    }
    if reply.dns.counts.question == 0 && reply.dns.counts.answer != 0 {
        marks.push(Mark::Question);
    }
    marks
}
