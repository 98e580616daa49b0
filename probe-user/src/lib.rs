//! The Forgewatch agent.

pub mod doctor;
pub mod source;
