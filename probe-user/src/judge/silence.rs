//! Connections that fell silent, by the stage in which they did.

use probe_common::{
    flow::{FlowRecord, Half, SILENCE, Stage, state},
    wire::tcp_flag,
};

use super::{case::Subject, decision::decide_silence, knowledge::Knowledge};
use crate::{
    detect::{self, Hit},
    report::{finding, summary::StageCounts},
};

/// Counts the connections that ended in silence.
#[derive(Debug, Default)]
pub struct Silence {
    counts: StageCounts,
    /// When the connection was opened that was counted last, by its place in the flow table.
    counted: Vec<u64>,
    /// When the machine woke last; 0: it did not sleep.
    woke: u64,
}

/// A connection that fell silent.
#[derive(Clone, Debug)]
pub struct Silent {
    /// As it stands.
    pub record: FlowRecord,
    /// What it is about.
    pub subject: Subject,
    /// The time at which it was found to be silent.
    pub now: u64,
}

impl Silent {
    /// What the end that began has sent.
    pub const fn client(&self) -> &Half {
        self.record.half(self.record.initiator())
    }

    /// What the other end has sent.
    pub const fn server(&self) -> &Half {
        self.record.half(self.record.initiator().other())
    }

    /// For how long it has been silent, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.now.saturating_sub(self.record.last()) / 1_000_000) as f64 / 1e3
    }

    /// What the detectors of silence make of it.
    pub(super) fn assess<'a>(
        &'a self,
        knowledge: &'a Knowledge,
    ) -> Option<super::decision::Decision<'a>> {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for detector in detect::SILENT {
            if let Some(fired) = (detector.judge)(self, knowledge, &hits) {
                let accuses = finding::Verdict::Dropped;
                hits.push(Hit::new(detector.id, detector.class, accuses, fired));
            }
        }
        decide_silence(hits)
    }
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
    /// The machine slept until `at`.
    pub(super) const fn woke(&mut self, at: u64) {
        self.woke = at;
    }

    /// Looks at the connection at `place` of the flow table at time `now`, as a regular scan does.
    /// One that has been silent for long enough is counted once; returns whether it was now.
    pub(super) fn look(&mut self, place: usize, record: &FlowRecord, now: u64) -> bool {
        let counts = self.skip(place, record, now);
        if counts {
            self.counts.add(stage(Stage::of(record)));
        }
        counts
    }

    /// The same, without counting it.
    pub(super) fn skip(&mut self, place: usize, record: &FlowRecord, now: u64) -> bool {
        if record.opened < self.woke || !is_silent(record, now) {
            return false;
        }
        if self.counted.len() <= place {
            self.counted.resize(place + 1, 0);
        }
        if self.counted[place] == record.opened {
            return false;
        }
        self.counted[place] = record.opened;
        true
    }

    /// Looks at a connection whose record is given up at time `now`, unless a scan has counted it.
    /// Returns whether it ended in silence.
    pub(super) fn end(&mut self, record: &FlowRecord, now: u64) -> bool {
        // Scans come every second; what is silent for longer than a scan's period beyond the limit
        // has been counted by one.
        const SCANNED: u64 = 1_500_000_000;
        if record.opened < self.woke {
            return false;
        }
        let silent = is_silent(record, now) && !is_silent(record, now.saturating_sub(SCANNED));
        if silent {
            self.counts.add(stage(Stage::of(record)));
        }
        silent
    }

    /// The counts.
    pub const fn counts(&self) -> StageCounts {
        self.counts
    }
}

/// Whether a connection ended without FIN or reset, as far as can be told at `now`. One that was
/// established and has exchanged data may just be idle: only silence after something that asked
/// for an answer counts.
pub(super) fn is_silent(record: &FlowRecord, now: u64) -> bool {
    let initiator = record.half(record.initiator());
    let responder = record.half(record.initiator().other());
    if record.is(state::RESET) || record.is(state::FIN) && !is_given_up(initiator, responder) {
        return false;
    }
    if now.saturating_sub(record.last()) < SILENCE {
        return false;
    }
    // Of a connection that is not followed, neither its end nor most else is looked at: only that it
    // was not answered at all shows.
    if record.is(state::SYN | state::SYN_ACK) && !record.is(state::FOLLOWED) {
        return false;
    }
    match Stage::of(record) {
        // Idle after having been answered in full: nobody is waiting.
        Stage::Later | Stage::PostPsh => {
            responder.data < initiator.data || responder.end != initiator.acked
        }
        Stage::PostSyn | Stage::PostAck | Stage::NoMatch => true,
    }
}

/// Whether the initiator has closed a connection whose responder has acknowledged none of its data:
/// whoever is still there acknowledges, also the end.
fn is_given_up(initiator: &Half, responder: &Half) -> bool {
    initiator.flags & tcp_flag::FIN != 0
        && responder.flags & tcp_flag::FIN == 0
        && initiator.data_segments >= 1
        && responder.data == 0
        && responder.acked == initiator.syn.isn.wrapping_add(1)
}
