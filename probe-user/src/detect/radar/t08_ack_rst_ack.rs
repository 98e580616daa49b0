//! `T08`, `<SYN; ACK → RST+ACK>`: the handshake, then one reset with ACK.
//!
//! **Look-alike.** An unused preconnection being dropped; a health check of a load balancer.

use super::{Radar, Stage};

/// See the module.
pub static SIGNATURE: Radar =
    Radar { id: "T08", pattern: "<SYN; ACK → RST+ACK>", stage: Stage::PostAck, matches: |shape| shape.bare == 0 && shape.with_ack == 1 };
