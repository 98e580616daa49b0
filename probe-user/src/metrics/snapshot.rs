//! All figures of one moment.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _,
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{
    attribute::Method,
    report::{
        Summary,
        finding::{Confidence, Verdict},
        summary::VERSION,
    },
};

/// What all names begin with.
pub(super) const PREFIX: &str = "forgewatch";

/// Upper bounds of the histogram of latency, in seconds: from what a busy loop takes to the five minutes
/// that a false DNS answer can wait for its proof.
const BOUNDS: [f64; 14] =
    [1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];

/// A distribution as Prometheus has it.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    /// Upper bound and how many lie between it and the bound before.
    buckets: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

impl Latency {
    /// Of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let mut buckets: Vec<_> = BOUNDS.iter().map(|bound| (*bound, 0)).collect();
        buckets.push((f64::INFINITY, 0));
        let mut sum = 0.0;
        for step in histogram.iter_recorded() {
            // The lowest value that its place can stand for: a bound itself stays within.
            let seconds = histogram.lowest_equivalent(step.value_iterated_to()) as f64 / 1e6;
            let count = step.count_at_value();
            sum += seconds * count as f64;
            if let Some((_, total)) = buckets.iter_mut().find(|(bound, _)| seconds <= *bound) {
                *total += count;
            }
        }
        Self { buckets, sum, count: histogram.len() }
    }
}

/// What one interface is watched by.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    /// XDP in the driver, not in the network stack.
    pub(crate) native: bool,
    /// tcx at egress, not clsact.
    pub(crate) tcx: bool,
}

/// A table of fixed size.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) entries: u64,
    pub(crate) capacity: u64,
}

/// What a program has cost, where the kernel keeps that.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) program: &'static str,
    pub(crate) time: Duration,
    pub(crate) runs: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) summary: Summary,
    pub(crate) uptime: Duration,
    pub(crate) watched: Vec<Watched>,
    pub(crate) latency: Latency,
    /// Octets of the ring that wait to be read, and all of them.
    pub(crate) ring: (u64, u64),
    pub(crate) tables: Vec<Table>,
    pub(crate) costs: Vec<Cost>,
    pub(crate) resident: u64,
    pub(crate) synchronised: Option<bool>,
    pub(crate) clock_steps: u64,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) last_event: Option<f64>,
    /// Units (service, network, protocol) by what is said of them.
    pub(crate) verdicts: BTreeMap<(String, Method), u64>,
    /// Reloads that were taken over, and that were refused.
    pub(crate) reloads: [u64; 2],
    pub(crate) last_reload_taken: bool,
    /// Whether the ledger can be written; none if nothing is recorded.
    pub(crate) ledger_well: Option<bool>,
    pub(crate) log_suppressed: u64,
    pub(crate) restarts: Vec<(&'static str, u64)>,
}

/// Writes metrics, each with its name and what it is.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        self.process(&mut out)?;
        self.seen(&mut out)?;
        self.found(&mut out)?;
        self.room(&mut out)?;
        self.health(&mut out)
    }
}

impl Snapshot {
    fn process(&self, out: &mut Out<'_>) -> fmt::Result {
        let kernel = self.summary.kernel.as_deref().unwrap_or_default();
        let build = [("version", VERSION), ("kernel", kernel)];
        out.gauges("build_info", "What runs, and on which kernel", [(build, 1_u64)])?;
        out.gauge("uptime_seconds", "Since the programs were attached", self.uptime.as_secs_f64())?;
        out.gauge(
            "resident_memory_bytes",
            "Memory of the agent, the mapped tables included",
            self.resident,
        )?;
        let interfaces = self.watched.iter().map(|one| {
            let xdp = if one.native { "driver" } else { "stack" };
            let egress = if one.tcx { "tcx" } else { "clsact" };
            ([("interface", one.name.as_str()), ("xdp", xdp), ("egress", egress)], 1_u64)
        });
        out.gauges("interface_info", "Interfaces that are watched, and how", interfaces)
    }

    fn seen(&self, out: &mut Out<'_>) -> fmt::Result {
        let summary = &self.summary;
        out.counter("packets", "Packets seen", summary.packets)?;
        out.counter("flows", "Flows of all kinds", summary.flows)?;
        out.counter("tcp_flows", "TCP connections", summary.tcp_flows)?;
        out.counter("resets", "TCP packets with RST", summary.resets)?;
        out.counter("dns_queries", "DNS queries", summary.dns_queries)?;
        out.counter("dns_replies", "DNS replies", summary.dns_replies)?;
        let seen = summary.counters.iter().map(|(name, count)| ([("what", name.as_str())], *count));
        out.counters("seen", "Counters of the summary that mean no loss", seen)?;
        let lost = summary.lost.iter().map(|(name, count)| ([("cause", name.as_str())], *count));
        out.counters("lost", "What was not looked at or not kept, by cause", lost)
    }

    fn found(&self, out: &mut Out<'_>) -> fmt::Result {
        let kinds = Verdict::ALL.into_iter().flat_map(|verdict| {
            Confidence::ALL.into_iter().map(move |confidence| (verdict, confidence))
        });
        let findings = kinds.map(|(verdict, confidence)| {
            let labels = [("verdict", verdict.as_str()), ("confidence", confidence.as_str())];
            (labels, self.summary.findings.of(verdict, confidence))
        });
        // One that was told again counts as what it is now, so these can fall.
        out.gauges("findings", "Findings of this run, each by its last word", findings)?;
        let verdicts = self.verdicts.iter().map(|((service, method), count)| {
            ([("service", service.as_str()), ("method", method.as_str())], *count)
        });
        out.gauges(
            "service_verdicts",
            "Units of a service (network, protocol) by what is said of them now",
            verdicts,
        )?;
        let Latency { buckets, sum, count } = &self.latency;
        let help = "From a packet to the finding that it completes";
        let mut encoder = out.0.encode_descriptor(
            "finding_latency_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        encoder.encode_histogram::<[(&str, &str); 0]>(*sum, *count, buckets, None)
    }

    fn room(&self, out: &mut Out<'_>) -> fmt::Result {
        out.gauge(
            "ring_pending_bytes",
            "Octets of the ring buffer that wait to be read",
            self.ring.0,
        )?;
        out.gauge("ring_size_bytes", "Octets of the ring buffer", self.ring.1)?;
        let entries = self.tables.iter().map(|table| ([("table", table.name)], table.entries));
        out.gauges("table_entries", "Places of a table that are taken", entries)?;
        let room = self.tables.iter().map(|table| ([("table", table.name)], table.capacity));
        out.gauges("table_capacity", "Places of a table", room)?;
        let runs = self.costs.iter().map(|cost| ([("program", cost.program)], cost.runs));
        out.counters("program_runs", "Measured runs of a BPF program", runs)?;
        let times =
            self.costs.iter().map(|cost| ([("program", cost.program)], cost.time.as_secs_f64()));
        out.counters("program_run_seconds", "What those took together", times)
    }

    fn health(&self, out: &mut Out<'_>) -> fmt::Result {
        // What has no value now has its description all the same.
        let none: [(&str, &str); 0] = [];
        let synchronised = self.synchronised.map(|well| (none, u64::from(well)));
        out.gauges("clock_synchronised", "Whether the system says its clock is", synchronised)?;
        out.counter("clock_steps", "How often the system's clock stepped", self.clock_steps)?;
        let last = self.last_event.map(|time| (none, time));
        out.gauges("last_event_timestamp_seconds", "When the last event came", last)?;
        let reloads = ["taken", "refused"].into_iter().zip(self.reloads);
        let reloads = reloads.map(|(result, count)| ([("result", result)], count));
        out.counters("config_reloads", "Reloads of the configuration", reloads)?;
        let taken = u64::from(self.last_reload_taken);
        out.gauge("config_last_reload_successful", "Whether the last was taken over", taken)?;
        let well = self.ledger_well.map(|well| (none, u64::from(well)));
        out.gauges("ledger_writable", "Whether what is found can be recorded", well)?;
        let restarts = self.restarts.iter().map(|(task, count)| ([("task", *task)], *count));
        out.counter(
            "log_suppressed",
            "Messages not written, since there were too many like them",
            self.log_suppressed,
        )?;
        out.counters("task_restarts", "Restarts of what runs beside detection", restarts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_one_bucket() {
        let mut histogram = Histogram::<u64>::new(2).unwrap();
        for micros in [1, 100, 101, 1_000_000, 400_000_000] {
            histogram.record(micros).unwrap();
        }
        let latency = Latency::of(&histogram);
        let of = |bound| latency.buckets.iter().find(|at| at.0 == bound).unwrap().1;
        assert_eq!((of(1e-4), of(5e-4), of(1.0), of(f64::INFINITY)), (2, 1, 1, 1));
        assert_eq!(latency.buckets.iter().map(|at| at.1).sum::<u64>(), latency.count);
        assert!((latency.sum / 401.0 - 1.0).abs() < 0.02, "{}", latency.sum);
    }
}
