//! `T19`, `<PSH+ACK; Data → RST+ACK>`: several data segments, then resets with ACK.
//!
//! **Look-alike.** A browser or server aborting an idle connection.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T19", pattern: "<PSH+ACK; Data → RST+ACK>", stage: Stage::Later, matches: |shape| shape.with_ack > 0 };
