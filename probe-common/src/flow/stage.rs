//! In which of Cloudflare Radar's five stages a connection ended.
//!
//! The definitions are those of Radar's glossary, so that figures compare; there they are applied
//! to what a server receives, here to what passes a router, in both directions.

use super::{FlowRecord, state};

/// How long a connection must be silent, in nanoseconds, to count as timed out: 3 s, as in Sundara
/// Raman et al. (SIGCOMM 2023).
pub const SILENCE: u64 = 3_000_000_000;

/// Where in its life a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// After the SYN: the handshake never completed.
    PostSyn,
    /// After the handshake, before any data of the initiator.
    PostAck,
    /// After the initiator's first data segment.
    PostPsh,
    /// After several data segments of the initiator.
    Later,
    /// None of them: the beginning was not seen.
    NoMatch,
}

impl Stage {
    /// The stage that a connection is in.
    #[inline(always)]
    pub const fn of(record: &FlowRecord) -> Self {
        if !record.is(state::SYN) {
            return Self::NoMatch;
        }
        let initiator = record.half(record.initiator());
        match initiator.data_segments {
            0 if !record.is(state::ESTABLISHED) => Self::PostSyn,
            0 => Self::PostAck,
            1 => Self::PostPsh,
            _ => Self::Later,
        }
    }

    /// Radar's key for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PostSyn => "post_syn",
            Self::PostAck => "post_ack",
            Self::PostPsh => "post_psh",
            Self::Later => "later_in_flow",
            Self::NoMatch => "no_match",
        }
    }
}
