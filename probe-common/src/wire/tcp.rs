//! TCP (RFC 9293, section 3.1).

use super::{Located, Octets, Packet, ip, option, quirk, tcp_flag};

const LEN: usize = 20;

/// TCP options that are told apart; later ones are kept raw but not interpreted.
pub const OPTIONS_MAX: usize = 12;

/// The flags of a segment.
#[inline(always)]
pub fn flags<O: Octets>(octets: &O, found: &Located) -> Option<u16> {
    Some(octets.u16(found.at + 12)? & 0x0fff)
}

/// Where the payload begins, relative to the TCP header; clamped to what a header can be.
#[inline(always)]
pub fn header_len<O: Octets>(octets: &O, found: &Located) -> Option<usize> {
    Some(usize::from(octets.u8(found.at + 12)? >> 4) * 4)
}

/// Reads a segment into `packet`, all fields.
///
/// `None` if the capture or the packet ends inside the fixed header.
#[inline(always)]
pub fn describe<O: Octets>(octets: &O, found: &Located, packet: &mut Packet) -> Option<()> {
    ip::describe(octets, found, packet)?;
    let at = found.at;
    let ports = octets.u32(at)?;
    packet.source_port = (ports >> 16) as u16;
    packet.destination_port = ports as u16;
    packet.seq = octets.u32(at + 4)?;
    packet.ack = octets.u32(at + 8)?;
    let control = octets.u32(at + 12)?;
    packet.flags = (control >> 16) as u16 & 0x0fff;
    packet.window = control as u16;
    let tail = octets.u32(at + 16)?;
    packet.checksum = (tail >> 16) as u16;
    packet.urgent = tail as u16;

    let mut header = (control >> 28) as usize * 4;
    if header < LEN || header > found.length {
        packet.quirks |= quirk::TCP_LENGTH;
        header = LEN;
    }
    packet.options_len = (header - LEN) as u8;
    packet.payload = found.length.saturating_sub(header) as u32;
    packet.payload_at = (at + header) as u16;
    packet.mss = 0;
    packet.window_scale = 0;
    packet.options = 0;
    packet.ts_value = 0;
    packet.ts_echo = 0;
    for (slot, word) in packet.raw_options.iter_mut().enumerate() {
        *word = if LEN + slot * 4 < header {
            octets.u32(at + LEN + slot * 4).unwrap_or_default()
        } else {
            0
        };
    }
    read_options(packet);
    Some(())
}

/// Interprets the raw options.
///
/// They are read from the packet record, not from the packet: a record has a fixed size, so any
/// masked index is in bounds, and the verifier need not follow each possible length of each option
/// through the packet.
#[inline(always)]
fn read_options(packet: &mut Packet) {
    const TIMESTAMPS_ALIGNED: u32 = 0x0101_080a;
    let end = usize::from(packet.options_len);
    // What nearly every data segment has: no-op, no-op, timestamps (RFC 7323, appendix A).
    if end == 12 && packet.raw_options[0] == TIMESTAMPS_ALIGNED {
        packet.options = option::TIMESTAMPS;
        packet.ts_value = packet.raw_options[1];
        packet.ts_echo = packet.raw_options[2];
        return;
    }
    let mut at = 0;
    for _ in 0..OPTIONS_MAX {
        if at >= end {
            return;
        }
        let kind = octet(packet, at);
        if kind == 0 {
            return;
        }
        if kind == 1 {
            at += 1;
            continue;
        }
        let len = usize::from(octet(packet, at + 1));
        if len < 2 || at + len > end {
            packet.options |= option::BROKEN;
            return;
        }
        match (kind, len) {
            (2, 4) => {
                packet.options |= option::MSS;
                packet.mss =
                    u16::from(octet(packet, at + 2)) << 8 | u16::from(octet(packet, at + 3));
            }
            (3, 3) => {
                packet.options |= option::WINDOW_SCALE;
                packet.window_scale = octet(packet, at + 2);
            }
            (4, 2) => packet.options |= option::SACK_PERMITTED,
            (5, _) => packet.options |= option::SACK,
            (8, 10) => {
                packet.options |= option::TIMESTAMPS;
                packet.ts_value = word(packet, at + 2);
                packet.ts_echo = word(packet, at + 6);
            }
            (34, _) => packet.options |= option::FAST_OPEN,
            _ => packet.options |= option::OTHER,
        }
        at += len;
    }
}

#[inline(always)]
fn octet(packet: &Packet, at: usize) -> u8 {
    // Beyond the 40 octets of options there is nothing; the bound is for the verifier.
    match packet.raw_options.get(at / 4) {
        Some(word) => (word >> (24 - 8 * (at & 3))) as u8,
        None => 0,
    }
}

#[inline(always)]
fn word(packet: &Packet, at: usize) -> u32 {
    u32::from(octet(packet, at)) << 24
        | u32::from(octet(packet, at + 1)) << 16
        | u32::from(octet(packet, at + 2)) << 8
        | u32::from(octet(packet, at + 3))
}

/// Whether a payload that begins with these octets opens a conversation worth reading: a TLS
/// ClientHello (RFC 8446, section 4.1.2) or an HTTP/1 request.
#[inline(always)]
pub const fn opens_conversation(head: u32, next: u32) -> bool {
    // Record type 22, major version 3; then, after two octets of length, handshake type 1.
    if head >> 16 == 0x1603 && (next >> 16) & 0xff == 1 {
        return true;
    }
    matches!(
        &head.to_be_bytes(),
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" | b"CONN" | b"DELE" | b"PATC" | b"PRI "
    )
}

/// Whether the flags open or close a connection.
#[inline(always)]
pub const fn is_control(flags: u16) -> bool {
    flags & (tcp_flag::SYN | tcp_flag::FIN | tcp_flag::RST) != 0
}
