//! `T18`, `<PSH+ACK; Data → RST>`: several data segments, then resets without ACK.
//!
//! **Look-alike.** A browser closing a tab with data under way.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T18", pattern: "<PSH+ACK; Data → RST>", stage: Stage::Later, matches: |shape| shape.bare > 0 && shape.with_ack == 0 };
