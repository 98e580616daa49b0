//! A flood of SYNs into the router's upstream interface, each of another connection.
//!
//! The kernel makes them as live frames in the upstream box and hands them to the other end of the
//! wire, where they are received as any packet is: by NAPI, through the program that is attached
//! there. They bear a hardware address that is not the router's, so its stack drops them afterwards, and
//! what is tried is the probe and not the router. Nothing leaves the lab.
//!
//! Where there are two CPUs and [`Network::second_queue`] was asked for, they come by a receive queue of their own, on the CPU that makes them, so that
//! they take no room from what else is on the wire: what the wire loses no probe can see.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::ensure;
use nix::net::if_::if_nametoindex;
use probe_common::{config::Config, wire::tcp_flag};

use super::{
    network::{DOWN, Network, WAN},
    road,
};
use crate::bench::{
    live::send::{Load, pin, send},
    object::{Bench, Program},
    packets::{self, Below, UNWATCHED},
};

/// SYNs that are sent in one go, after which it looks whether it is still wanted.
const PART: u32 = 1 << 18;

/// The most that may be asked for: up to here no connection comes twice, as a test shows.
pub const MOST: u64 = 1 << 27;

/// A flood under way. Dropping it ends it.
#[derive(Debug)]
pub struct Flood {
    state: Arc<State>,
    thread: Option<JoinHandle<anyhow::Result<Duration>>>,
    before: u64,
}

#[derive(Debug, Default)]
struct State {
    sent: AtomicU64,
    stop: AtomicBool,
}

/// What there was of it.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// SYNs sent.
    pub sent: u64,
    /// Packets that the router's interface has received meanwhile, the lab's own among them.
    pub received: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Flood {
    /// Begins to send `count` SYNs, or a few more, to the router of `network`, where the agent has to
    /// be attached already.
    ///
    /// # Errors
    ///
    /// If the program that makes them is missing, or the kernel refuses it.
    pub fn start(network: &Network, count: u64) -> anyhow::Result<Self> {
        ensure!(count <= MOST, "a flood of more than {MOST} SYNs would repeat some");
        // The tables that the object comes with are not used here.
        let config = Config { flow_mask: 0, dns_mask: 0, quic_mask: 0, ..Config::replay() };
        let mut bench = Bench::load(&config, &[Program::Send])?;
        let one = packets::flood(Below::V4, UNWATCHED, tcp_flag::SYN);
        bench.vary(one.vary)?;
        let before = road::received(&network.router, WAN)?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = network.upstream.spawn("flood", move || {
            let start = Instant::now();
            let index = if_nametoindex(DOWN)?;
            // Beside the lab's own work, which the kernel then moves away from here.
            pin(thread::available_parallelism()?.get() - 1)?;
            let load = Load { frame: one.frame, count: PART };
            let program = &*bench.program(Program::Send)?;
            while shared.sent.load(Ordering::Relaxed) < count
                && !shared.stop.load(Ordering::Relaxed)
            {
                send(program, index, &load)?;
                shared.sent.fetch_add(PART.into(), Ordering::Relaxed);
            }
            Ok(start.elapsed())
        })?;
        Ok(Self { state, thread: Some(thread), before })
    }

    /// Whether it still goes on.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits until all have been sent.
    ///
    /// # Errors
    ///
    /// If the kernel has refused one.
    pub fn finish(mut self, network: &Network) -> anyhow::Result<Ended> {
        let elapsed = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(elapsed)) => elapsed?,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Duration::ZERO,
        };
        let received = road::received(&network.router, WAN)? - self.before;
        Ok(Ended { sent: self.state.sent.load(Ordering::Relaxed), received, elapsed })
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Whoever drops it has a reason of its own to fail.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use probe_common::bench::Vary;

    use super::MOST;

    /// Of two of them, only how far apart they are decides whether they are the same: a client is made
    /// of some of the bits of its number times a factor. So it is enough to hold each against the first.
    #[test]
    fn no_connection_comes_twice() {
        /// Bits that make neither address nor port.
        const UNUSED: u64 = (1 << 16) - 1;
        /// The bit that is always set.
        const SET: u64 = 1 << 63;
        let mut place = 0_u64;
        for _ in 1..MOST {
            place = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let apart = place & !SET;
            assert!(apart > UNUSED && apart < SET - UNUSED);
        }
        // And they are made so.
        let mut vary = Vary { mask: u64::MAX, sequence: MOST - 1, ..Vary::default() };
        let client = vary.step();
        assert_eq!(
            (client.address, client.port),
            ((place >> 16) as u32, ((place | SET) >> 48) as u16)
        );
    }
}
