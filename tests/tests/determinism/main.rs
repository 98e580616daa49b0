//! The same events give the same findings, however they are cut into batches and however often the
//! judge is told the time in between.

mod batches;
mod leftovers;
