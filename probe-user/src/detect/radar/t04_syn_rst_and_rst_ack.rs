//! `T04`, `<SYN → RST; RST+ACK>`: a SYN, then resets of both kinds.
//!
//! **Look-alike.** A refusal, and the client's own abort crossing it.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T04", pattern: "<SYN → RST; RST+ACK>", stage: Stage::PostSyn, matches: |shape| shape.bare > 0 && shape.with_ack > 0 };
