//! Events from the BPF programs.

pub mod object;
