//! A capture through the real BPF object: each packet by `BPF_PROG_TEST_RUN`.
//!
//! Time, frame number and wire length travel with each packet as XDP metadata, so that the programs
//! see what the engine in userspace sees and must say the same.

use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    maps::{MapData, RingBuf},
    programs::Xdp,
};
use probe_common::{
    config::Config,
    counter::{COUNTERS, Counter},
    event::Metadata,
    flow::FlowRecord,
    names::Names,
    resolver::ResolverRecord,
    wire::Address,
};
use zerocopy::{Immutable, IntoBytes};

use super::{
    maps::{Counters, FlowTable, Resolvers, WatchedNames, take_ring},
    object::{self, ObjectError},
    watched::Watched,
};
use crate::source::{
    capture::Frame,
    event::{Event, EventError},
};

/// Shorter frames the kernel refuses to run: less than an Ethernet header.
const FRAME_MIN: usize = 14;

/// What the kernel takes as the context of an XDP test run: `struct xdp_md`.
#[derive(Default, IntoBytes, Immutable)]
#[repr(C)]
pub struct XdpMd {
    /// Where the packet begins: behind its metadata.
    pub data: u32,
    /// Where it ends.
    pub data_end: u32,
    /// Where its metadata begins.
    pub data_meta: u32,
    /// The interface that it came by.
    pub ingress_ifindex: u32,
    /// The queue that it came by.
    pub rx_queue_index: u32,
    /// The interface that it is to leave by.
    pub egress_ifindex: u32,
}

/// `XDP_PASS`.
pub const XDP_PASS: u32 = 2;

/// The programs, loaded and fed by hand.
pub struct KernelReplay {
    /// Name of the XDP program.
    program: &'static str,
    bpf: Ebpf,
    ring: RingBuf<MapData>,
    counters: Counters,
    table: FlowTable,
    resolvers: Resolvers,
    names: WatchedNames,
    watched: Watched,
    buffer: Vec<u8>,
    out: Vec<u8>,
    refused: Refused,
}

/// Frames too short for the kernel.
#[derive(Default)]
struct Refused {
    packets: u64,
    octets: u64,
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What the program returned.
    pub verdict: u32,
    /// Whether the packet came out as it went in.
    pub unchanged: bool,
}

impl KernelReplay {
    /// Loads the programs under `config`.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub fn new(config: &Config) -> Result<Self, ObjectError> {
        Self::by(config, object::ingress())
    }

    /// As [`Self::new`], by one of the XDP programs.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub fn by(config: &Config, program: &'static str) -> Result<Self, ObjectError> {
        let mut bpf = object::load(config)?;
        object::load_xdp_as(&mut bpf, program)?;
        Ok(Self {
            program,
            ring: take_ring(&mut bpf)?,
            counters: Counters::take(&mut bpf)?,
            table: FlowTable::take(&mut bpf, config.flow_mask + 1)?,
            resolvers: Resolvers::take(&mut bpf, config.resolver_mask + 1)?,
            names: WatchedNames::take(&mut bpf)?,
            watched: Watched::take(&mut bpf)?,
            bpf,
            buffer: Vec::new(),
            out: Vec::new(),
            refused: Refused::default(),
        })
    }

    /// Runs one packet through the program and hands what it gives rise to to `sink`, in order.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the run, or an event cannot be read.
    pub fn packet(
        &mut self,
        frame: &Frame<'_>,
        mut sink: impl FnMut(Event<'_>),
    ) -> Result<Passage, ObjectError> {
        if frame.data.len() < FRAME_MIN {
            self.refused.packets += 1;
            self.refused.octets += u64::from(frame.wire_len);
            return Ok(Passage { verdict: XDP_PASS, unchanged: true });
        }
        let passage = self.run(frame)?;
        while let Some(item) = self.ring.next() {
            sink(Event::decode(&item).map_err(event_error)?);
        }
        Ok(passage)
    }

    fn run(&mut self, frame: &Frame<'_>) -> Result<Passage, ObjectError> {
        let metadata = Metadata {
            time: frame.time,
            frame: frame.number,
            wire_len: frame.wire_len,
            reserved: 0,
        };
        let front = size_of::<Metadata>();
        self.buffer.clear();
        self.buffer.extend_from_slice(metadata.as_bytes());
        self.buffer.extend_from_slice(frame.data);
        self.out.resize(self.buffer.len() + 64, 0);
        let context = XdpMd {
            data: front as u32,
            data_end: self.buffer.len() as u32,
            data_meta: 0,
            ingress_ifindex: 0,
            rx_queue_index: 0,
            egress_ifindex: 0,
        };
        let program: &Xdp = self
            .bpf
            .program(self.program)
            .and_then(|program| program.try_into().ok())
            .ok_or_else(|| object::foreign("program", self.program))?;
        let result = program
            .test_run(TestRunOptions {
                data_in: Some(&self.buffer),
                data_out: Some(&mut self.out),
                ctx_in: Some(context.as_bytes()),
                ..TestRunOptions::default()
            })
            .map_err(|error| ObjectError::Program {
                name: self.program.into(),
                reason: format!("test run of frame {}: {error}", frame.number),
            })?;
        let out = self.out.get(..result.data_size_out as usize).unwrap_or(&[]);
        // The kernel gives the metadata back in front of the packet, or not, by its version.
        let unchanged = out == frame.data || out == self.buffer;
        Ok(Passage { verdict: result.return_value, unchanged })
    }

    /// The counters, with the frames too short for the kernel counted as cut off.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to read the map.
    pub fn counts(&self) -> Result<[u64; COUNTERS as usize], ObjectError> {
        let mut counts = self.counters.read()?;
        counts[Counter::Packets as usize] += self.refused.packets;
        counts[Counter::Octets as usize] += self.refused.octets;
        counts[Counter::Truncated as usize] += self.refused.packets;
        Ok(counts)
    }

    /// Watches these names from now on, and no others.
    pub fn watch_names(&self, names: &Names) {
        self.names.replace(names);
    }

    /// Watches `address` from now on.
    pub fn watch(&mut self, address: Address) {
        self.watched.watch(address);
    }

    /// Says that a minute has passed: see [`Watched::minute`].
    pub fn minute(&mut self) {
        self.watched.minute();
    }

    /// Shows each resolver on record.
    pub fn resolvers(&self, mut look: impl FnMut(&ResolverRecord)) {
        self.resolvers.scan(|_, record| look(record));
    }

    /// Shows each connection on record, with the number of its place in the table.
    pub fn scan(&self, look: impl FnMut(usize, &FlowRecord)) {
        self.table.scan(look);
    }
}

pub(super) fn event_error(error: EventError) -> ObjectError {
    ObjectError::Map { name: "EVENTS", action: "understand", reason: error.to_string() }
}
