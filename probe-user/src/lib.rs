//! The Forgewatch agent.

pub mod detect;
pub mod judge;
pub mod names;
pub mod report;
pub mod source;
pub mod targets;
