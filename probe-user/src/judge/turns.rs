//! In which order connections are closed of which something was heard.

use std::collections::BTreeMap;

use probe_common::flow::FlowKey;

/// By the time of what was heard last; among equals by its number.
pub(super) type Turn = (u64, u64);

/// Connections in the order in which they are closed, so that each is closed at its moment and not at the next look:
/// what comes after that moment belongs to another case, however often the time is told. Each connection knows its
/// own turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: BTreeMap<Turn, FlowKey>,
    /// How often something was heard so far.
    heard: u64,
}

impl Turns {
    /// Puts a connection behind all others, as something was heard of it at `time`.
    pub(super) fn heard(&mut self, turn: &mut Turn, key: FlowKey, time: u64) {
        self.order.remove(turn);
        self.heard += 1;
        *turn = (time, self.heard);
        self.order.insert(*turn, key);
    }

    /// Takes a connection from among those to be closed.
    pub(super) fn withdraw(&mut self, turn: Turn) {
        self.order.remove(&turn);
    }

    /// When the last was heard of the connection that is closed next.
    pub(super) fn next(&self) -> Option<u64> {
        self.order.first_key_value().map(|(&(time, _), _)| time)
    }

    /// Takes that connection, if nothing was heard of it after `until`.
    pub(super) fn take(&mut self, until: u64) -> Option<(u64, FlowKey)> {
        let first = self.order.first_entry()?;
        let (time, _) = *first.key();
        (time <= until).then(|| (time, first.remove()))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
