//! What connections to each destination have met so far, for whoever looks on while a run goes on.
//!
//! A destination is a service at a network, over one protocol: what attribution calls a unit. Here
//! nothing is weighed. Each outcome is counted by how it ended, from the beginning of the run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Summary, finding::Verdict, summary::Counters, time};
use crate::{
    attribute::{
        Outcome,
        outcome::{Ending, Network, Protocol},
    },
    targets::{Role, TargetSet},
};

/// Destinations that are counted, at some 200 octets each. The one that was silent longest goes.
const DESTINATIONS_MAX: usize = 1_024;

/// How often each ending was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Met {
    /// The client got what it asked for.
    pub(crate) served: u64,
    /// Nothing more came, and the client was waiting.
    pub(crate) silent: u64,
    /// A reset in the name of the server.
    pub(crate) reset: u64,
    /// A page that says that access is blocked.
    pub(crate) block_page: u64,
    /// A DNS answer that the name's owner does not give.
    pub(crate) false_answer: u64,
    /// The other end said that it cannot.
    pub(crate) error: u64,
    /// An ICMP error came back.
    pub(crate) icmp: u64,
    /// The client left by itself.
    pub(crate) abandoned: u64,
}

impl Met {
    fn add(&mut self, ending: Ending) {
        *match ending {
            Ending::Served => &mut self.served,
            Ending::Silent { .. } => &mut self.silent,
            Ending::Reset { .. } => &mut self.reset,
            Ending::BlockPage => &mut self.block_page,
            Ending::FalseAnswer(_) => &mut self.false_answer,
            Ending::Error => &mut self.error,
            Ending::Icmp(_) => &mut self.icmp,
            Ending::Abandoned => &mut self.abandoned,
        } += 1;
    }
}

/// By service (its place among the targets), network, protocol.
type Key = (u16, Network, Protocol);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    met: Met,
    accused: u64,
    last: u64,
}

/// All that are counted.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    counts: BTreeMap<Key, Counts>,
    /// Of which more is known than was told.
    changed: BTreeSet<Key>,
    evicted: u64,
}

impl Destinations {
    /// Counts an outcome.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        let key = (outcome.service, outcome.place.network, outcome.protocol);
        if !self.counts.contains_key(&key) {
            self.make_room();
        }
        let counts = self.counts.entry(key).or_default();
        counts.met.add(outcome.ending);
        let accuses = |verdict| verdict != Verdict::Suspect;
        counts.accused += u64::from(outcome.finding.is_some_and(|trace| accuses(trace.verdict)));
        counts.last = counts.last.max(outcome.time);
        self.changed.insert(key);
    }

    fn make_room(&mut self) {
        while self.counts.len() >= DESTINATIONS_MAX {
            let oldest = self.counts.iter().min_by_key(|(key, counts)| (counts.last, **key));
            let Some((&key, _)) = oldest else { return };
            self.counts.remove(&key);
            self.changed.remove(&key);
            self.evicted += 1;
        }
    }

    /// Those that had to make way.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// What is new since the last call.
    pub(crate) fn news(&mut self, targets: &TargetSet) -> Vec<Destination> {
        let one = |key: Key| {
            let service = targets.services().get(usize::from(key.0))?;
            let counts = self.counts.get(&key)?;
            Some(Destination {
                service: service.id.clone(),
                role: if service.is_control() { Role::Control } else { Role::Target },
                network: key.1,
                protocol: key.2,
                met: counts.met,
                accused: counts.accused,
                last: counts.last,
            })
        };
        std::mem::take(&mut self.changed).into_iter().filter_map(one).collect()
    }
}

/// One destination, from the beginning of the run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Destination {
    service: String,
    role: Role,
    network: Network,
    protocol: Protocol,
    met: Met,
    /// Of these, in how many somebody was accused.
    accused: u64,
    /// When the last one ended.
    #[serde(serialize_with = "time::serialize")]
    last: u64,
}

/// The record: how far a run is, and of which destinations there is news.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    record: &'static str,
    #[serde(serialize_with = "time::serialize")]
    time: u64,
    packets: u64,
    flows: u64,
    findings: u64,
    lost: Counters,
    destinations: Vec<Destination>,
}

impl Record {
    /// At `time`, with what `summary` has counted by then.
    pub(crate) fn new(time: u64, summary: Summary, destinations: Vec<Destination>) -> Self {
        Self {
            record: "destinations",
            time,
            packets: summary.packets,
            flows: summary.flows,
            findings: summary.findings.total(),
            lost: summary.lost.into_iter().filter(|(_, count)| *count > 0).collect(),
            destinations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DESTINATIONS_MAX, Destinations, Ending, Network, Outcome, TargetSet};
    use crate::attribute::outcome::Place;

    fn outcome(number: u32, ending: Ending) -> Outcome {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + (number << 8));
        let network = Network::of(address.into());
        let place = Place { network, ..Outcome::served().place };
        Outcome { time: u64::from(number), place, ending, ..Outcome::served() }
    }

    #[test]
    fn what_is_new_is_told_once_with_all_counts() {
        let targets = TargetSet::load(&[]).expect("what is built in");
        let mut destinations = Destinations::default();
        destinations.add(&outcome(1, Ending::Served));
        assert_eq!(destinations.news(&targets).len(), 1);
        assert!(destinations.news(&targets).is_empty());
        destinations.add(&outcome(1, Ending::BlockPage));
        destinations.add(&outcome(2, Ending::Abandoned));
        let news = destinations.news(&targets);
        assert_eq!(news.len(), 2);
        assert_eq!((news[0].met.served, news[0].met.block_page, news[0].accused), (1, 1, 0));
    }

    #[test]
    fn the_one_that_was_silent_longest_makes_way() {
        let mut destinations = Destinations::default();
        for number in 0..=DESTINATIONS_MAX as u32 {
            destinations.add(&outcome(number, Ending::Served));
        }
        assert_eq!((destinations.counts.len(), destinations.evicted()), (DESTINATIONS_MAX, 1));
        assert!(
            destinations.counts.keys().all(|key| key.1 != outcome(0, Ending::Served).place.network)
        );
    }
}
