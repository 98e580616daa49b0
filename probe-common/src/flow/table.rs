//! The flow table: sets of four records, found by a keyed hash, the oldest of a set evicted.

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::FlowRecord;
use crate::set::{self, Set, Tags, WAYS};

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowSet {
    /// Hash of each record's key; 0: the place is free.
    pub tags: Tags,
    /// Explicit padding, to the end of the cache line.
    pub reserved: [u64; WAYS],
    /// The records.
    pub records: [FlowRecord; WAYS],
}

const _: () = assert!(size_of::<FlowSet>() == 64 + WAYS * 320);

// SAFETY: the offsets are of its fields of these types.
unsafe impl Set for FlowSet {
    type Record = FlowRecord;
    const TAGS: usize = offset_of!(Self, tags);
    const RECORDS: usize = offset_of!(Self, records);
}

/// Where the sets are kept.
pub trait FlowStore {
    /// The set at `index`, which the caller has masked to the table's size.
    fn flow_set(&mut self, index: u32) -> Option<&mut FlowSet>;
}

/// The record tagged `tag`.
#[inline(always)]
pub fn find(set: &mut FlowSet, tag: u64) -> Option<&mut FlowRecord> {
    let way = place(set, tag)?;
    set.records.get_mut(way)
}

/// The place of the record tagged `tag`, below [`WAYS`].
#[inline(always)]
pub const fn place(set: &FlowSet, tag: u64) -> Option<usize> {
    set::place(&set.tags, tag)
}

/// A place for a new record.
pub struct Claim<'a> {
    /// Which of the set's it is.
    pub way: usize,
    /// The record, still holding what it held.
    pub record: &'a mut FlowRecord,
    /// Whether another connection had it until now.
    pub evicted: bool,
}

/// Claims a place for a record tagged `tag`: a free one, or that of the connection silent longest.
#[inline(always)]
pub fn claim(set: &mut FlowSet, tag: u64) -> Option<Claim<'_>> {
    let FlowSet { tags, records, .. } = set;
    let (way, oldest) = set::claim(tags, tag, |way| records[way].last().max(1))?;
    Some(Claim { way, record: records.get_mut(way)?, evicted: oldest != 0 })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{FlowSet, WAYS, claim, find};

    #[test]
    fn free_places_go_first_then_the_oldest() {
        let mut set = std::boxed::Box::new(FlowSet::default());
        for tag in 1..=WAYS as u64 {
            let place = claim(&mut set, tag).expect("a set has places");
            assert!(!place.evicted);
            place.record.halves[0].last = 100 - tag;
        }
        // Tag 4 was silent longest.
        assert!(claim(&mut set, 99).expect("a set has places").evicted);
        assert!(find(&mut set, 4).is_none());
        assert!(find(&mut set, 99).is_some());
        assert!((1..4).all(|tag| find(&mut set, tag).is_some()));
    }
}
