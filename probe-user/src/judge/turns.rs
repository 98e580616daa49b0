//! The order in which cases are closed.

use std::collections::BTreeMap;

use probe_common::flow::FlowKey;

/// A place in that order: the time of the last piece of evidence; among equals, its number.
pub(super) type Turn = (u64, u64);

/// Connections with an open case.
///
/// In order, so that each is closed at its moment and not at the next look: what comes after that
/// moment belongs to another case, however often the time is told.
#[derive(Debug, Default)]
pub(super) struct Turns {
    cases: BTreeMap<Turn, FlowKey>,
    /// Pieces of evidence so far.
    evidence: u64,
}

impl Turns {
    /// The case of `key` has a new piece of evidence, of `time`; `turn` is where it stood, all zero
    /// if it is new. Returns where it stands.
    pub(super) fn renew(&mut self, turn: Turn, key: FlowKey, time: u64) -> Turn {
        self.remove(turn);
        self.evidence += 1;
        let turn = (time, self.evidence);
        self.cases.insert(turn, key);
        turn
    }

    /// The case at `turn`, if it is still there, has been closed otherwise.
    pub(super) fn remove(&mut self, turn: Turn) {
        self.cases.remove(&turn);
    }

    /// When the last evidence came of the case that is closed next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.cases.first_key_value().map(|(turn, _)| turn.0)
    }

    /// Takes out the first case whose last evidence is not younger than `due`.
    pub(super) fn pop(&mut self, due: u64) -> Option<FlowKey> {
        let first = self.cases.first_entry().filter(|first| first.key().0 <= due)?;
        Some(first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::{FlowKey, Turns};

    #[test]
    fn a_case_waits_for_its_last_evidence() {
        let key = |port| FlowKey { low_port: port, ..FlowKey::default() };
        let mut turns = Turns::default();
        let one = turns.renew((0, 0), key(1), 10);
        let two = turns.renew((0, 0), key(2), 10);
        let one = turns.renew(one, key(1), 30);
        assert_eq!(turns.next_due(), Some(10));
        assert_eq!(turns.pop(29), Some(key(2)));
        assert_eq!(turns.pop(29), None);
        turns.remove(two);
        turns.remove(one);
        assert_eq!(turns.next_due(), None);
    }
}
