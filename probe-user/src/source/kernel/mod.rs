//! Events from the BPF programs: attached to interfaces, or fed with a capture.

pub mod attach;
mod away;
mod gauge;
pub mod handover;
pub mod live;
pub mod maps;
pub mod object;
pub mod pins;
pub mod replay;
pub mod watched;
