//! The window that is open: who asked whom, and how it ended.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{
    method::{Symptom, symptom},
    outcome::{Ending, Network, Outcome, Protocol},
    tally::Tally,
};

/// Clients by place in one window: at some 60 octets each, 8 MiB, and as much again while a window is closed.
/// Further ones are refused until the next window, counted; those of targets and of controls alike, so shares
/// stay what they are.
pub(super) const CLIENTS_MAX: usize = 131_072;

/// Places in one window, each a server as one unit sees it: one takes half a kilobyte for its first client,
/// 8 MiB in all. Clients of further ones are refused likewise.
const PLACES_MAX: usize = 16_384;

/// Seconds of a slot: longer than most pages take, and than most clients go on trying.
pub(super) const SLOT: u64 = 30_000_000_000;

/// What a unit is, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) vantage: u16,
    pub(super) protocol: Protocol,
    pub(super) service: u16,
    pub(super) network: Network,
    /// Flows for other services after an accused one for this.
    pub(super) residue: bool,
}

impl Key {
    /// The unit that an outcome belongs to.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let residue = outcome.after.filter(|after| after.service != outcome.service);
        Self {
            vantage: outcome.vantage,
            protocol: outcome.protocol,
            service: residue.map_or(outcome.service, |after| after.service),
            network: outcome.place.network,
            residue: residue.is_some(),
        }
    }
}

/// Clients at one place.
pub(super) type Clients = BTreeMap<u64, Tally>;

/// What is said of places when one is first met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    pub(super) asn: Option<u32>,
    pub(super) local: bool,
}

/// An open window.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) start: u64,
    /// By unit and server.
    pub(super) strata: BTreeMap<(Key, u64), Clients>,
    pub(super) about: BTreeMap<Key, About>,
    entries: usize,
    refused: u64,
    /// Clients that are counted already, by tens of seconds after a trigger.
    lingering: BTreeMap<(Key, u16), BTreeSet<u64>>,
    /// How many those are.
    lingerers: usize,
}

impl Window {
    /// Counts an outcome; returns what it is a sign of, or nothing if it says nothing.
    pub(super) fn count(&mut self, key: Key, outcome: &Outcome) -> Option<Symptom> {
        let symptom = symptom(outcome);
        if symptom == Symptom::Mute {
            return None;
        }
        let place = (key, outcome.place.server);
        let room = self.entries < CLIENTS_MAX;
        let room_for_places = room && self.strata.len() < PLACES_MAX;
        let tally = match self.strata.entry(place) {
            Entry::Vacant(_) if !room_for_places => None,
            clients => match clients.or_default().entry(outcome.client.token) {
                Entry::Vacant(_) if !room => None,
                Entry::Vacant(first) => {
                    self.entries += 1;
                    Some(first.insert(Tally::default()))
                }
                Entry::Occupied(known) => Some(known.into_mut()),
            },
        };
        let Some(tally) = tally else {
            self.refused += 1;
            return None;
        };
        let about = About { asn: outcome.place.asn, local: outcome.place.local };
        self.about.entry(key).or_insert(about);
        tally.add((outcome.time.saturating_sub(self.start) / SLOT).min(254) as u8, symptom);
        if let Some(goodput) = outcome.goodput {
            tally.speed(goodput.bits_per_second, goodput.policed, goodput.plateau);
        }
        if outcome.large_hello && outcome.ending == Ending::Served {
            tally.serve_large();
        }
        Some(symptom)
    }

    /// Whether a client is met for the first time so long after a trigger.
    pub(super) fn lingers(&mut self, key: Key, token: u64, tens: u16) -> bool {
        let first = self.lingerers < CLIENTS_MAX
            && self.lingering.entry((key, tens)).or_default().insert(token);
        self.lingerers += usize::from(first);
        first
    }

    /// Units that something was seen of.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Key, &About)> {
        self.about.iter()
    }

    /// The clients of a unit by server.
    pub(super) fn servers(&self, key: Key) -> impl Iterator<Item = (u64, &Clients)> {
        let whole = (key, 0)..=(key, u64::MAX);
        self.strata.range(whole).map(|(&(_, server), clients)| (server, clients))
    }

    /// Outcomes refused for want of room.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Makes it ready to be compared: nothing more is counted.
    pub(super) fn settle(&mut self) {
        self.strata.values_mut().flat_map(BTreeMap::values_mut).for_each(Tally::settle);
    }

    /// Begins the next window.
    pub(super) fn turn(&mut self, start: u64) {
        let refused = self.refused;
        *self = Self { start, refused, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::{CLIENTS_MAX, Key, PLACES_MAX, Symptom, Window};
    use crate::attribute::outcome::Outcome;

    /// Counts a connection of the client `token` to `server` that was served; says whether there was room.
    fn count(window: &mut Window, token: u64, server: u64) -> bool {
        let mut outcome = Outcome::served();
        (outcome.client.token, outcome.place.server) = (token, server);
        window.count(Key::of(&outcome), &outcome) == Some(Symptom::Served)
    }

    #[test]
    fn clients_of_ever_new_servers_are_refused_and_counted() {
        let mut window = Window::default();
        let most = PLACES_MAX as u64;
        assert!((0..most).all(|server| count(&mut window, server, server)));
        assert!(!count(&mut window, 0, most), "one server too many");
        // Where there is a place for the server, there is one for others of its clients.
        assert!(count(&mut window, most, 0) && count(&mut window, 0, 0));
        assert_eq!((window.strata.len() as u64, window.refused()), (most, 1));
    }

    #[test]
    fn clients_beyond_the_bound_are_refused_until_the_next_window() {
        let mut window = Window::default();
        let most = CLIENTS_MAX as u64;
        assert!((0..most).all(|token| count(&mut window, token, 0)));
        assert!(!count(&mut window, most, 0), "one client too many");
        assert!(count(&mut window, 0, 0), "one that is known");
        window.turn(1);
        assert!(count(&mut window, most, 0));
        assert_eq!(window.refused(), 1, "over all windows");
    }
}
