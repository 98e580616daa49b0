//! What the judge learns from undisturbed traffic: how far servers are, how resolvers behave.

use std::{net::IpAddr, sync::Arc};

use probe_common::{config::DNS_PORTS, event::TcpEvent, wire::Address};

use super::{
    bounded::Bounded,
    claim::is_split,
    hello::{Hellos, Traits},
    leads::Leads,
    mute::{Claims, Mute},
    population::Population,
    quic::RESIDUE,
    reach::Reach,
    residual::Residual,
    resolvers::{Resolver, Resolvers},
    truth::{self, Truth},
};
use crate::{
    detect::ipid_const,
    fingerprint::{Catalogue, Clusters, Label, Vector},
    names::{blockpage::BlockPages, dns::Dns, tls::ech::Use},
    targets::{Service, TargetSet},
};

/// Servers whose round trip is remembered: a busy router's day.
const SERVERS_MAX: usize = 65_536;

/// The port of DNS, unless others are chosen.
const DNS: u16 = 53;

/// What is known beyond a single flow.
#[derive(Debug)]
pub struct Knowledge {
    servers: Bounded<Address, Floor>,
    resolvers: Resolvers,
    mute: Mute,
    resets: Bounded<Address, ResetHabits>,
    foreign_resets: ForeignResets,
    population: Population,
    residual: Residual,
    quic_names: Population,
    quic_residual: Residual,
    reach: Reach,
    hellos: Hellos,
    leads: Leads,
    catalogue: &'static Catalogue,
    clusters: Clusters,
    pages: &'static BlockPages,
    targets: Arc<TargetSet>,
    truth: Truth,
    dns_ports: [u16; DNS_PORTS],
}

/// The shortest round trip to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// In nanoseconds.
    pub least: u64,
    /// Handshakes that it is the least of.
    pub handshakes: u32,
}

impl Knowledge {
    pub(super) fn new(targets: Arc<TargetSet>) -> Self {
        Self {
            servers: Bounded::new(SERVERS_MAX),
            resolvers: Resolvers::default(),
            mute: Mute::default(),
            resets: Bounded::new(SERVERS_MAX),
            foreign_resets: ForeignResets::default(),
            population: Population::new(0),
            residual: Residual::default(),
            quic_names: Population::new(RESIDUE),
            quic_residual: Residual::default(),
            reach: Reach::default(),
            hellos: Hellos::default(),
            leads: Leads::default(),
            catalogue: Catalogue::shared(),
            clusters: Clusters::new(),
            pages: BlockPages::shared(),
            targets,
            truth: Truth::default(),
            dns_ports: [DNS, 0, 0, 0],
        }
    }

    pub(super) fn watch(&mut self, targets: &Arc<TargetSet>) {
        self.targets = Arc::clone(targets);
    }

    /// Learns the round trip of a handshake with `server`, in nanoseconds.
    pub(super) fn handshake(&mut self, server: Address, rtt: u64) {
        let floor = self.floor_mut(server);
        floor.least = floor.least.min(rtt);
        floor.handshakes = floor.handshakes.saturating_add(1);
    }

    /// Learns how soon a server's machine has answered data first: no sooner than it is away.
    pub(super) fn answer(&mut self, server: Address, took: u64) {
        let floor = self.floor_mut(server);
        floor.least = floor.least.min(took);
    }

    fn floor_mut(&mut self, server: Address) -> &mut Floor {
        self.servers.entry(server, || Floor { least: u64::MAX, handshakes: 0 }).0
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

    /// Names that are and are not answered over QUIC at each address.
    pub const fn quic_names(&self) -> &Population {
        &self.quic_names
    }

    pub(super) const fn quic_names_mut(&mut self) -> &mut Population {
        &mut self.quic_names
    }

    /// QUIC connections that were found to be dropped a while ago.
    pub const fn quic_residual(&self) -> &Residual {
        &self.quic_residual
    }

    pub(super) const fn quic_residual_mut(&mut self) -> &mut Residual {
        &mut self.quic_residual
    }

    /// Who answers over TCP and over QUIC.
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    pub(super) const fn reach_mut(&mut self) -> &mut Reach {
        &mut self.reach
    }

    /// What hellos say besides names.
    pub const fn hellos(&self) -> &Hellos {
        &self.hellos
    }

    pub(super) const fn hellos_mut(&mut self) -> &mut Hellos {
        &mut self.hellos
    }

    /// Whether Encrypted ClientHello was used in a hello that `client` sent to `server`; none without
    /// the extension.
    pub(super) fn ech(
        &self,
        name: Option<&str>,
        traits: &Traits,
        client: Address,
        server: Address,
        time: u64,
    ) -> Option<Use> {
        let lead = self.leads.name(client, server, time);
        self.hellos.ech(name, traits, name.is_some() && lead == name)
    }

    /// Whom packets look like, or their answers lead to.
    pub fn labels(&self, vector: &Vector, time: u64) -> Vec<Label<'static>> {
        self.catalogue.labels_of(vector, time, self.truth.sinkholes())
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
        self.pages
    }

    /// Whether DNS is spoken on `port`.
    pub fn is_dns_port(&self, port: u16) -> bool {
        port != 0 && self.dns_ports.contains(&port)
    }

    pub(super) const fn set_dns_ports(&mut self, ports: [u16; DNS_PORTS]) {
        self.dns_ports = ports;
    }

    /// What is known of the truth of DNS answers.
    pub const fn truth(&self) -> &Truth {
        &self.truth
    }

    pub(super) const fn truth_mut(&mut self) -> &mut Truth {
        &mut self.truth
    }

    /// The watched services and the controls.
    pub fn targets(&self) -> &TargetSet {
        &self.targets
    }

    /// Learns what a client was answered by a resolver at `now`, where nothing contradicted it.
    pub(super) fn answered(&mut self, ends: [Address; 2], now: u64, dns: &Dns) {
        self.truth.learn(ends, now, dns, &self.targets);
    }

    /// Takes an event of a connection that a doubtful answer may have led to.
    pub(super) fn arrival(&mut self, event: &TcpEvent, payload: &[u8]) {
        self.truth.arrivals_mut().take(event, payload, &self.targets, self.pages);
    }

    /// Notes that a name of a watched service was answered with addresses from which that is not known to be
    /// served.
    pub(super) fn doubt(
        &mut self,
        [client, resolver]: [Address; 2],
        (name, service): (&str, &Service),
        now: u64,
        dns: &Dns,
    ) {
        let addresses: Vec<IpAddr> = dns.addresses().collect();
        if is_split(resolver.ip(), &addresses) {
            return;
        }
        for address in addresses {
            if !truth::is_home(&self.targets, service, address) {
                self.truth.arrivals_mut().doubt(client, address.into(), name, now);
            }
        }
    }

    /// Where clients were led by DNS.
    pub const fn leads(&self) -> &Leads {
        &self.leads
    }

    pub(super) const fn leads_mut(&mut self) -> &mut Leads {
        &mut self.leads
    }

    /// What `address` answers, if it is watched names and nothing else.
    pub fn claims(&self, address: Address) -> Option<&Claims> {
        self.mute.get(address)
    }

    pub(super) const fn mute_mut(&mut self) -> &mut Mute {
        &mut self.mute
    }

    pub(super) const fn resolvers_mut(&mut self) -> &mut Resolvers {
        &mut self.resolvers
    }

    /// The shortest round trip to `server`.
    pub fn server_rtt(&self, server: Address) -> Option<Floor> {
        self.servers.get(&server).copied()
    }

    /// How `resolver` answers.
    pub fn resolver(&self, resolver: Address) -> Option<&Resolver> {
        self.resolvers.get(resolver)
    }

    /// Whether both addresses belong to networks of one watched service.
    pub fn same_origin(&self, one: IpAddr, other: IpAddr) -> bool {
        self.targets.same_origin(one, other)
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.servers.evicted()
            + self.resolvers.evicted()
            + self.mute.evicted()
            + self.resets.evicted()
            + self.population.evicted()
            + self.residual.evicted()
            + self.quic_names.evicted()
            + self.quic_residual.evicted()
            + self.reach.evicted()
            + self.hellos.evicted()
            + self.leads.evicted()
            + self.truth.evicted()
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
