//! The flow table: sets of four records, found by a keyed hash, of a set the one evicted that has been
//! silent longest; but see [`WORTH`].

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Flow, FlowRecord, state};
use crate::set::{self, Set, Tags, WAYS};

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowSet {
    /// Hash of each record's key; 0: the place is free.
    pub tags: Tags,
    /// Until when each record is worth keeping, in units of 2^[`UNIT`] ns: see [`worth`]. Beside the
    /// tags, so that a flood of new connections reads no record to find the one that makes way.
    ///
    /// Both directions write it, about once a second each; what is lost when they do so at the same
    /// time is a second of age.
    pub until: [u32; WAYS],
    /// Each record's [`state`], which is in the record as well: here, where it costs no other cache line,
    /// for the segments of which there is nothing to tell.
    pub states: [u32; WAYS],
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

/// Unit of [`FlowSet::until`], as a power of two in nanoseconds: 1.07 s.
pub const UNIT: u32 = 30;

/// How much longer a connection that both ends have agreed to is worth keeping than one that was only
/// asked for, in units of [`UNIT`]: a minute. Whoever forges SYNs from addresses without number pushes
/// out other SYNs, and no connection that was alive in the last minute.
pub const WORTH: u32 = 56;

/// How much longer a connection to a watched address is worth keeping than others while it is only asked
/// for, in units of [`UNIT`]: as long as a client tries three times. Without it a flood pushes it out
/// before it is answered, and a connection whose beginning is forgotten looks like one that got no answer.
pub const SOUGHT: u32 = 8;

/// Until when a record in this [`state`] is worth keeping whose connection had a packet at `time`, in
/// units of [`UNIT`].
#[inline(always)]
pub const fn worth(states: u32, time: u64) -> u32 {
    let since = (time >> UNIT) as u32;
    if states & state::ESTABLISHED != 0 {
        since.saturating_add(WORTH)
    } else if states & state::FOLLOWED != 0 {
        since.saturating_add(SOUGHT)
    } else {
        since
    }
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

/// The connection at a place of a set.
#[inline(always)]
pub fn at(set: &mut FlowSet, way: usize) -> Option<Flow<'_>> {
    Some(Flow { record: set.records.get_mut(way)?, state: set.states.get_mut(way)? })
}

/// The place of the record tagged `tag`, below [`WAYS`].
#[inline(always)]
pub const fn place(set: &FlowSet, tag: u64) -> Option<usize> {
    let likely = likely(tag);
    if set.tags[likely] == tag { Some(likely) } else { set::place(&set.tags, tag) }
}

/// The place that a record takes if it is free. Most are found there, so the processor, which guesses
/// that, fetches the record while it still waits for the tags.
#[inline(always)]
const fn likely(tag: u64) -> usize {
    // Not the bits that the set was chosen by.
    (tag >> 62) as usize & (WAYS - 1)
}

/// A place for a new record.
pub struct Claim<'a> {
    /// Which of the set's it is.
    pub way: usize,
    /// The record, still holding what it held.
    pub flow: Flow<'a>,
    /// Whether another connection had it until now.
    pub evicted: bool,
}

/// Claims a place for a record tagged `tag`: a free one, or that of the connection least worth keeping.
#[inline(always)]
pub fn claim(set: &mut FlowSet, tag: u64) -> Option<Claim<'_>> {
    // Taken apart, and not by `at`: the verifier refuses what the compiler makes of that.
    let FlowSet { tags, until, states, records } = set;
    let likely = likely(tag);
    if tags[likely] == 0 {
        tags[likely] = tag;
        let flow = Flow { record: records.get_mut(likely)?, state: states.get_mut(likely)? };
        return Some(Claim { way: likely, flow, evicted: false });
    }
    let (way, least) = set::claim(tags, tag, |way| u64::from(until[way]).max(1))?;
    let flow = Flow { record: records.get_mut(way)?, state: states.get_mut(way)? };
    Some(Claim { way, flow, evicted: least != 0 })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{FlowSet, WAYS, claim, find, place, state, worth};

    #[test]
    fn free_places_go_first_then_what_is_worth_least() {
        let mut set = std::boxed::Box::new(FlowSet::default());
        for tag in 1..=WAYS as u64 {
            let place = claim(&mut set, tag).expect("a set has places");
            assert!(!place.evicted);
            let way = place.way;
            set.until[way] = 100 - tag as u32;
        }
        assert!(claim(&mut set, 99).expect("a set has places").evicted);
        assert!(find(&mut set, 4).is_none());
        assert!(find(&mut set, 99).is_some());
        assert!((1..4).all(|tag| find(&mut set, tag).is_some()));
    }

    #[test]
    fn a_flood_of_syns_pushes_out_no_connection_of_the_last_minute() {
        let time = |seconds: u64| seconds * 1_000_000_000;
        let mut set = std::boxed::Box::new(FlowSet::default());
        let mut note = |tag, seconds, state| {
            let way = match place(&set, tag) {
                Some(way) => way,
                None => claim(&mut set, tag).expect("a set has places").way,
            };
            set.until[way] = worth(state, time(seconds));
            place(&set, 1).is_some()
        };
        assert!(note(1, 100, state::ESTABLISHED));
        for syn in 0..10_000 {
            assert!(note(2 + syn, 100 + syn / 200, 0), "pushed out by SYN {syn}");
        }
        // Two minutes later it is as old as it is.
        assert!(!(0..5).all(|syn| note(20_000 + syn, 220, 0)));
    }

    #[test]
    fn a_flood_of_syns_pushes_out_no_connection_that_is_sought() {
        let mut set = std::boxed::Box::new(FlowSet::default());
        let mut note = |tag, time, state| {
            let way = claim(&mut set, tag).expect("a set has places").way;
            set.until[way] = worth(state, time);
            place(&set, 1).is_some()
        };
        assert!(note(1, 1_000_000_000, state::FOLLOWED | state::SYN));
        for syn in 2..1_000 {
            let time = 1_000_000_000 + syn * 7_000_000;
            assert!(note(syn, time, state::SYN), "pushed out by SYN {syn}");
        }
        // Half a minute later it has been given up.
        assert!(!(0..5).all(|syn| note(20_000 + syn, 30_000_000_000, state::SYN)));
    }
}
