//! IPv4 (RFC 791) and IPv6 (RFC 8200): from an IP header to the transport header.

use super::{Address, Located, Octets, Packet, protocol, quirk};
use crate::counter::Counter;

/// IPv6 extension headers that are followed.
pub const EXTENSIONS_MAX: usize = 6;

const V4_LEN: usize = 20;
const V6_LEN: usize = 40;
/// GRE without options (RFC 2784): flags, version, protocol type.
const GRE_LEN: usize = 4;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

/// Follows the IP header at `at` to the transport header.
///
/// # Errors
///
/// The counter of what is in the way: [`Counter::FragmentTail`], [`Counter::Truncated`],
/// [`Counter::Malformed`] or [`Counter::TooDeep`].
#[inline(always)]
pub fn locate<O: Octets>(
    octets: &O,
    at: usize,
    version: u8,
    vlan: [u16; 2],
    quirks: u32,
) -> Result<Located, Counter> {
    let found = Located { vlan, version, ip_at: at, quirks, ..Located::default() };
    if version == 4 { v4(octets, found) } else { v6(octets, found) }
}

#[inline(always)]
fn v4<O: Octets>(octets: &O, mut found: Located) -> Result<Located, Counter> {
    let at = found.ip_at;
    let first = octets.u32(at).ok_or(Counter::Truncated)?;
    let second = octets.u32(at + 4).ok_or(Counter::Truncated)?;
    let header = ((first >> 24) & 0x0f) as usize * 4;
    if first >> 28 != 4 || header < V4_LEN {
        return Err(Counter::Malformed);
    }
    let total = (first & 0xffff) as usize;
    let flags = second >> 13 & 0x7;
    let offset = second & 0x1fff;
    found.protocol = octets.u8(at + 9).ok_or(Counter::Truncated)?;
    found.at = at + header;
    found.quirks |= flags_v4(flags) | if header > V4_LEN { quirk::IP_OPTIONS } else { 0 };
    found = measure(octets, found, total, header);
    if offset != 0 {
        return Err(Counter::FragmentTail);
    }
    Ok(found)
}

#[inline(always)]
fn flags_v4(flags: u32) -> u32 {
    (if flags & 2 != 0 { quirk::DF } else { 0 })
        | (if flags & 1 != 0 { quirk::MORE_FRAGMENTS } else { 0 })
        | (if flags & 4 != 0 { quirk::IP_RESERVED } else { 0 })
}

#[inline(always)]
fn v6<O: Octets>(octets: &O, mut found: Located) -> Result<Located, Counter> {
    let at = found.ip_at;
    let first = octets.u32(at).ok_or(Counter::Truncated)?;
    let second = octets.u32(at + 4).ok_or(Counter::Truncated)?;
    if first >> 28 != 6 {
        return Err(Counter::Malformed);
    }
    let length = (second >> 16) as usize;
    // A length of zero is a jumbogram or a super-segment above 64 KiB.
    let total = if length == 0 { 0 } else { length + V6_LEN };
    let mut next = (second >> 8) as u8;
    let mut here = at + V6_LEN;
    for _ in 0..EXTENSIONS_MAX {
        let size = match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HOST_IDENTITY | SHIM6 => {
                let header = octets.u16(here).ok_or(Counter::Truncated)?;
                next = (header >> 8) as u8;
                ((header & 0xff) as usize + 1) * 8
            }
            AUTHENTICATION => {
                let header = octets.u16(here).ok_or(Counter::Truncated)?;
                next = (header >> 8) as u8;
                ((header & 0xff) as usize + 2) * 4
            }
            FRAGMENT => {
                let header = octets.u32(here).ok_or(Counter::Truncated)?;
                next = (header >> 24) as u8;
                if header & 0xfff8 != 0 {
                    return Err(Counter::FragmentTail);
                }
                if header & 1 != 0 {
                    found.quirks |= quirk::MORE_FRAGMENTS;
                }
                8
            }
            _ => {
                found.protocol = next;
                found.at = here;
                return Ok(measure(octets, found, total, here - at));
            }
        };
        found.quirks |= quirk::EXTENSIONS;
        here += size;
        // Offsets beyond what is looked at would be refused one by one by the reads; saying so
        // here keeps the verifier's idea of `here` small.
        if here > super::LOOK_MAX {
            return Err(Counter::TooDeep);
        }
    }
    Err(Counter::TooDeep)
}

/// Sets the transport length from the IP length field, or from the packet where that cannot be.
#[inline(always)]
fn measure<O: Octets>(octets: &O, mut found: Located, total: usize, header: usize) -> Located {
    let total = if total == 0 {
        found.quirks |= quirk::NO_LENGTH;
        octets.wire_len().saturating_sub(found.ip_at)
    } else {
        let end = found.ip_at + total;
        if end > octets.wire_len_up_to(end) {
            found.quirks |= quirk::SHORT;
        }
        total
    };
    if octets.is_cut() {
        found.quirks |= quirk::CUT;
    }
    found.length = total.saturating_sub(header);
    found
}

/// Where the inner IP header lies and its version, if `outer` is IP in IP, 6in4 or plain GRE.
///
/// # Errors
///
/// [`Counter::Truncated`] if the packet ends before that can be told.
#[inline(always)]
pub fn tunnelled<O: Octets>(octets: &O, outer: &Located) -> Result<Option<(usize, u8)>, Counter> {
    let found = match outer.protocol {
        protocol::IPV4 => Some((outer.at, 4)),
        protocol::IPV6 => Some((outer.at, 6)),
        protocol::GRE => {
            let header = octets.u32(outer.at).ok_or(Counter::Truncated)?;
            let options = (header >> 28) as usize;
            // Checksum, key and sequence number take four octets each (RFC 2784, RFC 2890);
            // routing (0x4) is long dead, and version 1 is PPTP.
            if options & 0x4 != 0 || header >> 16 & 0x7 != 0 {
                return Ok(None);
            }
            let extra = (options >> 3 & 1) + (options >> 1 & 1) + (options & 1);
            let version = match header & 0xffff {
                0x0800 => 4,
                0x86dd => 6,
                _ => return Ok(None),
            };
            Some((outer.at + GRE_LEN + 4 * extra, version))
        }
        _ => None,
    };
    Ok(found)
}

/// Reads the addresses.
#[inline(always)]
pub fn addresses<O: Octets>(octets: &O, found: &Located) -> Option<(Address, Address)> {
    let at = found.ip_at;
    if found.version == 4 {
        let pair = octets.u64(at + 12)?;
        return Some((Address::v4((pair >> 32) as u32), Address::v4(pair as u32)));
    }
    let source = Address { high: octets.u64(at + 8)?, low: octets.u64(at + 16)? };
    let destination = Address { high: octets.u64(at + 24)?, low: octets.u64(at + 32)? };
    Some((source, destination))
}

/// Reads everything of the IP header that a packet record holds.
#[inline(always)]
pub fn describe<O: Octets>(octets: &O, found: &Located, packet: &mut Packet) -> Option<()> {
    let at = found.ip_at;
    let (source, destination) = addresses(octets, found)?;
    packet.source = source;
    packet.destination = destination;
    packet.vlan = found.vlan;
    packet.protocol = found.protocol;
    packet.version = found.version;
    packet.quirks = found.quirks;
    let first = octets.u32(at)?;
    if found.version == 4 {
        packet.class = (first >> 16) as u8;
        packet.ip_id = octets.u16(at + 4)?;
        packet.hops = octets.u8(at + 8)?;
        packet.flow_label = 0;
    } else {
        packet.class = (first >> 20) as u8;
        packet.ip_id = 0;
        packet.hops = octets.u8(at + 7)?;
        packet.flow_label = first & 0xf_ffff;
    }
    Some(())
}
