//! `T17`, `<PSH+ACK → RST; RST₀>`: the first data, then several resets without ACK of which one has acknowledgment number 0: seen from China almost only.
//!
//! **Look-alike.** None known; the number means nothing without the flag, and stacks that leave another there are rare.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T17", pattern: "<PSH+ACK → RST; RST₀>", stage: Stage::PostPsh, matches: |shape| shape.bare > 1 && shape.with_ack == 0 && shape.acks > 1 && shape.ack_zero };
