//! What kernel and agent share: the packet parser, the flow record, the tells, the events.
//!
//! This crate is compiled three times from one source: into the BPF object, into the agent (replay
//! of captures), into the fuzzers. It has no standard library, allocates nothing and reads no
//! clock; whoever drives it brings the octets of a packet ([`wire::Octets`]), the storage
//! ([`flow::FlowStore`], [`dns::DnsStore`]) and a place for what it finds ([`engine::Output`]).
//!
//! ```text
//!  octets ─► wire ─► flow / dns ─► tells ─► event ─► Output
//!           parse    baseline      measure   tell
//! ```
//!
//! * [`wire`] says what one packet is. It never rejects a strange packet: oddities are flags.
//! * [`flow`] keeps what each side of a TCP connection really sent.
//! * [`dns`] keeps what was asked, until it is answered, and answered again; [`resolver`] counts by
//!   who answers; [`names`] says which names are watched.
//! * [`quic`] keeps that a QUIC connection was begun, and whether it was answered.
//! * [`tells`] measures a packet against that baseline. Measures, not verdicts: the agent judges.
//! * [`event`] is the record that goes up to the agent.
//! * [`handover`] is what the agent tells the programs, and the next agent.
//! * [`engine`] strings them together for one packet.
//! * [`mod@bench`] is for measurements only.
#![no_std]

pub mod bench;
pub mod bucket;
pub mod config;
pub mod counter;
pub mod dns;
pub mod engine;
pub mod event;
pub mod flow;
pub mod handover;
pub mod hash;
pub mod names;
pub mod quic;
pub mod resolver;
pub mod seq;
pub mod set;
pub mod tells;
pub mod wire;
pub mod words;

/// Version of everything that crosses between the kernel and the agent: events, maps, config.
///
/// The object and the agent are built together; the version guards against an agent that finds
/// maps or objects of another build.
pub const ABI_VERSION: u16 = 4;
