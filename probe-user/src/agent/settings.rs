//! What an agent is told.

use std::{path::PathBuf, time::Duration};

use probe_common::config::DNS_PORTS;

use crate::{cli::Failure, cli::state::RecordOptions, targets::TargetSet};

/// Everything that decides what a run does.
pub(crate) struct Settings {
    /// Interfaces to watch, both directions.
    pub(crate) interfaces: Vec<String>,
    /// JSON instead of lines for people.
    pub(crate) json: bool,
    /// When to end, from the start.
    pub(crate) duration: Option<Duration>,
    /// Whether every connection is followed closely.
    pub(crate) all: bool,
    /// Size of the ring buffer, in octets, if not as the object has it.
    pub(crate) ring: Option<u32>,
    /// Ports taken for DNS; 0 is none.
    pub(crate) dns_ports: [u16; DNS_PORTS],
    /// Files of targets, in place of what is built in.
    pub(crate) targets: Vec<PathBuf>,
    /// Where and how long things are recorded.
    pub(crate) record: RecordOptions,
}

impl Settings {
    /// Reads the targets.
    pub(crate) fn load_targets(&self) -> Result<TargetSet, Failure> {
        TargetSet::load(&self.targets).map_err(|error| Failure::Usage(error.to_string()))
    }
}
