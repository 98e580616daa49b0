//! From flows to services: is this service blocked here, how, since when, and what else could it be?
//!
//! ```text
//!  Outcome ─► window (client-windows of targets and controls)
//!                └─► e-processes, switches ─► change points ─► rivals ─► Verdict
//! ```
//!
//! An [`Outcome`] is how one flow ended. See `docs/attribution.md` for what a verdict is and is not.

mod attributor;
pub mod cell;
mod change;
mod compare;
mod compose;
mod distance;
pub mod method;
mod onset;
pub mod outcome;
mod pairs;
mod pattern;
mod residual;
pub mod rivals;
pub mod sequential;
mod signs;
pub mod sketch;
mod tally;
pub mod token;
mod track;
mod unit;
pub mod verdict;
mod weights;
mod window;

pub use attributor::{Attributor, WINDOW};
pub use cell::Cell;
pub use method::Method;
pub use outcome::Outcome;
pub use track::{LEAST_SHARE, SLACK, TOLERATED};
pub use verdict::Verdict;
