//! The lab and the suites.

pub mod corpus;
pub mod golden;
pub mod score;
pub mod soak;
