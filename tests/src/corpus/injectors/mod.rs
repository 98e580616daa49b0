//! Models of devices that interfere, one file for each family.
//!
//! A model says which packets a device sends when it is set off, with which header fields, and
//! what it does to the connection from then on. The figures are those published about the device;
//! what is not published is the plainest thing that fits. All of them can be set off at each stage
//! of a connection that makes sense for them, also at stages at which nobody has seen that very
//! device act: a detector must not live on when a trigger comes.

mod drops;
mod gfw;
mod iran;
mod isp;
mod provincial;
mod residual;
mod tools;
mod tspu;

use bytes::Bytes;

use super::{
    device::{Fire, Shot, Stage, Then, Trigger},
    rng::Rng,
    script::MS,
    segment::{End, Segment, flag},
};

/// What the client asks for when it is interfered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Web {
    /// HTTPS.
    Tls,
    /// HTTP.
    Http,
    /// DNS over TCP.
    Dns,
}

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Packets are made.
    Injected,
    /// Packets are altered.
    Altered,
    /// What comes is false, and nothing else comes.
    Lied,
    /// Packets are taken out, and nothing else.
    Dropped,
}

impl Deed {
    /// In files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Altered => "altered",
            Self::Lied => "lied",
            Self::Dropped => "dropped",
        }
    }
}

/// A model.
pub struct Model {
    /// Its name in names of cases.
    pub name: &'static str,
    /// What it does, in a line.
    pub what: &'static str,
    /// Where that was described.
    pub source: &'static str,
    /// What sets it off.
    pub web: Web,
    /// What it does.
    pub deed: Deed,
    /// The stages at which it can be set off.
    pub stages: &'static [Stage],
    /// What it sends.
    pub fire: Fire,
    /// What it does to the connection.
    pub then: Then,
}

/// All four stages.
const ALL: &[Stage] = &Stage::ALL;

/// Those at which there is a connection.
const LIVE: &[Stage] = &[Stage::At, Stage::After, Stage::Mid];

/// The one at which a question has been asked that has a short answer.
const QUESTION: &[Stage] = &[Stage::After];

/// Those at which something has been asked for.
const ASKED: &[Stage] = &[Stage::After, Stage::Mid];

/// All models.
pub fn all() -> Vec<&'static Model> {
    [
        gfw::MODELS,
        provincial::MODELS,
        iran::MODELS,
        isp::MODELS,
        tspu::MODELS,
        tools::MODELS,
        residual::MODELS,
        drops::MODELS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

const RST: u16 = flag::RST;
const RST_ACK: u16 = flag::RST | flag::ACK;
const PSH_ACK: u16 = flag::PSH | flag::ACK;
const FIN_PSH_ACK: u16 = flag::FIN | flag::PSH | flag::ACK;

/// Header fields of a forged packet.
#[derive(Clone, Copy)]
struct Look {
    ttl: u8,
    ip_id: u16,
    df: bool,
    window: u16,
}

/// Both ends, the client first.
const BOTH: [End; 2] = [End::Server, End::Client];

/// A forged packet in the name of `from`.
fn forge(trigger: &Trigger<'_>, from: End, flags: u16, look: Look) -> Segment {
    let mut segment = trigger.forge(from, flags);
    segment.ttl = look.ttl;
    segment.ip_id = look.ip_id;
    segment.df = look.df;
    segment.window = look.window;
    segment
}

/// With so much added to the sequence number.
fn ahead(mut segment: Segment, octets: u32) -> Segment {
    segment.seq = segment.seq.wrapping_add(octets);
    segment
}

/// With payload.
fn carrying(mut segment: Segment, payload: impl Into<Bytes>) -> Segment {
    segment.payload = payload.into();
    segment
}

/// `segment` sent `micros` microseconds after the trigger.
fn shot(micros: u64, segment: Segment) -> Shot {
    Shot { delay: micros * (MS / 1_000), segment }
}

/// Nothing is sent.
fn silence(_: &Trigger<'_>, _: &mut Rng) -> Vec<Shot> {
    Vec::new()
}
