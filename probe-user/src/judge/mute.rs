//! Addresses that answer for watched names and nothing else, although they are asked.
//!
//! The engine counts, for each address, what it was asked and what it answered; each reply comes with
//! these counts as they stood before it.

use probe_common::{
    resolver::{ResolverRecord, Tally},
    wire::Address,
};

use super::{bounded::Bounded, exchange::Exchange};
use crate::names::dns::RCODE_NOERROR;

/// Addresses remembered: those of an hour of somebody who asks many.
const MUTE_MAX: usize = 4_096;

/// All of them.
#[derive(Debug)]
pub(super) struct Mute {
    known: Bounded<Address, Claims>,
}

/// What was answered in the name of an address that answers nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Claims {
    /// Questions for watched names that were answered.
    pub answered: u64,
    /// Questions for others, asked after the first of these answers and before the last, that were
    /// not.
    pub unanswered: u64,
    /// The least and the largest TTL of the answers.
    pub hops: [u8; 2],
    /// Questions for others when the first answer came.
    others: u64,
}

impl Default for Mute {
    fn default() -> Self {
        Self { known: Bounded::new(MUTE_MAX) }
    }
}

impl Mute {
    /// Takes an exchange that is closed.
    pub(super) fn note(&mut self, exchange: &Exchange) {
        let claims = exchange.replies.iter().filter(|reply| {
            // Who is the authority for the name need answer nobody else.
            let recursive = reply.dns.flags.ra || !reply.dns.flags.aa;
            reply.is_watched()
                && recursive
                && !reply.dns.answers.is_empty()
                && reply.dns.rcode == RCODE_NOERROR
                && reply.asked().is_some()
        });
        let address = exchange.resolver().0;
        let mut first = true;
        for reply in claims {
            let counts = reply.counts();
            if !is_mute(counts) {
                // One that has answered something else is a resolver.
                self.known.remove(&address);
                return;
            }
            let (others, hops) = (others(counts), reply.hops());
            let (claims, _) = self.known.entry(address, || Claims {
                answered: 0,
                unanswered: 0,
                hops: [hops; 2],
                others,
            });
            claims.answered += u64::from(first);
            claims.unanswered = others.saturating_sub(claims.others);
            claims.hops = [claims.hops[0].min(hops), claims.hops[1].max(hops)];
            first = false;
        }
    }

    /// What is known of `address`.
    pub(super) fn get(&self, address: Address) -> Option<&Claims> {
        self.known.get(&address)
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.known.evicted()
    }
}

/// Whether all that was answered is of watched names, and each time with an answer. Counts that were
/// lost are all zero, and say nothing.
const fn is_mute(counts: &ResolverRecord) -> bool {
    let replies = counts.replies();
    counts.count(Tally::Queries) != 0
        && counts.count(Tally::Watched) == replies
        && counts.count(Tally::Answers) == replies
}

/// Questions for names that nobody watches.
const fn others(counts: &ResolverRecord) -> u64 {
    counts.count(Tally::Queries).saturating_sub(counts.count(Tally::QueriesWatched))
}
