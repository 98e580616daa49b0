//! The agent itself, on the road, and what is sent past it.

use std::thread;

use anyhow::Context as _;
use nix::net::if_::if_nametoindex;
use probe_common::{bench::Vary, config::Config};

use super::{
    live::send::{self, Load},
    object::{Bench, Program},
    packets::Varied,
};
use crate::lab::{
    agent::{Agent, Form},
    process,
    road::{self, Road},
};

/// The road, with an agent at the router's end of it.
pub struct Watched {
    /// The agent.
    pub agent: Agent,
    // After the agent, or it would lose its device.
    road: Road,
    from: u32,
}

/// Makes packets: several can do so at once.
pub struct Sender(Bench);

impl Watched {
    /// Makes the road, and starts the agent, each line of which is shown to `see` as it comes.
    ///
    /// # Errors
    ///
    /// If the agent does not come so far as to watch.
    pub fn new(see: impl Fn(&str) + Send + 'static) -> anyhow::Result<Self> {
        Self::on(Road::new(1)?, &[], see)
    }

    /// The same on a road on which two can send without being in each other's way: what the stack sends
    /// comes by the first queue, and what another CPU than the first sends as live frames by the second.
    /// `more` is told the agent besides.
    ///
    /// # Errors
    ///
    /// If the agent does not come so far as to watch.
    pub fn apart(more: &[&str], see: impl Fn(&str) + Send + 'static) -> anyhow::Result<Self> {
        let queues = thread::available_parallelism()?.get().min(2);
        let road = Road::new(queues as u32)?;
        if queues > 1 {
            let mut command = road.source.command("ethtool");
            command.args(["-L", road::GEN, "tx", "1"]);
            process::succeed("ethtool", &mut command)?;
        }
        Self::on(road, more, see)
    }

    fn on(road: Road, more: &[&str], see: impl Fn(&str) + Send + 'static) -> anyhow::Result<Self> {
        let agent = Agent::start_in(&road.router, Form::Json, &[road::IN], more, see)?;
        let from = road.source.enter(|| if_nametoindex(road::GEN))?;
        Ok(Self { agent, from: from.context("the road has no beginning")?, road })
    }

    /// Where it is.
    pub const fn road(&self) -> &Road {
        &self.road
    }

    /// Sends `count` packets of a kind past the agent, from the flow `first` on.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn send(
        &self,
        sender: &mut Sender,
        packet: &Varied,
        first: u64,
        count: u32,
    ) -> anyhow::Result<()> {
        let Sender(bench) = sender;
        bench.vary(Vary { sequence: first, ..packet.vary })?;
        let program = &*bench.program(Program::Send)?;
        let mut frame = packet.frame.clone();
        frame.resize((frame.len() + 1).max(60), 0);
        let load = Load { frame, count };
        self.road.source.enter(|| send::send(program, self.from, &load))??;
        Ok(())
    }
}

impl Sender {
    /// One that is ready.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the program.
    pub fn new() -> anyhow::Result<Self> {
        // Its tables are of no use here, and as small as can be.
        let config = Config { flow_mask: 0, dns_mask: 0, quic_mask: 0, ..Config::replay() };
        Bench::load(&config, &[Program::Send]).map(Self)
    }
}
