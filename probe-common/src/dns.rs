//! What was asked over DNS, until it is answered, and answered again.
//!
//! The same shape as the flow table: sets of four, keyed hash, oldest out. A record outlives its
//! first answer, since the second one is what gives a forgery away.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{flow::FlowKey, wire::Packet, words};

/// Records in a set.
pub const WAYS: usize = 4;

/// How long after its first answer a question is still of interest, in nanoseconds: 2 s, the far
/// side of the 364 ms within which 99 % of genuine answers follow a forged one inside China
/// (Hoang et al., USENIX Security 2021).
pub const WINDOW: u64 = 2_000_000_000;

/// One question and what has come back so far.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DnsRecord {
    /// Addresses and ports.
    pub key: FlowKey,
    /// Time of the first query.
    pub asked: u64,
    /// Time of the latest query with this id: later than `asked` if it was repeated.
    pub asked_again: u64,
    /// Time of the first reply; 0: none yet.
    pub answered: u64,
    /// Hash of the question: see [`crate::wire::dns::question_hash`].
    pub question: u32,
    /// Transaction id.
    pub id: u16,
    /// DNS flags of the query.
    pub flags: u16,
    /// IP-ID of the query.
    pub query_ip_id: u16,
    /// Payload length of the query.
    pub query_len: u16,
    /// Times that the query was seen; stops at 255.
    pub queries: u8,
    /// Replies seen; stops at 255.
    pub replies: u8,
    /// TTL of the query.
    pub query_hops: u8,
    /// Additional records in the query: 1 where it had an OPT record.
    pub query_additional: u8,
    /// TTL of the first reply.
    pub reply_hops: u8,
    /// Explicit padding.
    pub reserved: u8,
    /// IP-ID of the first reply.
    pub reply_ip_id: u16,
    /// DNS flags of the first reply.
    pub reply_flags: u16,
    /// UDP checksum of the first reply: the same packet captured twice has the same.
    pub reply_checksum: u16,
}

const _: () = assert!(size_of::<DnsRecord>() == 88);

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DnsSet {
    /// Hash of each record's key and id; 0: the place is free.
    pub tags: [u64; WAYS],
    /// The records.
    pub records: [DnsRecord; WAYS],
}

/// Where the sets are kept.
pub trait DnsStore {
    /// The set at `index`, which the caller has masked to the table's size.
    fn dns_set(&mut self, index: u32) -> Option<&mut DnsSet>;
}

/// The record tagged `tag`.
#[inline(always)]
pub fn find(set: &mut DnsSet, tag: u64) -> Option<&mut DnsRecord> {
    let way = if set.tags[0] == tag {
        0
    } else if set.tags[1] == tag {
        1
    } else if set.tags[2] == tag {
        2
    } else if set.tags[3] == tag {
        3
    } else {
        return None;
    };
    set.records.get_mut(way)
}

/// A place for a new question.
pub struct Claim<'a> {
    /// The record, still holding what it held.
    pub record: &'a mut DnsRecord,
    /// Whether another question still wanted it.
    pub evicted: bool,
}

/// Claims a place for `tag` at time `now`: a free one, or that of the oldest question.
#[inline(always)]
pub fn claim(set: &mut DnsSet, tag: u64, now: u64) -> Option<Claim<'_>> {
    let mut way = 0;
    let mut oldest = u64::MAX;
    for candidate in 0..WAYS {
        let asked =
            if set.tags[candidate] == 0 { 0 } else { set.records[candidate].asked_again.max(1) };
        if asked < oldest {
            oldest = asked;
            way = candidate;
        }
    }
    *set.tags.get_mut(way)? = tag;
    let evicted = oldest != 0 && now.saturating_sub(oldest) < WINDOW;
    Some(Claim { record: set.records.get_mut(way)?, evicted })
}

impl DnsRecord {
    /// Opens the record for the question in `packet`.
    #[inline(always)]
    pub fn open(
        &mut self,
        key: FlowKey,
        packet: &Packet,
        header: &crate::wire::dns::Header,
        question: u32,
    ) {
        words::clear(self);
        self.key = key;
        self.asked = packet.time;
        self.asked_again = packet.time;
        self.question = question;
        self.queries = 1;
        self.id = header.id;
        self.flags = header.flags;
        self.query_ip_id = packet.ip_id;
        self.query_len = packet.payload as u16;
        self.query_hops = packet.hops;
        self.query_additional = if header.counts[3] > 255 { 255 } else { header.counts[3] as u8 };
    }

    /// Takes a reply into the record.
    #[inline(always)]
    pub fn note_reply(&mut self, packet: &Packet, header: &crate::wire::dns::Header) {
        if self.replies == 0 {
            self.answered = packet.time;
            self.reply_hops = packet.hops;
            self.reply_ip_id = packet.ip_id;
            self.reply_flags = header.flags;
            self.reply_checksum = packet.checksum;
        }
        self.replies = self.replies.saturating_add(1);
    }
}
