//! The Forgewatch agent.

pub mod source;
