//! Takes outcomes in the order of time, and says of each unit what is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    cell::Cell,
    compare::{Comparer, Trouble},
    compose::{Context, facts},
    onset,
    outcome::Outcome,
    signs::{AFTER_MAX, TENS},
    tally::lane_of,
    unit::Unit,
    verdict::Verdict,
    window::{Key, Window},
};
use crate::{report::summary::Counters, targets::TargetSet};

/// Length of a window, in nanoseconds: five minutes. Short enough to say when a blocking began, long
/// enough for a client's page with all its retries.
pub const WINDOW: u64 = 300_000_000_000;

/// Units that are kept: at some 100 KiB each when busy, 100 MiB. The one that was silent longest goes.
const UNITS_MAX: usize = 1_024;

/// The latest time, in nanoseconds since 1970: in the year 2262, where the ledger's numbers end. What claims to be
/// later counts as of then, so that no sum of a time and a length wraps.
const LATEST: u64 = i64::MAX as u64;

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
        Self {
            length: WINDOW,
            controls: controls(&targets),
            targets,
            window: Window::default(),
            units: BTreeMap::new(),
            trouble: Trouble::new(),
            cells: Vec::new(),
            evicted: 0,
            late: 0,
            dropped: 0,
        }
    }

    /// Watches other targets from now on, in which each service has the place that it had before: see
    /// [`TargetSet::after`].
    pub fn watch(&mut self, targets: &Arc<TargetSet>) {
        self.controls = controls(targets);
        self.targets = Arc::clone(targets);
    }

    /// Takes an outcome. One from before the window that is open counts as of that window.
    pub fn take(&mut self, outcome: &Outcome) {
        self.advance(outcome.time);
        self.late += u64::from(outcome.time < self.window.start);
        let mut outcome = *outcome;
        outcome.time = outcome.time.min(LATEST).max(self.window.start);
        outcome.after = outcome.after.filter(|after| after.seconds < AFTER_MAX);
        let key = Key::of(&outcome);
        if usize::from(outcome.service.max(key.service)) >= self.targets.services().len() {
            return;
        }
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
        let lane = lane_of(symptom);
        unit.add(&outcome, lane);
        if let Some(after) = outcome.after.filter(|_| key.residue) {
            let tens = after.seconds / TENS;
            if self.window.lingers(key, outcome.client.token, tens) {
                unit.add_lingering(tens, lane);
            }
        }
    }

    /// Tells the time: windows that are over are closed.
    pub fn advance(&mut self, now: u64) {
        let now = now.min(LATEST);
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
                    self.cells.push(Cell::of(&self.targets, key, unit, &self.window, length));
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
                .map(|(&lane, track)| (lane, onset::common(&self.units, *key, track, self.length)))
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
        // All by the same facts, before any of it changes.
        let mut said = Vec::new();
        for &key in keys {
            let Some(unit) = self.units.get(&key) else { continue };
            for (&lane, track) in &unit.tracks {
                if track.established.is_some() && !unit.explained(lane) {
                    let verdict = context.track(key, unit, track);
                    said.push((key, lane, verdict, track.ended(self.length)));
                }
            }
        }
        for (key, lane, mut verdict, end) in said {
            let Some(unit) = self.units.get_mut(&key) else { continue };
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

/// Places of the controls.
fn controls(targets: &TargetSet) -> BTreeSet<u16> {
    let services = targets.services().iter().enumerate();
    services.filter(|(_, service)| service.is_control()).map(|(place, _)| place as u16).collect()
}
