//! `T14`, `<PSH+ACK → RST+ACK; RST+ACK>`: the first data, then several resets with ACK.
//!
//! **Look-alike.** A reset captured twice.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T14", pattern: "<PSH+ACK → RST+ACK; RST+ACK>", stage: Stage::PostPsh, matches: |shape| shape.bare == 0 && shape.with_ack > 1 };
