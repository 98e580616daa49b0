//! Behaviours that look like interference, or trip a naive detector, and are none.
//!
//! Each is a function that acts out one connection, or a few that belong together.

mod anycast;
mod capture;
mod handshakes;
mod network;
mod ordinary;
mod resets;
mod strange;

use super::{
    device::{Device, Passing, Shot},
    scene::Scene,
    segment::{Segment, Wrong},
};

/// A behaviour.
pub struct Behaviour {
    /// Its name.
    pub name: &'static str,
    /// What happens, in a line.
    pub what: &'static str,
    /// Acts it out.
    pub act: fn(&mut Scene<'_>),
}

/// All behaviours. The first one is an ordinary connection.
pub fn all() -> Vec<&'static Behaviour> {
    [
        ordinary::BEHAVIOURS,
        resets::BEHAVIOURS,
        handshakes::BEHAVIOURS,
        network::BEHAVIOURS,
        anycast::BEHAVIOURS,
        capture::BEHAVIOURS,
        strange::BEHAVIOURS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What an accident does to a packet.
enum Fate {
    Passes,
    IsLost,
    /// Comes so many nanoseconds later.
    IsHeld(u64),
    /// Has wrong bits from here on.
    IsDamaged(Wrong),
}

/// A place on the way where accidents happen, of no ill will.
struct Accident<F>(F);

impl<F: FnMut(&Segment) -> Fate> Device for Accident<F> {
    fn pass(&mut self, mut segment: Segment, passing: &mut Passing) -> Option<Segment> {
        match (self.0)(&segment) {
            Fate::Passes => Some(segment),
            Fate::IsDamaged(wrong) => {
                segment.wrong = wrong;
                Some(segment)
            }
            Fate::IsLost => None,
            Fate::IsHeld(delay) => {
                passing.shots.push(Shot { delay, segment });
                None
            }
        }
    }
}
