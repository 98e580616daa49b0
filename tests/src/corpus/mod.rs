//! Labelled captures, made: TCP connections as a router's upstream port sees them.
//!
//! ```text
//!  Rng ─► hosts, scripts, path ─► World ─► Tape ─► capture, labels
//!                  model ─► Device ─┘
//! ```
//!
//! A [`world::World`] simulates one connection between two [`tcp::Tcp`] endpoints over a
//! [`path::Path`]; on it a [`device::Device`] may interfere, as one of the models in [`injectors`]
//! says. What passes the router is put on a [`tape::Tape`] together with the truth about it. Without
//! a device, [`innocents`] has the behaviours that look like interference and are none.
//!
//! Everything comes from one seed: the same seed makes the same octets.

pub mod apps;
pub mod build;
pub mod case;
pub mod device;
pub mod dns;
pub mod host;
pub mod injectors;
pub mod innocents;
pub mod path;
pub mod rng;
pub mod scene;
pub mod script;
pub mod segment;
pub mod tape;
pub mod tcp;
pub mod world;
