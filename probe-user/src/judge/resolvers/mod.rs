//! How resolvers answer, learnt from answers in which nothing was wrong.
//!
//! An answer is learnt from half a second after it came, if until then no other one contradicted it:
//! inside China 99 % of genuine answers follow a forged one within 364 ms (Hoang et al., USENIX
//! Security 2021). So what a device injects beside the genuine answer teaches nothing.
//!
//! **What somebody can do who forges answers in order to be learnt from**, and what he cannot:
//! * Single answers, with the genuine ones suppressed, are learnt like any. TTL, DF and flags become
//!   usual when there are four of them and they make up one answer in fifty; he then hides from what
//!   compares with habits, not from a second answer, and only as long as he goes on: counts halve every
//!   hour.
//! * The shortest time moves down if he forges five names within ten minutes *and* with a usual TTL, DF
//!   and IP-ID; it moves up again an hour later. It never moves up because of what he sends.
//! * With half of sixteen answers in a row he makes the resolver look as if its route had changed; then
//!   TTL and DF are held against nobody.
//!
//! All of this hides forgeries. None of it makes a genuine answer look forged.

mod delays;
mod habit;
mod resolver;

use probe_common::wire::Address;

pub use resolver::{IpIds, Observation, Resolver, Stack};
pub(super) use resolver::{asked, is_turned_back, network};

use super::bounded::Bounded;

/// Resolvers whose behaviour is remembered.
const RESOLVERS_MAX: usize = 4_096;

/// All of them.
#[derive(Debug)]
pub(super) struct Resolvers {
    known: Bounded<Address, Resolver>,
}

impl Default for Resolvers {
    fn default() -> Self {
        Self { known: Bounded::new(RESOLVERS_MAX) }
    }
}

impl Resolvers {
    /// Learns from an answer of `resolver`.
    pub(super) fn learn(&mut self, resolver: Address, seen: &Observation) {
        self.known.entry(resolver, Resolver::default).0.learn(seen);
    }

    pub(super) fn get(&self, resolver: Address) -> Option<&Resolver> {
        self.known.get(&resolver)
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.known.evicted()
    }
}
