//! The first octets of a QUIC long header: RFC 8999, RFC 9000 section 17.2, RFC 9369 section 3.2.

use super::{Located, Octets, dns::UDP_LEN};

/// The port of HTTP/3, which is all of QUIC that is looked at.
pub const PORT: u16 = 443;

/// Least payload of a datagram with a client's first Initial; a server discards smaller ones (RFC 9000
/// section 14.1).
pub const INITIAL_MIN: u32 = 1_200;

/// Least and greatest length of the destination id that a client makes up (RFC 9000 section 7.2 and
/// 17.2).
const ID_LENGTHS: core::ops::RangeInclusive<u8> = 8..=20;

const LONG: u8 = 0x80;
const FIXED: u8 = 0x40;
const TYPE: u8 = 0x30;
const V2: u32 = 0x6b33_43cf;

/// What begins a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// The first octet; its lower bits are protected.
    pub first: u8,
    /// The version field; 0: version negotiation.
    pub version: u32,
    /// Length of the destination connection id.
    pub id_length: u8,
}

/// The long header at the beginning of a datagram's payload; none if it has none.
#[inline(always)]
pub fn long<O: Octets>(octets: &O, found: &Located) -> Option<Long> {
    let at = found.at + UDP_LEN;
    // Most datagrams end here: those of established connections have a short header.
    let first = octets.u8(at)?;
    if !is_long(first) {
        return None;
    }
    Some(Long { first, version: octets.u32(at + 1)?, id_length: octets.u8(at + 5)? })
}

/// Whether a datagram whose payload begins with this octet has a long header.
#[inline(always)]
pub const fn is_long(first: u8) -> bool {
    first & LONG != 0
}

impl Long {
    /// Whether it is an Initial, as far as can be told of a version that is not known: all but
    /// version 2 give it the same type.
    #[inline(always)]
    pub fn is_initial(&self) -> bool {
        let kind = self.first & TYPE;
        let initial = if self.version == V2 { kind == 0x10 } else { kind == 0 };
        initial
            && self.first & FIXED != 0
            && self.version != 0
            && *ID_LENGTHS.start() <= self.id_length
            && self.id_length <= *ID_LENGTHS.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{Long, long};
    use crate::wire::{Located, Slice};

    fn read(payload: &[u8]) -> Option<Long> {
        let mut octets = [0; 8 + 64];
        octets[8..8 + payload.len()].copy_from_slice(payload);
        long(&Slice::whole(&octets[..8 + payload.len()]), &Located::default())
    }

    #[test]
    fn initials_are_told_from_all_else() {
        let initial = |payload: &[u8]| read(payload).is_some_and(|long| long.is_initial());
        // RFC 9001 appendix A.2, RFC 9369 appendix A.2.
        assert!(initial(&[0xc0, 0, 0, 0, 1, 8, 0x83]));
        assert!(initial(&[0xd7, 0x6b, 0x33, 0x43, 0xcf, 8, 0x83]));
        // Types of the other version; 0-RTT and Handshake.
        assert!(!initial(&[0xd7, 0, 0, 0, 1, 8, 0x83]));
        assert!(!initial(&[0xc7, 0x6b, 0x33, 0x43, 0xcf, 8, 0x83]));
        assert!(!initial(&[0xe7, 0, 0, 0, 1, 8, 0x83]));
        // Version negotiation; an id that no client makes up; a greased fixed bit.
        assert!(!initial(&[0xc0, 0, 0, 0, 0, 8, 0x83]));
        assert!(!initial(&[0xc0, 0, 0, 0, 1, 4, 0x83]));
        assert!(!initial(&[0xc0, 0, 0, 0, 1, 21, 0x83]));
        assert!(!initial(&[0x80, 0, 0, 0, 1, 8, 0x83]));
        assert!(initial(&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8]), "a greased version");
        for short in [&[][..], &[0x40, 0, 0, 0, 1, 8], &[0xc0, 0, 0, 0, 1]] {
            assert_eq!(read(short), None);
        }
    }
}
