//! What is kept of a QUIC connection: that its client has begun it, and whether the server answered.
//!
//! A table of its own, made as that of the flows. Not in the flow table: whoever sends datagrams with false sources can fill this
//! one, and would push out TCP connections, whose beginnings do not come again. And its records are
//! a quarter of the size, since of QUIC no more than the first few datagrams can be read.

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    flow::{FlowKey, Side},
    set::{self, Set, Tags, WAYS},
    wire::Packet,
    words,
};

/// How long after a client's last Initial another one on the same ports still belongs to the same
/// attempt, in nanoseconds. Between the fourth and fifth attempt of a client that follows RFC 9002
/// to the letter there are 8 s, and at 30 s most have given up.
pub const SAME_ATTEMPT: u64 = 20_000_000_000;

/// The record of one connection.
///
/// Client and server each write words of their own, so that there is no lock: see
/// [`Half`](crate::flow::Half).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct QuicRecord {
    /// Whose record it is.
    pub key: FlowKey,
    /// Time of the client's first Initial.
    pub opened: u64,
    /// Time of its last.
    pub asked: u64,
    /// Time of the server's first datagram with a long header; 0: none seen.
    pub answered: u64,
    /// The version field of the client's first Initial.
    pub version: u32,
    /// Datagrams of the client that begin with an Initial; stops at 65,535.
    pub initials: u16,
    /// Which end began: [`Side`] as a number.
    pub client: u8,
    /// Of `initials`, how many were told; stops at 255.
    pub told: u8,
    /// Datagrams of the server with a long header; stops at 65,535.
    pub answers: u16,
    /// Of `answers`, how many were told; stops at 255.
    pub told_answers: u8,
    /// Explicit padding.
    pub reserved: [u8; 5],
}

const _: () = assert!(size_of::<QuicRecord>() == 80);

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct QuicSet {
    /// Hash of each record's key; 0: the place is free.
    pub tags: Tags,
    /// The records.
    pub records: [QuicRecord; WAYS],
}

// SAFETY: the offsets are those of the fields.
unsafe impl Set for QuicSet {
    type Record = QuicRecord;
    const TAGS: usize = offset_of!(Self, tags);
    const RECORDS: usize = offset_of!(Self, records);
}

/// Where the sets are kept.
pub trait QuicStore {
    /// The set at `index`, which the caller has masked to the table's size.
    fn quic_set(&mut self, index: u32) -> Option<&mut QuicSet>;
}

/// The place of the record tagged `tag`, below [`WAYS`].
#[inline(always)]
pub const fn place(set: &QuicSet, tag: u64) -> Option<usize> {
    set::place(&set.tags, tag)
}

/// A place for a new record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which of the set's it is.
    pub way: usize,
    /// Whether an attempt had it that may still go on.
    pub evicted: bool,
}

/// Claims a place for `tag` at time `now`: a free one, or that of the client silent longest.
#[inline(always)]
pub fn claim(set: &mut QuicSet, tag: u64, now: u64) -> Option<Claim> {
    let QuicSet { tags, records } = set;
    let (way, oldest) = set::claim(tags, tag, |way| records[way].asked.max(1))?;
    Some(Claim { way, evicted: oldest != 0 && now.saturating_sub(oldest) < SAME_ATTEMPT })
}

impl QuicRecord {
    /// Opens the record for the connection that `side` begins with `packet`.
    #[inline(always)]
    pub fn open(&mut self, key: FlowKey, side: Side, packet: &Packet, version: u32) {
        words::clear(self);
        self.key = key;
        self.opened = packet.time;
        self.asked = packet.time;
        self.version = version;
        self.client = side as u8;
    }

    /// Takes a datagram of the client's that begins with an Initial.
    #[inline(always)]
    pub const fn note_initial(&mut self, time: u64, told: bool) {
        self.asked = time;
        self.initials = self.initials.saturating_add(1);
        self.told = self.told.saturating_add(told as u8);
    }

    /// Takes a datagram of the server's.
    #[inline(always)]
    pub const fn note_answer(&mut self, time: u64, told: bool) {
        if self.answers == 0 {
            self.answered = time;
        }
        self.answers = self.answers.saturating_add(1);
        self.told_answers = self.told_answers.saturating_add(told as u8);
    }

    /// Which end began.
    #[inline(always)]
    pub const fn client(&self) -> Side {
        Side::from_index(self.client)
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, QuicSet, SAME_ATTEMPT, WAYS, claim, place};

    #[test]
    fn free_places_go_first_then_the_client_silent_longest() {
        let mut set = QuicSet::default();
        for tag in 1..=WAYS as u64 {
            let claim = claim(&mut set, tag, 0).expect("a set has places");
            assert_eq!(claim, Claim { way: tag as usize - 1, evicted: false });
            set.records[claim.way].asked = 1_000 - tag;
        }
        let claimed = claim(&mut set, 99, 1_000).expect("a set has places");
        assert_eq!(claimed, Claim { way: 3, evicted: true });
        assert_eq!((place(&set, 4), place(&set, 99)), (None, Some(3)));
        set.records[3].asked = u64::MAX;
        let late = claim(&mut set, 98, SAME_ATTEMPT + 1_000).expect("a set has places");
        assert_eq!(late, Claim { way: 2, evicted: false }, "its attempt is long over");
    }
}
