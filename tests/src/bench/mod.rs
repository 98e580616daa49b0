//! Measurements: what a packet costs, how much passes, what fits into memory, how soon a finding
//! comes.
//!
//! Every figure is one of this run, beside the figure of the same run that it is to be held against:
//! machines differ, and the same machine differs from hour to hour.
//!
//! * [`events`]: events from the ring buffer to judged findings.
//! * [`group`]: the groups that there are.
//! * [`live`]: packets per second through a pair of veth devices.
//! * [`cores`]: two CPUs at once.
//! * [`work`]: the costliest packet.
//! * [`latency`]: from a forged packet to its finding.
//! * [`memory`]: what flows, maps and agent take.
//! * [`watched`]: the agent itself, with packets sent past it.
//! * [`object`]: the programs for measurement, loaded.
//! * [`packets`]: one packet of each class.
//! * [`cost`]: nanoseconds that the engine adds to a packet, by class.
//! * [`replay`]: packets that are read from a capture and judged, beside other readers.
//! * [`sample`]: medians and spreads.
//! * [`table`]: figures and their budgets, for people and as JSON.

pub mod cores;
pub mod cost;
pub mod events;
pub mod group;
pub mod latency;
pub mod live;
pub mod memory;
pub mod object;
pub mod packets;
pub mod replay;
pub mod sample;
pub mod table;
pub mod watched;
pub mod work;
