//! What one packet is: a bounded cursor parser that never rejects the strange.
//!
//! The same source runs under the verifier and over captures, so all of it is written against
//! [`Octets`], walks forward only, and has a named bound on every chain of headers. Parsing is in
//! two steps, since most packets are passed after the first: [`locate`] finds the transport header,
//! [`describe`](tcp::describe) reads out what the judge wants to know of it.
//!
//! Whatever contradicts the standards but can still be read is kept as a [`quirk`]: for a censorship
//! detector the malformation is the evidence.

pub mod answer;
pub mod dns;
pub mod icmp;
pub mod ip;
pub mod link;
mod near;
mod octets;
mod packet;
pub mod question;
pub mod quic;
pub mod tcp;

pub use near::Near;
pub use octets::{Octets, Slice};
pub use packet::{Address, Packet, option, quirk, tcp_flag};

use crate::counter::Counter;

/// How far into a packet the engine looks, in octets.
///
/// Enough for 802.1ad, PPPoE, IPv6 with extension headers, TCP options and a DNS message of 1,232
/// octets; it also is what bounds the offsets for the verifier, as a mask.
pub const LOOK_MAX: usize = 2047;

const _: () = assert!((LOOK_MAX + 1).is_power_of_two());

/// IP protocol numbers (IANA).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// Where the transport header of a packet lies, and what encloses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Located {
    /// VLAN identifiers, outer first; 0: none.
    pub vlan: [u16; 2],
    /// IP version of the innermost IP header that was followed: 4 or 6.
    pub version: u8,
    /// Protocol of the transport header.
    pub protocol: u8,
    /// Offset of the innermost IP header.
    pub ip_at: usize,
    /// Offset of the transport header.
    pub at: usize,
    /// Octets from `at` to the end of the IP packet, by its own length field.
    pub length: usize,
    /// What was odd so far: see [`quirk`].
    pub quirks: u32,
}

/// Finds the transport header, through link layer, IP and at most one tunnel.
///
/// `cell` is memory to pass offsets through, so that the verifier forgets how they came about.
///
/// # Errors
///
/// The counter under which the packet is to be filed when there is none to be found.
#[inline(always)]
pub fn locate<O: Octets>(octets: &O, cell: &mut u64) -> Result<Located, Counter> {
    let mut link = link::locate(octets)?;
    if link.at != link::ETHERNET_LEN {
        link.at = forget(cell, link.at);
    }
    let octets = &octets.anew();
    let outer = ip::locate(octets, link.at, link.version, link.vlan, link.quirks)?;
    let found = match ip::tunnelled(octets, &outer)? {
        Some((at, version)) => {
            let at = forget(cell, at);
            let octets = &octets.anew();
            ip::locate(octets, at, version, link.vlan, outer.quirks | quirk::TUNNEL)?
        }
        None => outer,
    };
    if found.at > LOOK_MAX { Err(Counter::TooDeep) } else { Ok(found) }
}

/// Passes an offset through memory, so that the verifier forgets how it came about.
///
/// It follows each way through tags, labels and extension headers on its own, and would check all
/// that comes after once for every combination of offsets. What is read back from a map is any
/// number to it, so one pass does for all. The mask, which changes nothing for an offset within
/// reach, tells it that the number is small.
#[inline(always)]
fn forget(cell: &mut u64, at: usize) -> usize {
    if at > LOOK_MAX {
        return LOOK_MAX;
    }
    *cell = at as u64;
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(cell) as usize & LOOK_MAX }
}
