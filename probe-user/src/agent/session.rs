//! The loop of a run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use probe_common::hash::HashKey;
use tokio::time::{Interval, MissedTickBehavior};

use super::{
    Load,
    measure::Measures,
    memory,
    notify::Manager,
    sleep::Sleep,
    start::Signals,
    status::{self, Said},
    told::Told,
};
use crate::{
    cli::{Failure, attribute::Attribution, state, summary},
    config::settings::Settings,
    judge::Judge,
    ledger::Totals,
    source::{clock, kernel::live::Live},
    targets::TargetSet,
};

/// How often the judge is told the time when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// How often the flow table is looked through for silent connections.
const SCAN: Duration = Duration::from_secs(1);

/// Outcomes that are not left waiting for the next scan: a flood would pile up many times as many.
const SETTLED: usize = 4_096;

/// By how much the system's clock must have moved against the kernel's to be read anew, in
/// nanoseconds: 1 ms.
const CLOCK_STEP: u64 = 1_000_000;

/// A run.
pub(super) struct Session {
    /// What is in force.
    pub(super) settings: Settings,
    pub(super) live: Live,
    pub(super) judge: Judge,
    pub(super) attribution: Attribution,
    pub(super) told: Told,
    pub(super) measures: Measures,
    pub(super) manager: Manager,
    pub(super) said: Said,
    /// Events received from the ring.
    pub(super) received: u64,
    pub(super) targets: Arc<TargetSet>,
    pub(super) hash_key: HashKey,
    /// When it began to watch, by the programs' clock.
    pub(super) started: u64,
    pub(super) sleep: Sleep,
}

/// What fails beside detection is told, and detection goes on.
pub(super) fn beside(done: Result<(), Failure>) {
    if let Err(error) = done {
        tracing::warn!("{error}; detection goes on");
    }
}

/// Ticks as long as there is somebody who does.
async fn tick_of(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// A clock that first ticks after a period.
fn later(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// A clock that ticks at once, and does not catch up on what it missed.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

impl Session {
    /// Runs until a signal, the end of the given time, or an error.
    pub(super) async fn until_told(
        &mut self,
        load: Load<'_>,
        mut signals: Signals,
    ) -> Result<(), Failure> {
        let (mut tick, mut scan) = (every(TICK), every(SCAN));
        // A run that is cut short can say so much of itself.
        let mut heartbeat = every(self.settings.heartbeat());
        let mut status = status::period(self.settings.status_seconds).map(later);
        let mut onlooker = self.settings.destinations.map(every);
        let mut idle = later(memory::PERIOD);
        let deadline = self.settings.duration.map(|duration| Instant::now() + duration);
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        self.manager.ready("watching");
        loop {
            tokio::select! {
                biased;
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.terminate.recv() => return Ok(()),
                () = &mut over => return Ok(()),
                _ = signals.hangup.recv() => {
                    self.reload(load);
                    heartbeat = every(self.settings.heartbeat());
                    status = status::period(self.settings.status_seconds).map(later);
                }
                _ = scan.tick() => {
                    self.measures.look();
                    self.live.look();
                    self.scan();
                }
                _ = heartbeat.tick() => beside(self.record()),
                () = tick_of(&mut status) => beside(self.tell_status()),
                () = tick_of(&mut onlooker) => beside(self.tell_destinations()),
                _ = idle.tick() => {
                    self.live.minute();
                    memory::give_back();
                }
                _ = tick.tick() => {
                    let now = clock::now();
                    self.sleep.mind(now, &mut self.judge, &mut self.told);
                    self.measures.turn(clock::awake());
                    self.manager.turn();
                    self.told.look();
                    self.judge.advance(now, |finding| self.told.tell(&finding));
                }
                // Without figures for whoever asks all the time there would be no time for the ring. The loop
                // turns at least with each tick.
                Some(ask) = self.measures.asked.recv(), if self.measures.pace.is_due(Instant::now()) => {
                    let begin = Instant::now();
                    beside(self.snapshot().map(|snapshot| {
                        // Who asked may have given up.
                        drop(ask.send(snapshot));
                    }));
                    let took = begin.elapsed();
                    self.measures.pace.took(took, Instant::now());
                    tracing::debug!("figures took {} us", took.as_micros());
                }
                taken = self.live.events(|event| {
                    self.measures.last_event = event.time();
                    self.sleep.mind(event.time(), &mut self.judge, &mut self.told);
                    self.judge.event(&event, |finding| {
                        let taken = clock::now().saturating_sub(event.time()) / 1_000;
                        self.told.latency.saturating_record(taken.max(1));
                        self.told.tell(&finding);
                    });
                }) => {
                    self.received += taken?;
                    if self.judge.settled() >= SETTLED {
                        self.attribution.take(&mut self.judge);
                    }
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

    /// Records what has been counted so far.
    fn record(&mut self) -> Result<(), Failure> {
        if self.told.recorder.is_none() {
            return Ok(());
        }
        let mut so_far = self.counted()?;
        summary::devices(&mut so_far, &self.judge);
        if let Some(recorder) = &mut self.told.recorder {
            recorder.traffic(state::now(), Totals::from(&so_far));
            recorder.summary(&so_far);
            self.live.account()?;
        }
        Ok(())
    }

    /// Looks for connections that fell silent.
    pub(super) fn scan(&mut self) {
        self.tell_pressure();
        let now = clock::now();
        // Two clocks are never read at one moment: only a step is a correction. Otherwise what is
        // told of a connection twice would have two times.
        let epoch = clock::epoch_of_boot();
        if epoch.abs_diff(self.told.epoch) > CLOCK_STEP {
            self.measures.clock_steps += u64::from(self.told.epoch != 0);
            self.told.epoch = epoch;
            self.judge.set_epoch(epoch);
        }
        let (judge, told) = (&mut self.judge, &mut self.told);
        self.sleep.mind(now, judge, told);
        self.live.scan(|place, record| {
            judge.look(place, record, now, |finding| told.tell(&finding));
        });
        self.live.looked(now, clock::slept());
        self.attribution.take(judge);
        let news = self.attribution.record(now.saturating_add(epoch), told.recorder.as_mut());
        news.iter().for_each(|verdict| told.verdict(verdict));
    }
}
