//! `T15`, `<PSH+ACK → RST = RST>`: the first data, then several resets without ACK, all with one acknowledgment number.
//!
//! **Look-alike.** A closed socket answering each of several segments.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T15", pattern: "<PSH+ACK → RST = RST>", stage: Stage::PostPsh, matches: |shape| shape.bare > 1 && shape.with_ack == 0 && shape.acks == 1 };
