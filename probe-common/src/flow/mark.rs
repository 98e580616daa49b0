//! What single packets of a connection said that is kept: the first SYN of each side, and resets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What the first SYN or SYN+ACK of a side said.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SynMark {
    /// Initial sequence number.
    pub isn: u32,
    /// Maximum segment size offered; 0: none.
    pub mss: u16,
    /// Window.
    pub window: u16,
    /// IP-ID.
    pub ip_id: u16,
    /// Interface index, its low 16 bits.
    pub interface: u16,
    /// TTL or hop limit.
    pub hops: u8,
    /// Options: see [`crate::wire::option`].
    pub options: u8,
    /// Window scale.
    pub window_scale: u8,
    /// Bit 0: DF was set. Above it, where it was seen: see [`crate::event::hook`].
    pub marks: u8,
}

/// What one reset said.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ResetMark {
    /// When it was seen; 0: no reset.
    pub time: u64,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// IP-ID.
    pub ip_id: u16,
    /// Window.
    pub window: u16,
    /// How many resets this side had sent by then, this one counted; stops at 65,535.
    pub count: u16,
    /// TTL or hop limit.
    pub hops: u8,
    /// Low eight TCP flags.
    pub flags: u8,
}

impl SynMark {
    /// Whether no SYN or SYN+ACK of the side was seen: a TTL is never 0 on the wire.
    #[inline(always)]
    pub const fn is_unseen(&self) -> bool {
        self.hops == 0
    }

    /// Whether DF was set.
    #[inline(always)]
    pub const fn df(&self) -> bool {
        self.marks & 1 != 0
    }

    /// By which interface (its low 16 bits) and at which hook it was seen.
    #[inline(always)]
    pub const fn place(&self) -> (u16, u8) {
        (self.interface, self.marks >> 1)
    }
}

const _: () = assert!(size_of::<SynMark>() == 16);
const _: () = assert!(size_of::<ResetMark>() == 24);
