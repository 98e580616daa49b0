//! Long headers, and the packets that share a datagram.
//!
//! What is the same in all versions of QUIC (RFC 8999): the first bit, the version, both connection
//! ids. What versions 1 and 2 have besides (RFC 9000 section 17.2, RFC 9369 section 3.2): the type,
//! the token, and the length that lets a datagram hold several packets.

use super::Version;

/// Longest connection id of versions 1 and 2, in octets (RFC 9000 section 17.2).
pub const ID_MAX: usize = 20;

/// Most packets that are looked at in one datagram. A client's first flight has at most three of
/// different types.
pub const PACKETS_MAX: usize = 8;

const LONG: u8 = 0x80;

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Carries the beginning of the handshake; its keys can be had by anyone who sees it.
    Initial,
    /// Data of a resumed connection, sent before the handshake is over.
    ZeroRtt,
    /// The rest of the handshake.
    Handshake,
    /// A server's demand to come again with a token.
    Retry,
    /// A server's list of the versions that it speaks.
    VersionNegotiation,
    /// A long header of a version that is not known here.
    Unknown,
    /// No long header: a packet of an established connection, or no QUIC at all.
    Short,
}

/// One packet of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub kind: Kind,
    /// The version field; 0 in a Version Negotiation packet and without a long header.
    pub version: u32,
    /// Destination connection id; empty without a long header.
    pub destination: &'a [u8],
    /// Source connection id; empty without a long header.
    pub source: &'a [u8],
    /// The packet from its first octet to the end that its length announces, or that of the datagram.
    pub octets: &'a [u8],
    /// Where in `octets` the packet number begins; the length of `octets` if it has none.
    pub number_at: usize,
}

/// Takes a datagram apart, up to the first thing that cannot be read; the rest is then one packet
/// more, of [`Kind::Short`] or [`Kind::Unknown`], or nothing if a length reaches beyond the end.
pub fn packets(datagram: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let packet = read(rest);
        rest = packet.map_or(&[][..], |packet| &rest[packet.octets.len()..]);
        packet
    })
    .take(PACKETS_MAX)
}

/// The packet at the beginning of `octets`; none if it is cut off, or contradicts itself.
fn read(octets: &[u8]) -> Option<Packet<'_>> {
    let mut reader = Reader { octets, at: 0 };
    let first = reader.u8()?;
    let whole = |kind, version, destination, source| Packet {
        kind,
        version,
        destination,
        source,
        octets,
        number_at: octets.len(),
    };
    if first & LONG == 0 {
        return Some(whole(Kind::Short, 0, &[], &[]));
    }
    let version = u32::from_be_bytes(reader.take(4)?.try_into().ok()?);
    let length = usize::from(reader.u8()?);
    let destination = reader.take(length)?;
    let length = usize::from(reader.u8()?);
    let source = reader.take(length)?;
    let kind = Version::of(version).map_or(Kind::Unknown, |known| known.kind(first));
    if version == 0 {
        return Some(whole(Kind::VersionNegotiation, version, destination, source));
    }
    if matches!(kind, Kind::Unknown | Kind::Retry) {
        return Some(whole(kind, version, destination, source));
    }
    if destination.len() > ID_MAX || source.len() > ID_MAX {
        return None;
    }
    if kind == Kind::Initial {
        let token = reader.length()?;
        reader.take(token)?;
    }
    let length = reader.length()?;
    let number_at = reader.at;
    reader.take(length)?;
    Some(Packet { kind, version, destination, source, octets: &octets[..reader.at], number_at })
}

/// Reads what QUIC is written in; every reading ends within the octets or yields nothing.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) octets: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// An integer of 1, 2, 4 or 8 octets: RFC 9000 section 16.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let first = self.u8()?;
        let more = (1 << (first >> 6)) - 1;
        let rest = self.take(more)?;
        Some(
            rest.iter()
                .fold(u64::from(first & 0x3f), |value, &octet| value << 8 | u64::from(octet)),
        )
    }

    /// An integer that counts octets at hand; none if it cannot.
    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }
}
