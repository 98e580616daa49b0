//! Connections that fell silent, by the stage in which they did.

use probe_common::flow::{FlowRecord, SILENCE, Stage, state};

use crate::report::{finding, summary::StageCounts};

/// Counts the connections that ended in silence.
#[derive(Debug, Default)]
pub struct Silence {
    counts: StageCounts,
    /// When the connection was opened that was counted last, by its place in the flow table.
    counted: Vec<u64>,
}

/// The report's name for a stage.
pub(super) const fn stage(stage: Stage) -> finding::Stage {
    match stage {
        Stage::PostSyn => finding::Stage::PostSyn,
        Stage::PostAck => finding::Stage::PostAck,
        Stage::PostPsh => finding::Stage::PostPsh,
        Stage::Later => finding::Stage::LaterInFlow,
        Stage::NoMatch => finding::Stage::NoMatch,
    }
}

impl Silence {
    /// Looks at the connection at `place` of the flow table at time `now`, as a regular scan does.
    /// One that has been silent for long enough is counted once.
    pub fn look(&mut self, place: usize, record: &FlowRecord, now: u64) {
        if !is_silent(record, now) {
            return;
        }
        if self.counted.len() <= place {
            self.counted.resize(place + 1, 0);
        }
        if self.counted[place] != record.opened {
            self.counted[place] = record.opened;
            self.counts.add(stage(Stage::of(record)));
        }
    }

    /// Looks at a connection whose record is given up at time `now`, unless a scan has counted it.
    pub(super) fn end(&mut self, record: &FlowRecord, now: u64) {
        // Scans come every second; what is silent for longer than a scan's period beyond the limit
        // has been counted by one.
        const SCANNED: u64 = 1_500_000_000;
        if is_silent(record, now) && !is_silent(record, now.saturating_sub(SCANNED)) {
            self.counts.add(stage(Stage::of(record)));
        }
    }

    /// The counts.
    pub const fn counts(&self) -> StageCounts {
        self.counts
    }
}

/// Whether a connection ended without FIN or reset, as far as can be told at `now`. One that was
/// established and has exchanged data may just be idle: only silence after something that asked
/// for an answer counts.
fn is_silent(record: &FlowRecord, now: u64) -> bool {
    if record.state & (state::FIN | state::RESET) != 0 {
        return false;
    }
    if now.saturating_sub(record.last()) < SILENCE {
        return false;
    }
    let initiator = record.half(record.initiator());
    let responder = record.half(record.initiator().other());
    match Stage::of(record) {
        // Idle after having been answered in full: nobody is waiting.
        Stage::Later | Stage::PostPsh => {
            responder.data < initiator.data || responder.end != initiator.acked
        }
        Stage::PostSyn | Stage::PostAck | Stage::NoMatch => true,
    }
}
