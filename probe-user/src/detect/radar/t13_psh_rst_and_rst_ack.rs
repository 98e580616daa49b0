//! `T13`, `<PSH+ACK → RST; RST+ACK>`: the first data, then resets of both kinds: the Great Firewall's first and second kind together.
//!
//! **Look-alike.** A server's abort, and its kernel answering what came later.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T13", pattern: "<PSH+ACK → RST; RST+ACK>", stage: Stage::PostPsh, matches: |shape| shape.bare > 0 && shape.with_ack > 0 };
