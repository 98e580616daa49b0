//! The flow table: sets of four places, found by a keyed hash, of a set the connection evicted that has
//! been silent longest; but see [`WORTH`].
//!
//! In two arrays, since a packet waits longest for memory that is in no cache. A set is 16 octets, so
//! those of a million connections lie within the caches, and by them alone it is known of a SYN or a reset
//! that it is of no connection on record, and who makes way. Its records are in a [`FlowBlock`], which is
//! touched only by packets of its connections, and when one is opened.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{FlowBlock, Turn, block::likely, state};
use crate::set::WAYS;

/// The tags of one set: of each place 16 bits, part of the hash of its connection's key; 0: it is free.
///
/// What has no tag here is in no place. What has one may be there: whether it is, says the whole hash in
/// [`FlowBlock::tags`]. By accident one in 16,000 has one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowTags(u64);

/// Until when the connections of one set are worth keeping: see `worth`.
///
/// Both directions write it, about once in [`STEP`] each; what is lost when they do so at the same time is a
/// second of age.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, align(8))]
pub struct FlowAges([u16; WAYS]);

/// One set, without its records.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowSet {
    /// What its places hold.
    pub tags: FlowTags,
    /// Until when it is worth keeping.
    pub ages: FlowAges,
}

const _: () = assert!(size_of::<FlowSet>() == 16);

/// Unit of time in [`FlowAges`], as a power of two in nanoseconds: 1.07 s.
pub const UNIT: u32 = 30;

/// How much longer a connection that both ends have agreed to is worth keeping than one that was only
/// asked for, in units of [`UNIT`]: a minute. Whoever forges SYNs from addresses without number pushes
/// out other SYNs, and no connection that was alive in the last minute.
pub const WORTH: u32 = 56;

/// How much longer a connection to a watched address is worth keeping than others while it is only asked
/// for, in units of [`UNIT`]: as long as a client tries three times. Without it a flood pushes it out
/// before it is answered, and a connection whose beginning is forgotten looks like one that got no answer.
/// A connection that is over is worth as much: a minute more, and those of the last minute push out, where
/// four of them meet in a set, the one that is just beginning.
pub const SOUGHT: u32 = 8;

/// How seldom it is noted that a connection goes on, in units of [`UNIT`]: that is not beside its record, and
/// costs a wait of its own. A connection that does is worth keeping for so much longer.
pub const STEP: u32 = 1 << STEP_BITS;

const STEP_BITS: u32 = 3;

/// In [`FlowAges`], beside the time: somebody waits for the connection's end to be told.
const AWAITED: u16 = 1 << 15;

/// What is ahead of now by more than this, in units of [`UNIT`], is long past: 15 bits of time come round
/// every 9.8 hours. Who has been silent that long may count as younger than he is.
const AHEAD: u32 = 2 * (WORTH + SOUGHT + STEP);

/// What ends a connection.
const OVER: u32 = state::FIN | state::RESET;

/// In which [`STEP`] a time is.
#[inline(always)]
pub const fn step(time: u64) -> u64 {
    time >> (UNIT + STEP_BITS)
}

/// Until when a connection in this [`state`] is worth keeping that had a packet at `time`, in units of
/// [`UNIT`].
#[inline(always)]
const fn worth(states: u32, time: u64) -> u32 {
    let since = (time >> UNIT) as u32;
    // Of one that is over, what contradicts its end comes within seconds.
    if states & state::ESTABLISHED != 0 && states & OVER == 0 {
        since.wrapping_add(WORTH)
    } else if states & (state::ESTABLISHED | state::FOLLOWED) != 0 {
        since.wrapping_add(SOUGHT)
    } else {
        since
    }
}

/// Where the table is kept.
pub trait FlowStore {
    /// The set `index`, which the caller has masked to the table's size.
    fn flow_set(&mut self, index: u32) -> Option<&mut FlowSet>;

    /// The records of the set `index`.
    fn flow_block(&mut self, index: u32) -> Option<&mut FlowBlock>;

    /// Whose turn it is to open a record in the set `index`, and others.
    fn flow_turn(&mut self, index: u32) -> Option<&mut Turn>;

    /// Adds to a number that others may add to at the same time, where several packets are looked at at
    /// once. What is written or read before in the program is done before, what comes after comes after.
    fn add(number: &mut u64, by: u64);
}

/// The tag of a hash.
#[inline(always)]
const fn tag(hash: u64) -> u16 {
    let tag = (hash >> 48) as u16;
    if tag == 0 { 1 } else { tag }
}

/// Where the tag of a place begins in the word.
#[inline(always)]
const fn shift(way: usize) -> u32 {
    way as u32 * 16
}

/// A one for each place.
const ONES: u64 = 0x0001_0001_0001_0001;

impl FlowTags {
    /// The tag of a place; 0: it is free.
    #[inline(always)]
    pub const fn of(self, way: usize) -> u16 {
        (self.0 >> shift(way)) as u16
    }

    /// The places that are not free.
    pub fn taken(self) -> impl Iterator<Item = usize> {
        (0..WAYS).filter(move |&way| self.of(way) != 0)
    }

    /// Whether the connection with this hash may be in a place. Without a branch for each.
    #[inline(always)]
    pub const fn may_have(self, hash: u64) -> bool {
        let differ = self.0 ^ (tag(hash) as u64).wrapping_mul(ONES);
        // Whether one of the four is zero (Mycroft's test).
        differ.wrapping_sub(ONES) & !differ & (0x8000 * ONES) != 0
    }

    #[inline(always)]
    const fn put(&mut self, way: usize, tag: u16) {
        self.0 = self.0 & !(0xffff << shift(way)) | (tag as u64) << shift(way);
    }
}

impl FlowAges {
    /// Notes a packet at `time` of the connection at a place, which is now in this [`state`]; `more`: and was
    /// on record before.
    #[inline(always)]
    pub fn note(&mut self, way: usize, states: u32, time: u64, more: bool) {
        let until = worth(states, time).wrapping_add(if more { STEP } else { 0 }) as u16 & !AWAITED;
        let awaited = if states & state::FOLLOWED != 0 { AWAITED } else { 0 };
        if let Some(age) = self.0.get_mut(way) {
            *age = until | awaited;
        }
    }

    /// How long ago the connection at a place was last worth keeping, from some time on ahead of `time`.
    #[inline(always)]
    const fn age(self, way: usize, time: u64) -> u16 {
        let now = ((time >> UNIT) as u32).wrapping_add(AHEAD) as u16;
        now.wrapping_sub(self.0[way]) & !AWAITED
    }
}

/// Whose place a new connection has taken.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Whether another connection had it until now.
    pub evicted: bool,
    /// Whether somebody waits for that one's end to be told.
    pub awaited: bool,
}

impl FlowSet {
    /// The place for a new connection with this hash at `time`: a free one, or that of the connection least
    /// worth keeping. None if that is worth more than a connection that is not `sought` is: four that are worth
    /// keeping meet in some sets of a table that is half empty, and of a flood each SYN would push out one.
    #[inline(always)]
    pub fn choose(&self, hash: u64, time: u64, sought: bool) -> Option<usize> {
        let mut way = likely(hash);
        if self.tags.of(way) == 0 {
            return Some(way);
        }
        let mut oldest = 0;
        for candidate in 0..WAYS {
            let free = self.tags.of(candidate) == 0;
            let age = if free { 1 << 16 } else { u32::from(self.ages.age(candidate, time)) + 1 };
            if age > oldest {
                oldest = age;
                way = candidate;
            }
        }
        // Worth keeping until now, its age is what all ages are ahead by.
        if sought || oldest > AHEAD { Some(way) } else { None }
    }

    /// Gives a place to the connection with this hash.
    #[inline(always)]
    pub fn claim(&mut self, way: usize, hash: u64) -> Claim {
        let evicted = self.tags.of(way) != 0;
        let awaited = self.ages.0.get(way).is_some_and(|age| age & AWAITED != 0);
        self.tags.put(way, tag(hash));
        Claim { evicted, awaited: evicted && awaited }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::{FlowSet, FlowTags, WAYS, state, tag};

    /// A set, as it is seen by who opens connections.
    #[derive(Default)]
    struct Set(FlowSet);

    impl Set {
        /// Notes a packet of connection `number`, known by its tag alone; returns whether another one had to
        /// make way.
        fn note(&mut self, number: u64, time: u64, states: u32) -> bool {
            let Self(set) = self;
            let hash = number << 48;
            let known = set.tags.taken().find(|&way| set.tags.of(way) == tag(hash));
            let sought = states & state::FOLLOWED != 0;
            let Some(way) = known.or_else(|| set.choose(hash, time, sought)) else { return false };
            let claimed = known.is_none().then(|| set.claim(way, hash));
            set.ages.note(way, states, time, false);
            claimed.is_some_and(|claim| claim.evicted)
        }

        fn has(&self, number: u64) -> bool {
            let Self(FlowSet { tags, .. }) = self;
            tags.taken().any(|way| tags.of(way) == tag(number << 48))
        }
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn free_places_go_first_then_what_is_worth_least() {
        let mut set = Set::default();
        for number in 1..=WAYS as u64 {
            assert!(!set.note(number, (100 - number) * 2 * SECOND, 0));
        }
        assert!(set.note(99, 100 * 2 * SECOND, 0));
        assert!(!set.has(4));
        assert!(set.has(99) && (1..4).all(|number| set.has(number)));
    }

    #[test]
    fn a_flood_of_syns_pushes_out_no_connection_of_the_last_minute() {
        // At any time: the times come round.
        for start in [0, 100, 35_000, 70_000].map(|seconds| seconds * SECOND) {
            let mut set = Set::default();
            set.note(1, start, state::ESTABLISHED);
            for syn in 0..10_000 {
                set.note(2 + syn, start + syn * SECOND / 200, 0);
                assert!(set.has(1), "pushed out by SYN {syn}");
            }
            // Two minutes later it is as old as it is.
            for syn in 0..5 {
                set.note(20_000 + syn, start + 120 * SECOND, 0);
            }
            assert!(!set.has(1));
        }
    }

    #[test]
    fn a_flood_of_syns_pushes_out_no_connection_that_is_sought() {
        let mut set = Set::default();
        set.note(1, SECOND, state::FOLLOWED | state::SYN);
        for syn in 2..1_000 {
            set.note(syn, SECOND + syn * 7_000_000, state::SYN);
            assert!(set.has(1), "pushed out by SYN {syn}");
        }
        // Half a minute later it has been given up.
        for syn in 0..5 {
            set.note(20_000 + syn, 30 * SECOND, state::SYN);
        }
        assert!(!set.has(1));
    }

    #[test]
    fn who_is_worth_less_than_all_takes_no_place() {
        let mut set = Set::default();
        (1..4).for_each(|number| assert!(!set.note(number, SECOND, state::ESTABLISHED)));
        set.note(4, 20 * SECOND, state::FOLLOWED | state::SYN);
        for syn in 0..50 {
            assert!(!set.note(100 + syn, 20 * SECOND + syn * 100_000_000, state::SYN));
        }
        assert!((1..=4).all(|number| set.has(number)));
        // Who is sought takes one, and so does anybody when one has been silent for a minute.
        assert!(set.note(5, 26 * SECOND, state::FOLLOWED | state::SYN));
        assert!(set.note(6, 80 * SECOND, state::SYN));
    }

    #[test]
    fn connections_that_are_over_push_out_none_that_begins() {
        let (over, begins) = (state::ESTABLISHED | state::FOLLOWED, state::FOLLOWED | state::SYN);
        for end in [state::FIN, state::RESET] {
            let mut set = Set::default();
            for number in 1..4 {
                set.note(number, number * SECOND, over | end);
            }
            set.note(4, 20 * SECOND, begins);
            for other in 100..103 {
                assert!(set.note(other, 21 * SECOND, begins));
                assert!(set.has(4), "pushed out by {other}");
            }
        }
    }

    #[test]
    fn who_waits_for_the_end_is_known_when_it_makes_way() {
        let mut set = Set::default();
        for number in 1..=WAYS as u64 {
            set.note(number, number * 2 * SECOND, if number == 1 { state::FOLLOWED } else { 0 });
        }
        let Set(mut set) = set;
        // The followed one is worth eight seconds more.
        let awaited = (99..103).map(|number| {
            let way = set.choose(number << 48, 60 * SECOND, true).expect("a place");
            let claim = set.claim(way, number << 48);
            set.ages.note(way, state::ESTABLISHED, 60 * SECOND, false);
            assert!(claim.evicted);
            claim.awaited
        });
        assert_eq!(awaited.collect::<Vec<_>>(), [false, false, false, true]);
    }

    #[test]
    fn a_tag_is_found_wherever_it_is_and_nowhere_else() {
        for tags in [0, 5, 5 << 16, 5 << 48 | 4, 0x0005_0005_0004_0006, 0x0004_0005_0006_0005] {
            let tags = FlowTags(tags);
            for tag in [5, 6, 7, 0x8005] {
                let there = (0..WAYS).any(|way| tags.of(way) == tag);
                assert_eq!(tags.may_have(u64::from(tag) << 48), there);
            }
        }
    }
}
