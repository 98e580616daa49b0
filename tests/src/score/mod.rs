//! How well the detectors do on captures whose truth is known.
//!
//! ```text
//!  capture ─► engine ─► judge ─► findings ─┐
//!  labels, flows ──────────────► truth ────┴► Score of the case ─► sums
//! ```

pub mod captures;
mod group;
mod judged;
mod truth;

pub use group::{Answers, Group, Sheet};
pub use judged::{Case, Mistake, judge};
pub use truth::{Key, Kind, Truth};
