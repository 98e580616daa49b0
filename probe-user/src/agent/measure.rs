//! What a run measures of itself, and hands out.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};
use nix::unistd::{SysconfVar, sysconf};
use tokio::sync::mpsc::Receiver;

use super::{pace::Pace, session::Session, supervise::Supervised};
use crate::{
    cli::{Failure, summary},
    config::settings::Settings,
    metrics::{
        server::{Ask, Door, Listener, Pulse},
        snapshot::{Cost, Latency, Snapshot, Table, Watched},
    },
    report::Summary,
    source::clock,
};

/// Counts and states that no other part of a run keeps.
pub(super) struct Measures {
    pub(super) pulse: Arc<Pulse>,
    /// Who wants figures.
    pub(super) asked: Receiver<Ask>,
    /// When they get them.
    pub(super) pace: Pace,
    /// Kept, so that there is always somebody who could ask.
    door: Door,
    /// What the server will listen on.
    listener: Option<Listener>,
    server: Option<Supervised>,
    /// The kernel measures programs as long as this is open.
    _stats: Option<OwnedFd>,
    /// How often the system's clock stepped.
    pub(super) clock_steps: u64,
    /// When the last event came, by the programs' clock; 0: none did.
    pub(super) last_event: u64,
    /// Reloads that were taken over, and that were refused.
    pub(super) reloads: [u64; 2],
    pub(super) last_reload_taken: bool,
}

impl Measures {
    /// Opens what has to be open before the agent gives up rights: the socket, and the kernel's measuring.
    pub(super) fn start(settings: &Settings) -> Self {
        let pulse = Arc::new(Pulse::default());
        let (door, asked) = Door::new(&pulse);
        let mut listener = settings.metrics_listen.map(Listener::new);
        if let Some(listener) = &mut listener {
            // If it fails, so does the server, which says why.
            let _ = listener.open();
        }
        Self {
            pulse,
            asked,
            pace: Pace::new(Instant::now()),
            door,
            server: None,
            _stats: settings.packet_cost.then(measure_programs).flatten(),
            clock_steps: 0,
            last_event: 0,
            reloads: [0; 2],
            last_reload_taken: true,
            listener,
        }
    }

    /// The port that could not be taken, and is tried again.
    pub(super) fn port(&self) -> Option<u16> {
        self.listener.as_ref().filter(|listener| !listener.is_open()).map(Listener::port)
    }

    /// Starts what runs beside detection: threads, which have the rights that the agent has by now.
    pub(super) fn serve(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            let door = self.door.clone();
            let serve = move || listener.serve(door.clone());
            self.server = Some(Supervised::new("metrics server", Instant::now(), serve));
        }
    }

    /// The loop turns at `now`, by the clock that stands still while the machine sleeps.
    pub(super) fn turn(&self, now: u64) {
        self.pulse.turn(now);
    }

    /// Looks after what runs beside detection.
    pub(super) fn look(&mut self) {
        if let Some(server) = &mut self.server {
            server.look(Instant::now());
        }
    }
}

fn measure_programs() -> Option<OwnedFd> {
    match enable_stats(Stats::RunTime) {
        Ok(stats) => Some(stats),
        Err(error) => {
            tracing::warn!("the kernel does not measure what packets cost: {error}");
            None
        }
    }
}

impl Session {
    /// What was counted so far, without the devices.
    pub(super) fn counted(&self) -> Result<Summary, Failure> {
        let mut summary = self.told.total.clone();
        summary::count(&mut summary, &self.live.counts()?, &self.judge);
        summary.lost.extend(self.attribution.losses());
        summary.lost.extend(self.told.losses());
        summary.counters.insert("events_received".into(), self.received);
        self.taken_over(&mut summary);
        if let Some(recorder) = &self.told.recorder {
            summary.lost.extend(recorder.losses());
            summary.counters.extend(recorder.counters());
        }
        Ok(summary)
    }

    /// Of what was counted, the part that was before this agent.
    pub(super) fn taken_over(&self, summary: &mut Summary) {
        if let Some(left) = self.live.taken_over() {
            summary.counters.insert("packets_taken_over".into(), left.packets);
            summary.counters.insert("events_taken_over".into(), left.events);
        }
        if let Some(events) = self.live.given_up() {
            summary.lost.insert("events_given_up".into(), events);
        }
    }

    /// All figures of this moment.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Failure> {
        let (live, measures) = (&self.live, &self.measures);
        let watched = live.attached().iter().map(|at| Watched {
            name: at.interface.clone(),
            native: at.native,
            tcx: at.tcx,
        });
        let tables =
            live.tables().map(|(name, (entries, capacity))| Table { name, entries, capacity });
        let costs = live.costs().into_iter().filter(|(_, _, runs)| *runs > 0);
        let last = measures.last_event;
        let recorder = self.told.recorder.as_ref();
        Ok(Snapshot {
            summary: self.counted()?,
            uptime: Duration::from_nanos(clock::now().saturating_sub(self.started)),
            watched: watched.collect(),
            latency: Latency::of(&self.told.latency),
            ring: (live.pending(), self.settings.ring_octets.into()),
            tables: tables.into(),
            costs: costs.map(|(program, time, runs)| Cost { program, time, runs }).collect(),
            resident: resident(),
            synchronised: clock::synchronised(),
            clock_steps: measures.clock_steps,
            last_event: (last > 0).then(|| (last + self.told.epoch) as f64 / 1e9),
            verdicts: self.attribution.current().clone(),
            reloads: measures.reloads,
            last_reload_taken: measures.last_reload_taken,
            ledger_well: recorder.map(|recorder| !recorder.is_in_trouble()),
            log_suppressed: crate::log::suppressed(),
            restarts: self.restarts(),
        })
    }

    /// How often what runs beside detection was started again.
    fn restarts(&self) -> Vec<(&'static str, u64)> {
        let server = self.measures.server.iter().map(Supervised::restarts);
        let ledger = self.told.recorder.iter().map(|recorder| ("ledger", recorder.restarts()));
        server.chain(ledger).collect()
    }
}

/// Octets of memory that this process has, shared ones included; 0 where nobody says.
pub(super) fn resident() -> u64 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.zip(page).map_or(0, |(pages, page)| pages * page.unsigned_abs())
}
