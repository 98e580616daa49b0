//! Cells put together to as many as a page shows, while they are read: a ledger has many more.

use std::collections::BTreeMap;

use crate::attribute::{
    Cell,
    sketch::Range,
    verdict::{Period, Unit},
};

use super::axis::STEPS_MAX;

/// Cells of a period, at most `STEPS_MAX` of each unit.
#[derive(Debug)]
pub struct Cells {
    period: Period,
    step: u64,
    cells: BTreeMap<(Unit, u64), Cell>,
}

impl Cells {
    /// None yet.
    #[must_use]
    pub fn new(period: Period) -> Self {
        let step = period.to.saturating_sub(period.from).div_ceil(STEPS_MAX).max(1);
        Self { period, step, cells: BTreeMap::new() }
    }

    /// Adds a cell. What is not of the period is left out.
    pub fn add(&mut self, mut cell: Cell) {
        let Period { from, to } = self.period;
        if cell.window.to <= from || cell.window.from >= to {
            return;
        }
        let step = (cell.window.from.max(from) - from) / self.step;
        if cell.window.to - cell.window.from < self.step {
            let begin = from + step * self.step;
            cell.window = Period { from: begin, to: begin + self.step };
        }
        let key = (cell.unit.clone(), step);
        match self.cells.get_mut(&key) {
            Some(sum) => merge(sum, &cell),
            None => {
                self.cells.insert(key, cell);
            }
        }
    }

    /// All of them, by unit and time.
    #[must_use]
    pub fn finish(self) -> Vec<Cell> {
        self.cells.into_values().collect()
    }
}

/// Adds `cell` to `sum`. Shares are means over client-windows, so they are weighed by those; a method that
/// one of the two does not have affected nobody there.
fn merge(sum: &mut Cell, cell: &Cell) {
    let n = sum.n + cell.n;
    let weighed = |one: f64, one_n: u64, other: f64, other_n: u64| {
        if n == 0 { 0.0 } else { (one * one_n as f64 + other * other_n as f64) / n as f64 }
    };
    for affected in sum.methods.values_mut() {
        affected.share = weighed(affected.share, sum.n, 0.0, cell.n);
    }
    for (method, more) in &cell.methods {
        let affected = sum.methods.entry(*method).or_default();
        affected.flows += more.flows;
        affected.proven += more.proven;
        affected.clients += more.clients;
        affected.share += weighed(0.0, sum.n, more.share, cell.n);
    }
    sum.flows += cell.flows;
    sum.failed += cell.failed;
    sum.n = n;
    sum.clients = range(sum.clients, cell.clients);
    sum.client_networks = range(sum.client_networks, cell.client_networks);
}

/// Of two windows: whether their clients are the same is not known.
fn range(one: Range, other: Range) -> Range {
    Range { least: one.least.max(other.least), most: one.most.saturating_add(other.most) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        attribute::{
            Method,
            cell::Affected,
            outcome::{Network, Protocol},
        },
        targets::Role,
    };

    fn cell(from: u64, n: u64, share: f64) -> Cell {
        let clients = (share * n as f64) as u64;
        let affected = Affected { flows: clients, proven: 0, share, clients };
        let methods =
            if clients > 0 { [(Method::SniReset, affected)].into() } else { BTreeMap::new() };
        Cell {
            unit: Unit {
                service: "one".into(),
                role: Role::Target,
                network: Network::of("108.174.10.10".parse().expect("an address")),
                asn: None,
                protocol: Protocol::TcpTls,
                vantage: 0,
            },
            window: Period { from, to: from + 10 },
            flows: n,
            failed: clients,
            n,
            methods,
            clients: Range { least: n, most: n },
            client_networks: Range { least: n, most: n },
        }
    }

    #[test]
    fn shares_are_weighed_and_clients_are_not_added_up() {
        let mut cells = Cells::new(Period { from: 1_000, to: 1_000 + 144 * 30 });
        for (from, n, share) in
            [(1_000, 10, 0.0), (1_010, 30, 0.5), (1_020, 10, 0.0), (1_030, 4, 1.0)]
        {
            cells.add(cell(from, n, share));
        }
        let cells = cells.finish();
        let [first, second] = cells.as_slice() else { panic!("{cells:#?}") };
        assert_eq!((first.n, first.flows, first.failed), (50, 50, 15));
        assert!((first.methods[&Method::SniReset].share - 0.3).abs() < 1e-12);
        assert_eq!(first.client_networks, Range { least: 30, most: 50 });
        assert_eq!(first.window, Period { from: 1_000, to: 1_030 });
        assert_eq!((second.n, second.window.from), (4, 1_030));
    }

    #[test]
    fn windows_at_the_edges_count_and_others_do_not() {
        let mut cells = Cells::new(Period { from: 1_000, to: 1_020 });
        for from in [980, 990, 995, 1_000, 1_019, 1_020] {
            cells.add(cell(from, 1, 0.0));
        }
        let n: u64 = cells.finish().iter().map(|cell| cell.n).sum();
        assert_eq!(n, 3);
    }
}
