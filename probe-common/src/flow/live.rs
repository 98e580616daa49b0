//! A connection in the table, as a segment of it finds it and leaves it.

use core::sync::atomic::{Ordering, compiler_fence};

use super::{FlowKey, FlowRecord, Half, Side, state};
use crate::{
    wire::{Packet, tcp_flag},
    words,
};

/// A record, with the copy of its state that lies beside the tags.
///
/// The bulk of a connection finds all that it needs in two cache lines: the tags', and the first of its
/// sender's half.
pub struct Flow<'a> {
    /// The record.
    pub record: &'a mut FlowRecord,
    /// See [`state`]: the copy.
    pub state: &'a mut u32,
    /// Not 0: what is in the record is of two connections.
    ///
    /// While one CPU opens the record for another connection, a segment of the one that makes way may be
    /// under way on another CPU, which has found its place before and writes into it after. It looks again
    /// when it is done, and sets this. Who opens a record gives the place away first, then unsets this, then
    /// empties the record: so whatever is written into what has been emptied is followed by the mark, and with
    /// the next segment the record begins anew.
    pub torn: &'a mut u32,
}

impl Flow<'_> {
    /// Whether all of `bits` are set.
    #[inline(always)]
    pub const fn is(&self, bits: u32) -> bool {
        *self.state & bits == bits
    }

    /// Sets `bits`.
    #[inline(always)]
    pub const fn add(&mut self, bits: u32) {
        *self.state |= bits;
        self.record.state = *self.state;
    }

    /// Opens the record anew for another connection, of which `packet`, from `side`, is the first.
    ///
    /// A SYN leaves the other side's half as it was, since it has nothing to ask of it, and a flood of SYNs
    /// waits for each cache line that it writes. See [`FlowRecord::complete`].
    #[inline(always)]
    pub fn open(&mut self, key: FlowKey, packet: &Packet, side: Side) {
        // After the tags, which are written already, and before the rest: see `Self::torn`.
        compiler_fence(Ordering::SeqCst);
        *self.torn = 0;
        compiler_fence(Ordering::SeqCst);
        let alone = packet.has(tcp_flag::SYN) && !packet.has(tcp_flag::ACK);
        *self.state = if alone { blank(side.other()) } else { 0 };
        let record = &mut *self.record;
        record.key = key;
        record.state = *self.state;
        record.responder_rtt = 0;
        record.initiator_rtt = 0;
        record.told_after = [0; 2];
        record.opened = packet.time;
        words::clear(record.half_mut(side));
        if !alone {
            words::clear(record.half_mut(side.other()));
        }
    }

    /// See [`FlowRecord::complete`].
    #[inline(always)]
    pub fn complete(&mut self) {
        if *self.state & BLANK != 0 {
            self.record.complete();
            *self.state &= !BLANK;
        }
    }

    /// Takes a segment of `side` into the record.
    #[inline(always)]
    pub fn update(&mut self, packet: &Packet, side: Side) {
        self.update_state(packet, side);
        let half = self.record.half_mut(side);
        if half.packets == 0 {
            half.first = packet.time;
        }
        half.packets = half.packets.wrapping_add(1);
        half.last = packet.time;
        half.flags |= packet.flags;
        if packet.has(tcp_flag::RST) {
            half.note_reset(packet);
        } else {
            half.note_segment(packet);
        }
    }

    #[inline(always)]
    fn update_state(&mut self, packet: &Packet, side: Side) {
        if packet.has(tcp_flag::RST) {
            self.add(state::RESET);
        } else if packet.has(tcp_flag::SYN) {
            self.note_syn(packet, side);
        } else {
            if packet.has(tcp_flag::FIN) {
                self.add(state::FIN);
            }
            // In this order: who began is asked of the record, whose cache line this may be all to want.
            if packet.has(tcp_flag::ACK)
                && self.is(state::SYN_ACK)
                && !self.is(state::ESTABLISHED)
                && side as u8 == self.record.initiator() as u8
            {
                self.add(state::ESTABLISHED);
                let answered = self.record.half(side.other()).first;
                self.record.initiator_rtt = span(packet.time, answered);
            }
        }
    }

    #[inline(always)]
    fn note_syn(&mut self, packet: &Packet, side: Side) {
        let answer = packet.has(tcp_flag::ACK);
        if !self.is(state::BEGINNING_KNOWN) {
            self.add(state::BEGINNING_KNOWN);
            // The sender of a SYN began; the sender of a SYN+ACK did not.
            if (side as u8 == 1) != answer {
                self.add(state::HIGH_BEGAN);
            }
        }
        if answer {
            let asked: &Half = self.record.half(side.other());
            // Not from a repeated SYN: it is not known which one is answered (Karn's rule).
            let rtt = span(packet.time, asked.last);
            let known = asked.packets != 0;
            if !self.is(state::SYN_ACK) && known && !self.is(state::SYN_REPEATED) {
                self.record.responder_rtt = rtt;
            }
            self.add(state::SYN_ACK);
        } else {
            if self.is(state::SYN) {
                self.add(state::SYN_REPEATED);
            }
            self.add(state::SYN);
        }
    }
}

/// Either half is not there.
const BLANK: u32 = state::LOW_BLANK | state::HIGH_BLANK;

/// The bit that says that a side's half is as it was before the record was opened.
#[inline(always)]
const fn blank(side: Side) -> u32 {
    match side {
        Side::Low => state::LOW_BLANK,
        Side::High => state::HIGH_BLANK,
    }
}

impl FlowRecord {
    /// Makes a half empty that a SYN has left as it was: what is in it is another connection's.
    #[inline(always)]
    pub fn complete(&mut self) {
        if self.state & BLANK != 0 {
            let low = self.state & state::LOW_BLANK != 0;
            words::clear(self.half_mut(if low { Side::Low } else { Side::High }));
            self.state &= !BLANK;
        }
    }
}

/// The time from `from` to `to` in nanoseconds, at least 1 and at most what fits.
#[inline(always)]
const fn span(to: u64, from: u64) -> u32 {
    let span = to.saturating_sub(from);
    if span == 0 {
        1
    } else if span > u32::MAX as u64 {
        u32::MAX
    } else {
        span as u32
    }
}
