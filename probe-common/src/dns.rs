//! What was asked over DNS, until it is answered, and answered again.
//!
//! The same shape as the flow table: sets of four, keyed hash, oldest out. A record outlives its
//! first answer, since the second one is what gives a forgery away.

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    flow::FlowKey,
    set::{self, Set, Tags, WAYS},
    wire::{
        Address, Packet,
        answer::{First, Opt},
        dns::Header,
        question::Question,
    },
    words,
};

/// How long after its first answer a question is still of interest, in nanoseconds: 2 s, the far
/// side of the 364 ms within which 99 % of genuine answers follow a forged one inside China
/// (Hoang et al., USENIX Security 2021).
pub const WINDOW: u64 = 2_000_000_000;

/// How long a question that was not answered may be repeated, in nanoseconds: 10 s. Stub resolvers
/// wait for one to five seconds, and what comes after may answer either.
pub const REPEAT: u64 = 10_000_000_000;

/// Replies to one question that are told, the first included. Whoever sends more has said what
/// there is to say, and the rest is counted.
pub const REPLIES_TOLD: u8 = 16;

/// What is worth knowing of a query or a reply beside its fields.
pub mod mark {
    /// A suffix of the name is on the list of watched names, or seems to be: the agent has to look.
    pub const WATCHED: u8 = 1 << 0;
    /// The name is spelled with capitals.
    pub const CAPITALS: u8 = 1 << 1;
    /// DNSSEC records are asked for.
    pub const DNSSEC_OK: u8 = 1 << 2;
    /// Of a reply: it repeats the query's question.
    pub const SAME_QUESTION: u8 = 1 << 3;
    /// Of a reply: it repeats the query's question as it was spelled there.
    pub const SAME_SPELLING: u8 = 1 << 4;
    /// The message goes on in a later fragment.
    pub const FRAGMENTED: u8 = 1 << 5;
}

/// One question and what has come back so far.
///
/// Of the first reply so much is kept that a second one can be held against it, although the first
/// may never have been told of.
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
    /// Hash of the question: see [`Question::hash`]. 0: it could not be read.
    pub question: u32,
    /// Hash of the question as it is spelled: see [`Question::exact`].
    pub exact: u32,
    /// Transaction id.
    pub id: u16,
    /// DNS flags of the query.
    pub flags: u16,
    /// IP-ID of the query.
    pub query_ip_id: u16,
    /// Payload length of the query.
    pub query_len: u16,
    /// UDP size that the query's OPT record offers; 0: it has none.
    pub query_opt: u16,
    /// Times that the query was seen; stops at 255.
    pub queries: u8,
    /// Replies seen; stops at 255.
    pub replies: u8,
    /// TTL of the query.
    pub query_hops: u8,
    /// Additional records in the query: 1 where it had an OPT record.
    pub query_additional: u8,
    /// Of the query: see [`mark`].
    pub marks: u8,
    /// Of the first reply: see [`mark`].
    pub reply_marks: u8,
    /// IP-ID of the first reply.
    pub reply_ip_id: u16,
    /// DNS flags of the first reply.
    pub reply_flags: u16,
    /// UDP checksum of the first reply: the same packet captured twice has the same.
    pub reply_checksum: u16,
    /// Payload length of the first reply.
    pub reply_len: u16,
    /// Answer, authority and additional records of the first reply.
    pub reply_counts: [u16; 3],
    /// Type of the first address that it answered, 1 or 28; 0: none among its first
    /// [`ANSWERS_MAX`](crate::wire::answer::ANSWERS_MAX) answers.
    pub reply_kind: u16,
    /// TTL of that address, in seconds.
    pub reply_ttl: u32,
    /// Quirks of the first reply: see [`crate::wire::quirk`].
    pub reply_quirks: u32,
    /// The first address that it answered.
    pub reply_address: Address,
    /// UDP size in the OPT record that the first reply ends with; 0: it does not end with one.
    pub reply_opt: u16,
    /// TTL of the first reply.
    pub reply_hops: u8,
    /// Explicit padding.
    pub reserved: [u8; 5],
}

const _: () = assert!(size_of::<DnsRecord>() == 136);

/// One set.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DnsSet {
    /// Hash of each record's key and id; 0: the place is free.
    pub tags: Tags,
    /// The records.
    pub records: [DnsRecord; WAYS],
}

// SAFETY: the offsets are those of the fields.
unsafe impl Set for DnsSet {
    type Record = DnsRecord;
    const TAGS: usize = offset_of!(Self, tags);
    const RECORDS: usize = offset_of!(Self, records);
}

/// Where the sets are kept.
pub trait DnsStore {
    /// The set at `index`, which the caller has masked to the table's size.
    fn dns_set(&mut self, index: u32) -> Option<&mut DnsSet>;
}

/// What a query says beside its header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// The question; all zero if it cannot be read.
    pub question: Question,
    /// Its OPT record.
    pub opt: Opt,
    /// See [`mark`].
    pub marks: u8,
}

/// What a reply says beside its header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answered {
    /// The first address among its answers.
    pub first: First,
    /// Its OPT record.
    pub opt: Opt,
    /// See [`mark`].
    pub marks: u8,
}

/// The record tagged `tag`.
#[inline(always)]
pub fn find(set: &mut DnsSet, tag: u64) -> Option<&mut DnsRecord> {
    let way = place(set, tag)?;
    set.records.get_mut(way)
}

/// The place of the record tagged `tag`, below [`WAYS`].
#[inline(always)]
pub const fn place(set: &DnsSet, tag: u64) -> Option<usize> {
    set::place(&set.tags, tag)
}

/// A place for a new question.
pub struct Claim<'a> {
    /// The record, still holding what it held.
    pub record: &'a mut DnsRecord,
    /// Whether another question still wanted it.
    pub evicted: bool,
}

/// Claims a place for `tag` at time `now`: a free one, that of the oldest question of which nothing more
/// is to be expected, or that of the oldest, where one for a watched name counts as [`SOUGHT`] younger.
#[inline(always)]
pub fn claim(set: &mut DnsSet, tag: u64, now: u64) -> Option<Claim<'_>> {
    let DnsSet { tags, records } = set;
    // Times are far below half of what a number holds: all that is done comes before all else.
    let rank = |way: usize| {
        let record = &records[way];
        if record.is_done(now) { record.asked_again.max(1) } else { record.worth() | WANTED }
    };
    let (way, first) = set::claim(tags, tag, rank)?;
    Some(Claim { record: records.get_mut(way)?, evicted: first >= WANTED })
}

/// How much younger a question for a watched name counts, in nanoseconds: 8 s. Whatever else is asked
/// meanwhile, its answers come before that. Further ones for watched names push it out all the same.
pub const SOUGHT: u64 = 8_000_000_000;

const _: () = assert!(mark::WATCHED == 1, "it is multiplied by");

/// Puts a question behind all of which nothing more is to be expected.
const WANTED: u64 = 1 << 63;

impl DnsRecord {
    /// Whether nothing more is to be expected at `now`: it was answered [`WINDOW`] ago, or asked
    /// [`REPEAT`] ago.
    #[inline(always)]
    const fn is_done(&self, now: u64) -> bool {
        self.replies != 0 && now.saturating_sub(self.answered) >= WINDOW
            || now.saturating_sub(self.asked_again) >= REPEAT
    }

    /// By when it was asked, and what for, it is told from others of its set which is worth most.
    #[inline(always)]
    const fn worth(&self) -> u64 {
        // Without a branch, which the verifier would follow for each place.
        self.asked_again + (self.marks & mark::WATCHED) as u64 * SOUGHT
    }

    /// Opens the record for the question in `packet`.
    #[inline(always)]
    pub fn open(&mut self, key: FlowKey, packet: &Packet, header: &Header, asked: &Asked) {
        words::clear(self);
        self.key = key;
        self.asked = packet.time;
        self.asked_again = packet.time;
        self.question = asked.question.hash;
        self.exact = asked.question.exact;
        self.queries = 1;
        self.id = header.id;
        self.flags = header.flags;
        self.query_ip_id = packet.ip_id;
        self.query_len = packet.payload as u16;
        self.query_hops = packet.hops;
        self.query_additional = if header.counts[3] > 255 { 255 } else { header.counts[3] as u8 };
        self.query_opt = asked.opt.size;
        self.marks = asked.marks;
    }

    /// Takes a reply into the record.
    #[inline(always)]
    pub fn note_reply(&mut self, packet: &Packet, header: &Header, answered: &Answered) {
        if self.replies == 0 {
            self.answered = packet.time;
            self.reply_hops = packet.hops;
            self.reply_ip_id = packet.ip_id;
            self.reply_flags = header.flags;
            self.reply_checksum = packet.checksum;
            self.reply_len = packet.payload as u16;
            let [_, answers, authorities, additional] = header.counts;
            self.reply_counts = [answers, authorities, additional];
            self.reply_quirks = packet.quirks;
            self.reply_marks = answered.marks;
            self.reply_kind = answered.first.kind;
            self.reply_ttl = answered.first.ttl;
            self.reply_address = answered.first.address;
            self.reply_opt = answered.opt.size;
        }
        self.replies = self.replies.saturating_add(1);
    }
}
