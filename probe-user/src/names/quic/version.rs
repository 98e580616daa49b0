//! The versions whose Initial packets can be read.

use super::header::Kind;

/// A version that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Drafts 29 to 32, which a few clients spoke until 2022.
    Draft,
    /// RFC 9000.
    V1,
    /// RFC 9369.
    V2,
    /// A value that nobody speaks, sent to keep servers able to negotiate: `0x?a?a?a?a` (RFC 9000
    /// section 15). The packet is protected as one of the others.
    Greased,
}

const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;
const DRAFT_29: u32 = 0xff00_001d;
const DRAFT_32: u32 = 0xff00_0020;
const GREASE_MASK: u32 = 0x0f0f_0f0f;
const GREASE: u32 = 0x0a0a_0a0a;

impl Version {
    /// The version that a field names.
    #[must_use]
    pub const fn of(field: u32) -> Option<Self> {
        match field {
            V1 => Some(Self::V1),
            V2 => Some(Self::V2),
            DRAFT_29..=DRAFT_32 => Some(Self::Draft),
            _ if field & GREASE_MASK == GREASE => Some(Self::Greased),
            _ => None,
        }
    }

    /// What the two bits of type in the first octet of a long header stand for.
    pub(super) const fn kind(self, first: u8) -> Kind {
        let bits = first >> 4 & 3;
        // Version 2 counts from one further (RFC 9369 section 3.2).
        let bits = if matches!(self, Self::V2) { bits.wrapping_sub(1) & 3 } else { bits };
        match bits {
            0 => Kind::Initial,
            1 => Kind::ZeroRtt,
            2 => Kind::Handshake,
            _ => Kind::Retry,
        }
    }

    /// The salts and labels that its packets may be protected with.
    pub(super) const fn protections(self) -> &'static [rustls::quic::Version] {
        use rustls::quic::Version::{V1, V1Draft, V2};
        match self {
            Self::Draft => &[V1Draft],
            Self::V1 => &[V1],
            Self::V2 => &[V2],
            Self::Greased => &[V1, V1Draft, V2],
        }
    }
}
