//! The lab and the suites.

pub mod craft;
pub mod duel;
pub mod egress;
