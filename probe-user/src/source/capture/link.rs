//! Other link types, rewritten as Ethernet.
//!
//! Numbers and layouts from the LINKTYPE list of tcpdump.org. The cooked headers are read by hand:
//! etherparse knows only five hardware types in them, and tunnels and PPP are not among them.

use etherparse::{EtherType, Ethernet2Header};

use super::skipped::SkipReason;

/// Length of an Ethernet header in bytes.
pub(super) const ETHERNET_HEADER: usize = Ethernet2Header::LEN;

/// EtherTypes (IANA "IEEE 802 Numbers").
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const MPLS_UPSTREAM: u16 = 0x8848;
const PPPOE_DISCOVERY: u16 = 0x8863;
const PPPOE_SESSION: u16 = 0x8864;

/// Below this, the field of an Ethernet header is a length and not an EtherType (IEEE 802.3).
const FIRST_ETHERTYPE: u16 = 0x0600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    /// An IP packet and nothing before it. The number tells the variants apart.
    Raw(u32),
    /// BSD loopback: an address family in the byte order of whoever captured.
    Null,
    /// OpenBSD loopback: an address family, highest byte first.
    Loop,
    LinuxSll,
    LinuxSll2,
    Ppp,
    PppHdlc,
    PppWithDirection,
    Pppoe,
    CiscoHdlc,
    Unsupported(u32),
}

impl Link {
    pub(super) fn from_number(number: u32) -> Self {
        match number {
            1 => Link::Ethernet,
            // 12 and 14 are what DLT_RAW is on some systems, and some tools write it so.
            12 | 14 | 101 | 228 | 229 => Link::Raw(number),
            0 => Link::Null,
            108 => Link::Loop,
            113 => Link::LinuxSll,
            276 => Link::LinuxSll2,
            9 => Link::Ppp,
            50 => Link::PppHdlc,
            204 => Link::PppWithDirection,
            51 => Link::Pppoe,
            104 => Link::CiscoHdlc,
            _ => Link::Unsupported(number),
        }
    }

    pub(super) fn number(self) -> u32 {
        match self {
            Link::Ethernet => 1,
            Link::Raw(number) | Link::Unsupported(number) => number,
            Link::Null => 0,
            Link::Loop => 108,
            Link::LinuxSll => 113,
            Link::LinuxSll2 => 276,
            Link::Ppp => 9,
            Link::PppHdlc => 50,
            Link::PppWithDirection => 204,
            Link::Pppoe => 51,
            Link::CiscoHdlc => 104,
        }
    }

    /// Writes `packet` as an Ethernet frame into `frame`, and returns how many bytes of link header
    /// it lost on the way.
    pub(super) fn rewrite(self, packet: &[u8], frame: &mut Vec<u8>) -> Result<u32, SkipReason> {
        let Header { length, ether_type, source } = self.header(packet)?;
        let payload = packet.get(length..).ok_or(SkipReason::ShortHeader)?;
        let header =
            Ethernet2Header { destination: [0; 6], source, ether_type: EtherType(ether_type) };
        frame.clear();
        frame.extend_from_slice(&header.to_bytes());
        frame.extend_from_slice(payload);
        Ok(length as u32)
    }

    /// Reads the link header of `packet`.
    fn header(self, packet: &[u8]) -> Result<Header, SkipReason> {
        match self {
            // A frame that needs no rewriting still has a header.
            Link::Ethernet => Header::new(ETHERNET_HEADER, be16(packet, 12)?),
            Link::Raw(_) => Header::new(0, ip_version(packet)?),
            Link::Null => Header::new(4, family(u32::from_le_bytes(array(packet, 0)?))?),
            Link::Loop => Header::new(4, family(u32::from_be_bytes(array(packet, 0)?))?),
            Link::LinuxSll => {
                let ether_type = be16(packet, 14)?;
                let source = hardware_address(be16(packet, 4)?, array(packet, 6)?);
                Header::new(16, ether_type).map(|header| Header { source, ..header })
            }
            Link::LinuxSll2 => {
                let ether_type = be16(packet, 0)?;
                let [length] = array(packet, 11)?;
                let source = hardware_address(length.into(), array(packet, 12)?);
                Header::new(20, ether_type).map(|header| Header { source, ..header })
            }
            Link::Ppp | Link::PppHdlc => ppp(packet, 0),
            Link::PppWithDirection => ppp(packet, 1),
            Link::Pppoe => {
                let [_, code] = array(packet, 0)?;
                Header::new(0, if code == 0 { PPPOE_SESSION } else { PPPOE_DISCOVERY })
            }
            Link::CiscoHdlc => Header::new(4, be16(packet, 2)?),
            Link::Unsupported(_) => Err(SkipReason::UnsupportedLink),
        }
    }
}

/// What a link header says.
struct Header {
    /// Its length in bytes.
    length: usize,
    ether_type: u16,
    source: [u8; 6],
}

impl Header {
    fn new(length: usize, ether_type: u16) -> Result<Self, SkipReason> {
        if ether_type < FIRST_ETHERTYPE {
            return Err(SkipReason::NoEtherType);
        }
        Ok(Header { length, ether_type, source: [0; 6] })
    }
}

/// The EtherType for the version nibble of an IP packet.
fn ip_version(packet: &[u8]) -> Result<u16, SkipReason> {
    match packet.first().ok_or(SkipReason::ShortHeader)? >> 4 {
        4 => Ok(IPV4),
        6 => Ok(IPV6),
        _ => Err(SkipReason::NoEtherType),
    }
}

/// The EtherType for an address family, which may be in the other byte order: no family needs
/// more than 16 bits.
fn family(family: u32) -> Result<u16, SkipReason> {
    match if family > 0xffff { family.swap_bytes() } else { family } {
        2 => Ok(IPV4),
        // Linux; NetBSD and OpenBSD; FreeBSD; Darwin.
        10 | 24 | 28 | 30 => Ok(IPV6),
        _ => Err(SkipReason::NoEtherType),
    }
}

/// The sender's address in a cooked header, if it is an Ethernet address.
fn hardware_address(length: u16, address: [u8; 8]) -> [u8; 6] {
    match address {
        [a, b, c, d, e, f, ..] if length == 6 => [a, b, c, d, e, f],
        _ => [0; 6],
    }
}

/// A PPP header at `start`: HDLC's address and control, unless they are left out, and a protocol
/// of two bytes, or one if it is compressed (RFC 1661 section 6.5, RFC 1662 section 3.1).
fn ppp(packet: &[u8], start: usize) -> Result<Header, SkipReason> {
    let at = match array(packet, start)? {
        // Cisco HDLC, which shares the link type, has 0x0f or 0x8f for an address.
        [0x0f | 0x8f, 0x00] => return Header::new(start + 4, be16(packet, start + 2)?),
        [0xff, 0x03] => start + 2,
        _ => start,
    };
    let [first] = array(packet, at)?;
    let (protocol, length) =
        if first & 1 == 1 { (first.into(), 1) } else { (be16(packet, at)?, 2) };
    let ether_type = match protocol {
        0x0021 => IPV4,
        0x0057 => IPV6,
        0x0281 => MPLS,
        0x0283 => MPLS_UPSTREAM,
        _ => return Err(SkipReason::NoEtherType),
    };
    Header::new(at + length, ether_type)
}

fn be16(packet: &[u8], at: usize) -> Result<u16, SkipReason> {
    Ok(u16::from_be_bytes(array(packet, at)?))
}

fn array<const N: usize>(packet: &[u8], at: usize) -> Result<[u8; N], SkipReason> {
    let bytes = packet.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().ok_or(SkipReason::ShortHeader)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of an IPv4 and an IPv6 packet, which is all that is looked at.
    const V4: [u8; 3] = [0x45, 0x00, 0x00];
    const V6: [u8; 3] = [0x60, 0x00, 0x00];

    fn rewritten(number: u32, header: &[u8], payload: &[u8]) -> Result<(u16, Vec<u8>), SkipReason> {
        let mut frame = vec![0xaa; 9];
        let packet = [header, payload].concat();
        let lost = Link::from_number(number).rewrite(&packet, &mut frame)?;
        assert_eq!(frame.len(), packet.len() - lost as usize + ETHERNET_HEADER);
        let (ethernet, rest) = Ethernet2Header::from_slice(&frame).expect("an Ethernet header");
        Ok((ethernet.ether_type.0, rest.to_vec()))
    }

    #[test]
    fn ip_is_found_under_every_header() {
        let sll = [0, 4, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd];
        let sll2 = [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0];
        let cases: &[(u32, &[u8], &[u8], u16)] = &[
            (101, &[], &V4, IPV4),
            (101, &[], &V6, IPV6),
            (12, &[], &V4, IPV4),
            (14, &[], &V6, IPV6),
            (228, &[], &V4, IPV4),
            (229, &[], &V6, IPV6),
            (0, &[2, 0, 0, 0], &V4, IPV4),
            (0, &[0, 0, 0, 30], &V6, IPV6),
            (0, &[24, 0, 0, 0], &V6, IPV6),
            (108, &[0, 0, 0, 2], &V4, IPV4),
            (108, &[0, 0, 0, 28], &V6, IPV6),
            (113, &sll, &V6, IPV6),
            (276, &sll2, &V4, IPV4),
            (9, &[0x00, 0x21], &V4, IPV4),
            (9, &[0x57], &V6, IPV6),
            (9, &[0xff, 0x03, 0x00, 0x57], &V6, IPV6),
            (50, &[0xff, 0x03, 0x21], &V4, IPV4),
            (50, &[0x0f, 0x00, 0x08, 0x00], &V4, IPV4),
            (50, &[0xff, 0x03, 0x02, 0x81], &[0, 0, 1], MPLS),
            (204, &[1, 0xff, 0x03, 0x00, 0x21], &V4, IPV4),
            (104, &[0x0f, 0x00, 0x86, 0xdd], &V6, IPV6),
        ];
        for (number, header, payload, ether_type) in cases {
            let expected = Ok((*ether_type, payload.to_vec()));
            assert_eq!(rewritten(*number, header, payload), expected, "{number} {header:02x?}");
        }
    }

    #[test]
    fn pppoe_keeps_its_own_header() {
        let session = [0x11, 0x00, 0x00, 0x01, 0x00, 0x05, 0x00, 0x21];
        let expected = [&session[..], &V4].concat();
        assert_eq!(rewritten(51, &session, &V4), Ok((PPPOE_SESSION, expected)));
        assert_eq!(rewritten(51, &[0x11, 0x09], &[]).map(|(found, _)| found), Ok(PPPOE_DISCOVERY));
    }

    #[test]
    fn the_sender_of_a_cooked_packet_is_kept() {
        let mut frame = Vec::new();
        let packet = [0, 0, 0, 1, 0, 6, 2, 4, 6, 8, 10, 12, 0, 0, 8, 0, 0x45];
        assert_eq!(Link::LinuxSll.rewrite(&packet, &mut frame), Ok(16));
        assert_eq!(frame[6..12], [2, 4, 6, 8, 10, 12]);
    }

    #[test]
    fn what_is_not_ip_is_skipped_with_its_reason() {
        let lcp = [0xff, 0x03, 0xc0, 0x21, 1, 1];
        assert_eq!(rewritten(9, &lcp, &[]), Err(SkipReason::NoEtherType));
        assert_eq!(rewritten(0, &[7, 0, 0, 0], &V4), Err(SkipReason::NoEtherType));
        assert_eq!(rewritten(101, &[0x15], &[]), Err(SkipReason::NoEtherType));
        // 802.2 in a cooked header: its "EtherType" is 4.
        let llc = [0, 0, 0, 1, 0, 6, 2, 4, 6, 8, 10, 12, 0, 0, 0, 4];
        assert_eq!(rewritten(113, &llc, &V4), Err(SkipReason::NoEtherType));
        assert_eq!(rewritten(127, &[0; 64], &V4), Err(SkipReason::UnsupportedLink));
    }

    #[test]
    fn every_short_packet_is_refused() {
        for number in [0, 9, 12, 14, 50, 51, 101, 104, 108, 113, 204, 228, 229, 276] {
            assert_eq!(rewritten(number, &[], &[]), Err(SkipReason::ShortHeader), "{number}");
            for length in 0..32 {
                // No panic, whatever is cut.
                let _ = rewritten(number, &[0xff, 0x03].repeat(length)[..length], &[]);
            }
        }
        assert_eq!(rewritten(113, &[0; 15], &[]), Err(SkipReason::ShortHeader));
        assert_eq!(rewritten(276, &[8; 19], &[]), Err(SkipReason::ShortHeader));
    }

    #[test]
    fn numbers_round_trip() {
        for number in 0..400 {
            assert_eq!(Link::from_number(number).number(), number);
        }
    }
}
