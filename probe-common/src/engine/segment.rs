//! What one segment is to the connection on record: whether it begins another, is odd, belongs to what is captured.

use crate::{
    counter::Counter,
    event::OPENING_WINDOW,
    flow::{FlowRecord, Half, Side, Stage, ip_id_kind, state},
    seq,
    wire::{Packet, tcp_flag},
};

/// Whether a SYN on the ports of a known connection begins another: its sender has not sent this
/// very SYN before.
#[inline(always)]
pub(super) fn is_reuse(record: &FlowRecord, packet: &Packet, side: Side) -> bool {
    let syn = &record.half(side).syn;
    // Where the answer came first (the SYN was captured late), it is no other connection.
    let answered_before = syn.is_unseen()
        && record.is(state::SYN_ACK)
        && record.half(side.other()).acked == packet.seq.wrapping_add(1);
    !answered_before && (syn.is_unseen() || syn.isn != packet.seq)
}

/// Whether a segment is unlike those of its sender before it: its TTL is two or more outside their
/// range, or it pushes nothing; or it accepts the connection with another number than before.
#[inline(always)]
pub(super) fn is_odd(packet: &Packet, sender: &Half) -> bool {
    if packet.has(tcp_flag::SYN | tcp_flag::ACK) {
        return !sender.syn.is_unseen() && sender.syn.isn != packet.seq;
    }
    let flags = packet.flags & (tcp_flag::SYN | tcp_flag::FIN | tcp_flag::PSH);
    sender.has_baseline()
        && (sender.is_elsewhere(packet.hops) || flags == tcp_flag::PSH && packet.payload == 0)
}

/// Whether a segment's payload lies within the part of the stream that is captured.
#[inline(always)]
pub(super) fn in_opening(packet: &Packet, half: &mut Half) -> bool {
    // Less than a window below the highest number, which is two windows and more after the first.
    if half.kinds & ip_id_kind::OPENED != 0
        && seq::distance(half.end, packet.seq) < OPENING_WINDOW as i32
    {
        return false;
    }
    if half.syn.is_unseen() {
        // Without the beginning, the first data segments have to do.
        return half.data_segments < 2;
    }
    let offset = seq::distance(packet.seq, half.syn.isn.wrapping_add(1));
    if offset >= 2 * OPENING_WINDOW as i32 {
        half.kinds |= ip_id_kind::OPENED;
    }
    offset >= 0 && offset < OPENING_WINDOW as i32
}

/// Whether what moves the numbers of a connection has all been looked at, although it was not
/// watched from its SYN on. That shows by the initiator's first segment, if it acknowledges nothing
/// but the SYN+ACK; or by the responder's first, if it acknowledges all that the initiator has sent
/// until then.
#[inline(always)]
pub(super) fn is_complete(packet: &Packet, record: &FlowRecord, side: Side) -> bool {
    let (sender, peer) = (record.half(side), record.half(side.other()));
    let first = record.is(state::SYN | state::SYN_ACK)
        && packet.seq == sender.end
        && packet.seq == sender.syn.isn.wrapping_add(1)
        && packet.ack == peer.end;
    if side as u8 == record.initiator() as u8 {
        first && peer.end == peer.syn.isn.wrapping_add(1)
    } else {
        // All that the client has said so far, be it one segment or two, without a gap.
        let said = peer.end.wrapping_sub(peer.syn.isn.wrapping_add(1));
        first && peer.data_segments >= 1 && peer.octets >= said
    }
}

#[inline(always)]
pub(super) const fn stage_counter(stage: Stage, from_initiator: bool) -> Counter {
    match (stage, from_initiator) {
        (Stage::PostSyn, false) => Counter::ResetFromResponderPostSyn,
        (Stage::PostAck, false) => Counter::ResetFromResponderPostAck,
        (Stage::PostPsh, false) => Counter::ResetFromResponderPostPsh,
        (Stage::Later, false) => Counter::ResetFromResponderLater,
        (Stage::NoMatch, false) => Counter::ResetFromResponderNoMatch,
        (Stage::PostSyn, true) => Counter::ResetFromInitiatorPostSyn,
        (Stage::PostAck, true) => Counter::ResetFromInitiatorPostAck,
        (Stage::PostPsh, true) => Counter::ResetFromInitiatorPostPsh,
        (Stage::Later, true) => Counter::ResetFromInitiatorLater,
        (Stage::NoMatch, true) => Counter::ResetFromInitiatorNoMatch,
    }
}
