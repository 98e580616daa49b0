//! What the bench is made of: groups of measurements.

use super::{cores, cost, events, latency, live, memory, replay, table::Table, work};

/// Every group, in the order they are taken.
pub const GROUPS: &[Group] = &[
    Group { name: "cost", measure: cost::group },
    Group { name: "live", measure: live::group },
    Group { name: "cores", measure: cores::group },
    Group { name: "work", measure: work::group },
    Group { name: "events", measure: events::group },
    Group { name: "replay", measure: replay::group },
    Group { name: "memory", measure: memory::group },
    Group { name: "latency", measure: latency::group },
];

/// Measurements that belong together.
pub struct Group {
    /// What it is asked for by, and what its rows bear.
    pub name: &'static str,
    /// Takes them.
    pub measure: fn(&Request, &mut Table) -> anyhow::Result<()>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Fewer and shorter runs.
    pub quick: bool,
    /// Only figures with this in their name.
    pub figure: Option<String>,
}

impl Request {
    /// Whether a figure of this name is asked for.
    pub fn wants(&self, figure: &str) -> bool {
        self.figure.as_ref().is_none_or(|part| figure.contains(part))
    }
}
