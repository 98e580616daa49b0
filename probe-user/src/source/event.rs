//! Events as the judge takes them, whichever driver they come from.

use probe_common::{
    ABI_VERSION,
    event::{DnsEvent, Header, QuicEvent, TcpEvent, kind},
};
use thiserror::Error;
use zerocopy::FromBytes;

/// One event and the payload captured with it.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Of a TCP connection.
    Tcp(&'a TcpEvent, &'a [u8]),
    /// Of a DNS exchange.
    Dns(&'a DnsEvent, &'a [u8]),
    /// Of a QUIC connection.
    Quic(&'a QuicEvent, &'a [u8]),
}

/// Why octets from the ring buffer are no event.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EventError {
    /// Fewer octets than the record has.
    #[error("an event of {0} octets is too short")]
    Short(usize),
    /// Made by a program of another build.
    #[error("an event of version {0}, not {ABI_VERSION}: object and agent are of different builds")]
    Version(u16),
    /// Of a kind that this agent does not know.
    #[error("an event of unknown kind {0}")]
    Kind(u16),
}

impl<'a> Event<'a> {
    /// Reads an event as the BPF programs write it: aligned to eight octets.
    ///
    /// # Errors
    ///
    /// See [`EventError`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, EventError> {
        let short = EventError::Short(octets.len());
        let (header, _) = Header::ref_from_prefix(octets).map_err(|_| short)?;
        if header.version != ABI_VERSION {
            return Err(EventError::Version(header.version));
        }
        let captured = usize::from(header.captured);
        match header.kind {
            kind::DNS_REPLY | kind::DNS_SAMPLE => {
                let (event, rest) = DnsEvent::ref_from_prefix(octets).map_err(|_| short)?;
                Ok(Self::Dns(event, rest.get(..captured).ok_or(short)?))
            }
            kind::QUIC_INITIAL..=kind::QUIC_ERROR => {
                let (event, rest) = QuicEvent::ref_from_prefix(octets).map_err(|_| short)?;
                Ok(Self::Quic(event, rest.get(..captured).ok_or(short)?))
            }
            kind::OPENING..=kind::FLOW_END | kind::ICMP_ERROR | kind::ODD => {
                let (event, rest) = TcpEvent::ref_from_prefix(octets).map_err(|_| short)?;
                Ok(Self::Tcp(event, rest.get(..captured).ok_or(short)?))
            }
            other => Err(EventError::Kind(other)),
        }
    }

    /// What every event begins with.
    pub const fn header(&self) -> &Header {
        match self {
            Self::Tcp(event, _) => &event.header,
            Self::Dns(event, _) => &event.header,
            Self::Quic(event, _) => &event.header,
        }
    }

    /// When its packet was seen, in nanoseconds of the driver's clock.
    pub const fn time(&self) -> u64 {
        match self {
            Self::Tcp(event, _) => event.packet.time,
            Self::Dns(event, _) => event.packet.time,
            Self::Quic(event, _) => event.packet.time,
        }
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::{ABI_VERSION, Event, EventError, Header, TcpEvent, kind};

    #[test]
    fn octets_that_are_no_event_are_told_apart() {
        let mut event = TcpEvent {
            header: Header { kind: kind::RESET, version: ABI_VERSION, ..Header::default() },
            ..TcpEvent::default()
        };
        assert!(matches!(Event::decode(event.as_bytes()), Ok(Event::Tcp(_, []))));
        for len in 0..size_of::<TcpEvent>() {
            assert_eq!(Event::decode(&event.as_bytes()[..len]).err(), Some(EventError::Short(len)));
        }
        event.header.captured = 1;
        assert!(matches!(Event::decode(event.as_bytes()), Err(EventError::Short(_))));
        event.header.kind = 99;
        assert_eq!(Event::decode(event.as_bytes()).err(), Some(EventError::Kind(99)));
        event.header.version = 0;
        assert_eq!(Event::decode(event.as_bytes()).err(), Some(EventError::Version(0)));
    }
}
