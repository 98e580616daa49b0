//! What a report is made of: a value, so that the page is a function of it and nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    attribute::{Cell, Verdict, verdict::Period},
    evidence::Evidence,
    report::{
        Summary,
        finding::{Confidence, Protocol, Verdict as Finding},
        summary::{Clock, Counters, TargetsUsed},
    },
    targets::Role,
};

/// Networks of clients below which a figure is withheld, unless the operator says otherwise.
pub const K_DEFAULT: u64 = 10;

/// Everything that a report says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When it was made, nanoseconds since 1970-01-01 UTC. Of a replay: `None`, so that the same
    /// captures make the same page.
    pub made: Option<u64>,
    /// What it is about.
    pub period: Period,
    /// The observers.
    pub vantages: Vec<Vantage>,
    /// Targets and controls, also those of which nothing was seen.
    pub services: Vec<Service>,
    /// What was concluded.
    pub verdicts: Vec<Verdict>,
    /// What happened, window by window.
    pub cells: Vec<Cell>,
    /// How many findings there are of each kind.
    pub findings: Vec<Count>,
    /// Handwritings met.
    pub devices: Vec<Device>,
    /// Typical findings, packet by packet.
    pub evidence: Vec<Evidence>,
    /// What it did not see.
    pub limits: Limits,
    /// Networks of clients below which a figure is withheld; 1 is for a lab.
    pub k: u64,
    /// Cells and verdicts that were withheld before they came here.
    pub withheld: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            made: None,
            period: Period::default(),
            vantages: Vec::new(),
            services: Vec::new(),
            verdicts: Vec::new(),
            cells: Vec::new(),
            findings: Vec::new(),
            devices: Vec::new(),
            evidence: Vec::new(),
            limits: Limits::default(),
            k: K_DEFAULT,
            withheld: 0,
        }
    }
}

/// An observer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// Its number in verdicts and cells.
    pub number: u16,
    /// What the operator calls it, as `AS64496, edge router 2`.
    pub name: String,
}

/// A target or a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Which of the two.
    pub role: Role,
}

/// Findings of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Id of the watched service; `None` for all others together.
    pub service: Option<String>,
    /// What was spoken.
    pub protocol: Protocol,
    /// What was done.
    pub verdict: Finding,
    /// How sure that is.
    pub confidence: Confidence,
    /// How many.
    pub count: u64,
}

/// A handwriting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its fingerprint, as `fp-401535a69bf1`.
    pub id: String,
    /// Connections it was met on.
    pub count: u64,
    /// Servers in whose names it sent, as far as they are told apart.
    pub servers: u64,
    /// First met, nanoseconds since 1970-01-01 UTC.
    pub first: u64,
    /// Last met.
    pub last: u64,
    /// Known devices that write so, a line each.
    pub names: Vec<String>,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole.
    pub of: u64,
}

/// What a report cannot say, and what it rests on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Packets seen.
    pub packets: u64,
    /// Flows of all kinds.
    pub flows: u64,
    /// TCP connections.
    pub tcp_flows: u64,
    /// DNS replies.
    pub dns_replies: u64,
    /// Everything that was not looked at or not kept: each counter by name.
    pub lost: Counters,
    /// TCP connections of which only one direction was seen, of all. `None`: not measured.
    pub one_way: Option<Share>,
    /// Flows that were looked at, of all that could have been, where they were drawn. `None`: all were.
    pub sampled: Option<Share>,
    /// Runs of the agent that took part; their figures are of each as a whole.
    pub runs: u64,
    /// What happened to the observer or its records meanwhile, a line each.
    pub notes: Vec<String>,
    /// Times within the period at which nobody watched.
    pub absent: Vec<Period>,
    /// Where times come from.
    pub clock: Option<Clock>,
    /// Releases of the kernels that took part; empty when none did, as in a replay.
    pub kernels: Vec<String>,
    /// Versions of Forgewatch.
    pub versions: Vec<String>,
    /// What was watched: one for each set that was in use.
    pub targets: Vec<TargetsUsed>,
}

impl From<&Summary> for Limits {
    fn from(summary: &Summary) -> Self {
        Self {
            packets: summary.packets,
            flows: summary.flows,
            tcp_flows: summary.tcp_flows,
            dns_replies: summary.dns_replies,
            lost: summary.lost.clone(),
            one_way: None,
            sampled: None,
            runs: 1,
            notes: Vec::new(),
            absent: Vec::new(),
            clock: summary.clock,
            kernels: summary.kernel.iter().cloned().collect(),
            versions: vec![summary.version.clone()],
            targets: summary.targets.iter().cloned().collect(),
        }
    }
}

impl From<&crate::report::summary::Device> for Device {
    fn from(device: &crate::report::summary::Device) -> Self {
        Self {
            id: device.id.to_string(),
            count: device.count,
            servers: device.servers as u64,
            first: device.first,
            last: device.last,
            names: device.names.clone(),
        }
    }
}

impl From<&crate::targets::Service> for Service {
    fn from(service: &crate::targets::Service) -> Self {
        Self { id: service.id.clone(), title: service.title.clone(), role: service.role }
    }
}
