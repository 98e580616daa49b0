//! Who is held against whom: clients of the target beside clients of the controls, in one window.
//!
//! The best control of a client is the same client: what is wrong with its own line is wrong with both.
//! Clients that asked for one of the two only are gathered into as many groups as the smaller side has
//! clients, and group stands against group. Tokens are hashes, so their order is as good as a draw.

use std::{borrow::Cow, collections::BTreeMap};

use super::tally::{LANES, Shares, Tally};

/// Clients of one side, by token.
pub(super) type Side = BTreeMap<u64, Tally>;

/// One comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) target: Shares,
    pub(super) control: Shares,
}

/// Sums over a side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) n: f64,
    pub(super) lanes: [f64; LANES],
    /// Clients whose large first messages were served.
    pub(super) large_served: u64,
}

impl Sums {
    pub(super) fn of(side: &Side) -> Self {
        let mut sums = Self::default();
        for tally in side.values().filter(|tally| !tally.is_empty()) {
            sums.n += 1.0;
            let shares = tally.shares();
            sums.lanes.iter_mut().zip(shares).for_each(|(sum, share)| *sum += f64::from(share));
            sums.large_served += u64::from(tally.large_served());
        }
        sums
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.n += other.n;
        self.lanes.iter_mut().zip(other.lanes).for_each(|(sum, more)| *sum += more);
        self.large_served += other.large_served;
    }

    pub(super) fn failing(&self) -> f64 {
        self.lanes.iter().sum()
    }
}

/// Joins clients of one place to a side.
pub(super) fn join<'a>(side: &mut Side, clients: impl IntoIterator<Item = (&'a u64, &'a Tally)>) {
    for (&token, tally) in clients {
        side.entry(token).or_default().join(tally);
    }
}

/// The clients of all places; of a single one they are not copied, for there may be many.
pub(super) fn joined<'a>(mut places: impl Iterator<Item = &'a Side>) -> Cow<'a, Side> {
    let Some(first) = places.next() else { return Cow::default() };
    let mut side = Cow::Borrowed(first);
    for place in places {
        join(side.to_mut(), place);
    }
    side
}

/// Pairs two sides.
pub(super) fn pair(targets: &Side, controls: &Side) -> Vec<Pair> {
    let (alone, idle) = (only(targets, controls), only(controls, targets));
    let mut pairs: Vec<Pair> = targets
        .iter()
        .filter(|(_, tally)| !tally.is_empty())
        .filter_map(|(token, tally)| {
            let control = controls.get(token).filter(|control| !control.is_empty())?;
            Some(Pair { target: tally.shares(), control: control.shares() })
        })
        .collect();
    let groups = alone.len().min(idle.len());
    for group in 0..groups {
        pairs.push(Pair {
            target: mean(&alone, group, groups),
            control: mean(&idle, group, groups),
        });
    }
    pairs
}

/// Clients of one side that are not of the other.
fn only<'a>(side: &'a Side, other: &Side) -> Vec<&'a Tally> {
    let there = side.iter().filter(|(_, tally)| !tally.is_empty());
    there.filter(|(token, _)| !other.contains_key(token)).map(|(_, tally)| tally).collect()
}

/// Mean shares of the `group`th of `groups` parts of a list that is at least as long.
fn mean(list: &[&Tally], group: usize, groups: usize) -> Shares {
    let part = &list[group * list.len() / groups..(group + 1) * list.len() / groups];
    let mut sums = [0.0; LANES];
    for tally in part {
        sums.iter_mut().zip(tally.shares()).for_each(|(sum, share)| *sum += share);
    }
    sums.map(|sum| sum / part.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::{Side, Sums, pair};
    use crate::attribute::{
        method::{Method, Symptom},
        tally::{Tally, lane},
    };

    fn client(fails: bool) -> Tally {
        let mut tally = Tally::default();
        tally.add(0, if fails { Symptom::Of(Method::SniDrop) } else { Symptom::Served });
        tally.settle();
        tally
    }

    fn side(clients: &[(u64, bool)]) -> Side {
        clients.iter().map(|&(token, fails)| (token, client(fails))).collect()
    }

    #[test]
    fn a_client_is_its_own_best_control() {
        let targets = side(&[(1, true), (2, false), (9, true)]);
        let controls = side(&[(1, true), (2, false), (3, false), (4, false)]);
        let pairs = pair(&targets, &controls);
        let drop = lane(Method::SniDrop);
        let shown: Vec<_> =
            pairs.iter().map(|pair| (pair.target[drop], pair.control[drop])).collect();
        // 9 has no match; 3 and 4 together stand against it.
        assert_eq!(shown, [(1.0, 1.0), (0.0, 0.0), (1.0, 0.0)]);
        assert!((Sums::of(&targets).failing() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_on_one_side_is_no_comparison() {
        assert!(pair(&side(&[(1, true)]), &Side::new()).is_empty());
        assert!(pair(&Side::new(), &side(&[(1, true)])).is_empty());
    }

    #[test]
    fn the_larger_side_is_used_up() {
        let targets: Vec<_> = (0..10).map(|token| (token, token < 5)).collect();
        let controls: Vec<_> = (100..104).map(|token| (token, false)).collect();
        let pairs = pair(&side(&targets), &side(&controls));
        let sum: f32 = pairs.iter().map(|pair| pair.target[lane(Method::SniDrop)]).sum();
        assert_eq!(pairs.len(), 4);
        assert!((sum - 2.0).abs() < 1e-5, "{sum}");
    }
}
