//! ICMP (RFC 792) and ICMPv6 (RFC 4443) errors, and the packet that they quote.

use super::{Address, Located, Octets, Packet, ip, protocol};
use crate::flow::{FlowKey, Side};

/// Length of the ICMP header before the quoted packet, both versions.
const LEN: usize = 8;

/// The flow that an error is about, as its quoted packet has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quoted {
    /// Source address of the quoted packet.
    pub source: Address,
    /// Its destination.
    pub destination: Address,
    /// Its source port.
    pub source_port: u16,
    /// Its destination port.
    pub destination_port: u16,
    /// Its protocol.
    pub protocol: u8,
    /// Its TTL or hop limit when the error was made.
    pub hops: u8,
    /// Its sequence number, if it was TCP.
    pub seq: u32,
}

impl Quoted {
    /// The key of the flow that the error is about, and which end sent the quoted packet. The VLAN is
    /// that of the error.
    #[inline(always)]
    pub fn flow(&self, vlan: [u16; 2]) -> (FlowKey, Side) {
        let from = (self.source, self.source_port);
        FlowKey::new(from, (self.destination, self.destination_port), vlan, self.protocol)
    }
}

/// Whether type `kind` is an error that quotes a packet.
#[inline(always)]
pub const fn is_error(version: u8, kind: u8) -> bool {
    match version {
        // Unreachable, source quench, redirect, time exceeded, parameter problem.
        4 => matches!(kind, 3 | 4 | 5 | 11 | 12),
        // Errors have the high bit clear.
        _ => kind < 128,
    }
}

/// Reads the error's own header into `packet`.
#[inline(always)]
pub fn describe<O: Octets>(octets: &O, found: &Located, packet: &mut Packet) -> Option<()> {
    ip::describe(octets, found, packet)?;
    packet.source_port = octets.u16(found.at)?;
    packet.destination_port = 0;
    packet.payload_at = (found.at + LEN) as u16;
    packet.payload = found.length.saturating_sub(LEN) as u32;
    Some(())
}

/// Reads the quoted packet: routers give back at least its first eight transport octets.
#[inline(always)]
pub fn quoted<O: Octets>(octets: &O, found: &Located) -> Option<Quoted> {
    let at = found.at + LEN;
    let first = octets.u8(at)?;
    let (source, destination, next, hops, transport) = if first >> 4 == 4 {
        let header = usize::from(first & 0x0f) * 4;
        if header < 20 {
            return None;
        }
        let pair = octets.u64(at + 12)?;
        let time = octets.u16(at + 8)?;
        (
            Address::v4((pair >> 32) as u32),
            Address::v4(pair as u32),
            time as u8,
            (time >> 8) as u8,
            at + header,
        )
    } else {
        // Extension headers in a quote are not followed: such flows are not watched either.
        let next = octets.u16(at + 6)?;
        (
            Address { high: octets.u64(at + 8)?, low: octets.u64(at + 16)? },
            Address { high: octets.u64(at + 24)?, low: octets.u64(at + 32)? },
            (next >> 8) as u8,
            next as u8,
            at + 40,
        )
    };
    let ports = octets.u32(transport)?;
    Some(Quoted {
        source,
        destination,
        source_port: (ports >> 16) as u16,
        destination_port: ports as u16,
        protocol: next,
        hops,
        seq: if next == protocol::TCP { octets.u32(transport + 4)? } else { 0 },
    })
}
