//! What the judge learns from undisturbed traffic: how far servers are, how resolvers behave.

use std::{net::IpAddr, sync::Arc};

use probe_common::wire::Address;

use super::{bounded::Bounded, leads::Leads, population::Population, residual::Residual};
use crate::{
    detect::ipid_const,
    fingerprint::{Catalogue, Clusters},
    names::blockpage::BlockPages,
    targets::TargetSet,
};

/// Servers whose round trip is remembered: a busy router's day.
const SERVERS_MAX: usize = 65_536;

/// Resolvers whose behaviour is remembered.
const RESOLVERS_MAX: usize = 4_096;

/// What is known beyond a single flow.
#[derive(Debug)]
pub struct Knowledge {
    servers: Bounded<Address, Floor>,
    resolvers: Bounded<Address, Resolver>,
    resets: Bounded<Address, ResetHabits>,
    foreign_resets: ForeignResets,
    population: Population,
    residual: Residual,
    leads: Leads,
    catalogue: Catalogue,
    clusters: Clusters,
    pages: BlockPages,
    targets: Arc<TargetSet>,
}

/// The shortest round trip to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// In nanoseconds.
    pub least: u64,
    /// Handshakes that it is the least of.
    pub handshakes: u32,
}

/// How a resolver answers.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    /// TTLs seen in clean answers, and how often.
    hops: [(u8, u32); Self::HOPS],
    /// The shortest delays of clean answers, ascending, in nanoseconds.
    delays: [u64; Self::DELAYS],
    exchanges: u64,
}

impl Knowledge {
    pub(super) fn new(targets: Arc<TargetSet>) -> Self {
        Self {
            servers: Bounded::new(SERVERS_MAX),
            resolvers: Bounded::new(RESOLVERS_MAX),
            resets: Bounded::new(SERVERS_MAX),
            foreign_resets: ForeignResets::default(),
            population: Population::default(),
            residual: Residual::default(),
            leads: Leads::default(),
            catalogue: Catalogue::builtin(),
            clusters: Clusters::new(),
            pages: BlockPages::builtin(),
            targets,
        }
    }

    /// Learns the round trip of a handshake with `server`, in nanoseconds.
    pub(super) fn handshake(&mut self, server: Address, rtt: u64) {
        let (floor, _) = self.servers.entry(server, || Floor { least: u64::MAX, handshakes: 0 });
        floor.least = floor.least.min(rtt);
        floor.handshakes = floor.handshakes.saturating_add(1);
    }

    /// Learns from one connection's first reset in the name of `server`: its TTL if it is not one of
    /// the server's, its IP-ID if TTL or DF are not, and whether that was copied.
    pub(super) fn reset(&mut self, server: Address, reset: &ResetTraits) {
        let (habits, _) = self.resets.entry(server, ResetHabits::default);
        habits.learn(reset);
        if let Some(ip_id) = reset.foreign_ip_id {
            self.foreign_resets.learn(ip_id);
        }
    }

    /// What the resets in the name of `server` looked like so far.
    pub fn resets_of(&self, server: Address) -> Option<&ResetHabits> {
        self.resets.get(&server)
    }

    /// Connections whose foreign resets had this IP-ID, a known constant, and all with foreign resets.
    pub fn foreign_resets(&self, ip_id: u16) -> (u64, u64) {
        self.foreign_resets.of(ip_id)
    }

    /// Names cut and names served at each address.
    pub const fn population(&self) -> &Population {
        &self.population
    }

    pub(super) const fn population_mut(&mut self) -> &mut Population {
        &mut self.population
    }

    /// Connections accused a while ago.
    pub const fn residual(&self) -> &Residual {
        &self.residual
    }

    pub(super) const fn residual_mut(&mut self) -> &mut Residual {
        &mut self.residual
    }

    /// Devices that are known.
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Devices met in this run, known or not.
    pub const fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    pub(super) const fn clusters_mut(&mut self) -> &mut Clusters {
        &mut self.clusters
    }

    /// Block pages that are known.
    pub const fn pages(&self) -> &BlockPages {
        &self.pages
    }

    /// Where clients were led by DNS.
    pub const fn leads(&self) -> &Leads {
        &self.leads
    }

    pub(super) const fn leads_mut(&mut self) -> &mut Leads {
        &mut self.leads
    }

    /// Learns from an exchange in which nothing was wrong.
    pub(super) fn clean_answer(&mut self, resolver: Address, hops: u8, delay: Option<u64>) {
        self.resolvers.entry(resolver, Resolver::default).0.learn(hops, delay);
    }

    /// The shortest round trip to `server`.
    pub fn server_rtt(&self, server: Address) -> Option<Floor> {
        self.servers.get(&server).copied()
    }

    /// How `resolver` answers.
    pub fn resolver(&self, resolver: Address) -> Option<&Resolver> {
        self.resolvers.get(&resolver)
    }

    /// Whether both addresses belong to networks of one watched service.
    pub fn same_origin(&self, one: IpAddr, other: IpAddr) -> bool {
        self.targets.same_origin(one, other)
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.servers.evicted()
            + self.resolvers.evicted()
            + self.resets.evicted()
            + self.population.evicted()
            + self.residual.evicted()
            + self.leads.evicted()
            + self.clusters.evicted()
    }
}

/// What is learnt from a reset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResetTraits {
    /// Its TTL, if it is not one of its sender's.
    pub(super) foreign_hops: Option<u8>,
    /// Its IP-ID, if its TTL or DF are not its sender's.
    pub(super) foreign_ip_id: Option<u16>,
    /// Whether its IP-ID is that of the packet it answers.
    pub(super) mirrored: bool,
}

/// What the resets in one server's name look like.
#[derive(Clone, Debug, Default)]
pub struct ResetHabits {
    hops: Vec<u8>,
    /// Connections in which a reset copied the IP-ID of what it answered.
    pub mirrored: u32,
}

impl ResetHabits {
    /// TTLs kept: a spread shows in far fewer.
    const HOPS: usize = 16;

    fn learn(&mut self, reset: &ResetTraits) {
        self.mirrored = self.mirrored.saturating_add(u32::from(reset.mirrored));
        let Some(hops) = reset.foreign_hops else { return };
        let near = self.hops.iter().any(|known| known.abs_diff(hops) < 2);
        if !near && self.hops.len() < Self::HOPS {
            self.hops.push(hops);
            self.hops.sort_unstable();
        }
    }

    /// TTLs that were not the server's own, two or more apart, ascending.
    pub fn foreign_ttls(&self) -> &[u8] {
        &self.hops
    }
}

/// IP-IDs of foreign resets.
#[derive(Debug, Default)]
struct ForeignResets {
    all: u64,
    constants: [u64; ipid_const::KNOWN.len()],
}

impl ForeignResets {
    fn learn(&mut self, ip_id: u16) {
        self.all += 1;
        if let Some(place) = ipid_const::KNOWN.iter().position(|&known| known == ip_id) {
            self.constants[place] += 1;
        }
    }

    fn of(&self, ip_id: u16) -> (u64, u64) {
        let place = ipid_const::KNOWN.iter().position(|&known| known == ip_id);
        (place.map_or(0, |place| self.constants[place]), self.all)
    }
}

impl Resolver {
    /// TTLs kept: a pool of resolvers behind one address has a few paths.
    const HOPS: usize = 4;

    /// Delays kept: the floor is believed when these lie close together.
    const DELAYS: usize = 4;

    /// Clean exchanges before the floor is believed.
    const EXCHANGES: u64 = 20;

    /// Share of the answers, one in so many, that makes a TTL one of the resolver's.
    const RARE: u64 = 50;

    fn learn(&mut self, hops: u8, delay: Option<u64>) {
        self.exchanges += 1;
        let known = self.hops.iter().position(|&(ttl, count)| count != 0 && ttl == hops);
        let place = known.unwrap_or_else(|| {
            // The rarest makes way, one count at a time, so that a few odd answers cannot push out
            // what thousands have shown.
            let rarest = (0..Self::HOPS).min_by_key(|&place| self.hops[place].1);
            rarest.unwrap_or_default()
        });
        let (ttl, count) = &mut self.hops[place];
        if known.is_some() || *count == 0 {
            *ttl = hops;
            *count = count.saturating_add(1);
        } else {
            *count -= 1;
        }
        let Some(delay) = delay else { return };
        let last = &mut self.delays[Self::DELAYS - 1];
        if *last == 0 || delay < *last {
            *last = delay;
            self.delays.sort_by_key(|&delay| if delay == 0 { u64::MAX } else { delay });
        }
    }

    /// The shortest time in which it answers, in nanoseconds, once that is certain: after enough
    /// exchanges, and when the shortest few lie within a third of each other.
    pub fn floor(&self) -> Option<u64> {
        let [least, .., last] = self.delays;
        let certain = self.exchanges >= Self::EXCHANGES && last != 0 && last <= least + least / 3;
        certain.then_some(least)
    }

    /// Whether answers with TTL `hops` (give or take one) are none of its own. False as long as
    /// too little is known.
    pub fn is_foreign(&self, hops: u8) -> bool {
        let total: u64 = self.hops.iter().map(|&(_, count)| u64::from(count)).sum();
        let familiar = self.hops.iter().any(|&(ttl, count)| {
            count != 0 && u64::from(count) * Self::RARE >= total && ttl.abs_diff(hops) <= 1
        });
        total > 0 && !familiar
    }

    /// How many clean exchanges it was seen in.
    pub const fn exchanges(&self) -> u64 {
        self.exchanges
    }
}

#[cfg(test)]
mod tests {
    use super::Resolver;

    #[test]
    fn a_floor_needs_enough_answers_that_agree() {
        let mut resolver = Resolver::default();
        for _ in 0..19 {
            resolver.learn(60, Some(1_000));
        }
        assert_eq!(resolver.floor(), None);
        resolver.learn(60, Some(1_100));
        assert_eq!(resolver.floor(), Some(1_000));
        // The first cached answer of a resolver that was only seen with cold names so far.
        resolver.learn(60, Some(10));
        assert_eq!(resolver.floor(), None);
    }

    #[test]
    fn a_few_odd_ttls_do_not_become_familiar() {
        let mut resolver = Resolver::default();
        assert!(!resolver.is_foreign(99));
        for _ in 0..1_000 {
            resolver.learn(60, None);
        }
        for ttl in 100..110 {
            resolver.learn(ttl, None);
        }
        assert!(resolver.is_foreign(105));
        assert!(!resolver.is_foreign(61));
    }
}
