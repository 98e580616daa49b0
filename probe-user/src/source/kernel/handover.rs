//! What the programs are told while they run, and what is left for the next agent: see [`Handover`].

use std::{
    mem::offset_of,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

use aya::Ebpf;
use probe_common::{
    config::INTERFACES,
    counter::{COUNTERS, Counter},
    handover::{Handover, SIZES},
    hash::HashKey,
};

use super::{maps::Shared, object::ObjectError};

/// All counters.
pub type Counts = [u64; COUNTERS as usize];

/// One that says nothing.
pub(super) const EMPTY: Handover = Handover {
    layout: 0,
    namespace: 0,
    hash_key: HashKey { k0: 0, k1: 0 },
    sizes: [0; SIZES],
    reserved: 0,
    interfaces: [0; INTERFACES],
    received: 0,
    looked: 0,
    slept: 0,
    accounted: 0,
    counts: [0; COUNTERS as usize],
};

/// The handover, in the memory of this process.
pub struct Baton {
    shared: Shared,
    /// As it was when this agent took it.
    found: Handover,
}

impl Baton {
    /// Maps it.
    ///
    /// # Errors
    ///
    /// If the map is missing or cannot be mapped.
    pub fn take(bpf: &mut Ebpf) -> Result<Self, ObjectError> {
        let len = size_of::<Handover>().next_multiple_of(4096);
        let shared = Shared::map(bpf, "HANDOVER", len, true)?;
        // SAFETY: the mapping has room for one, and any octets are one. Only an agent writes here, and there is
        // one at a time.
        let found = unsafe { shared.start.as_ptr().cast::<Handover>().read_volatile() };
        Ok(Self { shared, found })
    }

    /// Begins anew, with nothing counted yet.
    pub fn begin(&mut self, new: Handover) {
        let start = self.shared.start.as_ptr().cast::<Handover>();
        // SAFETY: as in `take`; the mapping is writable. Who reads it while it is half written finds no layout.
        unsafe {
            start.write_volatile(Handover { layout: 0, ..new });
        }
        self.word(offset_of!(Handover, layout)).store(new.layout, SeqCst);
        self.found = new;
    }

    /// As it was when this agent took it, or as it began.
    pub const fn found(&self) -> &Handover {
        &self.found
    }

    /// Has the programs take the interface of this index for watched, as the one at `slot`.
    pub fn watch_interface(&self, slot: usize, index: u32) {
        if slot >= INTERFACES {
            return;
        }
        let list = offset_of!(Handover, interfaces);
        // SAFETY: within the list of the mapping, which is writable and aligned.
        let word =
            unsafe { &*self.shared.start.as_ptr().byte_add(list).cast::<AtomicU32>().add(slot) };
        word.store(index, SeqCst);
    }

    /// An event was taken out of the ring.
    pub fn received(&self) {
        self.word(offset_of!(Handover, received)).fetch_add(1, Relaxed);
    }

    /// How many events are in the ring when so many have gone in.
    pub fn unread(&self, emitted: u64) -> u64 {
        emitted.saturating_sub(self.word(offset_of!(Handover, received)).load(Relaxed))
    }

    /// The flow table is looked through, at this time, by which the machine has slept for so long.
    pub fn looked(&self, now: u64, slept: u64) {
        self.word(offset_of!(Handover, looked)).store(now, Relaxed);
        self.word(offset_of!(Handover, slept)).store(slept, Relaxed);
    }

    /// What this agent has to tell of, now that the programs have counted `counts`: what nobody has told of.
    ///
    /// Of events those that it found in the ring and those that came since: what another agent has taken out
    /// was another's to tell of.
    pub fn own(&self, counts: &Counts) -> Counts {
        let mut own = *counts;
        for (own, told) in own.iter_mut().zip(&self.found.counts) {
            *own = own.saturating_sub(*told);
        }
        let emitted = Counter::Events as usize;
        own[emitted] = counts[emitted].saturating_sub(self.found.received);
        own
    }

    /// All that was counted up to `counts` has been told or recorded, at this time.
    pub fn account(&self, counts: &Counts, now: u64) {
        let told = offset_of!(Handover, counts);
        // SAFETY: within the mapping, which is writable and aligned.
        unsafe {
            self.shared.start.as_ptr().byte_add(told).cast::<Counts>().write_volatile(*counts);
        };
        self.word(offset_of!(Handover, accounted)).store(now, Relaxed);
    }

    /// The word that is so many octets behind the beginning.
    const fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: callers give a field of eight octets; the mapping is writable and aligned, and lives as long as
        // this.
        unsafe { &*self.shared.start.as_ptr().byte_add(offset).cast::<AtomicU64>() }
    }
}
