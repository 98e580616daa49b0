//! From a unit's state to what is said of it.

use super::{
    distance,
    method::Method,
    outcome::{Network, Protocol},
    pattern, residual,
    rivals::{self, Situation},
    signs::Signs,
    sketch::{Range, Sketch},
    tally::{FAILED, method_of},
    track::{Run, Track},
    unit::Unit,
    verdict::{
        Controls, Evidence, Explanation, Figures, Onset, Part, Period, Rival, Standing, Verdict,
    },
    window::Key,
};
use crate::targets::{Service, TargetSet};

/// Windows that onsets may be apart and still be called simultaneous.
const SIMULTANEOUS: u64 = 3;

/// Steps of goodput to either side of the commonest that count as equally slow: 13 %.
const BAND: u8 = 1;

/// What other units have to say of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact<'a> {
    pub(super) key: Key,
    asn: Option<u32>,
    local: bool,
    /// The lane of an established track, and what is known of it.
    track: Option<(usize, bool, Option<Onset>)>,
    clients: &'a Sketch,
}

/// The facts of a unit: one for itself, one for each established track.
pub(super) fn facts(key: Key, unit: &Unit) -> Vec<Fact<'_>> {
    let fact = |track| Fact {
        key,
        asn: unit.about.asn,
        local: unit.about.local,
        track,
        clients: &unit.run.all.clients,
    };
    let tracks = unit.tracks.values().filter(|track| track.established.is_some());
    std::iter::once(fact(None))
        .chain(tracks.map(|track| {
            let sure = track.near_established || track.run.signs.proven_clients.range().least > 0;
            fact(Some((track.lane, sure, track.onset)))
        }))
        .collect()
}

/// What is needed besides the unit.
pub(super) struct Context<'a> {
    pub(super) targets: &'a TargetSet,
    pub(super) facts: &'a [Fact<'a>],
    pub(super) length: u64,
}

impl Context<'_> {
    fn service(&self, key: Key) -> &Service {
        &self.targets.services()[usize::from(key.service)]
    }

    /// The verdict on an established track.
    pub(super) fn track(&self, key: Key, unit: &Unit, track: &Track) -> Verdict {
        let situation = self.situation(key, unit, track);
        let rivals = rivals::weigh(&situation);
        let method = conclude(situation.method, &rivals);
        let run = &track.run;
        let accuses = method.accuses();
        let lingers = situation.method == Some(Method::Residual);
        Verdict {
            unit: unit.name(key, self.targets),
            method,
            period: Period { from: run.from, to: run.to },
            evidence: Evidence {
                against_controls: track.any.decimal(),
                against_near: (run.near_n > 0.0).then(|| track.near.decimal()),
                for_health: unit.clear.decimal(),
                proven: run.signs.proven,
                proven_clients: run.signs.proven_clients.range(),
            },
            target: figures(run, run.signs.clients.range()),
            controls: controls(run),
            pattern: accuses.then(|| pattern::of(run)),
            onset: track.common_onset.or(track.onset).filter(|_| accuses),
            end: None,
            rivals,
            distance: distance::of(&run.signs),
            residual: lingers
                .then(|| residual::estimate(&run.all.after, &run.signs.after))
                .flatten(),
            names: self.names(key, run),
        }
    }

    /// The verdict on a unit of which nothing is established but how it does as a whole.
    pub(super) fn whole(&self, key: Key, unit: &Unit) -> Verdict {
        let run = &unit.run;
        let mut rivals = Vec::new();
        // Without controls, or with healthy ones that were too few to establish anything, it may be either.
        let alike = run.any_share() * 2.0 >= run.share();
        let method = if unit.fails && alike {
            rivals.push(Rival {
                name: Explanation::Uplink,
                standing: Standing::Won,
                why: format!(
                    "{:.1} % of its flows fail, and {:.1} % of the controls': it is not this service",
                    run.share() * 100.0,
                    run.any_share() * 100.0
                ),
            });
            Method::Outage
        } else if unit.healthy && !unit.tracks.values().any(Track::is_open) {
            Method::None
        } else {
            Method::Inconclusive
        };
        let most = |of: fn(&Track) -> f64| unit.tracks.values().map(of).fold(0.0, f64::max);
        Verdict {
            unit: unit.name(key, self.targets),
            method,
            period: Period { from: run.from, to: run.to },
            evidence: Evidence {
                against_controls: most(|track| track.any.decimal()),
                against_near: (run.near_n > 0.0).then(|| most(|track| track.near.decimal())),
                for_health: unit.clear.decimal(),
                proven: 0,
                proven_clients: Range::default(),
            },
            target: figures(run, Range::default()),
            controls: controls(run),
            pattern: None,
            onset: None,
            end: None,
            rivals,
            distance: None,
            residual: None,
            names: Vec::new(),
        }
    }

    fn names(&self, key: Key, run: &Run) -> Vec<Part> {
        let suffixes = &self.service(key).suffixes;
        let parts = run.all.suffixes.iter().filter_map(|(&suffix, &flows)| {
            let bad = run.signs.suffixes.get(&suffix).copied().unwrap_or_default();
            let share = f64::from(bad) / f64::from(flows.max(1));
            let name = suffixes.get(usize::from(suffix))?.clone();
            Some(Part { name, flows: u64::from(flows), share })
        });
        parts.collect()
    }

    fn situation(&self, key: Key, unit: &Unit, track: &Track) -> Situation {
        let (run, signs) = (&track.run, &track.run.signs);
        let (operators, foreign) = self.operators(key, track);
        let (liars, liars_part) = self.liars(key, track.lane);
        let slow: u64 = signs.paces.values().sum();
        Situation {
            method: method_of(track.lane),
            share: run.share(),
            any_established: track.any.decides(),
            any_share: run.any_share(),
            near_established: track.near_established,
            near_n: run.near_n,
            near_share: run.near_share(),
            near_large: run.near_large,
            affected: signs.clients.range(),
            carriers: run.weights.effective(),
            proven: signs.proven_clients.range(),
            flows: signs.flows,
            unacknowledged: signs.unacknowledged,
            small: signs.small_hellos,
            icmp_before_server: signs.icmp_before_server,
            all: run.all.flows,
            all_small: run.all.small_hellos,
            one_way: run.all.one_way,
            listed: signs.listed,
            elsewhere: signs.elsewhere.values().sum(),
            served_there: self.served_at(key, signs),
            slow,
            policed: signs.policed,
            equally_slow: equally_slow(signs),
            local: unit.about.local,
            liars,
            liars_part,
            healthy_elsewhere: track.elsewhere.decides(),
            operators,
            foreign,
            load: track.load,
            says_so: track.lane == FAILED,
        }
    }

    /// At how many operators' networks the same began at the same time, and whether one is not the
    /// service's own.
    fn operators(&self, key: Key, track: &Track) -> (u64, bool) {
        let mut asns: Vec<u32> = self
            .facts
            .iter()
            .filter(|fact| {
                let place = Key { network: key.network, ..fact.key };
                place == key
                    && fact.track.is_some_and(|(lane, sure, onset)| {
                        lane == track.lane && sure && self.simultaneous(onset, track.onset)
                    })
            })
            .filter_map(|fact| fact.asn)
            .collect();
        asns.sort_unstable();
        asns.dedup();
        let own = &self.service(key).asns;
        (asns.len() as u64, asns.iter().any(|asn| !own.contains(asn)))
    }

    fn simultaneous(&self, one: Option<Onset>, other: Option<Onset>) -> bool {
        match (one, other) {
            (Some(Onset::Between(one)), Some(Onset::Between(other))) => {
                let slack = SIMULTANEOUS * self.length;
                one.from <= other.to.saturating_add(slack)
                    && other.from <= one.to.saturating_add(slack)
            }
            // Both were there already: that they began together is not known.
            _ => false,
        }
    }

    /// In how many networks resolvers give such answers, and the part of all clients that ask them. Those that mostly
    /// the same clients ask are one: the first and the second address of a filter that they have chosen.
    fn liars(&self, key: Key, lane: usize) -> (u64, f64) {
        let same = |fact: &&Fact| !fact.local && Key { network: key.network, ..fact.key } == key;
        let lying = |fact: &&Fact| fact.track.is_some_and(|track| track.0 == lane);
        let (mut askers, mut clients): (Vec<&Sketch>, _) = (Vec::new(), 0);
        for fact in self.facts.iter().filter(same).filter(lying) {
            clients += fact.clients.range().least;
            if !askers.iter().any(|others| others.is_mostly(fact.clients)) {
                askers.push(fact.clients);
            }
        }
        let networks = askers.len() as u64;
        let all: u64 = self
            .facts
            .iter()
            .filter(same)
            .filter(|fact| fact.track.is_none())
            .map(|fact| fact.clients.range().least)
            .sum();
        (networks, clients as f64 / all.max(1) as f64)
    }

    /// Clients that are served by the service at the networks that false answers led to.
    fn served_at(&self, key: Key, signs: &Signs) -> u64 {
        let there = |network: &Network| signs.elsewhere.contains_key(network);
        self.facts
            .iter()
            .filter(|fact| {
                fact.track.is_none()
                    && fact.key.protocol == Protocol::TcpTls
                    && !fact.key.residue
                    && (fact.key.service, fact.key.vantage) == (key.service, key.vantage)
                    && there(&fact.key.network)
                    && !fact_fails(self.facts, fact)
            })
            .map(|fact| fact.clients.range().least)
            .sum()
    }
}

/// Whether anything is established against the unit of a fact.
fn fact_fails(facts: &[Fact<'_>], of: &Fact<'_>) -> bool {
    facts.iter().any(|fact| fact.key == of.key && fact.track.is_some())
}

/// What the method and its rivals come to.
fn conclude(method: Option<Method>, rivals: &[Rival]) -> Method {
    if rivals.iter().any(|rival| rival.standing == Standing::Won) {
        Method::Outage
    } else if rivals.iter().any(|rival| rival.standing == Standing::Stands) {
        Method::Inconclusive
    } else {
        method.unwrap_or(Method::Outage)
    }
}

fn figures(run: &Run, affected: Range) -> Figures {
    Figures {
        flows: run.all.flows,
        n: run.n.round() as u64,
        share: run.share(),
        clients: run.all.clients.range(),
        client_networks: run.all.client_networks.range(),
        affected,
    }
}

fn controls(run: &Run) -> Controls {
    Controls {
        n: run.any_n.round() as u64,
        share: run.any_share(),
        failing: if run.any_n > 0.0 { run.any_failing / run.any_n } else { 0.0 },
        near_n: run.near_n.round() as u64,
        near_share: run.near_share(),
    }
}

/// Slow flows within a narrow band around the commonest goodput.
fn equally_slow(signs: &Signs) -> u64 {
    let around = |&centre: &u8| {
        let band = centre.saturating_sub(BAND)..=centre.saturating_add(BAND);
        signs.paces.range(band).map(|(_, count)| count).sum()
    };
    signs.paces.keys().map(around).max().unwrap_or_default()
}
