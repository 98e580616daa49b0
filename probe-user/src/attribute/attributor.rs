//! Takes outcomes in the order of time, and says of each unit what is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    cell::{Affected, Cell},
    change::Curve,
    compare::{Comparer, Trouble},
    compose::{Context, facts},
    method::Symptom,
    outcome::Outcome,
    signs::{AFTER_MAX, Signs, TENS},
    tally::{FAILED, lane, method_of},
    track::Track,
    unit::{DAY, Unit},
    verdict::{Interval, Onset, Period, Unit as Of, Verdict},
    window::{Key, Window},
};
use crate::{
    report::summary::Counters,
    targets::{Role, TargetSet},
};

/// Length of a window, in nanoseconds: five minutes. Short enough to say when a blocking began, long
/// enough for a client's page with all its retries.
pub const WINDOW: u64 = 300_000_000_000;

/// Units that are kept: at some 100 KiB each when busy, 100 MiB. The one that was silent longest goes.
const UNITS_MAX: usize = 1_024;

/// Counts of closed windows that wait to be taken; further ones are dropped.
const CELLS_MAX: usize = 8_192;

/// See the module.
#[derive(Debug)]
pub struct Attributor {
    targets: Arc<TargetSet>,
    length: u64,
    controls: BTreeSet<u16>,
    window: Window,
    units: BTreeMap<Key, Unit>,
    trouble: Trouble,
    cells: Vec<Cell>,
    evicted: u64,
    late: u64,
    dropped: u64,
}

impl Attributor {
    /// One that knows nothing yet. The index of services in outcomes is that of `targets`.
    #[must_use]
    pub fn new(targets: Arc<TargetSet>) -> Self {
        let controls = targets.services().iter().enumerate();
        let controls = controls
            .filter(|(_, service)| service.is_control())
            .map(|(index, _)| index as u16)
            .collect();
        Self {
            targets,
            length: WINDOW,
            controls,
            window: Window::default(),
            units: BTreeMap::new(),
            trouble: Trouble::new(),
            cells: Vec::new(),
            evicted: 0,
            late: 0,
            dropped: 0,
        }
    }

    /// Takes an outcome. One from before the window that is open counts as of that window.
    pub fn take(&mut self, outcome: &Outcome) {
        self.advance(outcome.time);
        self.late += u64::from(outcome.time < self.window.start);
        let mut outcome = *outcome;
        outcome.time = outcome.time.max(self.window.start);
        outcome.after = outcome.after.filter(|after| after.seconds < AFTER_MAX);
        if usize::from(outcome.service) >= self.targets.services().len() {
            return;
        }
        let key = Key::of(&outcome);
        let Some(symptom) = self.window.count(key, &outcome) else {
            if !outcome.both_ways
                && let Some(unit) = self.units.get_mut(&key)
            {
                // Nothing is known of it, but that it was there and half seen.
                unit.all.flows += 1;
                unit.all.one_way += 1;
            }
            return;
        };
        let about = self.window.about[&key];
        if !self.units.contains_key(&key) {
            self.make_room();
        }
        let unit = self.units.entry(key).or_insert_with(|| Unit::new(about));
        let day = outcome.time / DAY;
        unit.all.add(&outcome, day);
        let affected = match symptom {
            Symptom::Of(method) if method.accuses() => Some(lane(method)),
            Symptom::Failed => Some(FAILED),
            _ => None,
        };
        if let Some(lane) = affected {
            unit.lanes.entry(lane).or_default().add(&outcome, day);
        }
        if let Some(after) = outcome.after.filter(|_| key.residue) {
            let tens = after.seconds / TENS;
            if self.window.lingers(key, outcome.client.token, tens) {
                let note = |signs: &mut Signs| *signs.after.entry(tens).or_default() += 1;
                note(&mut unit.all);
                if let Some(lane) = affected {
                    note(unit.lanes.entry(lane).or_default());
                }
            }
        }
    }

    /// Tells the time: windows that are over are closed.
    pub fn advance(&mut self, now: u64) {
        let start = now - now % self.length;
        if start > self.window.start {
            self.close();
            self.window.turn(start);
        }
    }

    /// Closes the open window before its time: the end of a capture or of a run.
    pub fn finish(&mut self) {
        self.close();
        let next = self.window.start + self.length;
        self.window.turn(next);
    }

    /// What is said of each unit at time `now`, by closed windows. Of a unit with something established
    /// each of these, and what is over; of others one verdict.
    pub fn verdicts(&mut self, now: u64) -> Vec<Verdict> {
        self.advance(now);
        let facts: Vec<_> = self.units.iter().flat_map(|(&key, unit)| facts(key, unit)).collect();
        let context = Context { targets: &self.targets, facts: &facts, length: self.length };
        let mut verdicts = Vec::new();
        for (&key, unit) in &self.units {
            let established = unit
                .tracks
                .iter()
                .filter(|(lane, _)| !unit.explained(**lane))
                .filter_map(|(_, track)| track.verdict.as_ref());
            let before = verdicts.len();
            verdicts.extend(unit.past.iter().chain(established).cloned());
            if verdicts.len() == before && unit.last > 0 && !key.residue {
                verdicts.push(context.whole(key, unit));
            }
        }
        verdicts
    }

    /// Takes the counts of windows closed since the last call.
    pub fn cells(&mut self) -> std::vec::Drain<'_, Cell> {
        self.cells.drain(..)
    }

    /// What had to be given up for want of room, each by name.
    #[must_use]
    pub fn losses(&self) -> Counters {
        Counters::from([
            ("attribute_clients_refused".into(), self.window.refused()),
            ("attribute_units_evicted".into(), self.evicted),
            ("attribute_cells_dropped".into(), self.dropped),
            ("attribute_late".into(), self.late),
        ])
    }

    fn make_room(&mut self) {
        while self.units.len() >= UNITS_MAX {
            let oldest = self.units.iter().min_by_key(|(key, unit)| (unit.last, **key));
            let Some((&key, _)) = oldest else { return };
            self.units.remove(&key);
            self.evicted += 1;
        }
    }

    fn close(&mut self) {
        let (start, length) = (self.window.start, self.length);
        self.window.settle();
        let mut comparer = Comparer::new(&self.window, &self.controls, &self.trouble);
        let keys: Vec<Key> = self.window.keys().map(|(&key, _)| key).collect();
        for &key in &keys {
            if let Some(unit) = self.units.get_mut(&key) {
                if self.cells.len() < CELLS_MAX {
                    self.cells.extend(cell(&self.targets, key, unit, &self.window, length));
                } else {
                    self.dropped += 1;
                }
                unit.close(key, &mut comparer, start, length);
            }
        }
        self.judge(&keys);
        self.trouble = self
            .units
            .iter()
            .filter(|(key, unit)| {
                let established = unit.tracks.values().any(|track| track.established.is_some());
                established && !key.residue && self.controls.contains(&key.service)
            })
            .map(|(key, _)| (key.vantage, key.service, key.network))
            .collect();
    }

    /// Dates what is established, until that is settled.
    fn date(&mut self, keys: &[Key]) {
        for key in keys {
            let Some(unit) = self.units.get(key) else { continue };
            let dates: Vec<_> = unit
                .tracks
                .iter()
                .filter(|(_, track)| track.is_being_dated(self.window.start, self.length))
                .map(|(&lane, track)| (lane, common_onset(&self.units, *key, track, self.length)))
                .collect();
            let Some(unit) = self.units.get_mut(key) else { continue };
            for (lane, onset) in dates {
                if let Some(track) = unit.tracks.get_mut(&lane) {
                    track.common_onset = onset;
                }
            }
        }
    }

    /// Says anew what is established, and what is over.
    fn judge(&mut self, keys: &[Key]) {
        self.date(keys);
        let facts: Vec<_> = self.units.iter().flat_map(|(&key, unit)| facts(key, unit)).collect();
        let context = Context { targets: &self.targets, facts: &facts, length: self.length };
        for key in keys {
            let Some(unit) = self.units.get(key) else { continue };
            let said: Vec<_> = unit
                .tracks
                .iter()
                .filter(|(lane, track)| track.established.is_some() && !unit.explained(**lane))
                .map(|(&lane, track)| {
                    (lane, context.track(*key, unit, track), track.ended(self.length))
                })
                .collect();
            let Some(unit) = self.units.get_mut(key) else { continue };
            for (lane, mut verdict, end) in said {
                let Some(track) = unit.tracks.get_mut(&lane) else { continue };
                let Some(end) = end else {
                    track.verdict = Some(verdict);
                    continue;
                };
                track.restart(&end);
                verdict.end = Some(end);
                verdict.period.to = verdict.period.to.min(end.to);
                unit.keep(verdict);
            }
        }
    }
}

/// When what is established in a lane of a unit began, by all that is seen of the service there and
/// elsewhere. Who blocks a service begins everywhere at once, unless what is seen speaks against it.
fn common_onset(
    units: &BTreeMap<Key, Unit>,
    key: Key,
    track: &Track,
    length: u64,
) -> Option<Onset> {
    let own = track.curve.interval(length)?;
    if key.residue && track.curve.is_open() {
        return onset_of_trigger(units, key, own);
    }
    let overlaps = |other: &Track| {
        let other = other.curve.interval(length);
        other.is_some_and(|other| other.from <= own.to && own.from <= other.to)
    };
    let of = |key: Key| (key.vantage, key.service, key.residue);
    let curves: Vec<_> = units
        .iter()
        .filter(|(other, _)| of(**other) == of(key))
        .filter_map(|(_, unit)| unit.tracks.get(&track.lane))
        .filter(|track| overlaps(track))
        .map(|track| &track.curve)
        .collect();
    Curve::together(&curves).onset(length)
}

/// The onset of what lingers, where no flow shows that it began later than what it lingers after.
fn onset_of_trigger(units: &BTreeMap<Key, Unit>, key: Key, own: Interval) -> Option<Onset> {
    let place = |key: Key| (key.vantage, key.service, key.network);
    let triggers = units
        .iter()
        .filter(|(other, _)| !other.residue && place(**other) == place(key))
        .flat_map(|(_, unit)| unit.tracks.values())
        .filter_map(|track| track.common_onset.or(track.onset));
    triggers
        .filter_map(|onset| match onset {
            Onset::Between(began) if began.likely <= own.to => {
                Some(Interval { to: own.to.max(began.to), ..began })
            }
            _ => None,
        })
        .min_by_key(|began| began.to - began.from)
        .map(Onset::Between)
}

/// The counts of a unit in the window that is about to be closed.
fn cell(targets: &TargetSet, key: Key, unit: &Unit, window: &Window, length: u64) -> Option<Cell> {
    let service = targets.services().get(usize::from(key.service))?;
    let mut clients = super::pairs::Side::new();
    window.servers(key).for_each(|(_, more)| super::pairs::join(&mut clients, more));
    let sums = super::pairs::Sums::of(&clients);
    let methods = unit.lanes.iter().filter_map(|(&lane, signs)| {
        let affected = Affected {
            flows: signs.flows,
            proven: signs.proven,
            share: sums.lanes[lane] / sums.n.max(1.0),
            clients: signs.clients.range().least,
        };
        Some((method_of(lane)?, affected))
    });
    Some(Cell {
        unit: Of {
            service: service.id.clone(),
            role: if service.is_control() { Role::Control } else { Role::Target },
            network: key.network,
            asn: unit.about.asn,
            protocol: key.protocol,
            vantage: key.vantage,
        },
        window: Period { from: window.start, to: window.start + length },
        flows: unit.all.flows,
        failed: unit.lanes.values().map(|signs| signs.flows).sum(),
        n: sums.n as u64,
        methods: methods.collect(),
        clients: unit.all.clients.range(),
        client_networks: unit.all.client_networks.range(),
    })
}
