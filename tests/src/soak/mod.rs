//! Millions of innocent connections and look-ups through engine and judge: nobody may be accused.
//!
//! They are made as those of the corpus, one after the other and interleaved in time, without files,
//! and each can be made again alone by its number. [`live`] is another one: the agent itself, on a device.

mod cast;
pub mod live;
mod run;
mod stream;
mod tally;

pub use cast::{Cast, Connections, Lookups};
pub use run::{Soaked, run};
pub use stream::Stream;
pub use tally::{Count, Tally};
