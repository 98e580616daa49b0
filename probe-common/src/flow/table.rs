//! The flow table: sets of four records, found by a keyed hash, the oldest of a set evicted.
//!
//! A plain array in place of a hash map: a look-up touches one line of tags and then only the
//! record, nothing is ever allocated, and under a flood of new flows each packet costs the same.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::FlowRecord;

/// Records in a set.
pub const WAYS: usize = 4;

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowSet {
    /// Hash of each record's key; 0: the place is free.
    pub tags: [u64; WAYS],
    /// Explicit padding, to the end of the cache line.
    pub reserved: [u64; WAYS],
    /// The records.
    pub records: [FlowRecord; WAYS],
}

const _: () = assert!(size_of::<FlowSet>() == 64 + WAYS * 320);

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
    // Spelled out: the four tags share a cache line and the verifier sees constant offsets.
    if set.tags[0] == tag {
        Some(0)
    } else if set.tags[1] == tag {
        Some(1)
    } else if set.tags[2] == tag {
        Some(2)
    } else if set.tags[3] == tag {
        Some(3)
    } else {
        None
    }
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
    let mut way = 0;
    let mut oldest = u64::MAX;
    for candidate in 0..WAYS {
        let age = if set.tags[candidate] == 0 { 0 } else { set.records[candidate].last().max(1) };
        if age < oldest {
            oldest = age;
            way = candidate;
        }
    }
    let evicted = oldest != 0;
    *set.tags.get_mut(way)? = tag;
    Some(Claim { way, record: set.records.get_mut(way)?, evicted })
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
