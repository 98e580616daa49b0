//! A verdict: what is said of one service at one place, how sure it is, and what else it could have been.

use serde::{Deserialize, Serialize};

use super::{
    method::Method,
    outcome::{Network, Protocol},
    sketch::Range,
};
use crate::{report::finding::Position, targets::Role};

/// What is said of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it is about.
    pub unit: Unit,
    /// What was found.
    pub method: Method,
    /// The windows that it rests on.
    pub period: Period,
    /// How strong the evidence is.
    pub evidence: Evidence,
    /// The service itself.
    pub target: Figures,
    /// The controls that it was held against.
    pub controls: Controls,
    /// How the blocking is spread over flows. `None` unless the verdict accuses.
    pub pattern: Option<Pattern>,
    /// When it began. `None` unless the verdict accuses.
    pub onset: Option<Onset>,
    /// When it ended. `None` while it lasts.
    pub end: Option<Interval>,
    /// What else could explain it, and why each does not, or may.
    pub rivals: Vec<Rival>,
    /// How far away the device is.
    pub distance: Option<Distance>,
    /// How long it lingers after a trigger.
    pub residual: Option<Residual>,
    /// Names of the service by suffix: which fail, and which do not.
    pub names: Vec<Part>,
}

/// The unit of a verdict, besides method and window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unit {
    /// Id of the service.
    pub service: String,
    /// Whether it is a target or a control.
    pub role: Role,
    /// Network of the servers, or of the resolver.
    pub network: Network,
    /// Autonomous system that announces it, if known.
    pub asn: Option<u32>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The observer.
    pub vantage: u16,
}

/// A stretch of time, nanoseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Period {
    /// Its first moment.
    pub from: u64,
    /// The moment after its last.
    pub to: u64,
}

/// A moment that is known to lie between two, nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Not before.
    pub from: u64,
    /// Not after.
    pub to: u64,
    /// Most likely: the beginning of a window.
    pub likely: u64,
}

/// When something began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Onset {
    /// Within this interval.
    Between(Interval),
    /// It was there when the observation began, or it cannot be told from that.
    Before(u64),
}

/// How strong the evidence is: decimal logarithms of e-values (see `docs/attribution.md`). 5 is an
/// error rate of 1 in 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Against "it fails no more often than controls do".
    pub against_controls: f64,
    /// The same against the nearest controls alone: other names at the same addresses, or other
    /// addresses of the network. `None` without such.
    pub against_near: Option<f64>,
    /// For "it fails no more often than controls do", against "more than the least share that is looked
    /// for".
    pub for_health: f64,
    /// Client-windows in which packets prove that somebody else than the ends had a hand in it.
    pub proven: u64,
    /// Distinct clients of these.
    pub proven_clients: Range,
}

/// How many, and how many of them failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Flows, each try counted.
    pub flows: u64,
    /// Client-windows: what evidence is counted in.
    pub n: u64,
    /// Share of flows that failed in the way of the method (of any, without one), as the mean over
    /// client-windows.
    pub share: f64,
    /// Distinct clients.
    pub clients: Range,
    /// Distinct /24 or /48 of clients.
    pub client_networks: Range,
    /// Distinct clients that were affected.
    pub affected: Range,
}

/// What controls did in the same windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    /// Client-windows of all controls at the same observer with the same protocol.
    pub n: u64,
    /// Share that failed in the same way.
    pub share: f64,
    /// Share that failed in any way.
    pub failing: f64,
    /// Client-windows of the nearest controls.
    pub near_n: u64,
    /// Share that failed in the same way.
    pub near_share: f64,
}

/// How a blocking is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// All flows, but for what every measurement misses.
    All,
    /// Some paths entirely, others not at all.
    SomePaths,
    /// Some clients entirely, others not at all.
    SomeClients,
    /// A share of flows, as if by chance.
    ByChance,
}

/// How a blocking is spread, with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// In a word.
    pub spread: Spread,
    /// Share of flows affected since the onset, controls' share taken off.
    pub share: f64,
    /// Path buckets in which flows are affected, and all that there were.
    pub paths: (u8, u8),
    /// Clients of whom every flow is affected, as a share of those with several flows.
    pub clients_entirely: f64,
}

/// Another explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// Which.
    pub name: Explanation,
    /// How it stands.
    pub standing: Standing,
    /// Why, with the figures.
    pub why: String,
}

/// An innocent explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Explanation {
    /// The observer's own connection to the Internet is down or lossy.
    Uplink,
    /// The path to the servers' network is down or lossy.
    Path,
    /// The servers are down, misconfigured, or refuse.
    Server,
    /// The servers, or the links to them, have more to do than they can.
    Overload,
    /// The resolver fails for all names.
    Resolver,
    /// The resolver filters at the wish of those who chose it.
    FilteringResolver,
    /// The service has moved to other addresses.
    Moved,
    /// One or a few clients have trouble of their own.
    ClientSide,
    /// The observer sees one direction only.
    VantageBlind,
    /// Large packets do not pass.
    PacketSize,
}

impl Explanation {
    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uplink => "uplink",
            Self::Path => "path",
            Self::Server => "server",
            Self::Overload => "overload",
            Self::Resolver => "resolver",
            Self::FilteringResolver => "filtering_resolver",
            Self::Moved => "moved",
            Self::ClientSide => "client_side",
            Self::VantageBlind => "vantage_blind",
            Self::PacketSize => "packet_size",
        }
    }
}

/// How an explanation stands against the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The evidence excludes it.
    Lost,
    /// The evidence does not exclude it: no accusation.
    Stands,
    /// The evidence is what it would be: no accusation.
    Won,
}

/// How far away the device is, from the TTL of its packets: an injector can choose its TTL, so this is
/// a hint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// Flows of which something is known.
    pub n: u64,
    /// Hops to the device: median, and the range that 90 % of flows lie in, a hop's doubt added.
    pub hops: Option<Spans>,
    /// Hops to the server, likewise.
    pub server_hops: Option<Spans>,
    /// Share of flows whose estimate is within a hop of the median.
    pub agreement: f64,
    /// On which side of the observer, where at least 90 % of flows that tell agree.
    pub position: Position,
}

/// A median with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    /// The median.
    pub median: u8,
    /// The range.
    pub range: [u8; 2],
}

/// How long blocking lingers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Residual {
    /// Seconds after the trigger until which flows fail, most likely.
    pub seconds: u16,
    /// The range that it lies in.
    pub range: [u16; 2],
    /// Share of flows that fail meanwhile.
    pub share: f64,
    /// Who is known to linger so long: a label, never a reason.
    pub known: Vec<String>,
}

/// A part of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The suffix, as in the target file.
    pub name: String,
    /// Flows.
    pub flows: u64,
    /// Share of them that failed in the way of the method.
    pub share: f64,
}

impl Verdict {
    /// Whether its figures may be published: enough networks of clients stand behind it.
    #[must_use]
    pub const fn is_publishable(&self, least: u64) -> bool {
        self.target.client_networks.least >= least
    }

    /// The explanations that keep it from being an accusation.
    pub fn standing(&self) -> impl Iterator<Item = &Rival> {
        self.rivals.iter().filter(|rival| rival.standing != Standing::Lost)
    }
}
