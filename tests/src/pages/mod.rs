//! Reports made up for looking at their page, and for trying it: what is typical, and what is not.
//!
//! Nothing in here was measured. `cargo run -p probe-tests --bin pages -- FOLDER` writes their pages.

pub mod browser;
mod evidence;
mod unusual;
mod world;

use probe_user::page::Report;

pub use world::{DAY, MINUTE, START};

/// A report and what it is called.
pub struct Example {
    /// For files and messages.
    pub name: &'static str,
    /// The report.
    pub report: Report,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Example> {
    [
        ("typical", world::typical as fn() -> Report),
        ("several-observers", unusual::several_observers),
        ("nothing-seen", unusual::nothing_seen),
        ("nothing-at-all", Report::default),
        ("too-few-clients", unusual::too_few_clients),
        ("hostile-text", unusual::hostile_text),
        ("many", unusual::many),
    ]
    .into_iter()
    .map(|(name, make)| Example { name, report: make() })
    .collect()
}
