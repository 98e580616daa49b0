//! `T01`, `<SYN → ∅>`: only SYNs, then nothing.
//!
//! **Look-alike.** A host that is down or drops what it does not serve; scans; spoofed floods; the loser of Happy Eyeballs.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T01", pattern: "<SYN → ∅>", stage: Stage::PostSyn, matches: |shape| shape.is_silent() };
