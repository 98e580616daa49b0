//! Figures for those who watch over the agent, on loopback: `docs/metrics.md` describes each.
//!
//! * [`snapshot`] is what the loop hands out when it is asked: numbers, and nothing that names a client.
//! * [`text`] writes them down in both of Prometheus' forms.
//! * [`server`] answers HTTP in a thread of its own. A reader, however slow, never keeps the loop waiting.

pub(crate) mod server;
pub(crate) mod snapshot;
mod text;
