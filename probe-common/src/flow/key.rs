//! The identity of a flow: one key for both directions.

use core::hash::{Hash, Hasher};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    hash::{HashKey, Sip},
    wire::{Address, Packet},
};

/// One of the two ends of a flow, by the order of address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// The end with the lower address and port.
    Low = 0,
    /// The other.
    High = 1,
}

impl Side {
    /// The other end.
    #[inline(always)]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }

    /// From the number it has in a record.
    #[inline(always)]
    pub const fn from_index(index: u8) -> Self {
        if index == 0 { Self::Low } else { Self::High }
    }
}

/// Addresses, ports, protocol and outer VLAN of a flow, in an order that both directions share.
///
/// The VLAN belongs to it: networks behind a trunk may use the same addresses.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowKey {
    /// Address of the low end.
    pub low: Address,
    /// Address of the high end.
    pub high: Address,
    /// Port of the low end.
    pub low_port: u16,
    /// Port of the high end.
    pub high_port: u16,
    /// Outer and inner VLAN identifier folded into 16 bits.
    pub vlan: u16,
    /// IP protocol.
    pub protocol: u8,
    /// Explicit padding.
    pub reserved: u8,
}

impl Hash for FlowKey {
    /// In one piece: a keyed hash that is fed field by field costs several times as much.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl FlowKey {
    /// The key of a packet's flow, and which end sent the packet.
    #[inline(always)]
    pub fn of(packet: &Packet) -> (Self, Side) {
        Self::new(
            (packet.source, packet.source_port),
            (packet.destination, packet.destination_port),
            packet.vlan,
            packet.protocol,
        )
    }

    /// The key of the flow from `from` to `to`, and which end `from` is.
    #[inline(always)]
    pub fn new(
        from: (Address, u16),
        to: (Address, u16),
        vlan: [u16; 2],
        protocol: u8,
    ) -> (Self, Side) {
        let side = if from <= to { Side::Low } else { Side::High };
        let (low, high) = match side {
            Side::Low => (from, to),
            Side::High => (to, from),
        };
        let key = Self {
            low: low.0,
            high: high.0,
            low_port: low.1,
            high_port: high.1,
            // Identifiers have 12 bits; rotating the inner one keeps most pairs apart.
            vlan: vlan[0] ^ vlan[1].rotate_left(4),
            protocol,
            reserved: 0,
        };
        (key, side)
    }

    /// Address and port of one end.
    #[inline(always)]
    pub const fn end(&self, side: Side) -> (Address, u16) {
        match side {
            Side::Low => (self.low, self.low_port),
            Side::High => (self.high, self.high_port),
        }
    }

    /// The keyed hash; never 0, which marks a free place in a table.
    ///
    /// `extra` tells apart what shares the addresses and ports, such as DNS transactions.
    #[inline(always)]
    pub fn hash(&self, key: HashKey, extra: u16) -> u64 {
        let rest = u64::from(self.low_port) << 48
            | u64::from(self.high_port) << 32
            | u64::from(self.vlan) << 16
            | u64::from(extra);
        let hash = if self.low.is_v4() && self.high.is_v4() {
            Sip::new(key)
                .word(self.low.low << 32 | self.high.low & 0xffff_ffff)
                .word(rest ^ u64::from(self.protocol) << 8)
                .finish()
        } else {
            Sip::new(key)
                .word(self.low.high)
                .word(self.low.low)
                .word(self.high.high)
                .word(self.high.low)
                .word(rest ^ u64::from(self.protocol) << 8)
                .finish()
        };
        if hash == 0 { 1 } else { hash }
    }
}

#[cfg(test)]
mod tests {
    use super::{FlowKey, Side};
    use crate::{hash::HashKey, wire::Address};

    #[test]
    fn both_directions_share_a_key() {
        let a = (Address::v4(0x0a00_0001), 4000);
        let b = (Address::v4(0x0a00_0002), 443);
        let (there, from) = FlowKey::new(a, b, [7, 0], 6);
        let (back, to) = FlowKey::new(b, a, [7, 0], 6);
        assert_eq!(there, back);
        assert_eq!((from, to), (Side::Low, Side::High));
        assert_eq!(there.end(from), a);
        assert_eq!(there.end(to), b);
    }

    #[test]
    fn what_differs_in_one_thing_hashes_apart() {
        let key = |port, vlan, protocol| {
            let ends = ((Address::v4(1), port), (Address::v4(2), 53));
            FlowKey::new(ends.0, ends.1, [vlan, 0], protocol).0
        };
        let hash = |key: FlowKey, extra| key.hash(HashKey::default(), extra);
        let base = hash(key(1, 0, 17), 0);
        for other in [
            hash(key(2, 0, 17), 0),
            hash(key(1, 1, 17), 0),
            hash(key(1, 0, 6), 0),
            hash(key(1, 0, 17), 1),
        ] {
            assert_ne!(base, other);
        }
    }
}
