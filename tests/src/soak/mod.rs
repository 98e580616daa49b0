//! Millions of innocent connections through engine and judge, interleaved as a router sees them.
//!
//! Connection `number` of a seed is always the same one, so an accused one can be made again, alone,
//! for a look at it.

mod run;
mod stream;
mod tally;

pub use run::{Soaked, run};
pub use stream::{Stream, alone};
pub use tally::{Count, Tally};
