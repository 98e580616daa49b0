//! What a packet has that its flow's baseline has not: measures, not verdicts.
//!
//! All measures come from one packet and the record as it stood before it; nothing here remembers
//! anything. A bit in [`Tells::bits`] says that a measure is out of the ordinary, and is what the
//! kernel decides by whether an unwatched flow is worth telling of. What it means, with which
//! innocent explanations, is the judge's to say.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    flow::{FlowRecord, Half, Side, ip_id_kind, state},
    seq,
    wire::{Packet, option, quirk, tcp_flag},
    words,
};

/// What was out of the ordinary.
pub mod tell {
    /// The reset's sequence number lies below what its sender has already sent.
    pub const SEQ_BELOW: u32 = 1 << 0;
    /// It lies beyond all that its sender has sent and all that its peer has acknowledged.
    pub const SEQ_BEYOND: u32 = 1 << 1;
    /// A later reset of the same sender has another sequence number.
    pub const SEQ_MOVED: u32 = 1 << 2;
    /// A later reset of the same sender has another acknowledgment number.
    pub const ACK_MOVED: u32 = 1 << 3;
    /// The acknowledgment number lies beyond what the peer has sent.
    pub const ACK_BEYOND: u32 = 1 << 4;
    /// TTL two or more outside the sender's range.
    pub const HOPS: u32 = 1 << 5;
    /// IP-ID does not follow the sender's.
    pub const IP_ID: u32 = 1 << 6;
    /// DF differs from all the sender's packets.
    pub const DF: u32 = 1 << 7;
    /// DSCP differs from the sender's last packet.
    pub const CLASS: u32 = 1 << 8;
    /// TTL and window both rose since the sender's last reset.
    pub const RAMP: u32 = 1 << 9;
    /// It answers data sooner than the handshake shows that an answer can come.
    pub const TOO_SOON: u32 = 1 << 10;
    /// The sender went on after its own reset.
    pub const AFTER_RESET: u32 = 1 << 11;
    /// The reset carries payload.
    pub const PAYLOAD: u32 = 1 << 12;
    /// Flags that resets do not have: SYN, FIN, PSH, URG or a reserved bit.
    pub const FLAGS: u32 = 1 << 13;
    /// The sender negotiated timestamps, and the reset with an ACK has none.
    pub const NO_TIMESTAMP: u32 = 1 << 14;
    /// IP-ID equals that of the packet it answers, and is not zero.
    pub const MIRRORED: u32 = 1 << 15;

    /// Tells that a compliant endpoint hardly ever produces: enough to tell of a flow that nobody
    /// watches. TTL, IP-ID, DF and the like are not among them, since one in four genuine resets
    /// has one (Weaver et al., NDSS 2009, appendix C).
    pub const STRONG: u32 =
        SEQ_BEYOND | SEQ_MOVED | ACK_MOVED | RAMP | AFTER_RESET | PAYLOAD | TOO_SOON;
}

/// The measures of one packet against its flow.
///
/// A measure that cannot be made, for want of a baseline, is 0 and its bit is clear.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Tells {
    /// See [`tell`].
    pub bits: u32,
    /// Sequence number less the highest that the sender has sent.
    pub seq_from_end: i32,
    /// Sequence number less the highest that the peer has acknowledged, or, while it has acknowledged
    /// nothing, that the sender has sent.
    pub seq_from_acked: i32,
    /// Acknowledgment number less the highest that the peer has sent.
    pub ack_from_end: i32,
    /// Sequence number less that of the sender's last reset.
    pub seq_from_reset: i32,
    /// Window less that of the sender's last reset.
    pub window_from_reset: i32,
    /// TTL less that of the sender's last reset.
    pub hops_from_reset: i16,
    /// How far the TTL lies outside the range of the sender's other packets.
    pub hops_outside: i16,
    /// IP-ID less that of the sender's last other packet.
    pub ip_id_step: u16,
    /// Explicit padding.
    pub reserved: [u16; 5],
    /// Time since the peer last sent payload, or its SYN if it sent none, in nanoseconds.
    pub since_trigger: u64,
    /// Time since the sender's last reset, in nanoseconds; 0: none before.
    pub since_reset: u64,
}

const _: () = assert!(size_of::<Tells>() == 56);

/// Least gain over the handshake's round trip that counts, in nanoseconds: 1 ms (science of
/// `IMPOSSIBLE_RTT`: clocks and queues are not finer).
pub const SOON_MARGIN: u64 = 1_000_000;

/// Measures `packet`, sent by `side`, against `record` as it stood before.
#[inline(always)]
pub fn measure(packet: &Packet, record: &FlowRecord, side: Side, tells: &mut Tells) {
    words::clear(tells);
    let sender = record.half(side);
    let peer = record.half(side.other());
    let reset = packet.has(tcp_flag::RST);
    lineage(packet, sender, tells);
    if sender.reset_count() != 0 {
        against_reset(packet, sender, reset, tells);
    }
    if !reset {
        return;
    }
    numbers(packet, record, sender, peer, tells);
    timing(packet, record, peer, side, tells);
    oddities(packet, sender, peer, tells);
}

/// IP header fields against those of the sender's other packets.
#[inline(always)]
fn lineage(packet: &Packet, sender: &Half, tells: &mut Tells) {
    if !sender.has_baseline() {
        return;
    }
    let hops = i16::from(packet.hops);
    let (min, max) = (i16::from(sender.hops_min), i16::from(sender.hops_max));
    tells.hops_outside = if hops < min {
        hops - min
    } else if hops > max {
        hops - max
    } else {
        0
    };
    if tells.hops_outside > 1 || tells.hops_outside < -1 {
        tells.bits |= tell::HOPS;
    }
    // The ECN bits may change on the way, the upper six should not differ by direction.
    if packet.class >> 2 != sender.class >> 2 {
        tells.bits |= tell::CLASS;
    }
    if packet.version != 4 {
        return;
    }
    tells.ip_id_step = packet.ip_id.wrapping_sub(sender.ip_id);
    let follows = match packet.ip_id {
        0 => sender.kinds & ip_id_kind::ZERO != 0,
        _ if sender.kinds & ip_id_kind::FAR != 0 || sender.ip_id == 0 => true,
        _ => tells.ip_id_step <= ip_id_kind::NEAR_MAX,
    };
    if !follows {
        tells.bits |= tell::IP_ID;
    }
    let df = if packet.quirks & quirk::DF != 0 { ip_id_kind::DF_SET } else { ip_id_kind::DF_CLEAR };
    if sender.kinds & df == 0 {
        tells.bits |= tell::DF;
    }
}

/// A packet of a side that has already sent a reset.
#[inline(always)]
fn against_reset(packet: &Packet, sender: &Half, reset: bool, tells: &mut Tells) {
    let last = &sender.resets[1];
    tells.since_reset = packet.time.saturating_sub(last.time);
    tells.seq_from_reset = seq::distance(packet.seq, last.seq);
    if !reset {
        tells.bits |= tell::AFTER_RESET;
        return;
    }
    tells.window_from_reset = i32::from(packet.window) - i32::from(last.window);
    tells.hops_from_reset = i16::from(packet.hops) - i16::from(last.hops);
    if tells.seq_from_reset != 0 {
        tells.bits |= tell::SEQ_MOVED;
    }
    // An acknowledgment number without the flag is not one.
    if packet.has(tcp_flag::ACK)
        && u16::from(last.flags) & tcp_flag::ACK != 0
        && packet.ack != last.ack
    {
        tells.bits |= tell::ACK_MOVED;
    }
    if tells.hops_from_reset > 0 && tells.window_from_reset > 0 {
        tells.bits |= tell::RAMP;
    }
}

/// Sequence and acknowledgment numbers of a reset.
#[inline(always)]
fn numbers(packet: &Packet, record: &FlowRecord, sender: &Half, peer: &Half, tells: &mut Tells) {
    if sender.has_baseline() {
        tells.seq_from_end = seq::distance(packet.seq, sender.end);
    }
    // Of a peer that has acknowledged nothing yet, what was sent is all there is to go by.
    tells.seq_from_acked =
        if peer.has_acked() { seq::distance(packet.seq, peer.acked) } else { tells.seq_from_end };
    if peer.has_baseline() {
        tells.ack_from_end = seq::distance(packet.ack, peer.end);
    }
    if !record.is(state::FOLLOWED) || !sender.has_baseline() || !peer.has_baseline() {
        return;
    }
    if tells.seq_from_end < 0 {
        tells.bits |= tell::SEQ_BELOW;
    }
    // Two numbers of slack: SYN and FIN take one each, and either may have passed elsewhere.
    if tells.seq_from_end > 2 && tells.seq_from_acked > 2 {
        tells.bits |= tell::SEQ_BEYOND;
    }
    if packet.has(tcp_flag::ACK) && packet.ack != 0 && tells.ack_from_end > 2 {
        tells.bits |= tell::ACK_BEYOND;
    }
}

/// How soon a reset came after what it seems to answer.
#[inline(always)]
fn timing(packet: &Packet, record: &FlowRecord, peer: &Half, side: Side, tells: &mut Tells) {
    let trigger = if peer.data != 0 { peer.data } else { peer.first };
    if trigger == 0 {
        return;
    }
    tells.since_trigger = packet.time.saturating_sub(trigger);
    let rtt = if side as u8 == record.initiator() as u8 {
        record.initiator_rtt
    } else {
        record.responder_rtt
    };
    if peer.data != 0 && tells.since_trigger < u64::from(rtt).saturating_sub(SOON_MARGIN) {
        tells.bits |= tell::TOO_SOON;
    }
}

/// Payload, flags, options.
#[inline(always)]
fn oddities(packet: &Packet, sender: &Half, peer: &Half, tells: &mut Tells) {
    if packet.payload != 0 {
        tells.bits |= tell::PAYLOAD;
    }
    if packet.flags & !(tcp_flag::RST | tcp_flag::ACK) != 0 {
        tells.bits |= tell::FLAGS;
    }
    // RFC 7323, section 3.2: once negotiated, every segment but a reset must have it, and a reset
    // should. A stack without a socket cannot, so only resets that acknowledge count.
    if packet.has(tcp_flag::ACK) && sender.ts_value != 0 && packet.options & option::TIMESTAMPS == 0
    {
        tells.bits |= tell::NO_TIMESTAMP;
    }
    let answered = if peer.data != 0 { peer.data_ip_id } else { peer.ip_id };
    if packet.version == 4 && packet.ip_id != 0 && packet.ip_id == answered {
        tells.bits |= tell::MIRRORED;
    }
}
