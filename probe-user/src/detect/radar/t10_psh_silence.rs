//! `T10`, `<PSH+ACK → ∅>`: the first data, then nothing.
//!
//! **Look-alike.** A server that takes its time; a path that loses large packets.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T10", pattern: "<PSH+ACK → ∅>", stage: Stage::PostPsh, matches: |shape| shape.is_silent() };
