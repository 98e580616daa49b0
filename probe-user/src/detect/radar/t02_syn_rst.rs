//! `T02`, `<SYN → RST>`: a SYN, then resets without ACK.
//!
//! **Look-alike.** A client that gives up its own attempt; a scanner's kernel that never sent the SYN.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T02", pattern: "<SYN → RST>", stage: Stage::PostSyn, matches: |shape| shape.bare > 0 && shape.with_ack == 0 };
