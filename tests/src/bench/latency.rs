//! From a forged packet's arrival to its finding.
//!
//! A real agent on a real device. Connections are reset by a forger, one at a time and some hundred in
//! a second, while other traffic passes beside; the time is taken from before the first forged packet
//! is sent until the line of the finding has been read from the agent's output. The agent measures as
//! well, from the packet's time in the kernel to the finding: that is told beside it.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

use super::{
    events::kinds,
    group::Request,
    live::send::pin,
    packets::{self, Below, From, UNWATCHED},
    sample::Sample,
    table::{Budget, Row, Table},
    watched::{Sender, Watched},
};

/// What the 99th percentile may be, in milliseconds.
const P99: f64 = 5.0;

/// Percentiles that are told.
const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max")];

/// From one forger's deed to the next.
const EVERY: Duration = Duration::from_millis(4);

/// How long a finding may take before it counts as missing.
const LATEST: Duration = Duration::from_secs(2);

/// From one burst of other traffic to the next, and how much of it there is: 100,000 packets a second.
const BURST: (Duration, u32) = (Duration::from_millis(5), 500);

/// How much is measured.
struct Effort {
    runs: usize,
    forged: u64,
}

/// Measures the group.
///
/// # Errors
///
/// If the agent cannot be started, or a forger is not found out.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let effort = if request.quick {
        Effort { runs: 3, forged: 500 }
    } else {
        Effort { runs: 5, forged: 5_000 }
    };
    let mut outside = vec![Vec::new(); PERCENTILES.len()];
    let mut inside = Vec::new();
    for _ in 0..effort.runs {
        let (latencies, own) = run(effort.forged)?;
        for (figures, (percentile, _)) in outside.iter_mut().zip(PERCENTILES) {
            figures.push(latencies.value_at_percentile(percentile) as f64 / 1e6);
        }
        inside.push(own);
    }
    for (figures, (_, name)) in outside.into_iter().zip(PERCENTILES) {
        let row = Row::new(
            "latency",
            format!("forged reset to finding, {name}"),
            &Sample::new(figures),
            "ms",
        );
        table.add(if name == "p99" { row.budget(Budget::AtMost(P99)) } else { row });
    }
    let row =
        Row::new("latency", "the same by the agent's own clock, p99", &Sample::new(inside), "ms");
    table.add(row.note(format!("{} forged a run, with 100,000 packets/s beside", effort.forged)));
    Ok(())
}

/// One run: latencies in nanoseconds, and the agent's own 99th percentile in milliseconds.
fn run(forged: u64) -> anyhow::Result<(Histogram<u64>, f64)> {
    let (found, findings) = mpsc::channel();
    let watched = Watched::new(move |line| {
        if line.contains("\"record\":\"finding\"") {
            // Nobody listens any more at the end.
            let _ = found.send(Instant::now());
        }
    })?;
    let over = AtomicBool::new(false);
    let latencies = thread::scope(|scope| {
        let beside = scope.spawn(|| traffic(&watched, &over));
        let latencies = forge(&watched, &findings, forged);
        over.store(true, Ordering::Relaxed);
        beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        latencies
    })?;
    let report = watched.agent.stop()?;
    let own = &report.summary["histograms"]["finding_latency"];
    let p99 = own["p99"].as_f64().with_context(|| format!("no p99 in {own}"))?;
    ensure!(own["unit"] == "us", "not in microseconds: {own}");
    Ok((latencies, p99 / 1e3))
}

/// Other traffic, until it is `over`: bulk data, most of it unwatched.
fn traffic(watched: &Watched, over: &AtomicBool) -> anyhow::Result<()> {
    pin(0)?;
    let mut sender = Sender::new()?;
    let bulk = packets::bulk(Below::V4, From::Client, UNWATCHED);
    let (every, count) = BURST;
    let mut first = 0;
    while !over.load(Ordering::Relaxed) {
        let next = Instant::now() + every;
        watched.send(&mut sender, &bulk, first, count)?;
        first += u64::from(count);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn forge(
    watched: &Watched,
    findings: &Receiver<Instant>,
    count: u64,
) -> anyhow::Result<Histogram<u64>> {
    let mut sender = Sender::new()?;
    let [_, _, forged, _] = kinds::all();
    let (before, resets) = forged.packets.split_at(forged.packets.len() - kinds::RESETS);
    let mut latencies = Histogram::new(3)?;
    for number in 0..count {
        let next = Instant::now() + EVERY;
        for packet in before {
            watched.send(&mut sender, packet, number, 1)?;
        }
        // A finding that was told again, about the connection before.
        while findings.try_recv().is_ok() {}
        let start = Instant::now();
        for packet in resets {
            watched.send(&mut sender, packet, number, 1)?;
        }
        let found = findings.recv_timeout(LATEST).with_context(|| {
            format!("no finding about forged connection {number} within {LATEST:?}")
        })?;
        latencies.record(found.saturating_duration_since(start).as_nanos() as u64)?;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(latencies)
}
