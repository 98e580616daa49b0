//! `forgewatch run`.

use std::{
    io,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use hdrhistogram::Histogram;
use probe_common::{
    config::{Config, FLAG_WATCH_ALL},
    hash::HashKey,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::MissedTickBehavior,
};

use super::attribute::{self, Attribution};
use super::{DnsOptions, Failure, TargetOptions, state, summary};
use crate::{
    judge::{Judge, Settings, Telling},
    ledger::{Recorder, Totals},
    report::{
        Clients, Finding, Form, ReportError, Summary, Writer,
        pseudonym::Pseudonyms,
        summary::{Quantiles, TargetsUsed},
    },
    source::{clock, kernel::live::Live},
    targets::TargetSet,
};

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct Options {
    /// Interface to watch, both directions; may be given several times
    #[arg(long = "iface", value_name = "IF", required = true)]
    ifaces: Vec<String>,
    /// One JSON object a line instead of lines for people
    #[arg(long)]
    json: bool,
    /// End after so many seconds
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    /// Follow every connection closely, not only those of the targets and controls: for a lab, or a
    /// router with little traffic
    #[arg(long)]
    all: bool,
    /// Size of the ring buffer between kernel and agent, in octets: a power of two
    #[arg(long, value_name = "OCTETS", value_parser = ring_octets)]
    ring: Option<u32>,
    #[command(flatten)]
    record: state::RecordOptions,
    #[command(flatten)]
    dns: DnsOptions,
    #[command(flatten)]
    targets: TargetOptions,
}

/// How often what was counted is recorded: what a run that is cut short can say of itself.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How often the judge is told the time when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// How often the flow table is looked through for silent connections.
const SCAN: Duration = Duration::from_secs(1);

/// By how much the system's clock must have moved against the kernel's to be read anew, in
/// nanoseconds: 1 ms.
const CLOCK_STEP: u64 = 1_000_000;

/// Smallest ring buffer: a page.
const RING_MIN: u32 = 4_096;

/// Largest ring buffer.
const RING_MAX: u32 = 1 << 30;

fn ring_octets(text: &str) -> Result<u32, String> {
    let octets: u32 = text.parse().map_err(|_| "not a number of octets".to_owned())?;
    if octets.is_power_of_two() && (RING_MIN..=RING_MAX).contains(&octets) {
        Ok(octets)
    } else {
        Err(format!("must be a power of two from {RING_MIN} to {RING_MAX}"))
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    if options.duration.is_some_and(|seconds| !(0.0..=1e9).contains(&seconds)) {
        return Err(Failure::Usage("--duration takes a number of seconds from 0 on".into()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(watch(options))
}

/// What the programs are told.
fn config(options: &Options) -> Result<Config, Failure> {
    let random =
        |_| getrandom::u64().map_err(|error| Failure::Other(format!("no random numbers: {error}")));
    let flags = if options.all { FLAG_WATCH_ALL } else { 0 };
    Ok(Config {
        hash_key: HashKey { k0: random(0)?, k1: random(1)? },
        flags,
        event_rate: probe_common::config::DEFAULT_EVENT_RATE,
        dns_ports: options.dns.ports()?,
        ..Config::replay()
    })
}

async fn watch(options: &Options) -> Result<ExitCode, Failure> {
    let config = config(options)?;
    let targets = Arc::new(options.targets.load()?);
    let pseudonyms = Pseudonyms::new().map_err(|error| Failure::Other(error.to_string()))?;
    let stdout = io::stdout();
    let form = Form::of(options.json, &stdout);
    // Before anything is attached: who is told to end from then on ends with a summary.
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = signals.map(signal_of);
    let signals = [interrupt?, terminate?, hangup?];
    let names = targets.names(config.hash_key);
    let live = Live::start(config, &names, &options.ifaces, options.ring)?;
    if !options.json {
        for at in live.attached() {
            eprintln!(
                "forgewatch: watching {} ({}; {}){}",
                at.interface,
                if at.native { "XDP in the driver" } else { "XDP in the network stack" },
                if at.tcx { "tcx at egress" } else { "clsact at egress" },
                if options.all { ", every connection" } else { "" },
            );
        }
    }
    let recorder = options.record.start(&options.ifaces, &targets, options.json)?;
    let clock = state::live_clock();
    let mut judge = Judge::new(Settings {
        telling: Telling::AtOnce,
        epoch: clock::epoch_of_boot(),
        targets: Arc::clone(&targets),
    });
    judge.set_dns_ports(options.dns.ports()?);
    Attribution::prepare(&mut judge)?;
    let mut session = Session {
        live,
        judge,
        attribution: Attribution::new(&targets, attribute::LATE),
        told: Told {
            out: Writer::new(stdout.lock(), form, Clients::Pseudonyms(pseudonyms)),
            total: summary::begin(&targets, clock, summary::kernel()),
            latency: Histogram::new(2).map_err(|error| Failure::Other(error.to_string()))?,
            epoch: 0,
            recorder,
            error: None,
        },
        received: 0,
        targets,
        hash_key: config.hash_key,
    };
    let started = clock::now();
    let ended = session.until_told(options, signals).await;
    session.close(started, ended)
}

fn signal_of(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Other(format!("cannot wait for signals: {error}")))
}

/// A run.
struct Session {
    live: Live,
    judge: Judge,
    attribution: Attribution,
    told: Told,
    /// Events received from the ring.
    received: u64,
    targets: Arc<TargetSet>,
    hash_key: HashKey,
}

/// Writes findings, counts them, and measures how long they took.
struct Told {
    out: Writer<io::StdoutLock<'static>>,
    total: Summary,
    /// From packet to finding, in microseconds.
    latency: Histogram<u64>,
    epoch: u64,
    recorder: Option<Recorder>,
    error: Option<ReportError>,
}

impl Told {
    fn tell(&mut self, finding: &Finding) {
        if let Some(recorder) = &mut self.recorder {
            recorder.finding(finding);
        }
        if self.error.is_some() {
            return;
        }
        self.total.findings.add(finding);
        self.error = self.out.finding(finding).err();
    }
}

impl Session {
    /// Runs until a signal, the end of the given time, or an error.
    async fn until_told(&mut self, options: &Options, signals: [Signal; 3]) -> Result<(), Failure> {
        let [mut interrupt, mut terminate, mut hangup] = signals;
        let mut tick = tokio::time::interval(TICK);
        let mut scan = tokio::time::interval(SCAN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline =
            options.duration.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = &mut over => return Ok(()),
                _ = hangup.recv() => self.reload(&options.targets),
                _ = scan.tick() => self.scan(),
                _ = heartbeat.tick() => self.record()?,
                _ = tick.tick() => {
                    let now = clock::now();
                    self.judge.advance(now, |finding| self.told.tell(&finding));
                }
                taken = self.live.events(|event| {
                    self.judge.event(&event, |finding| {
                        let taken = clock::now().saturating_sub(event.time()) / 1_000;
                        self.told.latency.saturating_record(taken.max(1));
                        self.told.tell(&finding);
                    });
                }) => {
                    self.received += taken?;
                    for address in self.judge.interests() {
                        self.live.watch(address);
                    }
                }
            }
            if self.told.error.is_some() {
                return Ok(());
            }
        }
    }

    /// Reads the files of targets anew. What is known of connections, resolvers and services stays; and if
    /// a file is no good, so do the targets.
    fn reload(&mut self, options: &TargetOptions) {
        let targets = match options.load() {
            Ok(targets) => Arc::new(targets),
            Err(error) => {
                eprintln!("forgewatch: {error}; what was watched before is watched still");
                return;
            }
        };
        if targets.hash() == self.targets.hash() {
            eprintln!("forgewatch: the targets were read anew, and are the same");
            return;
        }
        self.live.watch_names(&targets.names(self.hash_key));
        self.told.total.targets = Some(TargetsUsed::from(&*targets));
        if let Some(recorder) = &mut self.told.recorder {
            recorder.watch(&targets);
        }
        self.targets = Arc::new(targets.after(&self.targets));
        self.judge.watch(&self.targets);
        self.attribution.watch(&self.targets);
        eprintln!("forgewatch: the targets were read anew ({})", targets.hash());
    }

    /// Records what has been counted so far.
    fn record(&mut self) -> Result<(), Failure> {
        if self.told.recorder.is_none() {
            return Ok(());
        }
        let mut so_far = self.told.total.clone();
        summary::add(&mut so_far, &self.live.counts()?, &self.judge);
        if let Some(recorder) = &mut self.told.recorder {
            so_far.lost.extend(recorder.losses());
            so_far.counters.extend(recorder.counters());
            recorder.traffic(state::now(), Totals::from(&so_far));
            recorder.summary(&so_far);
        }
        Ok(())
    }

    /// Looks for connections that fell silent.
    fn scan(&mut self) {
        let now = clock::now();
        // Two clocks are never read at one moment: only a step is a correction. Otherwise what is
        // told of a connection twice would have two times.
        let epoch = clock::epoch_of_boot();
        if epoch.abs_diff(self.told.epoch) > CLOCK_STEP {
            self.told.epoch = epoch;
            self.judge.set_epoch(epoch);
        }
        let (judge, told) = (&mut self.judge, &mut self.told);
        self.live.scan(|place, record| {
            judge.look(place, record, now, |finding| told.tell(&finding));
        });
        self.attribution.take(judge);
        self.attribution.record(now.saturating_add(epoch), told.recorder.as_mut());
    }

    /// Detaches, takes what is left in the ring, and sums up: also after an error.
    fn close(mut self, started: u64, ended: Result<(), Failure>) -> Result<ExitCode, Failure> {
        self.live.detach();
        let rest = self.live.rest(|event| {
            self.judge.event(&event, |finding| self.told.tell(&finding));
        });
        self.received += rest.unwrap_or_default();
        // What has ended since the last scan.
        self.scan();
        self.judge.finish(|finding| self.told.tell(&finding));

        let mut told = self.told;
        let epoch = clock::epoch_of_boot();
        let total = &mut told.total;
        summary::add(total, &self.live.counts()?, &self.judge);
        summary::histograms(total, &self.judge);
        total.histograms.insert("finding_latency".into(), Quantiles::of(&told.latency, "us"));
        total.counters.insert("events_received".into(), self.received);
        let emitted = total.counters.get("events_emitted").copied().unwrap_or_default();
        total.lost.insert("events_unread".into(), emitted.saturating_sub(self.received));
        total.first_packet = Some(started.saturating_add(epoch));
        total.last_packet = Some(clock::now().saturating_add(epoch));
        self.attribution.take(&mut self.judge);
        let verdicts = self.attribution.finish(told.recorder.as_mut(), &mut total.lost);
        if told.error.is_none() {
            told.error = verdicts.iter().try_for_each(|one| told.out.verdict(one)).err();
        }
        if let Some(recorder) = told.recorder {
            recorder.close(state::now(), total);
        }
        if told.error.is_none() {
            told.error = told.out.summary(total).err();
        }
        ended?;
        match told.error {
            None | Some(ReportError::Closed { .. }) => Ok(ExitCode::SUCCESS),
            Some(error) => Err(error.into()),
        }
    }
}
