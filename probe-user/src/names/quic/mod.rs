//! QUIC: the ClientHello inside of a client's first datagrams.
//!
//! A client's Initial packets are encrypted with a key that follows from what stands in their own
//! header, so that a router can read them as a server does. They hold a ClientHello as TLS over TCP
//! has it, but in pieces: a hello with a post-quantum key share takes two datagrams, and some clients
//! cut theirs into a dozen pieces in disorder. [`Initials`] takes datagrams as they pass and gives the
//! beginning of the handshake.
//!
//! Read are versions 1 (RFC 9000, RFC 9001) and 2 (RFC 9369), the drafts 29 to 32, and packets of a
//! greased version that are protected as one of these. What the server sends is not opened.

mod frames;
mod header;
mod seal;
#[cfg(test)]
mod tests;
mod version;

pub use header::{ID_MAX, Kind, PACKETS_MAX, Packet, packets};
use seal::Seal;
pub use version::Version;

use super::{
    stream::Prefix,
    tls::{self, Hello},
};

/// Most datagrams of one connection that are opened. A hello of 8 KiB takes seven; the rest is room
/// for what is sent again.
pub const DATAGRAMS_MAX: u8 = 16;

/// A client's Initial packets, put together.
#[derive(Debug, Default)]
pub struct Initials {
    seal: Option<Seal>,
    /// Offsets of CRYPTO frames are those of the handshake.
    crypto: Prefix,
    datagrams: u8,
    opened: u16,
    refused: u16,
    close: Option<u64>,
    malformed: bool,
}

/// What one datagram brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Initial packets in it.
    pub initials: u8,
    /// Of these, those that could be opened.
    pub opened: u8,
    /// More of the handshake is known than before.
    pub grew: bool,
}

impl Initials {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a datagram of the client's, from its first octet; of one that a capture has cut nothing
    /// can be opened. Beyond [`DATAGRAMS_MAX`] nothing is opened any more.
    ///
    /// Never panics. The cost is linear in the length, plus a few microseconds for each Initial packet.
    pub fn push(&mut self, datagram: &[u8]) -> Pushed {
        let mut pushed = Pushed::default();
        let known = self.crypto.bytes().len();
        let full = self.is_full();
        for packet in packets(datagram).filter(|packet| packet.kind == Kind::Initial) {
            pushed.initials += 1;
            if full {
                continue;
            }
            if self.read(&packet).is_some() {
                pushed.opened += 1;
                self.opened = self.opened.saturating_add(1);
            } else {
                self.refused = self.refused.saturating_add(1);
            }
        }
        self.datagrams += u8::from(!full && pushed.initials > 0);
        pushed.grew = self.crypto.bytes().len() > known;
        pushed
    }

    /// Reads a packet; none if it does not open.
    fn read(&mut self, packet: &Packet<'_>) -> Option<()> {
        let familiar = self.seal.as_mut().and_then(|seal| seal.open(packet));
        let (payload, anew) = match familiar {
            Some(payload) => (payload, false),
            // The first, or the first after a Retry or a change of version, or of another connection
            // on the same ports: the keys follow from this one.
            None => {
                let (seal, payload) = Seal::break_new(packet)?;
                (payload, self.seal.replace(seal).is_some())
            }
        };
        let frames = frames::frames(&payload);
        self.malformed |= frames.malformed;
        self.close = frames.close.or(self.close);
        // After a Retry the same hello comes again; another one is another connection's.
        let before = anew.then(|| std::mem::take(&mut self.crypto));
        for &(offset, piece) in &frames.crypto {
            self.crypto.push(offset, piece);
        }
        if let Some(mut before) = before {
            let mut pieces = frames.crypto.iter();
            if pieces.all(|&(offset, piece)| before.push(offset, piece).conflict.is_none()) {
                self.crypto = before;
            }
        }
        Some(())
    }

    /// The hello, as far as it is known.
    #[must_use]
    pub fn hello(&self) -> Hello {
        tls::handshake(self.crypto.bytes())
    }

    /// Nothing more is read: see [`DATAGRAMS_MAX`].
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.datagrams >= DATAGRAMS_MAX
    }

    /// The error code with which the client closed the connection in an Initial packet.
    #[must_use]
    pub const fn close(&self) -> Option<u64> {
        self.close
    }

    /// Initial packets that were opened.
    #[must_use]
    pub const fn opened(&self) -> u16 {
        self.opened
    }

    /// Initial packets that could not be opened: cut off, changed on the way, or of a connection whose
    /// first packet was not seen.
    #[must_use]
    pub const fn refused(&self) -> u16 {
        self.refused
    }

    /// An opened packet held a frame that none may be there, or one cut short.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        self.malformed
    }
}
