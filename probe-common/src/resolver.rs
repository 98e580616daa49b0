//! What whoever answers DNS queries has been asked and has answered: counts, no names.
//!
//! The same shape as the other tables: sets of four, keyed hash, oldest out. It is what the replies
//! of names that nobody watches leave behind.

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    hash::HashKey,
    set::{self, Set, Tags, WAYS},
    wire::{Address, dns::flag, question::mix},
    words,
};

/// Replies of a resolver that are told from its first one on, without name or payload.
pub const SAMPLE_FIRST: u64 = 32;

/// Afterwards one in so many; a power of two.
pub const SAMPLE_EVERY: u64 = 64;

/// What is counted of a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Tally {
    /// Queries, repeated ones included.
    Queries,
    /// Of these, those for watched names.
    QueriesWatched,
    /// Replies of watched names.
    Watched,
    /// Replies to a query that was not seen.
    Unasked,
    /// Second and later replies to one query.
    Repeated,
    /// Replies whose question is not the query's.
    OtherQuestion,
    /// Replies that are truncated.
    Truncated,
    /// Replies of an authority.
    Authoritative,
    /// Replies that answer. This and those after it make up all replies.
    Answers,
    /// Replies without error that answer nothing.
    Empty,
    /// Replies that say that there is no such name.
    NxDomain,
    /// Replies of a server that failed.
    ServFail,
    /// Replies that refuse.
    Refused,
    /// Replies with another error.
    OtherError,
}

impl Tally {
    /// What a reply comes to, by its DNS flags and number of answers.
    #[inline(always)]
    pub const fn of_reply(flags: u16, answers: u16) -> Self {
        match flags & flag::RCODE {
            0 if answers != 0 => Self::Answers,
            0 => Self::Empty,
            2 => Self::ServFail,
            3 => Self::NxDomain,
            5 => Self::Refused,
            _ => Self::OtherError,
        }
    }
}

/// How many there are.
pub const TALLIES: usize = Tally::OtherError as usize + 1;

/// One resolver, or authoritative server, or whoever else replies.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ResolverRecord {
    /// Its address.
    pub address: Address,
    /// When the record was opened.
    pub first: u64,
    /// Time of the latest query or reply.
    pub last: u64,
    /// How often what was seen: by [`Tally`].
    ///
    /// Packets of one resolver meet several CPUs: see [`ResolverStore::increment`].
    pub counts: [u64; TALLIES],
}

const _: () = assert!(size_of::<ResolverRecord>() == 144);

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ResolverSet {
    /// Hash of each record's address; 0: the place is free.
    pub tags: Tags,
    /// The records.
    pub records: [ResolverRecord; WAYS],
}

// SAFETY: the offsets are of its fields of these types.
unsafe impl Set for ResolverSet {
    type Record = ResolverRecord;
    const TAGS: usize = offset_of!(Self, tags);
    const RECORDS: usize = offset_of!(Self, records);
}

/// The keyed hash of a resolver's address; never 0.
///
/// Not SipHash: nobody sees what comes of it, and whoever can send from addresses without number
/// fills the table without aiming.
#[inline(always)]
pub fn tag(key: HashKey, address: Address) -> u64 {
    let hash = mix(mix(key.k0, address.high ^ key.k1), address.low);
    let hash = mix(hash ^ hash >> 32, key.k1);
    let hash = hash ^ hash >> 29;
    if hash == 0 { 1 } else { hash }
}

/// Where the sets are kept.
pub trait ResolverStore {
    /// The set at `index`, which the caller has masked to the table's size.
    fn resolver_set(&mut self, index: u32) -> Option<&mut ResolverSet>;

    /// Adds one to a count, which others may do at the same time where several packets are looked
    /// at at once.
    fn increment(count: &mut u64);
}

/// Where in a set the record tagged `tag` is or could be, below [`WAYS`]: its own place, a free
/// one, or that of the resolver that was silent longest. [`WAYS`] if there is none for it.
///
/// A reply alone takes no place from a resolver that somebody has asked: anyone can send replies
/// from addresses without number.
#[inline(always)]
pub fn place(set: &ResolverSet, tag: u64, asked: bool) -> usize {
    if let Some(way) = set::place(&set.tags, tag) {
        return way;
    }
    // Spelled out as there: of a loop the compiler makes a pointer to before the set, by which Linux 7.2
    // reads nothing.
    let ranks =
        [rank(set, 0, asked), rank(set, 1, asked), rank(set, 2, asked), rank(set, 3, asked)];
    let (mut way, mut least) = (WAYS, u64::MAX);
    if ranks[0] < least {
        (way, least) = (0, ranks[0]);
    }
    if ranks[1] < least {
        (way, least) = (1, ranks[1]);
    }
    if ranks[2] < least {
        (way, least) = (2, ranks[2]);
    }
    if ranks[3] < least {
        way = 3;
    }
    way
}

/// How much a place is to be kept: 0 if it is free, and the most if it is not to be taken.
#[inline(always)]
fn rank(set: &ResolverSet, way: usize, asked: bool) -> u64 {
    let record = &set.records[way];
    if set.tags[way] == 0 {
        0
    } else if asked || record.count(Tally::Queries) == 0 {
        record.last.max(1)
    } else {
        u64::MAX
    }
}

impl ResolverRecord {
    /// Opens the record for the resolver at `address`.
    #[inline(always)]
    pub fn open(&mut self, address: Address, now: u64) {
        words::clear(self);
        self.address = address;
        self.first = now;
    }

    /// How often something was seen.
    #[inline(always)]
    pub const fn count(&self, tally: Tally) -> u64 {
        self.counts[tally as usize]
    }

    /// How many replies there were. No kernel counts so far that it wraps; who reads an event cannot know
    /// that a kernel made it.
    #[inline(always)]
    pub const fn replies(&self) -> u64 {
        self.count(Tally::Answers)
            .wrapping_add(self.count(Tally::Empty))
            .wrapping_add(self.count(Tally::NxDomain))
            .wrapping_add(self.count(Tally::ServFail))
            .wrapping_add(self.count(Tally::Refused))
            .wrapping_add(self.count(Tally::OtherError))
    }

    /// Counts once more, in the way of where the record is kept.
    #[inline(always)]
    pub fn add<R: ResolverStore>(&mut self, tally: Tally) {
        if let Some(count) = self.counts.get_mut(tally as usize) {
            R::increment(count);
        }
    }

    /// Whether its next reply is one of those that are told as a sample of its replies.
    #[inline(always)]
    pub const fn is_sampled(&self) -> bool {
        let replies = self.replies();
        replies < SAMPLE_FIRST || replies.is_multiple_of(SAMPLE_EVERY)
    }
}
