//! `T07`, `<SYN; ACK → RST; RST>`: the handshake, then several resets without ACK.
//!
//! **Look-alike.** A closed socket answering each of several segments.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T07", pattern: "<SYN; ACK → RST; RST>", stage: Stage::PostAck, matches: |shape| shape.bare > 1 && shape.with_ack == 0 };
