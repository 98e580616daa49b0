//! The sides of each comparison in a window: the unit, all controls, and the nearest ones.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use super::{
    method::{Method, Symptom},
    outcome::{Network, Protocol},
    pairs::{Pair, Side, Sums, join, joined, pair},
    tally::{Pace, STEPS, Shares, Tally, lane},
    window::{Key, Window},
};

/// By how much slower than the controls' median a client must be to count as slow: the effect that is
/// asked for before anything is called throttled.
const SLOWER: f32 = 5.0;

/// Clients of controls that a median needs. Where a window has fewer, those of the last hour count.
const MEDIAN_OF: usize = 5;

/// Windows that make an hour.
const HOUR: u64 = 12;

/// Clients of controls whose speed is kept for an hour: more than a median needs. The latest are kept.
const RECENT_MAX: usize = 20;

/// Controls, by service: which network of which observer they are in trouble at.
pub(super) type Trouble = BTreeSet<(u16, u16, Network)>;

/// What a unit is compared with.
#[derive(Debug, Default)]
pub(super) struct Comparison<'a> {
    pub(super) targets: Cow<'a, Side>,
    /// Clients of the same service at the same network, as other observers see them.
    pub(super) elsewhere: Side,
    pub(super) any: Against,
    pub(super) near: Against,
}

/// One comparison.
#[derive(Debug, Default)]
pub(super) struct Against {
    pub(super) pairs: Vec<Pair>,
    pub(super) sums: Sums,
}

/// How fast controls were in the last hour, as far as a unit is compared with them: in the nights of a
/// small network no window has enough of them.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    near: Recent,
    any: Recent,
}

/// Mean paces of the latest clients, with their windows.
#[derive(Debug, Clone, Default)]
struct Recent(VecDeque<(u64, f32)>);

/// Which controls are nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nearest {
    /// Other names at the same addresses.
    Address,
    /// Other addresses of the network.
    Neighbour,
}

/// Compares the units of one window.
pub(super) struct Comparer<'a> {
    window: &'a Window,
    controls: &'a BTreeSet<u16>,
    trouble: &'a Trouble,
    /// All controls of an observer and protocol but one: that one is being looked at.
    common: BTreeMap<(u16, Protocol, u16), Side>,
    /// Units of controls by observer, protocol and network.
    places: BTreeMap<(u16, Protocol, Network), Vec<Key>>,
}

impl<'a> Comparer<'a> {
    pub(super) fn new(
        window: &'a Window,
        controls: &'a BTreeSet<u16>,
        trouble: &'a Trouble,
    ) -> Self {
        let mut places: BTreeMap<_, Vec<Key>> = BTreeMap::new();
        for (key, _) in window.keys() {
            if controls.contains(&key.service) && !key.residue {
                places.entry((key.vantage, key.protocol, key.network)).or_default().push(*key);
            }
        }
        Self { window, controls, trouble, common: BTreeMap::new(), places }
    }

    /// The sides of a unit.
    pub(super) fn compare(&mut self, key: Key, nearest: Nearest) -> Comparison<'a> {
        let window = self.window;
        let servers: BTreeSet<u64> = window.servers(key).map(|(server, _)| server).collect();
        let targets = joined(window.servers(key).map(|(_, clients)| clients));
        let same = self.same_addresses(key);
        let (any, near) = match nearest {
            Nearest::Address => (Against::of(&targets, self.common(key)), same),
            Nearest::Neighbour => {
                // Names at the same address suffer as well, and are no control.
                let any = if same.sums.n > 0.0 {
                    Against::of(&targets, &self.elsewhere(key, &servers))
                } else {
                    Against::of(&targets, self.common(key))
                };
                (any, Against::of(&targets, &self.neighbours(key, &servers)))
            }
        };
        let elsewhere = self.elsewhere_seen(key);
        let mut comparison = Comparison { targets, elsewhere, any, near };
        if key.residue {
            comparison.any_failure();
        }
        comparison
    }

    /// The clients of a unit's service and network at other observers.
    fn elsewhere_seen(&self, key: Key) -> Side {
        let mut side = Side::new();
        for (other, _) in self.window.keys() {
            if other.vantage != key.vantage && (Key { vantage: key.vantage, ..*other }) == key {
                self.window.servers(*other).for_each(|(_, clients)| join(&mut side, clients));
            }
        }
        side
    }

    /// Address by address, the unit's clients against those of controls at the same one: what is the
    /// matter with an address is the matter with both.
    fn same_addresses(&self, key: Key) -> Against {
        let mut against = Against::default();
        for (server, clients) in self.window.servers(key) {
            let mut controls = Side::new();
            for control in self.controls_at(key) {
                if let Some(clients) = self.window.strata.get(&(control, server)) {
                    join(&mut controls, clients);
                }
            }
            if !controls.is_empty() {
                against.pairs.extend(pair(clients, &controls));
                against.sums.join(&Sums::of(&controls));
            }
        }
        against
    }

    /// Controls at other addresses of the network than `servers`.
    fn neighbours(&self, key: Key, servers: &BTreeSet<u64>) -> Side {
        let mut side = Side::new();
        for control in self.controls_at(key) {
            let others = self.window.servers(control).filter(|(at, _)| !servers.contains(at));
            others.for_each(|(_, clients)| join(&mut side, clients));
        }
        side
    }

    /// The units of controls in the network of a unit.
    fn controls_at(&self, key: Key) -> impl Iterator<Item = Key> {
        let place = (key.vantage, key.protocol, key.network);
        let all = self.places.get(&place).into_iter().flatten().copied();
        all.filter(move |control| control.service != key.service || key.residue)
    }

    /// Whether the speed of any flow of a unit is known.
    pub(super) fn is_timed(&self, key: Key) -> bool {
        self.window.servers(key).any(|(_, clients)| clients.values().any(Tally::is_timed))
    }

    /// The sides of a unit where speed is compared, and the paces of those that are slow.
    pub(super) fn paces(
        &mut self,
        key: Key,
        references: &mut References,
        length: u64,
    ) -> (Comparison<'a>, Vec<(u64, Pace)>) {
        let window = self.window;
        let targets = joined(window.servers(key).map(|(_, clients)| clients));
        let near = self.neighbours(key, &BTreeSet::new());
        let at = self.window.start;
        let since = at.saturating_sub(HOUR * length);
        let any = self.common(key);
        let reference = references.near.median(&near, at, since);
        let other = references.any.median(any, at, since);
        let Some(reference) = reference.or(other) else {
            return Default::default();
        };
        let limit = reference - SLOWER.log2() * STEPS;
        let slow = targets
            .iter()
            .flat_map(|(&token, tally)| tally.paces().map(move |pace| (token, pace)))
            .filter(|(_, pace)| f32::from(pace.step) < limit)
            .collect();
        let (any, near, targets) =
            (slowness(any, limit), slowness(&near, limit), slowness(&targets, limit));
        let any = Against::of(&targets, &any);
        let near = Against::of(&targets, &near);
        // Lines differ from place to place, and with them what is slow: nothing is said of elsewhere.
        (Comparison { targets: Cow::Owned(targets), elsewhere: Side::new(), any, near }, slow)
    }

    fn common(&mut self, key: Key) -> &Side {
        let but = if self.controls.contains(&key.service) { key.service } else { u16::MAX };
        let (window, places, trouble) = (self.window, &self.places, self.trouble);
        self.common.entry((key.vantage, key.protocol, but)).or_insert_with(|| {
            let mut side = Side::new();
            let all = places
                .iter()
                .filter(|(place, _)| (place.0, place.1) == (key.vantage, key.protocol));
            for &control in all.flat_map(|(_, keys)| keys).filter(|control| control.service != but)
            {
                if !trouble.contains(&(control.vantage, control.service, control.network)) {
                    window.servers(control).for_each(|(_, clients)| join(&mut side, clients));
                }
            }
            side
        })
    }

    /// All controls that are at none of these servers.
    fn elsewhere(&self, key: Key, servers: &BTreeSet<u64>) -> Side {
        let mut side = Side::new();
        for &control in self.places.values().flatten() {
            let same = (control.vantage, control.protocol) == (key.vantage, key.protocol);
            let trouble = (control.vantage, control.service, control.network);
            if !same || control.service == key.service || self.trouble.contains(&trouble) {
                continue;
            }
            for (_, clients) in
                self.window.servers(control).filter(|(server, _)| !servers.contains(server))
            {
                join(&mut side, clients);
            }
        }
        side
    }
}

impl Against {
    fn of(targets: &Side, controls: &Side) -> Self {
        Self { pairs: pair(targets, controls), sums: Sums::of(controls) }
    }
}

impl Comparison<'_> {
    /// What fails after a trigger may fail in any way, and so may what it is held against.
    fn any_failure(&mut self) {
        let residual = lane(Method::Residual);
        let all = |shares: &mut Shares| shares[residual] = shares.iter().sum::<f32>().min(1.0);
        for against in [&mut self.any, &mut self.near] {
            against.pairs.iter_mut().for_each(|pair| all(&mut pair.control));
            against.sums.lanes[residual] = against.sums.failing();
        }
    }
}

/// Who is slow, and with what share of flows.
fn slowness(side: &Side, limit: f32) -> Side {
    let slow = |of: &Tally| {
        let mut tally = Tally::default();
        for pace in of.paces() {
            let slow = f32::from(pace.step) < limit;
            tally.add(0, if slow { Symptom::Of(Method::Throttle) } else { Symptom::Served });
        }
        tally.settle();
        tally
    };
    side.iter()
        .map(|(&token, tally)| (token, slow(tally)))
        .filter(|(_, tally)| !tally.is_empty())
        .collect()
}

impl Recent {
    /// The median over a window's clients of their flows' mean; over those of the time since `since`,
    /// where they are too few.
    fn median(&mut self, side: &Side, at: u64, since: u64) -> Option<f32> {
        let now: Vec<f32> = side.values().filter_map(mean).collect();
        self.0.retain(|&(window, _)| window >= since);
        self.0.extend(now.iter().map(|&pace| (at, pace)));
        self.0.drain(..self.0.len().saturating_sub(RECENT_MAX));
        let mut paces = if now.len() < MEDIAN_OF {
            self.0.iter().map(|&(_, pace)| pace).collect()
        } else {
            now
        };
        if paces.len() < MEDIAN_OF {
            return None;
        }
        paces.sort_by(f32::total_cmp);
        Some(paces[paces.len() / 2])
    }
}

/// The mean pace of a client's flows.
fn mean(tally: &Tally) -> Option<f32> {
    let (sum, count) = tally
        .paces()
        .fold((0.0, 0.0), |(sum, count), pace| (sum + f32::from(pace.step), count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::{Recent, Side, Tally};

    #[test]
    fn few_clients_are_held_against_those_of_the_last_hour() {
        let side = |megabits: &[u32]| -> Side {
            let client = |(token, &rate): (usize, &u32)| {
                let mut tally = Tally::default();
                tally.speed(rate * 1_000_000, false, false);
                (token as u64, tally)
            };
            megabits.iter().enumerate().map(client).collect()
        };
        let mut recent = Recent::default();
        assert_eq!(recent.median(&side(&[8, 8, 8]), 0, 0), None);
        let pooled = recent.median(&side(&[2, 8]), 1, 0).expect("five clients");
        assert_eq!(recent.median(&side(&[2, 2, 2, 8, 8]), 2, 1), Some(pooled - 16.0));
        // Those of windows 0 and 1 are older than an hour by now.
        assert_eq!(recent.median(&side(&[]), 14, 2), Some(pooled - 16.0));
        assert_eq!(recent.median(&side(&[1]), 15, 3), None);
    }
}
