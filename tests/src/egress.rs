//! The tc program, fed by hand.

use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    programs::{ProgramError, SchedClassifier},
};
use probe_common::config::Config;
use probe_user::source::{
    event::Event,
    kernel::{
        handover::Baton,
        maps::{Counters, take_ring},
        object::{self, ObjectError},
    },
};
use zerocopy::{Immutable, IntoBytes};

use crate::duel::{Counts, Told};

/// `TCX_NEXT`, also `TC_ACT_UNSPEC`: go on to the next program.
pub const TCX_NEXT: i32 = -1;

/// The beginning of `struct __sk_buff`; the kernel takes the rest for zero.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
struct SkBuff {
    before: [u32; 9],
    ingress_ifindex: u32,
}

/// The tc program.
pub struct Egress {
    bpf: Ebpf,
    ring: aya::maps::RingBuf<aya::maps::MapData>,
    counters: Counters,
    baton: Baton,
    out: Vec<u8>,
}

/// What became of one packet.
#[derive(Clone, Debug)]
pub struct Passage {
    /// What the program returned.
    pub verdict: i32,
    /// Whether the packet came out as it went in.
    pub unchanged: bool,
    /// What it told.
    pub told: Vec<Told>,
}

impl Egress {
    /// Loads the program under `config`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the object.
    pub fn new(config: &Config) -> Result<Self, ObjectError> {
        let mut bpf = object::load(config)?;
        object::load_tc(&mut bpf)?;
        let ring = take_ring(&mut bpf)?;
        let counters = Counters::take(&mut bpf)?;
        let baton = Baton::take(&mut bpf)?;
        Ok(Self { bpf, ring, counters, baton, out: Vec::new() })
    }

    /// Has the program take the interface of this index for watched.
    pub fn watch_interface(&self, slot: usize, index: u32) {
        self.baton.watch_interface(slot, index);
    }

    /// Leaves the program nothing to go on to, as when the agent that loaded it was killed: the kernel soon
    /// empties a table of programs that nobody has open.
    ///
    /// # Panics
    ///
    /// If the object has no such table.
    pub fn abandon(&mut self) {
        drop(self.bpf.take_map(object::FROM_EGRESS).expect("a table of programs"));
    }

    /// Runs one packet through the program, as one that entered by interface `from` (0: made here).
    ///
    /// # Errors
    ///
    /// If the kernel does not make an skb of the packet.
    ///
    /// # Panics
    ///
    /// If the object has no such program, or the program wrote what is no event.
    pub fn packet(&mut self, data: &[u8], from: u32) -> Result<Passage, ProgramError> {
        let program: &SchedClassifier = self
            .bpf
            .program(object::EGRESS)
            .and_then(|program| program.try_into().ok())
            .expect("the object has a tc program");
        self.out.resize(data.len() + 64, 0);
        let context = SkBuff { ingress_ifindex: from, ..SkBuff::default() };
        let result = program.test_run(TestRunOptions {
            data_in: Some(data),
            data_out: Some(&mut self.out),
            ctx_in: (from != 0).then_some(context.as_bytes()),
            ..TestRunOptions::default()
        })?;
        let unchanged = self.out.get(..result.data_size_out as usize) == Some(data);
        let mut told = Vec::new();
        while let Some(item) = self.ring.next() {
            told.push(Told::of(&Event::decode(&item).expect("an event")));
        }
        Ok(Passage { verdict: result.return_value.cast_signed(), unchanged, told })
    }

    /// The counters.
    ///
    /// # Panics
    ///
    /// If the kernel refuses to read them.
    pub fn counts(&self) -> Counts {
        self.counters.read().expect("the counters can be read")
    }
}
