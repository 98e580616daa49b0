//! Which device made a forged packet: a label, never a reason to call it forged.
//!
//! That a packet is forged is decided by impossibility (the detectors). Afterwards its headers say
//! something about their maker, since whoever wrote an injector chose a TTL, an IP-ID, a window and
//! a number of copies, and seldom chose well:
//!
//! * [`vector`] describes the packets judged forged on one connection from one side, and [`message`]
//!   what they say, if they are answers of DNS.
//! * [`id`] gives such a description a short name that is the same wherever the device is met.
//! * [`catalogue`] knows which published devices look so, and when they did.
//! * [`clusters`] counts ids over time, so that a device nobody has described stands out.
//!
//! A forger who copies a stack's habits gets that stack's label or none, and devices are updated:
//! so labels carry dates, and a label beyond its dates is marked, not hidden.

pub mod catalogue;
pub mod clusters;
pub mod conditions;
pub mod file;
pub mod id;
pub mod message;
#[cfg(test)]
mod tests;
pub mod vector;

pub use catalogue::{Catalogue, Entry, Label};
pub use clusters::{Cluster, Clusters};
pub use id::FingerprintId;
pub use message::{Answered, Message};
pub use vector::{Direction, Forged, Trigger, Vector};
