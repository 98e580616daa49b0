//! What is held against one connection: its resets, what came after them, and what its responder
//! sent first.

use std::sync::Arc;

use bytes::Bytes;
use probe_common::{
    event::TcpEvent,
    flow::{FlowKey, FlowRecord, Half, Side, state},
    seq,
    tells::Tells,
    wire::{Packet, tcp_flag},
};

use super::{
    hello::{ENCRYPTED, Traits},
    turns::Turn,
};
use crate::{names::tls::ech::Use, report::finding::Told};

/// Pieces of evidence kept of each kind in one case, the first half and the latest: injectors of bursts
/// send some ten resets to each end.
pub const EVIDENCE_MAX: usize = 64;

/// How far apart the resets of one burst are, in nanoseconds: devices take microseconds, slow tools and
/// paths that spread a burst take longer.
pub(super) const BURST: u64 = 300_000_000;

/// First number of a packet that is in no capture.
pub(super) const LIVE: u64 = 1 << 63;

/// One event of a case.
#[derive(Clone, Debug)]
pub struct Seen {
    event: Arc<TcpEvent>,
    number: u64,
    /// Payload of the packet, as far as it was captured.
    pub payload: Bytes,
}

impl Seen {
    /// Octets of memory that it takes, where nobody else has it.
    const fn octets(&self) -> usize {
        size_of::<Self>() + size_of::<TcpEvent>() + self.payload.len()
    }

    /// `number` tells it apart from all other packets of the run.
    pub(super) fn new(event: &TcpEvent, payload: &[u8], number: u64) -> Self {
        Self { event: Arc::new(*event), number, payload: Bytes::copy_from_slice(payload) }
    }

    /// What tells it apart from all other packets of the run: its number in the capture, or, live, a
    /// number far beyond those of captures.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The packet.
    pub fn packet(&self) -> &Packet {
        &self.event.packet
    }

    /// Its measures.
    pub fn tells(&self) -> &Tells {
        &self.event.tells
    }

    /// The connection as it stood before it.
    pub fn flow(&self) -> &FlowRecord {
        &self.event.flow
    }

    /// Which end it claims to come from.
    pub fn side(&self) -> Side {
        Side::from_index(self.event.header.side)
    }
}

/// What a connection is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Name that the initiator asked for.
    pub name: Option<String>,
    /// Whether it belongs to a watched service.
    pub watched: bool,
    /// What else its ClientHello says, if it was seen to its end.
    pub traits: Option<Traits>,
    /// Whether Encrypted ClientHello was used in it; none without that extension.
    pub ech: Option<Use>,
}

impl Subject {
    /// What to tell it by from others at the same address: the name, or that it is encrypted.
    pub fn label(&self) -> Option<&str> {
        label(self.name.as_deref(), self.traits.as_ref())
    }
}

/// See [`Subject::label`].
pub(super) fn label<'a>(name: Option<&'a str>, traits: Option<&Traits>) -> Option<&'a str> {
    name.or_else(|| traits.is_some_and(|traits| traits.esni).then_some(ENCRYPTED))
}

/// The resets of one connection, what came after them, and what its responder sent first.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where it stands among those to be closed.
    pub(super) turn: Turn,
    /// How much of its evidence is in the sum of all.
    pub(super) counted: usize,
    /// What has been told of it.
    pub(super) told: Option<Told>,
    /// The connection.
    pub key: FlowKey,
    /// What it is about, as far as that is known by now.
    pub subject: Subject,
    resets: Vec<Seen>,
    after: Vec<Seen>,
    content: Vec<Seen>,
    dropped: u64,
}

impl Case {
    pub(super) const fn new(key: FlowKey) -> Self {
        Self {
            turn: (0, 0),
            counted: 0,
            told: None,
            key,
            subject: Subject { name: None, watched: false, traits: None, ech: None },
            resets: Vec::new(),
            after: Vec::new(),
            content: Vec::new(),
            dropped: 0,
        }
    }

    pub(super) fn add_reset(&mut self, seen: Seen) {
        add(&mut self.resets, seen, &mut self.dropped);
    }

    pub(super) fn add_after(&mut self, seen: Seen) {
        add(&mut self.after, seen, &mut self.dropped);
    }

    pub(super) fn add_content(&mut self, pieces: impl IntoIterator<Item = Seen>) {
        for piece in pieces {
            add(&mut self.content, piece, &mut self.dropped);
        }
    }

    /// Octets that its evidence takes.
    pub(super) fn octets(&self) -> usize {
        let lists = [&self.resets, &self.after, &self.content];
        lists.into_iter().flatten().map(Seen::octets).sum()
    }

    /// Pieces of evidence that found no room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The resets that claim to come from `side`, in the order they came.
    pub fn resets_of(&self, side: Side) -> impl Iterator<Item = &Seen> {
        self.resets.iter().filter(move |seen| seen.side() == side)
    }

    /// The resets of one burst: those in the name of the same side, with the same flags, within
    /// 300 ms of `reset`. A genuine one of the same connection has other flags or comes later.
    pub fn burst_of(&self, reset: &Seen) -> impl Iterator<Item = &Seen> {
        let (side, flags, time) = (reset.side(), reset.packet().flags, reset.packet().time);
        self.resets_of(side).filter(move |other| {
            other.packet().flags == flags && other.packet().time.abs_diff(time) <= BURST
        })
    }

    /// How many resets claim to come from `side`.
    pub fn reset_count(&self, side: Side) -> usize {
        self.resets_of(side).count()
    }

    /// The segments in which the responder sent the beginning of what it said, repeated ones too,
    /// in the order they came.
    pub fn content(&self) -> &[Seen] {
        &self.content
    }

    /// What `side` sent, other than resets, after either side's first reset.
    pub fn after_of(&self, side: Side) -> impl Iterator<Item = &Seen> {
        self.after.iter().filter(move |seen| seen.side() == side)
    }

    /// The connection as it stood before its first reset, or before what its responder said first
    /// where there is no reset.
    pub fn before(&self) -> Option<&FlowRecord> {
        self.resets.first().or(self.content.first()).map(Seen::flow)
    }

    /// Which end began the connection.
    pub fn initiator(&self) -> Side {
        self.before().map_or(Side::Low, FlowRecord::initiator)
    }

    /// Whether packets of both directions were seen before the first reset.
    pub fn seen_both_ways(&self) -> bool {
        self.before().is_some_and(|flow| flow.halves.iter().all(Half::has_baseline))
    }

    /// Whether it is known what `side` had sent by the time of `reset`: the connection was followed from
    /// its SYN on, in both directions, and the side's numbers have no gap, as the losses of a capture
    /// leave.
    pub fn is_exact(&self, reset: &Seen, side: Side) -> bool {
        let half = reset.flow().half(side);
        let sent = half.end.wrapping_sub(half.syn.isn.wrapping_add(1));
        self.followed()
            && self.seen_both_ways()
            && !half.syn.is_unseen()
            && half.octets.saturating_add(1) >= sent
    }

    /// Whether an abort of the same side before `reset` explains its number: a stack aborts at what it
    /// has sent, which the capture may not show, and answers what then comes at no higher a number.
    pub fn explained_by_abort(&self, reset: &Seen) -> bool {
        let bare = !reset.packet().has(tcp_flag::ACK);
        bare && self.resets_of(reset.side()).any(|abort| {
            abort.packet().has(tcp_flag::ACK)
                && abort.packet().time <= reset.packet().time
                && seq::distance(reset.packet().seq, abort.packet().seq) <= 0
        })
    }

    /// Whether the connection was followed from its SYN on.
    pub fn followed(&self) -> bool {
        self.before().is_some_and(|flow| flow.is(state::FOLLOWED))
    }

    /// What to call `side`.
    pub fn role(&self, side: Side) -> &'static str {
        if side == self.initiator() { "the client" } else { "the server" }
    }
}

/// Adds a piece: of more than there is room for, the first half and the latest are kept. An injector that
/// fires at each packet of a download sends many resets that come too late before one that counts.
fn add(list: &mut Vec<Seen>, seen: Seen, dropped: &mut u64) {
    if list.len() == EVIDENCE_MAX {
        list.remove(EVIDENCE_MAX / 2);
        *dropped += 1;
    }
    list.push(seen);
}
