//! The records that go up to the agent, each of fixed size, some followed by captured payload.
//!
//! Every event begins with a [`Header`]; its [`kind`] says which record it heads. The packet and
//! the flow's record as it stood *before* that packet travel together, so that a detector is a
//! function of an event and of little else.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    ABI_VERSION,
    dns::DnsRecord,
    flow::{FlowRecord, Side},
    quic::QuicRecord,
    resolver::ResolverRecord,
    tells::Tells,
    wire::{
        LOOK_MAX, Located, Packet,
        question::{Name, Question},
    },
};

/// What happened.
pub mod kind {
    /// The first octets of a conversation's payload: [`TcpEvent`](super::TcpEvent), with payload.
    pub const OPENING: u16 = 1;
    /// A reset: [`TcpEvent`](super::TcpEvent).
    pub const RESET: u16 = 2;
    /// A segment of a side that has already sent a reset, or of the peer of such a side:
    /// [`TcpEvent`](super::TcpEvent).
    pub const AFTER_RESET: u16 = 3;
    /// A connection's record is given up: taken over or evicted. [`TcpEvent`](super::TcpEvent)
    /// whose packet is the one that took its place.
    pub const FLOW_END: u16 = 4;
    /// A DNS reply of a watched name, or one that is not the first: [`DnsEvent`](super::DnsEvent),
    /// with payload.
    pub const DNS_REPLY: u16 = 5;
    /// An ICMP error about a watched flow: [`TcpEvent`](super::TcpEvent) whose packet is the error.
    pub const ICMP_ERROR: u16 = 6;
    /// A segment with a TTL unlike its sender's others, a push of nothing, or a second SYN+ACK with
    /// another number:
    /// [`TcpEvent`](super::TcpEvent), with payload.
    pub const ODD: u16 = 7;
    /// A DNS reply of a name that nobody watches, one of a few of its resolver:
    /// [`DnsEvent`](super::DnsEvent), without payload and without hashes of the name.
    pub const DNS_SAMPLE: u16 = 8;
    /// A datagram of a QUIC client that begins with an Initial: [`QuicEvent`](super::QuicEvent),
    /// with payload.
    pub const QUIC_INITIAL: u16 = 9;
    /// A QUIC server's answer: [`QuicEvent`](super::QuicEvent), with the beginning of its payload.
    pub const QUIC_ANSWER: u16 = 10;
    /// An ICMP error about a QUIC connection on record: [`QuicEvent`](super::QuicEvent) whose packet
    /// is the error.
    pub const QUIC_ERROR: u16 = 11;
}

/// Where a packet was seen.
pub mod hook {
    /// In a capture.
    pub const CAPTURE: u8 = 0;
    /// Entering by an interface (XDP).
    pub const INGRESS: u8 = 1;
    /// Leaving by an interface (tc).
    pub const EGRESS: u8 = 2;
}

/// What a replay through the kernel puts in front of a packet, as XDP metadata: a multiple of four
/// octets and at most 32, says the kernel.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Metadata {
    /// When the packet was captured, in nanoseconds.
    pub time: u64,
    /// Its number in the capture.
    pub frame: u64,
    /// Its length on the wire.
    pub wire_len: u32,
    /// Explicit padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Metadata>() == 24);

/// Classes of events, each with a rate of its own, so that a flood of one cannot hide the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// Openings of conversations.
    Opening = 0,
    /// Resets and what follows them.
    Reset = 1,
    /// DNS replies.
    Dns = 2,
    /// Ends of flows and ICMP errors.
    Other = 3,
    /// Samples of DNS replies.
    Sample = 4,
}

/// How many classes there are.
pub const CLASSES: u32 = 5;

/// Payload octets that go up with an opening: a whole segment on Ethernet, so that a ClientHello
/// with a post-quantum key share arrives in two events.
pub const OPENING_CAPTURE: u32 = 1460;

/// How far into each direction of a connection payload is captured, in octets: 4 KiB hold a
/// ClientHello of two or three segments.
pub const OPENING_WINDOW: u32 = 4096;

/// Payload octets that go up with a DNS reply: the message size that fits everywhere without
/// fragments (DNS flag day 2020).
pub const DNS_CAPTURE: u32 = 1232;

/// Payload octets that go up with a QUIC client's Initial: a whole datagram on Ethernet. Of a part
/// nothing can be decrypted.
pub const QUIC_CAPTURE: u32 = 1472;

/// Room for payload behind an event; a power of two, so that a mask bounds it.
pub const CAPTURE_MAX: u32 = 2048;

const _: () = assert!(OPENING_CAPTURE <= CAPTURE_MAX && DNS_CAPTURE <= CAPTURE_MAX);
const _: () = assert!(QUIC_CAPTURE <= CAPTURE_MAX);

/// What every event begins with.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// See [`kind`].
    pub kind: u16,
    /// [`crate::ABI_VERSION`].
    pub version: u16,
    /// Octets of payload that follow the record.
    pub captured: u16,
    /// Which end sent the packet: [`Side`] as a number.
    pub side: u8,
    /// Explicit padding.
    pub reserved: u8,
    /// Number of the packet in its capture, from 1; 0 live.
    pub frame: u64,
}

impl Header {
    /// Begins an event about a packet that `side` sent, number `frame` of its capture.
    #[inline(always)]
    pub const fn begin(&mut self, frame: u64, side: Side) {
        self.version = ABI_VERSION;
        self.side = side as u8;
        self.frame = frame;
    }
}

/// An event of a TCP connection.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TcpEvent {
    /// What every event begins with.
    pub header: Header,
    /// The packet.
    pub packet: Packet,
    /// Its measures.
    pub tells: Tells,
    /// The connection as it stood before the packet.
    pub flow: FlowRecord,
}

/// An event of a DNS exchange.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DnsEvent {
    /// What every event begins with.
    pub header: Header,
    /// The packet.
    pub packet: Packet,
    /// The question as it stood before the packet; all zero if it was not seen.
    pub query: DnsRecord,
    /// DNS flags of the reply.
    pub flags: u16,
    /// Transaction id of the reply.
    pub id: u16,
    /// Hash of the question that the reply repeats: see
    /// [`Question::hash`](crate::wire::question::Question::hash). 0: it has none that can be read.
    pub question: u32,
    /// Section counts of the reply.
    pub counts: [u16; 4],
    /// Hash of the question as it is spelled in the reply.
    pub exact: u32,
    /// UDP size in the OPT record that the reply ends with; 0: it does not end with one. One with
    /// options (cookies, say) is to be looked for in the payload.
    pub opt: u16,
    /// Of the reply: see [`crate::dns::mark`].
    pub marks: u8,
    /// Explicit padding.
    pub reserved: u8,
    /// Whoever replied, as it stood before the packet; all zero if there was no room for it.
    pub resolver: ResolverRecord,
}

/// An event of a QUIC connection.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct QuicEvent {
    /// What every event begins with.
    pub header: Header,
    /// The packet.
    pub packet: Packet,
    /// The connection as it stood before the packet.
    pub record: QuicRecord,
}

const _: () = assert!(size_of::<Header>() == 16);
const _: () = assert!(size_of::<TcpEvent>() == 536);
const _: () = assert!(size_of::<QuicEvent>() == 240);
const _: () = assert!(size_of::<DnsEvent>() == 464);

/// An event and the payload that goes up behind it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Message<E> {
    /// The event.
    pub event: E,
    /// Room for what is captured of the payload.
    pub payload: [u8; CAPTURE_MAX as usize],
}

impl<E: Default> Default for Message<E> {
    fn default() -> Self {
        Self { event: E::default(), payload: [0; CAPTURE_MAX as usize] }
    }
}

/// Room in which events are made: one per CPU, since the BPF stack has 512 octets.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Scratch {
    /// Where the transport header lies: see [`Scratch::located`].
    pub located: Located,
    /// For the offsets on the way there.
    pub cell: u64,
    /// The question of a DNS message.
    pub question: Question,
    /// Its name.
    pub name: Name,
    /// An event of a connection.
    pub tcp: Message<TcpEvent>,
    /// An event of a DNS exchange.
    pub dns: Message<DnsEvent>,
    /// An event of a QUIC connection.
    pub quic: Message<QuicEvent>,
}

impl Scratch {
    /// Passes a question through memory, so that the verifier forgets how it came about.
    #[inline(always)]
    pub fn requestion(&mut self, question: Question) -> Question {
        self.question = question;
        // SAFETY: a reference is valid to read.
        let mut question = unsafe { core::ptr::read_volatile(&raw const self.question) };
        question.after &= LOOK_MAX as u32;
        question
    }

    /// Where the transport header lies, read from memory: the verifier knows nothing of it but that the
    /// offsets are within the masks.
    ///
    /// To be called anew after a loop over the packet, in each round of which the verifier learns another
    /// bound for the offset it began with.
    #[inline(always)]
    pub fn located(&self) -> Located {
        // SAFETY: a reference is valid to read.
        let mut located = unsafe { core::ptr::read_volatile(&raw const self.located) };
        located.ip_at &= LOOK_MAX;
        located.at &= LOOK_MAX;
        located
    }
}
