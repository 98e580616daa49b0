//! What the tables have in common: sets of four places, each with a tag, the least wanted evicted.
//!
//! A plain array in place of a hash map: a look-up touches the tags and then only the record, nothing
//! is ever allocated, and under a flood each packet costs the same.

/// Places in a set.
pub const WAYS: usize = 4;

/// The tag of each place: a hash of what its record is of; 0: the place is free.
pub type Tags = [u64; WAYS];

/// A set, for whoever reads it while it is written and can borrow nothing of it.
///
/// # Safety
///
/// At these offsets its octets are of these types.
pub unsafe trait Set {
    /// What its places hold.
    type Record: Copy;
    /// Offset of its [`Tags`].
    const TAGS: usize;
    /// Offset of its records, one behind the other.
    const RECORDS: usize;
    /// Offset of a 32-bit mark for each place that is not 0 while its record is not to be trusted.
    const TORN: Option<usize> = None;

    /// Makes a record whole that was copied out of the set as it stood.
    fn complete(_record: &mut Self::Record) {}
}

/// The place tagged `tag`, below [`WAYS`].
#[inline(always)]
pub const fn place(tags: &Tags, tag: u64) -> Option<usize> {
    // Spelled out: the four tags share a cache line and the verifier sees constant offsets.
    if tags[0] == tag {
        Some(0)
    } else if tags[1] == tag {
        Some(1)
    } else if tags[2] == tag {
        Some(2)
    } else if tags[3] == tag {
        Some(3)
    } else {
        None
    }
}

/// The places that are not free.
pub fn taken(tags: &Tags) -> impl Iterator<Item = usize> {
    (0..WAYS).filter(|&way| tags[way] != 0)
}

/// Claims a place for `tag`: a free one, or the one of least `rank`, which is above 0. Returns it with
/// its rank; 0 if it was free.
#[inline(always)]
pub fn claim(tags: &mut Tags, tag: u64, rank: impl Fn(usize) -> u64) -> Option<(usize, u64)> {
    let mut way = 0;
    let mut least = u64::MAX;
    for (candidate, tag) in tags.iter().enumerate() {
        let rank = if *tag == 0 { 0 } else { rank(candidate) };
        if rank < least {
            least = rank;
            way = candidate;
        }
    }
    *tags.get_mut(way)? = tag;
    Some((way, least))
}
