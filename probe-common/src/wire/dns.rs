//! UDP (RFC 768) and the fixed part of a DNS message (RFC 1035, section 4.1.1).

use super::{Located, Octets, Packet, ip, quirk};

/// Length of a UDP header.
pub const UDP_LEN: usize = 8;

/// Length of the fixed part of a message.
pub const DNS_LEN: usize = 12;

/// Bits of the DNS flags (RFC 1035, section 4.1.1; RFC 4035, section 3).
pub mod flag {
    /// Response.
    pub const QR: u16 = 0x8000;
    /// Authoritative answer.
    pub const AA: u16 = 0x0400;
    /// Truncated.
    pub const TC: u16 = 0x0200;
    /// Recursion desired.
    pub const RD: u16 = 0x0100;
    /// Recursion available.
    pub const RA: u16 = 0x0080;
    /// Reserved; zero by the standard.
    pub const Z: u16 = 0x0040;
    /// Authentic data.
    pub const AD: u16 = 0x0020;
    /// Checking disabled.
    pub const CD: u16 = 0x0010;
    /// The response code.
    pub const RCODE: u16 = 0x000f;
}

/// The fixed part of a DNS message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Transaction id.
    pub id: u16,
    /// Flags and response code, as they stand.
    pub flags: u16,
    /// Question, answer, authority and additional counts.
    pub counts: [u16; 4],
}

/// Reads a datagram into `packet`.
#[inline(always)]
pub fn describe<O: Octets>(octets: &O, found: &Located, packet: &mut Packet) -> Option<()> {
    ip::describe(octets, found, packet)?;
    let at = found.at;
    let ports = octets.u32(at)?;
    packet.source_port = (ports >> 16) as u16;
    packet.destination_port = ports as u16;
    let rest = octets.u32(at + 4)?;
    packet.checksum = rest as u16;
    if packet.checksum == 0 {
        packet.quirks |= quirk::UDP_NO_CHECKSUM;
    }
    let length = (rest >> 16) as usize;
    let fragmented = packet.quirks & quirk::MORE_FRAGMENTS != 0;
    if length != found.length && !fragmented {
        packet.quirks |= quirk::UDP_LENGTH;
    }
    packet.payload = found.length.saturating_sub(UDP_LEN) as u32;
    packet.payload_at = (at + UDP_LEN) as u16;
    Some(())
}

/// The ports of a datagram.
#[inline(always)]
pub fn ports<O: Octets>(octets: &O, found: &Located) -> Option<(u16, u16)> {
    let ports = octets.u32(found.at)?;
    Some(((ports >> 16) as u16, ports as u16))
}

/// Reads the fixed part of the message.
#[inline(always)]
pub fn header<O: Octets>(octets: &O, found: &Located) -> Option<Header> {
    let at = found.at + UDP_LEN;
    let first = octets.u32(at)?;
    let second = octets.u64(at + 4)?;
    Some(Header {
        id: (first >> 16) as u16,
        flags: first as u16,
        counts: [
            (second >> 48) as u16,
            (second >> 32) as u16,
            (second >> 16) as u16,
            second as u16,
        ],
    })
}
