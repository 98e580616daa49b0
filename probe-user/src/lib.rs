//! The Forgewatch agent.
//!
//! All that the `forgewatch` command does is in here; the command itself only parses its arguments
//! and returns an exit code. Along the way of a packet:
//!
//! * [`source`] turns packets into events: through the BPF programs attached to an interface, or
//!   out of a capture, through the same engine in userspace or through the programs by test runs.
//! * [`names`] reads out of payload which name was asked for; [`targets`] says whose it is.
//! * [`judge`] gathers events by connection and by DNS question, learns what is normal, and
//!   decides.
//! * [`detect`] has the detectors, one file each.
//! * [`attribute`] gathers how flows ended until it can say whether a service is blocked.
//! * [`sinkholes`] knows addresses that false answers lead to.
//! * [`fingerprint`] says which known device makes such packets, as a label.
//! * [`ledger`] keeps what was found on disk.
//! * [`export`] makes reports for machines out of that.
//! * [`report`] says what was found, and what was missed.
//! * [`evidence`] keeps the packets behind a finding, without their client.
//! * [`page`] makes a report that can be read, printed and sent.
//! * [`config`] says what it is told: by a file, the environment and the command line.
//! * `again` says when to try again what has failed.
//! * `agent` runs all this on a router, until it is told to end.
//! * `metrics` hands out figures to who watches over the agent.
//! * `log` writes what is said beside findings.
//! * [`privilege`] gives up what a running agent does not need.
//! * [`doctor`] tells beforehand whether this machine can do it.
//! * [`cli`] is the command line.

mod again;
mod agent;
pub mod attribute;
mod checksum;
pub mod cli;
pub mod config;
pub mod data;
pub mod detect;
pub mod doctor;
pub mod evidence;
pub mod export;
pub mod fingerprint;
pub mod judge;
pub mod ledger;
#[cfg(feature = "live")]
mod live;
mod log;
mod metrics;
pub mod names;
mod networks;
pub mod page;
mod pen;
pub mod privilege;
pub mod report;
pub mod sinkholes;
pub mod source;
pub mod targets;
