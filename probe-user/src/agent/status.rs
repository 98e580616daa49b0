//! What a run says of itself once in a while, and at once if it is under pressure.

use std::time::Duration;

use probe_common::counter::Counter;

use super::{measure::resident, session::Session};
use crate::{
    cli::Failure,
    report::{Summary, destinations::Record, summary::Counters},
    source::clock,
};

/// Losses that a status line names; those that grew most come first.
const NAMED: usize = 4;

/// What was said last.
#[derive(Default)]
pub(super) struct Said {
    lost: Counters,
    /// Events that did not fit into the ring, and that were too many of their class.
    refused: [u64; 2],
}

impl Session {
    /// Says how things are.
    pub(super) fn tell_status(&mut self) -> Result<(), Failure> {
        let summary = self.counted()?;
        let words = words(&summary, &self.said.lost, resident());
        tracing::info!(packets = summary.packets, flows = summary.flows, "status: {words}");
        self.manager.status(&words);
        self.said.lost = summary.lost;
        Ok(())
    }

    /// Says what destinations met, for whoever looks on.
    pub(super) fn tell_destinations(&mut self) -> Result<(), Failure> {
        let time = clock::now().saturating_add(self.told.epoch);
        let record = Record::new(time, self.counted()?, self.attribution.news());
        self.told.destinations(&record);
        Ok(())
    }

    /// Says at once that events were refused: what is found from now on may lack what went with them.
    pub(super) fn tell_pressure(&mut self) {
        // Where counters cannot be read, others say so.
        let Ok(counts) = self.live.counts() else { return };
        let kinds = [Counter::RingFull, Counter::RateLimited];
        let refused = kinds.map(|counter| counts[counter as usize]);
        let [full, limited] =
            [0, 1].map(|kind| refused[kind].saturating_sub(self.said.refused[kind]));
        self.said.refused = refused;
        if full > 0 {
            tracing::warn!(
                "under pressure: the ring was full, and {full} events were lost (events_ring_full); \
                 a larger kernel.ring_octets or less to follow helps"
            );
        }
        if limited > 0 {
            tracing::warn!(
                "under pressure: {limited} events were more than kernel.event_rate allows \
                 (events_rate_limited)"
            );
        }
    }
}

/// When the next status is due, if ever.
pub(super) fn period(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn words(summary: &Summary, before: &Counters, resident: u64) -> String {
    let mut grown: Vec<(u64, &str)> = summary
        .lost
        .iter()
        .map(|(name, count)| {
            (count.saturating_sub(before.get(name).copied().unwrap_or(0)), name.as_str())
        })
        .filter(|(more, _)| *more > 0)
        .collect();
    grown.sort_by_key(|(more, name)| (std::cmp::Reverse(*more), *name));
    let lost: Vec<String> =
        grown.iter().take(NAMED).map(|(more, name)| format!("{name} {more}")).collect();
    let lost = match (lost.is_empty(), grown.len().saturating_sub(NAMED)) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => lost.join(", "),
        (false, others) => format!("{} and {others} others", lost.join(", ")),
    };
    format!(
        "{} packets, {} flows, {} findings; lost since the last status: {lost}; {} MB",
        summary.packets,
        summary.flows,
        summary.findings.total(),
        resident / 1_000_000,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_most_is_named_first() {
        let counters = |counts: &[(&str, u64)]| -> Counters {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let lost =
            counters(&[("a", 5), ("b", 9), ("c", 1), ("d", 2), ("e", 3), ("f", 4), ("g", 7)]);
        let summary = Summary { packets: 12, lost, ..Summary::default() };
        let before = counters(&[("b", 9), ("g", 1)]);
        let said = words(&summary, &before, 45_000_000);
        let expected = "12 packets, 0 flows, 0 findings; lost since the last status: g 6, a 5, f 4, e 3 \
                        and 2 others; 45 MB";
        assert_eq!(said, expected);
        let said = words(&summary, &summary.lost, 0);
        assert!(said.contains("status: nothing; 0 MB"), "{said}");
    }
}
