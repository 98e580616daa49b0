//! `T06`, `<SYN; ACK → RST>`: the handshake, then one reset without ACK.
//!
//! **Look-alike.** The loser of Happy Eyeballs; a full accept queue.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T06", pattern: "<SYN; ACK → RST>", stage: Stage::PostAck, matches: |shape| shape.bare == 1 && shape.with_ack == 0 };
