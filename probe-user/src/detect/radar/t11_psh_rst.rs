//! `T11`, `<PSH+ACK → RST>`: the first data, then one reset without ACK.
//!
//! **Look-alike.** A server that has lost the connection's state.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T11", pattern: "<PSH+ACK → RST>", stage: Stage::PostPsh, matches: |shape| shape.bare == 1 && shape.with_ack == 0 };
