//! What one packet says, in fixed size: the header vector that goes up as evidence.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IP address of either version; IPv4 is mapped into IPv6 (RFC 4291, section 2.5.5.2).
///
/// Two words in host order, so that comparing and hashing need no loop.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Address {
    /// The first eight octets.
    pub high: u64,
    /// The last eight octets.
    pub low: u64,
}

impl Address {
    const MAPPED: u64 = 0xffff_0000_0000;

    /// The address of an IPv4 header field.
    #[inline(always)]
    pub const fn v4(address: u32) -> Self {
        Self { high: 0, low: Self::MAPPED | address as u64 }
    }

    /// Whether it is a mapped IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.high == 0 && self.low >> 32 == Self::MAPPED >> 32
    }

    /// As the standard library has it.
    pub const fn ip(&self) -> core::net::IpAddr {
        if self.is_v4() {
            core::net::IpAddr::V4(core::net::Ipv4Addr::from_bits(self.low as u32))
        } else {
            core::net::IpAddr::V6(core::net::Ipv6Addr::from_bits(
                (self.high as u128) << 64 | self.low as u128,
            ))
        }
    }
}

impl From<core::net::IpAddr> for Address {
    fn from(ip: core::net::IpAddr) -> Self {
        match ip {
            core::net::IpAddr::V4(ip) => Self::v4(ip.to_bits()),
            core::net::IpAddr::V6(ip) => {
                Self { high: (ip.to_bits() >> 64) as u64, low: ip.to_bits() as u64 }
            }
        }
    }
}

/// TCP flags as the 13th and 14th octets of the header hold them, reserved bits included.
pub mod tcp_flag {
    /// No more data from the sender.
    pub const FIN: u16 = 0x01;
    /// Synchronize.
    pub const SYN: u16 = 0x02;
    /// Reset.
    pub const RST: u16 = 0x04;
    /// Push.
    pub const PSH: u16 = 0x08;
    /// Acknowledgment field significant.
    pub const ACK: u16 = 0x10;
    /// Urgent pointer significant.
    pub const URG: u16 = 0x20;
    /// ECN echo.
    pub const ECE: u16 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u16 = 0x80;
    /// Accurate ECN; once the nonce sum, whence the censor's "RAE" resets of 2008 have it.
    pub const AE: u16 = 0x100;
}

/// TCP options that a segment carried.
pub mod option {
    /// Maximum segment size.
    pub const MSS: u8 = 1 << 0;
    /// Window scale.
    pub const WINDOW_SCALE: u8 = 1 << 1;
    /// Selective acknowledgments permitted.
    pub const SACK_PERMITTED: u8 = 1 << 2;
    /// Selective acknowledgment blocks.
    pub const SACK: u8 = 1 << 3;
    /// Timestamps.
    pub const TIMESTAMPS: u8 = 1 << 4;
    /// TCP Fast Open.
    pub const FAST_OPEN: u8 = 1 << 5;
    /// Any other.
    pub const OTHER: u8 = 1 << 6;
    /// The list of options is broken.
    pub const BROKEN: u8 = 1 << 7;
}

/// What is odd, or worth knowing, about a packet's headers.
pub mod quirk {
    /// IPv4 "don't fragment".
    pub const DF: u32 = 1 << 0;
    /// IPv4 "more fragments", or an IPv6 fragment header that says so.
    pub const MORE_FRAGMENTS: u32 = 1 << 1;
    /// The reserved bit of the IPv4 flags.
    pub const IP_RESERVED: u32 = 1 << 2;
    /// IPv4 options are present.
    pub const IP_OPTIONS: u32 = 1 << 3;
    /// IPv6 extension headers are present.
    pub const EXTENSIONS: u32 = 1 << 4;
    /// The packet came through a tunnel; addresses are the inner ones.
    pub const TUNNEL: u32 = 1 << 5;
    /// The IP length field says more than the packet has on the wire.
    pub const SHORT: u32 = 1 << 6;
    /// The IP length field is zero, as in super-segments above 64 KiB.
    pub const NO_LENGTH: u32 = 1 << 7;
    /// The capture ends before the packet does.
    pub const CUT: u32 = 1 << 8;
    /// The TCP header says less than 20 octets, or more than the segment has.
    pub const TCP_LENGTH: u32 = 1 << 9;
    /// The UDP length field disagrees with the IP length.
    pub const UDP_LENGTH: u32 = 1 << 10;
    /// The UDP checksum field is zero (none was computed).
    pub const UDP_NO_CHECKSUM: u32 = 1 << 11;
    /// PPPoE encloses the packet.
    pub const PPPOE: u32 = 1 << 12;
    /// MPLS labels enclose the packet.
    pub const MPLS: u32 = 1 << 13;
}

/// What one packet says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Packet {
    /// When it was seen, in nanoseconds: since boot (live) or since the Unix epoch (replay).
    pub time: u64,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Source port; type and code of an ICMP error.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// VLAN identifiers, outer first; 0: none.
    pub vlan: [u16; 2],
    /// IP protocol.
    pub protocol: u8,
    /// IP version, 4 or 6.
    pub version: u8,
    /// TTL or hop limit.
    pub hops: u8,
    /// Type of service or traffic class, ECN bits included.
    pub class: u8,
    /// IPv4 identification; 0 for IPv6.
    pub ip_id: u16,
    /// Window field as it stands, unscaled.
    pub window: u16,
    /// IPv6 flow label.
    pub flow_label: u32,
    /// See [`quirk`].
    pub quirks: u32,
    /// TCP sequence number.
    pub seq: u32,
    /// TCP acknowledgment number, also where the ACK flag is not set.
    pub ack: u32,
    /// See [`tcp_flag`].
    pub flags: u16,
    /// Transport checksum as it stands.
    pub checksum: u16,
    /// TCP urgent pointer.
    pub urgent: u16,
    /// Maximum segment size option; 0: none.
    pub mss: u16,
    /// TCP timestamp value; 0: none.
    pub ts_value: u32,
    /// TCP timestamp echo reply; 0: none.
    pub ts_echo: u32,
    /// TCP options present: see [`option`].
    pub options: u8,
    /// Window scale option.
    pub window_scale: u8,
    /// Length of the TCP options in octets.
    pub options_len: u8,
    /// Which hook saw it: see [`crate::event::hook`].
    pub hook: u8,
    /// Payload length in octets, from the IP length field.
    pub payload: u32,
    /// Offset of the payload in the frame.
    pub payload_at: u16,
    /// Explicit padding.
    pub reserved: u16,
    /// Interface index; 0 in a replay.
    pub interface: u32,
    /// The TCP options as they stand; unused octets are zero.
    pub raw_options: [u32; 10],
}

const _: () = assert!(size_of::<Packet>() == 144);

impl Packet {
    /// The sequence number after this segment: payload, SYN and FIN counted (RFC 9293, 3.4).
    #[inline(always)]
    pub const fn end(&self) -> u32 {
        let syn = (self.flags & tcp_flag::SYN != 0) as u32;
        let fin = (self.flags & tcp_flag::FIN != 0) as u32;
        self.seq.wrapping_add(self.payload).wrapping_add(syn).wrapping_add(fin)
    }

    /// Whether all of `flags` are set.
    #[inline(always)]
    pub const fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }
}
