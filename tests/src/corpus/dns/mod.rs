//! Look-ups over DNS: true ones, forged ones, and such as only look forged.
//!
//! The same plan as for TCP: a [`scene::Scene`] has a client, a resolver and a tape. [`injectors`] are
//! models of devices and of resolvers that lie; [`innocents`] are what an observer must not accuse.

pub mod build;
pub mod datagram;
pub mod injectors;
pub mod innocents;
pub mod message;
pub mod names;
pub mod resolver;
pub mod scene;
