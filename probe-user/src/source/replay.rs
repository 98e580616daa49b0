//! A capture through either engine: packets in, events to the judge, the clock from the capture.

use probe_common::{
    config::Config, counter::COUNTERS, flow::FlowRecord, names::Names, resolver::ResolverRecord,
};

use super::{
    capture::Frame,
    kernel::{object::ObjectError, replay::KernelReplay},
    local::Local,
};
use crate::{judge::Judge, report::Finding};

/// How often the flow table is looked through for silent connections, in nanoseconds of capture
/// time: a third of the time after which a connection counts as silent.
const SCAN_EVERY: u64 = 1_000_000_000;

/// How long nothing must have been seen of a connection for a scan to find nothing new of it, in
/// nanoseconds: twice the longest time that any rule about silence or idleness asks for.
pub const STILL: u64 = 60_000_000_000;

/// Which engine the packets go through.
pub enum Driver {
    /// The engine in userspace.
    Local(Box<Local>),
    /// The BPF object, by test runs.
    Kernel(Box<KernelReplay>),
}

impl Driver {
    /// The engine in userspace.
    pub fn local(config: Config) -> Self {
        Self::Local(Box::new(Local::new(config)))
    }

    /// The BPF object.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded.
    pub fn kernel(config: &Config) -> Result<Self, ObjectError> {
        Ok(Self::Kernel(Box::new(KernelReplay::new(config)?)))
    }

    /// Watches these names from now on, and no others: their replies are marked as such.
    pub fn watch_names(&mut self, names: &Names) {
        match self {
            Self::Local(local) => local.watch_names(names),
            Self::Kernel(kernel) => kernel.watch_names(names),
        }
    }
}

/// The packets of one capture on their way to a judge.
pub struct Packets {
    driver: Driver,
    first: Option<u64>,
    last: Option<u64>,
    scanned: u64,
}

impl Packets {
    /// No packets yet.
    pub const fn new(driver: Driver) -> Self {
        Self { driver, first: None, last: None, scanned: 0 }
    }

    /// Takes one packet; findings that are due go to `tell`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the packet.
    pub fn take(
        &mut self,
        frame: &Frame<'_>,
        judge: &mut Judge,
        mut tell: impl FnMut(Finding),
    ) -> Result<(), ObjectError> {
        self.advance(frame.time, judge, &mut tell);
        match &mut self.driver {
            Driver::Local(local) => local.packet(frame, |event| judge.event(&event, &mut tell)),
            Driver::Kernel(kernel) => {
                kernel.packet(frame, |event| judge.event(&event, &mut tell))?;
            }
        }
        self.first.get_or_insert(frame.time);
        self.last = self.last.max(Some(frame.time));
        Ok(())
    }

    /// Tells the time, which may pass without a packet.
    pub fn advance(&mut self, now: u64, judge: &mut Judge, mut tell: impl FnMut(Finding)) {
        if now >= self.scanned.saturating_add(SCAN_EVERY) {
            self.scan(now, judge, &mut tell);
        }
        judge.advance(now, &mut tell);
    }

    /// Looks through the flow table for connections that have fallen silent by the time of the last
    /// packet: to be called once more at the end.
    pub fn scan_last(&mut self, judge: &mut Judge, tell: impl FnMut(Finding)) {
        if let Some(last) = self.last {
            self.scan(last, judge, tell);
        }
    }

    fn scan(&mut self, now: u64, judge: &mut Judge, mut tell: impl FnMut(Finding)) {
        // What was still at the scan before has been looked at when it was.
        let since = self.scanned;
        let look = |place, record: &FlowRecord| {
            if record.last().saturating_add(STILL) >= since {
                judge.look(place, record, now, &mut tell);
            }
        };
        match &mut self.driver {
            Driver::Local(local) => local.scan(now, look),
            Driver::Kernel(kernel) => kernel.scan(look),
        }
        self.scanned = now;
    }

    /// Shows each resolver on record.
    pub fn resolvers(&self, look: impl FnMut(&ResolverRecord)) {
        match &self.driver {
            Driver::Local(local) => local.resolvers(look),
            Driver::Kernel(kernel) => kernel.resolvers(look),
        }
    }

    /// The engine's counters.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to read them.
    pub fn counts(&self) -> Result<[u64; COUNTERS as usize], ObjectError> {
        match &self.driver {
            Driver::Local(local) => Ok(*local.counts()),
            Driver::Kernel(kernel) => kernel.counts(),
        }
    }

    /// Time of the first packet.
    pub const fn first(&self) -> Option<u64> {
        self.first
    }

    /// Time of the latest packet.
    pub const fn last(&self) -> Option<u64> {
        self.last
    }
}
