//! `T03`, `<SYN → RST+ACK>`: a SYN, then resets with ACK.
//!
//! **Look-alike.** A closed port, which refuses just so.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T03", pattern: "<SYN → RST+ACK>", stage: Stage::PostSyn, matches: |shape| shape.bare == 0 && shape.with_ack > 0 };
