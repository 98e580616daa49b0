//! What is in the ledger, row by row: the same types are written and read.
//!
//! None of them has room for a client: not an address, not a port, not a pseudonym. What is known of
//! clients is how many there were.

use std::net::SocketAddr;

use serde_json::Value;

use crate::{
    attribute::{
        cell::Cell,
        outcome::Network,
        sketch::Range,
        verdict::{Period, Verdict},
    },
    report::{
        finding::{self, Confidence, Position, Protocol, Stage},
        summary::StageCounts,
    },
    targets::Role,
};

/// One run of the agent, or one replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number in this ledger, from 1, in the order of their beginnings.
    pub id: i64,
    /// Where its packets came from.
    pub kind: RunKind,
    /// When it began, nanoseconds since 1970-01-01 UTC by the system's clock.
    pub started: u64,
    /// When it last wrote.
    pub seen: u64,
    /// When it ended. `None` while it runs, or if it was cut short.
    pub ended: Option<u64>,
    /// Version of Forgewatch.
    pub version: String,
    /// Release of the kernel, if anything of it was used.
    pub kernel: Option<String>,
    /// Hash of the target set.
    pub targets: String,
    /// Interfaces that were watched; none of a replay.
    pub interfaces: Vec<String>,
    /// What is known of its clock.
    pub clock: RunClock,
    /// The summary as of `seen`, as `docs/json.md` has it. `None` until the first was written.
    pub summary: Option<Value>,
    /// How it stands.
    pub state: RunState,
}

/// Where packets came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// From interfaces.
    Live,
    /// From captures.
    Replay,
}

/// What is known of a run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunClock {
    /// The system says that it is synchronised.
    Synchronised,
    /// The system says that it is not.
    Free,
    /// The system does not say.
    Unknown,
    /// Not synchronised, and so far from what was recorded before that nothing is let go by its word.
    Doubted,
    /// Times are those of captures.
    Capture,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It ended as it should.
    Ended,
    /// It is the last one and has not ended: it runs, or was cut short and none has begun since.
    Open,
    /// It was cut short: another one has begun since. Its figures are those of `seen`.
    CutShort,
}

/// A service of a target set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// Hash of the target set.
    pub targets: String,
    /// Id of the service.
    pub service: String,
    /// Name for people.
    pub title: String,
    /// Target or control.
    pub role: Role,
    /// The names that it goes by.
    pub suffixes: Vec<String>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingRow {
    /// Its number in this ledger.
    pub id: i64,
    /// The run that made it.
    pub run: i64,
    /// Its number within the run, from 1. A number that is missing was not recorded, or has expired.
    pub number: u64,
    /// See [`Finding::time`](crate::report::Finding::time).
    pub time: u64,
    /// What the flow spoke.
    pub protocol: Protocol,
    /// What was done.
    pub verdict: finding::Verdict,
    /// Worth of all evidence together.
    pub confidence: Confidence,
    /// Id of the target or control that it is about; `None` for all others.
    pub service: Option<String>,
    /// Which of the two.
    pub role: Option<Role>,
    /// Name asked for, of targets and controls only: a suffix of the service, `www.` before it, or
    /// `*.` before it for all other names under it.
    pub name: Option<String>,
    /// /24 or /48 that the server is in.
    pub network: Network,
    /// The server, of targets and controls only.
    pub server: Option<SocketAddr>,
    /// Port of the server, if it is a system port (below 1024, RFC 6335).
    pub port: Option<u16>,
    /// Where the device stands.
    pub position: Position,
    /// Hops to the device.
    pub injector_hops: Option<u8>,
    /// The least and the most that they may be.
    pub injector_hops_range: Option<[u8; 2]>,
    /// Hops to the server.
    pub server_hops: Option<u8>,
    /// How far the connection had come.
    pub stage: Option<Stage>,
    /// Numbers of the forged packets in the capture.
    pub frames: Vec<u64>,
    /// The evidence. Of others than targets and controls without figures and words.
    pub signatures: Vec<SignatureRow>,
    /// What the forged packets look like, as in `docs/json.md`.
    pub fingerprints: Vec<Value>,
    /// How often it was told again with more evidence; this is the last telling.
    pub revisions: u32,
}

impl FindingRow {
    /// Ids of the fingerprints.
    pub fn fingerprint_ids(&self) -> impl Iterator<Item = &str> {
        self.fingerprints.iter().filter_map(|fingerprint| fingerprint["id"].as_str())
    }
}

/// A piece of evidence, as [`Signature`](finding::Signature) has it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SignatureRow {
    /// The detector.
    pub id: String,
    /// Kind of evidence.
    pub class: finding::EvidenceClass,
    /// Worth of this piece alone.
    pub confidence: Confidence,
    /// The figures it rests on.
    pub measured: serde_json::Map<String, Value>,
    /// The same in words.
    pub words: String,
}

/// How many clients stand behind the findings of one kind in one hour or day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowd {
    /// Id of the target or control; empty for all others.
    pub service: String,
    /// What the flows spoke.
    pub protocol: Protocol,
    /// What was done.
    pub verdict: finding::Verdict,
    /// Length of the period: [`HOUR`] or [`DAY`], in seconds.
    pub seconds: u32,
    /// Its beginning, nanoseconds since 1970-01-01 UTC.
    pub start: u64,
    /// Distinct clients.
    pub clients: Range,
    /// Distinct /24 or /48 of clients.
    pub networks: Range,
}

/// Seconds of an hour.
pub const HOUR: u32 = 3_600;

/// Seconds of a day.
pub const DAY: u32 = 86_400;

/// A cell with its place in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct CellRow {
    /// Its number in this ledger.
    pub id: i64,
    /// The run that counted it.
    pub run: i64,
    /// What it says.
    pub cell: Cell,
}

/// A verdict with its place in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRow {
    /// Its number in this ledger: of two about one unit, the higher one is the later.
    pub id: i64,
    /// The run that gave it.
    pub run: i64,
    /// When it was recorded.
    pub recorded: u64,
    /// What it says.
    pub verdict: Verdict,
}

/// What passed in one hour, and how TCP connections of that hour ended: Radar's stages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hour {
    /// Beginning of the hour, nanoseconds since 1970-01-01 UTC.
    pub hour: u64,
    /// Packets.
    pub packets: u64,
    /// TCP connections.
    pub tcp_flows: u64,
    /// Connections with a reset in the name of the server.
    pub from_server: StageCounts,
    /// Connections with a reset in the name of the client.
    pub from_client: StageCounts,
    /// Connections that fell silent.
    pub silent: StageCounts,
}

/// Something that happened to the ledger or to what is recorded in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The run meanwhile, if there was one.
    pub run: Option<i64>,
    /// When, by the system's clock.
    pub time: u64,
    /// What, in a word.
    pub kind: NoticeKind,
    /// One line for people.
    pub words: String,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// The ledger was brought to a newer schema.
    Migrated,
    /// The run before was cut short.
    CutShort,
    /// The system's clock jumped.
    Clock,
    /// Something could not be recorded.
    Unrecorded,
    /// What was too old, or one too many, was let go.
    Expired,
    /// The files of targets were read anew.
    Targets,
}

/// A stretch of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From when to when.
    pub period: Period,
    /// One run only.
    pub run: Option<i64>,
}

impl Window {
    /// Everything.
    pub const ALL: Self = Self { period: Period { from: 0, to: i64::MAX as u64 }, run: None };
}

/// Words in the ledger.
macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $type {
            /// The word for it in the ledger and in reports.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The one with this word.
            pub(super) fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(RunKind { Live = "live", Replay = "replay" });
words!(RunClock {
    Synchronised = "synchronised",
    Free = "free",
    Unknown = "unknown",
    Doubted = "doubted",
    Capture = "capture",
});
words!(NoticeKind {
    Migrated = "migrated",
    CutShort = "cut-short",
    Targets = "targets",
    Clock = "clock",
    Unrecorded = "unrecorded",
    Expired = "expired",
});

impl RunState {
    /// The word for it in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Open => "open",
            Self::CutShort => "cut-short",
        }
    }
}
