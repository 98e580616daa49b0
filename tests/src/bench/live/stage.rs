//! The road with the programs, one of which is attached at a time.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use aya::{
    maps::{MapData, RingBuf},
    programs::{XdpMode, tc::SchedClassifierLinkId, tc::TcAttachType, xdp::XdpLinkId},
};
use nix::net::if_::if_nametoindex;
use probe_common::{bench::Vary, config::Config, counter::Counter};
use probe_user::source::kernel::{
    maps::{Counters, take_ring},
    object,
};

use super::send::{self, Load};
use crate::{
    bench::object::{Bench, Program},
    lab::{
        namespace::Namespace,
        road::{self, Road},
    },
};

/// The empty program at the tc hook.
const NEXT: &str = "bench_next";

/// Which way the packets go, and where the programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into the router, at XDP, where they end.
    Ingress,
    /// Through the router, at tcx as they leave it.
    Egress,
}

/// What is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// Nothing.
    Nothing,
    /// A program that passes all.
    Empty,
    /// The probe.
    Probe,
    /// A program that drops all, so that only making and sending is left. At ingress alone.
    Drop,
}

/// What is sent: kinds of frames, one after the other.
pub type Loads = [(Load, Vary)];

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Packets sent.
    pub sent: u64,
    /// Packets at the end of the road.
    pub received: u64,
    /// How long that took.
    pub elapsed: Duration,
}

impl Passed {
    /// Packets that arrived, in a second.
    pub fn per_second(&self) -> f64 {
        self.received as f64 / self.elapsed.as_secs_f64()
    }
}

/// The road and the programs.
pub struct Stage {
    /// Programs and maps.
    pub bench: Bench,
    events: RingBuf<MapData>,
    counters: Counters,
    // After the programs, or their links would outlive their devices.
    road: Road,
    from: u32,
}

enum Link {
    None,
    Xdp(Program, XdpLinkId),
    Tc(&'static str, SchedClassifierLinkId),
}

impl Stage {
    /// Makes the road with devices of `queues` queues, and loads the programs under `config`.
    ///
    /// # Errors
    ///
    /// If something of it is refused.
    pub fn new(config: &Config, queues: u32) -> anyhow::Result<Self> {
        let xdp = [Program::Send, Program::Pass, Program::Drop, Program::Ingress];
        let mut bench = Bench::load(config, &xdp)?;
        bench.classifier(NEXT)?.load().with_context(|| format!("the kernel refuses {NEXT}"))?;
        object::load_tc(&mut bench.bpf)?;
        let events = take_ring(&mut bench.bpf)?;
        let counters = Counters::take(&mut bench.bpf)?;
        let road = Road::new(queues)?;
        let from = index(&road.source, road::GEN)?;
        let end = index(&road.sink, road::END)?;
        // The end of the road, always the same.
        let attach = || {
            let program = bench.program(Program::Drop)?;
            program.attach_to_if_index(end, XdpMode::Driver).context("at the end of the road")
        };
        road.sink.enter(attach)??;
        Ok(Self { bench, events, counters, road, from })
    }

    /// Sends `loads` from each of `cpus` at once, with `attached` in their way.
    ///
    /// # Errors
    ///
    /// If the kernel refuses something, or the probe has not seen what was received.
    pub fn run(
        &mut self,
        direction: Direction,
        attached: Attached,
        loads: &Loads,
        cpus: &[usize],
    ) -> anyhow::Result<Passed> {
        let link = self.attach(direction, attached)?;
        let outcome = self.measure(direction, loads, cpus);
        self.detach(link)?;
        let (passed, seen) = outcome?;
        let expected = if attached == Attached::Probe { passed.received } else { 0 };
        ensure!(
            seen == expected,
            "{direction:?}, {attached:?}: of {} packets received the probe has seen {seen}",
            passed.received
        );
        Ok(passed)
    }

    fn measure(
        &mut self,
        direction: Direction,
        loads: &Loads,
        cpus: &[usize],
    ) -> anyhow::Result<(Passed, u64)> {
        let seen = self.seen()?;
        let before = self.received(direction)?;
        let mut elapsed = Duration::ZERO;
        let mut sent = 0;
        for (load, vary) in loads {
            // Other flows on each CPU, as a network card deals them out.
            let apart = vary.mask / cpus.len() as u64;
            let place = |cpu| cpus.iter().position(|&one| one == cpu).unwrap_or(0) as u64;
            self.bench
                .vary_each(|cpu| Vary { sequence: vary.sequence + place(cpu) * apart, ..*vary })?;
            let program = &*self.bench.program(Program::Send)?;
            let from = self.from;
            let send = || send::at_once(cpus, |_| send::send(program, from, load));
            // All are done when the slowest is.
            elapsed += self.road.source.enter(send)??.into_iter().max().unwrap_or_default();
            sent += u64::from(load.count) * cpus.len() as u64;
        }
        let received = self.received(direction)? - before;
        let seen = self.seen()? - seen;
        while self.events.next().is_some() {}
        Ok((Passed { sent, received, elapsed }, seen))
    }

    fn seen(&self) -> anyhow::Result<u64> {
        Ok(self.counters.read()?[Counter::Packets as usize])
    }

    fn received(&self, direction: Direction) -> anyhow::Result<u64> {
        let Road { router, sink, .. } = &self.road;
        match direction {
            Direction::Ingress => road::received(router, road::IN),
            Direction::Egress => road::received(sink, road::END),
        }
    }

    fn attach(&mut self, direction: Direction, attached: Attached) -> anyhow::Result<Link> {
        let Self { bench, road, .. } = self;
        let router = &road.router;
        let program = match (direction, attached) {
            (_, Attached::Nothing) => return Ok(Link::None),
            (Direction::Egress, _) => {
                let name = if attached == Attached::Probe { object::EGRESS } else { NEXT };
                let attach = || {
                    bench
                        .classifier(name)?
                        .attach(road::OUT, TcAttachType::Egress)
                        .with_context(|| format!("{name} at {}", road::OUT))
                };
                return Ok(Link::Tc(name, router.enter(attach)??));
            }
            (Direction::Ingress, Attached::Empty) => Program::Pass,
            (Direction::Ingress, Attached::Probe) => Program::Ingress,
            (Direction::Ingress, Attached::Drop) => Program::Drop,
        };
        let index = index(router, road::IN)?;
        let attach = || {
            let xdp = bench.program(program)?;
            xdp.attach_to_if_index(index, XdpMode::Driver)
                .with_context(|| format!("{} at {}", program.name(), road::IN))
        };
        Ok(Link::Xdp(program, router.enter(attach)??))
    }

    fn detach(&mut self, link: Link) -> anyhow::Result<()> {
        match link {
            Link::None => {}
            Link::Xdp(program, link) => self.bench.program(program)?.detach(link)?,
            Link::Tc(name, link) => self.bench.classifier(name)?.detach(link)?,
        }
        Ok(())
    }
}

fn index(namespace: &Namespace, device: &'static str) -> anyhow::Result<u32> {
    namespace.enter(|| if_nametoindex(device))?.with_context(|| format!("no device {device}"))
}
