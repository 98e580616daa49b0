//! Everything that decides what a run does.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use probe_common::config::{
    DEFAULT_DNS_SETS, DEFAULT_EVENT_RATE, DEFAULT_FLOW_SETS, DEFAULT_QUIC_SETS,
    DEFAULT_RESOLVER_SETS, DNS_PORTS,
};

use super::value;
use crate::{
    cli::Failure,
    ledger::{KEEP_DAYS, KEEP_OCTETS, Keep},
    log::Form,
    privilege::{Sandbox, UserChoice},
    targets::TargetSet,
};

/// Octets of the ring buffer, as the object has it.
pub(crate) const RING_DEFAULT: u32 = 16 << 20;

/// Smallest ring buffer: a page.
pub(crate) const RING_MIN: u32 = 4_096;

/// Largest ring buffer.
pub(crate) const RING_MAX: u32 = 1 << 30;

/// Fewest sets of a table.
pub(crate) const SETS_MIN: u32 = 64;

/// Most sets of a table: of connections that is 1.4 GB.
pub(crate) const SETS_MAX: u32 = 1 << 20;

/// The longest that things can be kept: a century.
pub(crate) const DAYS_MAX: u64 = 36_500;

const NANOS_OF_A_DAY: u64 = 86_400_000_000_000;

/// The outcome of all layers. Fields are those of `docs/configuration.md`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Interfaces to watch, both directions.
    pub(crate) interfaces: Vec<String>,
    /// Whether every connection is followed closely.
    pub(crate) all: bool,
    /// JSON instead of lines for people.
    pub(crate) json: bool,
    /// Ports taken for DNS.
    pub(crate) dns_ports: Vec<u16>,
    /// Files of targets, in place of what is built in.
    pub(crate) targets: Vec<PathBuf>,
    /// Size of the ring buffer, in octets.
    pub(crate) ring_octets: u32,
    /// Events a second, CPU and class; 0: no limit.
    pub(crate) event_rate: u32,
    /// Sets of the table of connections.
    pub(crate) flow_sets: u32,
    /// Sets of the table of DNS questions.
    pub(crate) question_sets: u32,
    /// Sets of the table of QUIC connections.
    pub(crate) quic_sets: u32,
    /// Sets of the table of resolvers.
    pub(crate) resolver_sets: u32,
    /// Where programs and tables are pinned, so that they outlive the agent; nowhere if nobody says.
    pub(crate) pin: Option<PathBuf>,
    /// Whether anything is recorded.
    pub(crate) record: bool,
    /// Where, if somebody said so.
    pub(crate) directory: Option<PathBuf>,
    /// Days after which records go.
    pub(crate) keep_days: u64,
    /// Octets that the ledger may have.
    pub(crate) keep_octets: u64,
    /// Seconds between two records of what was counted.
    pub(crate) heartbeat_seconds: u64,
    /// How what is said beside findings looks.
    pub(crate) log_form: Form,
    /// How much is said: one of [`LEVELS`](crate::log::LEVELS), or a filter out of the environment.
    pub(crate) log_level: String,
    /// Seconds between two lines of status; 0: none.
    pub(crate) status_seconds: u64,
    /// Where metrics are served, if anywhere.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Whether that may be an address that others reach.
    pub(crate) beyond_loopback: bool,
    /// Whether the kernel measures what the programs cost.
    pub(crate) packet_cost: bool,
    /// Whom to run as once everything is ready.
    pub(crate) user: UserChoice,
    /// Whether files and system calls are restricted then.
    pub(crate) sandbox: Sandbox,
    /// When to end, from the start; only the command line says it.
    pub(crate) duration: Option<Duration>,
    /// How often it is said what destinations met, if at all; only the command line says it.
    pub(crate) destinations: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            all: false,
            json: false,
            dns_ports: vec![53],
            targets: Vec::new(),
            ring_octets: RING_DEFAULT,
            event_rate: DEFAULT_EVENT_RATE,
            flow_sets: DEFAULT_FLOW_SETS,
            question_sets: DEFAULT_DNS_SETS,
            quic_sets: DEFAULT_QUIC_SETS,
            resolver_sets: DEFAULT_RESOLVER_SETS,
            pin: None,
            record: true,
            directory: None,
            keep_days: KEEP_DAYS,
            keep_octets: KEEP_OCTETS,
            heartbeat_seconds: 60,
            log_form: Form::Auto,
            log_level: "auto".into(),
            status_seconds: 300,
            metrics_listen: None,
            beyond_loopback: false,
            packet_cost: false,
            user: UserChoice::Usual,
            sandbox: Sandbox::Auto,
            duration: None,
            destinations: None,
        }
    }
}

impl Settings {
    /// Checks what no key can say alone.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.destinations.is_some() && !self.json {
            return Err("--destinations is for programs: give --json, too".into());
        }
        if let Some(name) = value::named_twice(&self.interfaces) {
            return Err(value::twice(name));
        }
        match self.metrics_listen {
            Some(address) if !address.ip().is_loopback() && !self.beyond_loopback => Err(format!(
                "metrics.listen: {address} is not on loopback; give an address of 127.0.0.0/8 or [::1], or \
                 set metrics.beyond_loopback = true if everybody who reaches it may read"
            )),
            _ => Ok(()),
        }
    }

    /// Reads the targets.
    pub(crate) fn load_targets(&self) -> Result<TargetSet, Failure> {
        TargetSet::load(&self.targets).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// How much the ledger keeps.
    pub(crate) const fn keep(&self) -> Keep {
        Keep { age: self.keep_days * NANOS_OF_A_DAY, octets: self.keep_octets }
    }

    /// How often what was counted is recorded.
    pub(crate) const fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds)
    }

    /// The ports as the programs take them; 0 is none.
    pub(crate) fn ports(&self) -> [u16; DNS_PORTS] {
        let mut ports = [0; DNS_PORTS];
        for (slot, port) in ports.iter_mut().zip(&self.dns_ports) {
            *slot = *port;
        }
        ports
    }
}
