//! The lab and the suites.

pub mod corpus;
