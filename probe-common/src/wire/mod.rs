//! What one packet is: a bounded cursor parser that never rejects the strange.
//!
//! The same source runs under the verifier and over captures, so all of it is written against
//! [`Octets`], walks forward only, and has a named bound on every chain of headers. Parsing is in
//! two steps, since most packets are passed after the first: [`locate`] finds the transport header,
//! [`describe`](tcp::describe) reads out what the judge wants to know of it.
//!
//! Whatever contradicts the standards but can still be read is kept as a [`quirk`]: for a censorship
//! detector the malformation is the evidence.

pub mod dns;
pub mod icmp;
pub mod ip;
pub mod link;
mod octets;
mod packet;
pub mod tcp;

pub use octets::{Octets, Slice};
pub use packet::{Address, Packet, option, quirk, tcp_flag};

use crate::counter::Counter;

/// How far into a packet the engine looks, in octets.
///
/// Enough for 802.1ad, PPPoE, IPv6 with extension headers, TCP options and a DNS message of 1,232
/// octets; it also is what bounds the offsets for the verifier.
pub const LOOK_MAX: usize = 2047;

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
/// # Errors
///
/// The counter under which the packet is to be filed when there is none to be found.
#[inline(always)]
pub fn locate<O: Octets>(octets: &O) -> Result<Located, Counter> {
    let link = link::locate(octets)?;
    let outer = ip::locate(octets, link.at, link.version, link.vlan, link.quirks)?;
    let Some((at, version)) = ip::tunnelled(octets, &outer) else {
        return Ok(outer);
    };
    ip::locate(octets, at, version, link.vlan, outer.quirks | quirk::TUNNEL)
}
