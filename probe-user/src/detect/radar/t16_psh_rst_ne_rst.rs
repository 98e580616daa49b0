//! `T16`, `<PSH+ACK → RST ≠ RST>`: the first data, then several resets without ACK with different acknowledgment numbers.
//!
//! **Look-alike.** None known.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T16", pattern: "<PSH+ACK → RST ≠ RST>", stage: Stage::PostPsh, matches: |shape| shape.bare > 1 && shape.with_ack == 0 && shape.acks > 1 };
