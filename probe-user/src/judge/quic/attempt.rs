//! One client's attempt to reach a server over QUIC.

use probe_common::{
    event::QuicEvent,
    flow::{FlowKey, Side},
    wire::{Address, Packet},
};

use crate::{
    judge::{Subject, hello::Traits},
    names::quic::Initials,
};

/// Datagrams closer together than this are one flight, in nanoseconds: a hello of several datagrams
/// leaves at once, and no client waits for less before it tries again (RFC 9002 section 6.2.2: a second
/// without, and with a known path at least its round trip).
const FLIGHT: u64 = 10_000_000;

/// An attempt, from its first Initial on.
#[derive(Debug)]
pub struct Attempt {
    /// Whose it is.
    pub key: FlowKey,
    /// Which end began.
    pub client: Side,
    /// When the first Initial came.
    pub opened: u64,
    /// When the last did.
    pub asked: u64,
    /// The time at which it was found to be without an answer.
    pub now: u64,
    /// The version field of the first.
    pub version: u32,
    /// How often the client sent its hello or a part of it.
    pub flights: u16,
    /// Datagrams of the client that began with an Initial.
    pub datagrams: u16,
    /// The longest of them, in octets of payload.
    pub longest: u32,
    /// What it is about.
    pub subject: Subject,
    /// When the server answered.
    pub(in crate::judge) answered: Option<u64>,
    /// An ICMP error has said why there is no answer.
    pub(in crate::judge) refused: bool,
    pub(super) name: Option<String>,
    pub(super) traits: Option<Traits>,
    /// What the client sent, until it has said a name.
    initials: Option<Box<Initials>>,
}

impl Attempt {
    pub(super) fn new(event: &QuicEvent) -> Self {
        let (record, packet) = (&event.record, &event.packet);
        Self {
            key: record.key,
            client: record.client(),
            opened: record.opened,
            asked: packet.time,
            now: packet.time,
            version: record.version,
            flights: 0,
            datagrams: 0,
            longest: 0,
            subject: Subject::default(),
            answered: None,
            refused: false,
            name: None,
            traits: None,
            initials: Some(Box::default()),
        }
    }

    /// Takes a datagram of the client's that begins with an Initial. Says whether the hello is whole
    /// now, and was not before.
    pub(super) fn ask(&mut self, event: &QuicEvent, payload: &[u8]) -> bool {
        let packet = &event.packet;
        if self.flights == 0 || packet.time.saturating_sub(self.asked) >= FLIGHT {
            self.flights = self.flights.saturating_add(1);
        }
        self.asked = packet.time;
        self.datagrams = event.record.initials.saturating_add(1);
        self.longest = self.longest.max(packet.payload);
        // An answer of which no event came.
        if event.record.answers != 0 {
            self.answer(event.record.answered);
        }
        self.read(payload)
    }

    fn read(&mut self, payload: &[u8]) -> bool {
        let Some(initials) = &mut self.initials else { return false };
        if !initials.push(payload).grew {
            if initials.is_full() {
                self.initials = None;
            }
            return false;
        }
        let hello = initials.hello();
        self.name = self.name.take().or(hello.sni.clone());
        let whole = hello.state == crate::names::tls::State::Complete;
        if whole {
            self.traits = Some(Traits::of(&hello));
            self.initials = None;
        }
        whole
    }

    /// Whether its hello is half read.
    pub(super) const fn is_reading(&self) -> bool {
        self.initials.is_some()
    }

    /// Reads no further what the client says. Says whether there was any.
    pub(super) fn stop_reading(&mut self) -> bool {
        self.initials.take().is_some()
    }

    pub(super) fn answer(&mut self, time: u64) {
        self.answered = Some(self.answered.map_or(time, |known| known.min(time)));
    }

    /// Takes an ICMP error about it; one that says that nothing will come through.
    pub(super) const fn refuse(&mut self, error: &Packet) {
        let (kind, code) = ((error.source_port >> 8) as u8, error.source_port as u8);
        self.refused |= match error.version {
            // Unreachable, but for a packet that is too big; time exceeded.
            4 => kind == 3 && code != 4 || kind == 11,
            _ => kind == 1 || kind == 3,
        };
    }

    /// Address and port of the client.
    pub const fn from(&self) -> (Address, u16) {
        self.key.end(self.client)
    }

    /// Address and port of the server.
    pub const fn to(&self) -> (Address, u16) {
        self.key.end(self.client.other())
    }

    /// From the first Initial to the last, in seconds.
    pub fn tried(&self) -> f64 {
        (self.asked.saturating_sub(self.opened) / 1_000_000) as f64 / 1e3
    }

    /// Since the last Initial, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.now.saturating_sub(self.asked) / 1_000_000) as f64 / 1e3
    }
}
