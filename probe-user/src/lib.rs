//! The Forgewatch agent.

pub mod names;
pub mod source;
pub mod targets;
