//! Where events come from: live packets, captures, captures through the kernel.
//!
//! ```text
//!  capture ─► engine in userspace ─┐
//!  capture ─► BPF object, test run ├─► Event ─► judge
//!  NIC     ─► BPF object, attached ┘
//! ```

pub mod capture;
pub mod clock;
pub mod event;
pub mod kernel;
pub mod local;
pub mod replay;
