//! What the suites in `tests/`, the demo and the corpus are made of: a network of namespaces with
//! real clients, real servers and a censor in between; packets and captures made to measure; and
//! what compares both engines.

pub mod craft;
pub mod duel;
pub mod egress;
pub mod lab;
