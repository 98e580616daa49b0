//! `T12`, `<PSH+ACK → RST+ACK>`: the first data, then one reset with ACK.
//!
//! **Look-alike.** A server that does not like what it read, such as a name that it does not serve.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T12", pattern: "<PSH+ACK → RST+ACK>", stage: Stage::PostPsh, matches: |shape| shape.bare == 0 && shape.with_ack == 1 };
