//! From flows to services: is this service blocked here, how, since when, and what else could it be?
//!
//! ```text
//!  Outcome ─► window (client-windows of targets and controls)
//!                └─► e-processes, switches ─► change points ─► rivals ─► Verdict
//! ```
//!
//! An [`Outcome`] is how one flow ended. See `docs/attribution.md` for what a verdict is and is not.

pub mod cell;
pub mod method;
pub mod outcome;
pub mod sketch;
pub mod token;
pub mod verdict;

pub use cell::Cell;
pub use method::Method;
pub use outcome::Outcome;
pub use verdict::Verdict;
