//! What happened in one window: counts by unit, for the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    method::Method,
    pairs::{Sums, joined},
    sketch::Range,
    tally::method_of,
    unit,
    verdict::{Period, Unit},
    window::{Key, Window},
};
use crate::targets::TargetSet;

/// The counts of one unit in one window. Says of clients how many there were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What it is about.
    pub unit: Unit,
    /// The window.
    pub window: Period,
    /// Flows that say something.
    pub flows: u64,
    /// Of these, those that failed in any way.
    pub failed: u64,
    /// Client-windows: clients of this window.
    pub n: u64,
    /// By method: what failed as it would under it.
    pub methods: BTreeMap<Method, Affected>,
    /// Distinct clients.
    pub clients: Range,
    /// Distinct /24 or /48 of clients: what the bound on publishing is about.
    pub client_networks: Range,
}

/// What failed in one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Affected {
    /// Flows, each try counted.
    pub flows: u64,
    /// Of these, those whose packets prove that somebody else than the ends had a hand in it.
    pub proven: u64,
    /// Mean share over client-windows.
    pub share: f64,
    /// Clients affected.
    pub clients: u64,
}

impl Cell {
    /// The counts of a unit in a window that is about to be closed.
    pub(super) fn of(
        targets: &TargetSet,
        key: Key,
        unit: &unit::Unit,
        window: &Window,
        length: u64,
    ) -> Self {
        let clients = joined(window.servers(key).map(|(_, clients)| clients));
        let sums = Sums::of(&clients);
        let methods = unit.lanes.iter().filter_map(|(&lane, signs)| {
            let affected = Affected {
                flows: signs.flows,
                proven: signs.proven,
                share: sums.lanes[lane] / sums.n.max(1.0),
                clients: signs.clients.range().least,
            };
            Some((method_of(lane)?, affected))
        });
        Self {
            unit: unit.name(key, targets),
            window: Period { from: window.start, to: window.start + length },
            flows: unit.all.flows,
            failed: unit.lanes.values().map(|signs| signs.flows).sum(),
            n: sums.n as u64,
            methods: methods.collect(),
            clients: unit.all.clients.range(),
            client_networks: unit.all.client_networks.range(),
        }
    }
}
