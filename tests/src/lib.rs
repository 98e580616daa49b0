//! The lab: a network of namespaces with real clients, real servers and a censor in between, and
//! what the suites in `tests/` and the demo need to run Forgewatch in it.

pub mod lab;
