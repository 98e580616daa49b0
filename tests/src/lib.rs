//! The lab and the suites.

pub mod corpus;
pub mod score;
