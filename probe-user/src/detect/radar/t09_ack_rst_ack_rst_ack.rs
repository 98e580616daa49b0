//! `T09`, `<SYN; ACK → RST+ACK; RST+ACK>`: the handshake, then several resets with ACK.
//!
//! **Look-alike.** A reset captured twice.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T09", pattern: "<SYN; ACK → RST+ACK; RST+ACK>", stage: Stage::PostAck, matches: |shape| shape.with_ack > 1 };
