//! What can be asked of a judge.

use hdrhistogram::Histogram;
use probe_common::flow::FlowRecord;

use super::{Judge, Outcomes, Signatures, Silence};
use crate::{
    fingerprint::{Label, Vector},
    report::summary::Counters,
};

impl Judge {
    /// The connections that fell silent.
    pub const fn silence(&self) -> &Silence {
        &self.silence
    }

    /// Known devices that packets look like: see [`Cluster`](crate::fingerprint::Cluster).
    pub fn labels(&self, vector: &Vector, time: u64) -> Vec<Label<'static>> {
        self.knowledge.labels(vector, time)
    }

    /// Devices that accused packets look like, known or not, over the run.
    pub const fn clusters(&self) -> &crate::fingerprint::Clusters {
        self.knowledge.clusters()
    }

    /// How often each of Radar's signatures was seen.
    pub const fn signatures(&self) -> &Signatures {
        self.flows.signatures()
    }

    /// The name that the connection of `record` asked for, if it is known.
    pub fn name_of(&self, record: &FlowRecord) -> Option<&str> {
        self.flows.name_of(record)
    }

    /// What the judge had to give up for want of room, each by name.
    pub fn losses(&self) -> Counters {
        let mut losses = Counters::new();
        losses.insert("judge_flows_evicted".into(), self.flows.evicted());
        losses.insert("judge_cases_evicted".into(), self.flows.cases_evicted());
        losses.insert("judge_evidence_dropped".into(), self.flows.dropped());
        let hellos = self.flows.hellos_evicted() + self.quics.hellos_evicted();
        losses.insert("judge_hellos_evicted".into(), hellos);
        losses.insert("judge_responses_evicted".into(), self.flows.responses_evicted());
        losses.insert("judge_exchanges_evicted".into(), self.exchanges.evicted());
        losses.insert("judge_look_ups_evicted".into(), self.look_ups.evicted());
        losses.insert("judge_lies_evicted".into(), self.lies.evicted());
        losses.insert("judge_quic_evicted".into(), self.quics.evicted());
        losses.insert("judge_replies_dropped".into(), self.exchanges.dropped());
        losses.insert("judge_dns_unreadable".into(), self.exchanges.unreadable());
        losses.insert("judge_packets_damaged".into(), self.sums.damaged());
        let of_outcomes = |outcomes: &Outcomes| (outcomes.dropped(), outcomes.evicted());
        let (dropped, kept) = self.outcomes.as_deref().map_or((0, 0), of_outcomes);
        losses.insert("judge_outcomes_dropped".into(), dropped);
        let known = self.knowledge.evicted() + kept;
        losses.insert("judge_knowledge_evicted".into(), known);
        losses
    }

    /// Round-trip times of handshakes between here and responders, in microseconds.
    pub const fn handshakes(&self) -> &Histogram<u64> {
        &self.handshakes
    }
}
