//! What affected flows have in common, beyond that they failed.

use std::collections::BTreeMap;

use super::{
    outcome::{Ending, FalseAnswer, Icmp, Network, Outcome, PATHS},
    sketch::Sketch,
    tally::Pace,
};
use crate::{judge, report::finding::Position};

/// Networks that false answers led to, told apart.
const NETWORKS_MAX: usize = 16;

/// Suffixes of one service, told apart.
const SUFFIXES_MAX: usize = 64;

/// Longest path that is believed, in hops.
pub(super) const HOPS: usize = 64;

/// An ICMP error from so few hops before the server or nearer to it may be the server's own firewall's.
const SERVER_SIDE: u8 = 3;

/// Seconds after a trigger that are told apart.
pub(super) const TENS: u16 = 10;

/// Longest time after a trigger that is looked at, in seconds: three minutes more than the longest known,
/// to see that it is over.
pub(super) const AFTER_MAX: u16 = (judge::RESIDUAL_LONGEST / 1_000_000_000) as u16 + 180;

/// Affected flows, or all flows of the unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs {
    pub(super) flows: u64,
    pub(super) clients: Sketch,
    pub(super) client_networks: Sketch,
    pub(super) paths: [u32; PATHS as usize],
    pub(super) suffixes: BTreeMap<u16, u32>,
    pub(super) small_hellos: u64,
    pub(super) one_way: u64,
    /// Flows, and clients, with a proof of another's hand.
    pub(super) proven: u64,
    pub(super) proven_clients: Sketch,
    /// Upstream, downstream, unknown.
    pub(super) positions: [u64; 3],
    pub(super) hops: Histogram,
    pub(super) server_hops: Histogram,
    /// Silent flows whose last message nobody had acknowledged.
    pub(super) unacknowledged: u64,
    /// ICMP errors that came from far before the server.
    pub(super) icmp_before_server: u64,
    pub(super) listed: u64,
    pub(super) bogus: u64,
    pub(super) denied: u64,
    pub(super) elsewhere: BTreeMap<Network, u64>,
    /// Slow flows by goodput; policed ones; plateaus.
    pub(super) paces: BTreeMap<u8, u64>,
    pub(super) policed: u64,
    pub(super) plateaus: u64,
    /// Clients by tens of seconds after a trigger.
    pub(super) after: BTreeMap<u16, u64>,
}

/// Hops, counted.
#[derive(Debug, Clone)]
pub(super) struct Histogram([u32; HOPS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; HOPS])
    }
}

impl Histogram {
    pub(super) fn add(&mut self, hops: Option<u8>) {
        if let Some(count) = hops.and_then(|hops| self.0.get_mut(usize::from(hops))) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|&count| u64::from(count)).sum()
    }

    /// The least number of hops that at least `share` of the flows do not exceed.
    pub(super) fn quantile(&self, share: f64) -> Option<u8> {
        let total = self.total();
        let rank = (total as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        self.0
            .iter()
            .position(|&count| {
                sum += u64::from(count);
                total > 0 && sum >= rank
            })
            .map(|hops| hops as u8)
    }

    /// Share within a hop of `hops`.
    pub(super) fn near(&self, hops: u8) -> f64 {
        let hops = usize::from(hops);
        let near: u64 = (hops.saturating_sub(1)..=(hops + 1).min(HOPS - 1))
            .map(|hops| u64::from(self.0[hops]))
            .sum();
        near as f64 / self.total().max(1) as f64
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
}

impl Signs {
    /// Adds a flow.
    pub(super) fn add(&mut self, outcome: &Outcome, day: u64) {
        self.flows += 1;
        self.clients.add(day, outcome.client.token);
        self.client_networks.add(day, outcome.client.network);
        let path = usize::from(outcome.path % PATHS);
        self.paths[path] = self.paths[path].saturating_add(1);
        if let Some(suffix) = outcome.suffix
            && let Some(count) = place(&mut self.suffixes, suffix, SUFFIXES_MAX)
        {
            *count = count.saturating_add(1);
        }
        self.small_hellos += u64::from(!outcome.large_hello);
        self.one_way += u64::from(!outcome.both_ways);
        if let Some(trace) = &outcome.finding {
            if trace.proves_a_hand() {
                self.proven += 1;
                self.proven_clients.add(day, outcome.client.token);
            }
            self.positions[match trace.position {
                Position::Upstream => 0,
                Position::Downstream => 1,
                Position::Unknown => 2,
            }] += 1;
            self.hops.add(trace.hops);
        }
        self.server_hops.add(outcome.server_hops);
        self.ending(outcome);
    }

    fn ending(&mut self, outcome: &Outcome) {
        match outcome.ending {
            Ending::Silent { acknowledged: false, .. } => self.unacknowledged += 1,
            Ending::Icmp(Icmp::Prohibited { hops: Some(hops) }) => {
                self.hops.add(Some(hops));
                let server = outcome.server_hops.unwrap_or_default();
                self.icmp_before_server += u64::from(hops.saturating_add(SERVER_SIDE) <= server);
            }
            Ending::FalseAnswer(FalseAnswer::Listed) => self.listed += 1,
            Ending::FalseAnswer(FalseAnswer::Bogus) => self.bogus += 1,
            Ending::FalseAnswer(FalseAnswer::Denied) => self.denied += 1,
            Ending::FalseAnswer(FalseAnswer::Elsewhere(network)) => {
                if let Some(count) = place(&mut self.elsewhere, network, NETWORKS_MAX) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }

    /// Adds a slow flow.
    pub(super) fn slow(&mut self, pace: Pace) {
        *self.paces.entry(pace.step).or_default() += 1;
        self.policed += u64::from(pace.policed);
        self.plateaus += u64::from(pace.plateau);
    }

    /// Adds what a window had. Its clients are added one by one elsewhere.
    pub(super) fn join(&mut self, other: &Self) {
        self.flows += other.flows;
        self.clients.join(&other.clients);
        self.client_networks.join(&other.client_networks);
        self.proven_clients.join(&other.proven_clients);
        let paths = self.paths.iter_mut().zip(other.paths);
        paths.for_each(|(sum, more)| *sum = sum.saturating_add(more));
        for (&suffix, &more) in &other.suffixes {
            if let Some(count) = place(&mut self.suffixes, suffix, SUFFIXES_MAX) {
                *count = count.saturating_add(more);
            }
        }
        for (&network, more) in &other.elsewhere {
            if let Some(count) = place(&mut self.elsewhere, network, NETWORKS_MAX) {
                *count += more;
            }
        }
        for (&tens, count) in &other.after {
            *self.after.entry(tens).or_default() += count;
        }
        for (&pace, count) in &other.paces {
            *self.paces.entry(pace).or_default() += count;
        }
        self.positions.iter_mut().zip(other.positions).for_each(|(sum, more)| *sum += more);
        self.hops.join(&other.hops);
        self.server_hops.join(&other.server_hops);
        for (sum, more) in [
            (&mut self.small_hellos, other.small_hellos),
            (&mut self.one_way, other.one_way),
            (&mut self.proven, other.proven),
            (&mut self.unacknowledged, other.unacknowledged),
            (&mut self.icmp_before_server, other.icmp_before_server),
            (&mut self.listed, other.listed),
            (&mut self.bogus, other.bogus),
            (&mut self.denied, other.denied),
            (&mut self.policed, other.policed),
            (&mut self.plateaus, other.plateaus),
        ] {
            *sum += more;
        }
    }
}

/// The count of `key`, if it has one already or there is room for it.
fn place<K: Ord, N: Default>(counts: &mut BTreeMap<K, N>, key: K, most: usize) -> Option<&mut N> {
    let has_room = counts.len() < most || counts.contains_key(&key);
    has_room.then(|| counts.entry(key).or_default())
}

#[cfg(test)]
mod tests {
    use super::{Histogram, NETWORKS_MAX, SUFFIXES_MAX, Signs};
    use crate::attribute::outcome::Network;

    /// A run goes on for months, and each window may bring networks and names of its own.
    #[test]
    fn windows_put_together_are_as_bounded_as_one() {
        let mut run = Signs::default();
        for number in 0..200_u8 {
            let mut window = Signs::default();
            window.elsewhere.insert(Network::of([198, 51, number, 1].into()), 1);
            window.elsewhere.insert(Network::of([198, 51, 0, 1].into()), 1);
            window.suffixes.insert(number.into(), u32::MAX / 2);
            window.suffixes.insert(0, u32::MAX / 2);
            window.paths[0] = u32::MAX / 2;
            run.join(&window);
        }
        assert_eq!((run.elsewhere.len(), run.suffixes.len()), (NETWORKS_MAX, SUFFIXES_MAX));
        // What has a place goes on being counted, and stops at the largest number.
        assert_eq!(run.elsewhere[&Network::of([198, 51, 0, 1].into())], 200);
        assert_eq!((run.suffixes[&0], run.paths[0]), (u32::MAX, u32::MAX));
    }

    #[test]
    fn a_median_does_not_mind_liars() {
        let mut hops = Histogram::default();
        assert_eq!(hops.quantile(0.5), None);
        (0..60).for_each(|_| hops.add(Some(7)));
        (0..30).for_each(|_| hops.add(Some(8)));
        (0..10u8).for_each(|liar| hops.add(Some(20 + liar)));
        hops.add(None);
        assert_eq!(hops.quantile(0.5), Some(7));
        assert_eq!(hops.quantile(0.9), Some(8));
        assert!((hops.near(7) - 0.9).abs() < 1e-9);
    }
}
