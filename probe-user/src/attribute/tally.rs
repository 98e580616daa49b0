//! What one client did in one window: one piece of evidence, however often it tried.
//!
//! Flows of a client hang together: a page opens thirty, a failed one is tried again a dozen times. So a
//! window is cut into slots, flows within a slot are averaged, slots are averaged, and what is left of
//! a client in a window is one number per way of failing, between 0 and 1.

use super::method::{Method, Symptom};

/// Ways to fail that are told apart: the methods, and failing otherwise.
pub(super) const LANES: usize = 14;

/// The lane of what fails without being a sign of a method.
pub(super) const FAILED: usize = 13;

/// The lane of a method that accuses.
pub(super) const fn lane(method: Method) -> usize {
    method as usize
}

/// The lane of what a flow is a sign of, if it failed.
pub(super) fn lane_of(symptom: Symptom) -> Option<usize> {
    match symptom {
        Symptom::Of(method) if method.accuses() => Some(lane(method)),
        Symptom::Failed | Symptom::Of(_) => Some(FAILED),
        Symptom::Served | Symptom::Mute => None,
    }
}

/// The method of a lane.
pub(super) fn method_of(lane: usize) -> Option<Method> {
    Method::ALL.get(lane).copied().filter(|method| method.accuses())
}

/// Flows of a client whose speed is kept in a window.
const PACES: usize = 8;

/// Steps that goodputs are told apart by, to the octave: 9 %.
pub(super) const STEPS: f32 = 8.0;

/// Shares by lane.
pub(super) type Shares = [f32; LANES];

/// One client, one window, one place.
///
/// Most clients fail in one way if in any, so that one stands here, and all ways only of those that met
/// more: this is what a window of many clients is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    ways: Ways,
    /// Goodputs of the first flows: steps to the octave, and two bits for each.
    paces: [u8; PACES],
    flows: u16,
    slots: u16,
    slot: u8,
    /// How many flows have a speed, and [`LARGE_SERVED`].
    timed: u8,
    policed: u8,
    plateaus: u8,
}

const _: () = assert!(size_of::<Tally>() == 32);

/// Beside the number of flows with a speed: flows with a first message of several segments were served.
const LARGE_SERVED: u8 = 1 << 7;

/// In which ways flows failed.
#[derive(Debug, Clone)]
enum Ways {
    /// In that of this lane, or in none.
    One(u8, Way),
    /// By lane.
    Many(Box<[Way; LANES]>),
}

/// Failing in one way.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// Shares of the slots that are closed, added up.
    sum: f32,
    /// Flows of the slot that is open.
    bad: u16,
}

impl Default for Ways {
    fn default() -> Self {
        Self::One(0, Way::default())
    }
}

impl Way {
    const fn is_empty(self) -> bool {
        self.bad == 0 && self.sum == 0.0
    }
}

impl Ways {
    fn at(&mut self, lane: usize) -> &mut Way {
        if let Self::One(other, way) = self
            && usize::from(*other) != lane
        {
            let before = *way;
            if before.is_empty() {
                *self = Self::One(lane as u8, Way::default());
            } else {
                let mut all = Box::<[Way; LANES]>::default();
                all[usize::from(*other)] = before;
                *self = Self::Many(all);
            }
        }
        match self {
            Self::One(_, way) => way,
            Self::Many(all) => &mut all[lane],
        }
    }

    fn all_mut(&mut self) -> &mut [Way] {
        match self {
            Self::One(_, way) => std::slice::from_mut(way),
            Self::Many(all) => &mut **all,
        }
    }

    fn sums(&self) -> Shares {
        match self {
            Self::One(lane, way) => {
                let mut sums = Shares::default();
                sums[usize::from(*lane)] = way.sum;
                sums
            }
            Self::Many(all) => all.map(|way| way.sum),
        }
    }
}

impl Tally {
    /// Takes a flow of slot `slot`; slots must not go back.
    pub(super) fn add(&mut self, slot: u8, symptom: Symptom) {
        if slot != self.slot {
            self.settle();
            self.slot = slot;
        }
        self.flows = self.flows.saturating_add(1);
        if let Some(lane) = lane_of(symptom) {
            let way = self.ways.at(lane);
            way.bad = way.bad.saturating_add(1);
        }
    }

    /// Takes a flow's speed.
    pub(super) fn speed(&mut self, bits_per_second: u32, policed: bool, plateau: bool) {
        let step = (bits_per_second.max(1) as f32).log2() * STEPS;
        self.pace(Pace { step: step.round().clamp(0.0, 255.0) as u8, policed, plateau });
    }

    fn pace(&mut self, pace: Pace) {
        let place = self.timed();
        if let Some(step) = self.paces.get_mut(place) {
            *step = pace.step;
            self.policed |= u8::from(pace.policed) << place;
            self.plateaus |= u8::from(pace.plateau) << place;
            self.timed += 1;
        }
    }

    /// Adds another place of the same client. Both must be settled.
    pub(super) fn join(&mut self, other: &Self) {
        debug_assert!(self.flows == 0 && other.flows == 0, "a slot is open");
        self.slots = self.slots.saturating_add(other.slots);
        let more = other.ways.sums().into_iter().enumerate().filter(|&(_, sum)| sum != 0.0);
        more.for_each(|(lane, sum)| self.ways.at(lane).sum += sum);
        other.paces().for_each(|pace| self.pace(pace));
        self.timed |= other.timed & LARGE_SERVED;
    }

    /// Closes the slot: before anything is asked of the tally, and when another slot begins.
    pub(super) fn settle(&mut self) {
        if self.flows == 0 {
            return;
        }
        let flows = f32::from(self.flows);
        for way in self.ways.all_mut() {
            way.sum += f32::from(way.bad) / flows;
            way.bad = 0;
        }
        self.slots = self.slots.saturating_add(1);
        self.flows = 0;
    }

    /// Shares of flows that failed, by lane. It must be settled.
    pub(super) fn shares(&self) -> Shares {
        debug_assert!(self.flows == 0, "a slot is open");
        let slots = f32::from(self.slots.max(1));
        self.ways.sums().map(|sum| (sum / slots).min(1.0))
    }

    /// Slots with flows. It must be settled.
    pub(super) const fn slots(&self) -> u16 {
        self.slots
    }

    /// Whether anything but a speed is known.
    pub(super) const fn is_empty(&self) -> bool {
        self.slots() == 0
    }

    /// Notes that flows with a first message of several segments were served.
    pub(super) const fn serve_large(&mut self) {
        self.timed |= LARGE_SERVED;
    }

    /// Whether flows with a first message of several segments were served.
    pub(super) const fn large_served(&self) -> bool {
        self.timed & LARGE_SERVED != 0
    }

    /// Whether the speed of any flow is known.
    pub(super) const fn is_timed(&self) -> bool {
        self.timed() > 0
    }

    /// How many flows have a speed.
    const fn timed(&self) -> usize {
        (self.timed & !LARGE_SERVED) as usize
    }

    /// How fast its flows were.
    pub(super) fn paces(&self) -> impl Iterator<Item = Pace> {
        (0..self.timed()).map(|place| Pace {
            step: self.paces[place],
            policed: self.policed >> place & 1 == 1,
            plateau: self.plateaus >> place & 1 == 1,
        })
    }
}

/// How fast a flow was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Binary logarithm of the bits a second, in parts of [`STEPS`] to the octave.
    pub(super) step: u8,
    pub(super) policed: bool,
    pub(super) plateau: bool,
}

#[cfg(test)]
mod tests {
    use super::{FAILED, LANES, Tally, lane, method_of};
    use crate::attribute::method::{Method, Symptom};

    const DROP: Symptom = Symptom::Of(Method::SniDrop);

    #[test]
    fn a_storm_of_retries_is_one_slot() {
        let mut tally = Tally::default();
        (0..1_000).for_each(|_| tally.add(0, DROP));
        (1..4).for_each(|slot| tally.add(slot, Symptom::Served));
        tally.settle();
        assert!((tally.shares()[lane(Method::SniDrop)] - 0.25).abs() < 1e-6);
        assert_eq!(tally.slots(), 4);
    }

    #[test]
    fn ways_of_failing_are_told_apart_and_add_up() {
        let mut tally = Tally::default();
        for symptom in [DROP, Symptom::Failed, Symptom::Served, Symptom::Served] {
            tally.add(0, symptom);
        }
        let mut other = Tally::default();
        other.add(3, Symptom::Served);
        tally.settle();
        other.settle();
        tally.join(&other);
        let shares = tally.shares();
        assert!((shares[lane(Method::SniDrop)] - 0.125).abs() < 1e-6);
        assert!((shares[FAILED] - 0.125).abs() < 1e-6);
    }

    #[test]
    fn every_accusing_method_has_a_lane() {
        for method in Method::ALL.into_iter().filter(|method| method.accuses()) {
            assert_eq!(method_of(lane(method)), Some(method));
        }
        assert_eq!((method_of(FAILED), FAILED + 1), (None, LANES));
    }
}
