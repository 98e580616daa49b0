//! `T05`, `<SYN; ACK → ∅>`: the handshake, then nothing.
//!
//! **Look-alike.** A browser's preconnection that nobody used; a client that went out of reach.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T05", pattern: "<SYN; ACK → ∅>", stage: Stage::PostAck, matches: |shape| shape.is_silent() };
