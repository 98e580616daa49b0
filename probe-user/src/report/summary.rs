//! The summary: what a run saw, what it found, and what it missed. Always the last record.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use super::finding::{Confidence, Finding, Stage, Verdict};
use super::time;

/// Counters by name, sorted.
pub type Counters = BTreeMap<String, u64>;

/// What a run saw. A report that cannot say what it missed is not evidence, so `lost` names every
/// counter, also those that stand at 0.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Packets that passed the observed interfaces, or were in the captures.
    pub packets: u64,
    /// Flows of all kinds.
    pub flows: u64,
    /// TCP flows.
    pub tcp_flows: u64,
    /// TCP packets with RST.
    pub resets: u64,
    /// DNS queries.
    pub dns_queries: u64,
    /// DNS replies.
    pub dns_replies: u64,
    /// Findings by verdict and confidence.
    pub findings: FindingCounts,
    /// Everything that was not looked at, or not kept: each counter by name.
    pub lost: Counters,
    /// Resets and silent flows by the stage they happened in.
    pub stages: Stages,
    /// Further counters that say what was seen and do not mean a loss.
    pub counters: Counters,
    /// Distributions, by name.
    pub histograms: BTreeMap<String, Quantiles>,
    /// First packet, nanoseconds since 1970-01-01 UTC.
    #[serde(serialize_with = "time::serialize_option")]
    pub first_packet: Option<u64>,
    /// Last packet, likewise.
    #[serde(serialize_with = "time::serialize_option")]
    pub last_packet: Option<u64>,
    /// What was watched.
    pub targets: Option<TargetsUsed>,
    /// Where the packets' times come from.
    pub clock: Option<Clock>,
    /// Release of the running kernel; null when nothing of it was used.
    pub kernel: Option<String>,
    /// Version of Forgewatch; set it from [`VERSION`].
    pub version: String,
    /// Devices whose packets were accused, by their fingerprint: those met most often first.
    pub fingerprints: Vec<Device>,
}

/// A device, by its fingerprint.
#[derive(Debug, Clone, Serialize)]
pub struct Device {
    /// The fingerprint.
    pub id: crate::fingerprint::FingerprintId,
    /// Connections it was met on.
    pub count: u64,
    /// Servers in whose names it sent, as far as they are told apart.
    pub servers: usize,
    /// First met, nanoseconds since 1970-01-01 UTC.
    #[serde(serialize_with = "time::serialize")]
    pub first: u64,
    /// Last met.
    #[serde(serialize_with = "time::serialize")]
    pub last: u64,
    /// Known devices that write so, a line each.
    pub names: Vec<String>,
}

/// Version of this program, for [`Summary::version`].
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The target set of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetsUsed {
    /// [`TargetSet::hash`](crate::targets::TargetSet::hash).
    pub hash: String,
    /// Ids of the targets.
    pub services: Vec<String>,
    /// Ids of the controls.
    pub controls: Vec<String>,
}

impl From<&crate::targets::TargetSet> for TargetsUsed {
    fn from(set: &crate::targets::TargetSet) -> Self {
        let ids = |controls| {
            let chosen = set.services().iter().filter(|service| service.is_control() == controls);
            chosen.map(|service| service.id.clone()).collect()
        };
        Self { hash: set.hash().to_owned(), services: ids(false), controls: ids(true) }
    }
}

/// Where times come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Whose clock.
    pub source: ClockSource,
    /// Whether the system says that it is synchronised; null when unknown, as of a capture.
    pub synchronised: Option<bool>,
}

/// Whose clock a time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// This machine's.
    System,
    /// The one of the machine that took the capture.
    Capture,
}

/// Stages by who the reset claims to come from, and of flows that fell silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// Flows with a reset that claims to come from the server.
    pub from_server: StageCounts,
    /// Flows with a reset that claims to come from the client.
    pub from_client: StageCounts,
    /// Flows that ended in silence, without FIN or RST.
    pub silent: StageCounts,
}

/// A count for each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StageCounts {
    /// After a SYN only.
    pub post_syn: u64,
    /// After the handshake, before data.
    pub post_ack: u64,
    /// After the first data packet.
    pub post_psh: u64,
    /// After more than one data packet.
    pub later_in_flow: u64,
    /// None of these.
    pub no_match: u64,
}

impl StageCounts {
    /// Counts one flow.
    pub fn add(&mut self, stage: Stage) {
        let count = match stage {
            Stage::PostSyn => &mut self.post_syn,
            Stage::PostAck => &mut self.post_ack,
            Stage::PostPsh => &mut self.post_psh,
            Stage::LaterInFlow => &mut self.later_in_flow,
            Stage::NoMatch => &mut self.no_match,
        };
        *count += 1;
    }

    /// The count of one stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> u64 {
        match stage {
            Stage::PostSyn => self.post_syn,
            Stage::PostAck => self.post_ack,
            Stage::PostPsh => self.post_psh,
            Stage::LaterInFlow => self.later_in_flow,
            Stage::NoMatch => self.no_match,
        }
    }

    /// All stages together.
    #[must_use]
    pub fn total(&self) -> u64 {
        Stage::ALL.into_iter().map(|stage| self.of(stage)).sum()
    }
}

/// Findings by verdict and confidence. In JSON every combination is there, also at 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingCounts(BTreeMap<(Verdict, Confidence), u64>);

impl FindingCounts {
    /// Counts one finding; one that revises an earlier one counts in its place.
    pub fn add(&mut self, finding: &Finding) {
        if let Some(told) = finding.revises
            && let Some(count) = self.0.get_mut(&(told.verdict, told.confidence))
        {
            *count = count.saturating_sub(1);
        }
        *self.0.entry((finding.verdict, finding.confidence)).or_default() += 1;
    }

    /// How many of one kind.
    #[must_use]
    pub fn of(&self, verdict: Verdict, confidence: Confidence) -> u64 {
        self.0.get(&(verdict, confidence)).copied().unwrap_or(0)
    }

    /// All findings.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl Serialize for FindingCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + Verdict::ALL.len()))?;
        map.serialize_entry("total", &self.total())?;
        for verdict in Verdict::ALL {
            map.serialize_entry(verdict.as_str(), &ByConfidence(self, verdict))?;
        }
        map.end()
    }
}

struct ByConfidence<'a>(&'a FindingCounts, Verdict);

impl Serialize for ByConfidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |confidence: Confidence| (confidence.as_str(), self.0.of(self.1, confidence));
        serializer.collect_map(Confidence::ALL.into_iter().map(of))
    }
}

/// The figures of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Unit of all figures but `count`.
    pub unit: &'static str,
    /// Values recorded.
    pub count: u64,
    /// Smallest; 0 when there are none.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// Nine of ten are not above.
    pub p90: u64,
    /// 99 of 100 are not above.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

impl Quantiles {
    /// The figures of a histogram, to its precision.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>, unit: &'static str) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        let count = histogram.len();
        let min = if count == 0 { 0 } else { histogram.min() };
        Self { unit, count, min, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: histogram.max() }
    }
}

/// A summary as one JSON object.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    record: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
}

impl<'a> Record<'a> {
    pub(super) fn new(summary: &'a Summary) -> Self {
        Self { record: "summary", summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_fields_come_first_and_in_order() {
        let json = serde_json::to_value(Record::new(&Summary::default())).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let contract = [
            "record",
            "packets",
            "flows",
            "tcp_flows",
            "resets",
            "dns_queries",
            "dns_replies",
            "findings",
            "lost",
        ];
        assert_eq!(keys[..contract.len()], contract);
        assert_eq!(json["first_packet"], serde_json::Value::Null);
    }

    #[test]
    fn findings_are_a_full_grid() {
        let mut counts = FindingCounts::default();
        counts.0.insert((Verdict::Injected, Confidence::C3), 2);
        counts.0.insert((Verdict::Suspect, Confidence::C1), 1);
        let expected = r#"{"total":3,"injected":{"C3":2,"C2":0,"C1":0},"rewritten":{"C3":0,"C2":0,"C1":0},"lied":{"C3":0,"C2":0,"C1":0},"dropped":{"C3":0,"C2":0,"C1":0},"suspect":{"C3":0,"C2":0,"C1":1}}"#;
        assert_eq!(serde_json::to_string(&counts).unwrap(), expected);
    }

    #[test]
    fn stages_have_the_keys_of_radar() {
        let mut stages = Stages::default();
        stages.from_server.add(Stage::PostPsh);
        let json = serde_json::to_value(stages).unwrap();
        assert_eq!(json["from_server"]["post_psh"], 1);
        for stage in Stage::ALL {
            assert!(json["silent"][stage.as_str()].is_u64(), "{stage:?}");
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
        }
        assert_eq!(stages.from_server.total(), 1);
    }

    #[test]
    fn quantiles_of_nothing_are_zero() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        assert_eq!(
            Quantiles::of(&histogram, "ns"),
            Quantiles { unit: "ns", ..Quantiles::default() }
        );
        (1..=100).for_each(|value| histogram.record(value).unwrap());
        let figures = Quantiles::of(&histogram, "ns");
        assert_eq!((figures.count, figures.min, figures.p50, figures.max), (100, 1, 50, 100));
    }
}
