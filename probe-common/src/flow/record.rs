//! The record of one connection.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{FlowKey, ResetMark, Side, SynMark};
use crate::{
    seq,
    wire::{Packet, quirk, tcp_flag},
};

/// What is known of a connection as a whole.
pub mod state {
    /// [`Side::High`](super::Side::High) began the connection; otherwise the low end did.
    pub const HIGH_BEGAN: u32 = 1 << 0;
    /// Who began is known: a SYN or SYN+ACK was seen.
    pub const BEGINNING_KNOWN: u32 = 1 << 1;
    /// The SYN was seen.
    pub const SYN: u32 = 1 << 2;
    /// The SYN+ACK was seen.
    pub const SYN_ACK: u32 = 1 << 3;
    /// The ACK that completes the handshake was seen.
    pub const ESTABLISHED: u32 = 1 << 4;
    /// Everything since the SYN that moves them was followed, so the highest sequence numbers are
    /// exact.
    pub const FOLLOWED: u32 = 1 << 5;
    /// A FIN was seen from either side.
    pub const FIN: u32 = 1 << 6;
    /// A reset was seen from either side.
    pub const RESET: u32 = 1 << 7;
    /// The SYN was sent more than once: round-trip times from it are ambiguous (Karn).
    pub const SYN_REPEATED: u32 = 1 << 8;
    /// A segment was unlike those of its sender before it, and was told of.
    pub const ODD: u32 = 1 << 9;
    /// The low side's half is not this connection's yet, and counts as empty: see
    /// [`FlowRecord::complete`](super::FlowRecord::complete). Nobody else is shown a record that has it.
    pub const LOW_BLANK: u32 = 1 << 10;
    /// The same of the high side's.
    pub const HIGH_BLANK: u32 = 1 << 11;
}

/// How the IP-ID of a sender moved from one packet to the next, as a set.
pub mod ip_id_kind {
    /// It was zero.
    pub const ZERO: u8 = 1 << 0;
    /// It stayed.
    pub const SAME: u8 = 1 << 1;
    /// It rose by up to [`NEAR_MAX`].
    pub const NEAR: u8 = 1 << 2;
    /// It went anywhere else.
    pub const FAR: u8 = 1 << 3;
    /// "Don't fragment" was set.
    pub const DF_SET: u8 = 1 << 4;
    /// "Don't fragment" was clear.
    pub const DF_CLEAR: u8 = 1 << 5;
    /// Not of the IP-ID: it has acknowledged something, so that [`Half::acked`](super::Half::acked)
    /// holds a number.
    pub const ACKED: u8 = 1 << 6;
    /// Not of the IP-ID: it has sent twice [`OPENING_WINDOW`](crate::event::OPENING_WINDOW) and more
    /// since its SYN, which lies in another cache line and need not be read for what follows.
    pub const OPENED: u8 = 1 << 7;

    /// Largest step of a counter that other flows share and that still counts as following it.
    pub const NEAR_MAX: u16 = 1024;
}

/// What one side sent.
///
/// Only that side's packets write it. A NIC keeps one direction of a flow on one CPU, so each half
/// has one writer at a time and there is no lock; halves begin on cache lines of their own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Half {
    /// Time of its first packet; 0: none seen.
    pub first: u64,
    /// Time of its last packet.
    pub last: u64,
    /// Time of its last packet with payload; 0: none seen.
    pub data: u64,
    /// Highest sequence number after any of its segments.
    pub end: u32,
    /// Highest acknowledgment number it sent; means nothing before [`Half::has_acked`].
    pub acked: u32,
    /// Packets.
    pub packets: u32,
    /// Payload octets, retransmissions included; wraps.
    pub octets: u32,
    /// Segments with payload that went beyond all before.
    pub data_segments: u16,
    /// Segments with payload, SYN or FIN that did not.
    pub repeated: u16,
    /// All TCP flags seen.
    pub flags: u16,
    /// IP-ID of its last packet that was no reset.
    pub ip_id: u16,
    /// IP-ID of its last packet with payload.
    pub data_ip_id: u16,
    /// Window of its last packet that was no reset.
    pub window: u16,
    /// Least TTL of its packets that were no resets.
    pub hops_min: u8,
    /// Largest.
    pub hops_max: u8,
    /// Traffic class of its last packet that was no reset.
    pub class: u8,
    /// See [`ip_id_kind`].
    pub kinds: u8,
    /// Last timestamp value (RFC 7323); 0: none.
    pub ts_value: u32,
    /// IPv6 flow label of its last packet that was no reset.
    pub flow_label: u32,
    /// Its SYN or SYN+ACK.
    pub syn: SynMark,
    /// Its first reset and its latest.
    pub resets: [ResetMark; 2],
}

/// The record of one connection: 320 octets, five cache lines.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowRecord {
    /// Whose record it is.
    pub key: FlowKey,
    /// See [`state`]. In the table it is kept twice: see [`FlowBlock::states`](super::FlowBlock::states).
    pub state: u32,
    /// From the last SYN to the SYN+ACK, in nanoseconds, at most 4.29 s: the round trip between
    /// here and the responder. 0: not known.
    pub responder_rtt: u32,
    /// From the SYN+ACK to the ACK: the round trip between here and the initiator. 0: not known.
    pub initiator_rtt: u32,
    /// Segments told of after a reset of either side, by the [`Side`] that sent them.
    pub told_after: [u16; 2],
    /// When the record was opened.
    pub opened: u64,
    /// What each side sent, by [`Side`].
    pub halves: [Half; 2],
}

const _: () = assert!(size_of::<Half>() == 128);
const _: () = assert!(size_of::<FlowRecord>() == 320);

impl FlowRecord {
    /// What `side` sent.
    #[inline(always)]
    pub const fn half(&self, side: Side) -> &Half {
        match side {
            Side::Low => &self.halves[0],
            Side::High => &self.halves[1],
        }
    }

    /// What `side` sent, to be written.
    #[inline(always)]
    pub const fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Low => &mut self.halves[0],
            Side::High => &mut self.halves[1],
        }
    }

    /// Which end began the connection: known from SYN or SYN+ACK, otherwise the end with the
    /// higher port, as servers listen on low ones.
    #[inline(always)]
    pub const fn initiator(&self) -> Side {
        let high = if self.state & state::BEGINNING_KNOWN != 0 {
            self.state & state::HIGH_BEGAN != 0
        } else {
            self.key.high_port > self.key.low_port
        };
        if high { Side::High } else { Side::Low }
    }

    /// Counts a segment told of after a reset; returns how many of `side` were told before it.
    #[inline(always)]
    pub const fn tell_after(&mut self, side: Side) -> u16 {
        let told = match side {
            Side::Low => &mut self.told_after[0],
            Side::High => &mut self.told_after[1],
        };
        let before = *told;
        *told = before.saturating_add(1);
        before
    }

    /// Whether all of `bits` are set.
    #[inline(always)]
    pub const fn is(&self, bits: u32) -> bool {
        self.state & bits == bits
    }

    /// Time of the last packet of either side.
    #[inline(always)]
    pub const fn last(&self) -> u64 {
        let [low, high] = &self.halves;
        if low.last > high.last { low.last } else { high.last }
    }
}

impl Half {
    #[inline(always)]
    pub(super) fn note_segment(&mut self, packet: &Packet) {
        let end = packet.end();
        let before = self.has_baseline();
        if !before {
            self.end = end;
            self.hops_min = packet.hops;
            self.hops_max = packet.hops;
        }
        let fresh = !before || seq::after(end, self.end);
        if end != packet.seq {
            if fresh {
                self.end = end;
            } else {
                self.repeated = self.repeated.saturating_add(1);
            }
        }
        // A SYN's field is 0 and no number to compare with: half of all numbers lie "before" it.
        if packet.has(tcp_flag::ACK) && (!self.has_acked() || seq::after(packet.ack, self.acked)) {
            self.acked = packet.ack;
            self.kinds |= ip_id_kind::ACKED;
        }
        if packet.payload != 0 {
            self.data = packet.time;
            self.data_ip_id = packet.ip_id;
            self.octets = self.octets.wrapping_add(packet.payload);
            if fresh {
                self.data_segments = self.data_segments.saturating_add(1);
            }
        }
        if packet.has(tcp_flag::SYN) {
            self.note_syn(packet);
        }
        self.kinds |= kinds(packet, if before { Some(self.ip_id) } else { None });
        self.ip_id = packet.ip_id;
        self.window = packet.window;
        self.class = packet.class;
        self.flow_label = packet.flow_label;
        if packet.hops < self.hops_min {
            self.hops_min = packet.hops;
        }
        if packet.hops > self.hops_max {
            self.hops_max = packet.hops;
        }
        if packet.options & crate::wire::option::TIMESTAMPS != 0 {
            self.ts_value = packet.ts_value;
        }
    }

    #[inline(always)]
    fn note_syn(&mut self, packet: &Packet) {
        if !self.syn.is_unseen() {
            return;
        }
        self.syn = SynMark {
            isn: packet.seq,
            mss: packet.mss,
            window: packet.window,
            ip_id: packet.ip_id,
            interface: packet.interface as u16,
            hops: packet.hops,
            options: packet.options,
            window_scale: packet.window_scale,
            marks: (packet.quirks & quirk::DF != 0) as u8 | packet.hook << 1,
        };
    }

    #[inline(always)]
    pub(super) fn note_reset(&mut self, packet: &Packet) {
        let mark = ResetMark {
            time: packet.time,
            seq: packet.seq,
            ack: packet.ack,
            ip_id: packet.ip_id,
            window: packet.window,
            count: self.resets[1].count.saturating_add(1),
            hops: packet.hops,
            flags: packet.flags as u8,
        };
        if mark.count == 1 {
            self.resets[0] = mark;
        }
        self.resets[1] = mark;
    }

    /// Whether any packet other than a reset was seen from this side: a TTL is never 0 on the wire.
    #[inline(always)]
    pub const fn has_baseline(&self) -> bool {
        self.hops_max != 0
    }

    /// Whether a TTL lies two or more outside the range of this side's; means nothing before [`Half::has_baseline`].
    #[inline(always)]
    pub const fn is_elsewhere(&self, hops: u8) -> bool {
        (hops as u16) + 1 < self.hops_min as u16 || hops as u16 > self.hops_max as u16 + 1
    }

    /// Whether it has acknowledged anything.
    #[inline(always)]
    pub const fn has_acked(&self) -> bool {
        self.kinds & ip_id_kind::ACKED != 0
    }

    /// How many resets this side sent.
    #[inline(always)]
    pub const fn reset_count(&self) -> u16 {
        self.resets[1].count
    }
}

/// How the IP-ID moved from `before`, and what DF said.
#[inline(always)]
fn kinds(packet: &Packet, before: Option<u16>) -> u8 {
    if packet.version != 4 {
        return 0;
    }
    let df = if packet.quirks & quirk::DF != 0 { ip_id_kind::DF_SET } else { ip_id_kind::DF_CLEAR };
    let moved = if packet.ip_id == 0 {
        ip_id_kind::ZERO
    } else if let Some(before @ 1..) = before {
        // Linux sends its SYN+ACK with 0 and then counts from anywhere: a step from 0 says nothing.
        match packet.ip_id.wrapping_sub(before) {
            0 => ip_id_kind::SAME,
            1..=ip_id_kind::NEAR_MAX => ip_id_kind::NEAR,
            _ => ip_id_kind::FAR,
        }
    } else {
        0
    };
    df | moved
}
