//! The records of one set, and what is asked first of them.

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Flow, FlowRecord};
use crate::set::{self, Set, Tags, WAYS};

/// The records of one set. What is in front of them lies in the same page of memory as they, mostly, so the
/// processor looks for that page once.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowBlock {
    /// Hash of each record's key; 0: the place is free.
    pub tags: Tags,
    /// Each record's [`state`](super::state), which is in the record as well: here, where it costs no other
    /// cache line, for the segments of which there is nothing to tell.
    pub states: [u32; WAYS],
    /// Not 0: a segment of the connection that was in this place before was written into its record. See
    /// [`Flow::torn`].
    pub torn: [u32; WAYS],
    /// The records.
    pub records: [FlowRecord; WAYS],
}

const _: () = assert!(size_of::<FlowBlock>() == 64 + WAYS * 320);

// SAFETY: the offsets are of its fields of these types.
unsafe impl Set for FlowBlock {
    type Record = FlowRecord;
    const TAGS: usize = offset_of!(Self, tags);
    const RECORDS: usize = offset_of!(Self, records);
    const TORN: Option<usize> = Some(offset_of!(Self, torn));

    fn complete(record: &mut FlowRecord) {
        record.complete();
    }
}

/// The place that a connection takes if it is free. Most are found there, so the processor, which guesses
/// that, fetches the record while it still waits for the tags.
#[inline(always)]
pub(super) const fn likely(hash: u64) -> usize {
    // Neither the bits that the set is chosen by nor those of the tag in `FlowTags`.
    (hash >> 46) as usize & (WAYS - 1)
}

impl FlowBlock {
    /// The place of the connection with this hash, below [`WAYS`].
    #[inline(always)]
    pub const fn place(&self, hash: u64) -> Option<usize> {
        let likely = likely(hash);
        if self.tags[likely] == hash { Some(likely) } else { set::place(&self.tags, hash) }
    }

    /// Marks the record at a place, which the connection with this hash has had, if it is not its any more:
    /// then what was just written is in another's. Says whether it is so.
    #[inline(always)]
    pub fn tear(&mut self, way: usize, hash: u64) -> bool {
        // SAFETY: a reference is valid to read. Volatile: another CPU may have written it since it was read.
        let tag = self.tags.get(way).map(|tag| unsafe { core::ptr::read_volatile(tag) });
        let torn = tag.is_some_and(|tag| tag != hash);
        if torn && let Some(mark) = self.torn.get_mut(way) {
            *mark = 1;
        }
        torn
    }

    /// The connection at a place.
    #[inline(always)]
    pub fn at(&mut self, way: usize) -> Option<Flow<'_>> {
        Some(Flow {
            record: self.records.get_mut(way)?,
            state: self.states.get_mut(way)?,
            torn: self.torn.get_mut(way)?,
        })
    }
}
