//! Look-ups that look forged, or trip a naive detector, and are not.
//!
//! Each is a function that acts out one look-up, or a few that belong together.

mod capture;
mod clients;
mod network;
mod policy;
mod servers;
mod strange;

use super::{
    message::{ANSWER, Message},
    resolver::Node,
    scene::{Asked, Scene},
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

/// All behaviours. The first one is an ordinary look-up.
pub fn all() -> Vec<&'static Behaviour> {
    [
        clients::BEHAVIOURS,
        servers::BEHAVIOURS,
        policy::BEHAVIOURS,
        network::BEHAVIOURS,
        capture::BEHAVIOURS,
        strange::BEHAVIOURS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An ordinary question of any type for the scene's name.
fn ask(scene: &mut Scene<'_>) -> Asked {
    let kind = scene.any_kind();
    ask_for(scene, kind)
}

/// A question for an address, or what else is said, of the scene's name.
fn ask_for(scene: &mut Scene<'_>, kind: u16) -> Asked {
    let (name, time) = (scene.name.clone(), scene.start);
    scene.ask(&name, kind, time, 0)
}

/// When a reply that takes `work` nanoseconds to make passes the router.
fn passes(scene: &mut Scene<'_>, asked: &Asked, node: &Node, work: u64) -> u64 {
    asked.time + scene.trip(node) + work
}

/// A reply that says no more than a response code.
fn failure(asked: &Asked, rcode: u16) -> Message {
    asked.query.reply(ANSWER | rcode, Vec::new())
}
