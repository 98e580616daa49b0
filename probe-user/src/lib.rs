//! The Forgewatch agent.

pub mod names;
pub mod report;
pub mod source;
pub mod targets;
