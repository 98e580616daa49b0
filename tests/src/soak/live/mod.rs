//! The agent itself, live, for as long as somebody has patience: at the highest rate that this machine
//! makes, with forgeries at a steady rate among it, each with a name of its own.
//!
//! * [`talk`]: conversations, forged ones and such as only look so.
//! * [`speaker`]: who speaks them, each packet when it is due.
//! * [`flood`]: what passes beside.
//! * [`figures`]: the agent's own.
//! * [`score`]: what was found of what was said.
//! * [`check`]: what has to hold at the end.
//! * [`mod@run`]: all of it.

pub mod check;
pub mod figures;
pub mod flood;
pub mod run;
pub mod score;
pub mod speaker;
pub mod talk;

pub use run::{Plan, Row, Told, run};
