//! A TCP segment on its way, and how it is put on the wire.
//!
//! Octets are written straight into a buffer that is used again: the soak makes millions of
//! packets a minute, and every field must be settable to what no builder of honest packets allows.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// TCP flags.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u16 = 0x001;
    /// Synchronise.
    pub const SYN: u16 = 0x002;
    /// Reset.
    pub const RST: u16 = 0x004;
    /// Push.
    pub const PSH: u16 = 0x008;
    /// The acknowledgment number counts.
    pub const ACK: u16 = 0x010;
    /// The bit that RFC 3540 once gave to ECN's nonce.
    pub const NS: u16 = 0x100;
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end that asked.
    Client,
    /// The end that was asked.
    Server,
}

impl End {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Of the end that it claims to come from.
    Genuine,
    /// Made or altered by somebody on the way.
    Forged,
    /// Sent by whom it says, and what it says is false: a resolver that lies.
    Lied,
    /// Made by somebody far from the way, who cannot see the connection and guesses its numbers.
    Spoofed,
}

impl Truth {
    /// In label files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Forged => "injected_or_altered",
            Self::Lied => "false_answer",
            Self::Spoofed => "spoofed_blindly",
        }
    }
}

/// TCP options, in the order in which Linux writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Largest segment.
    pub mss: Option<u16>,
    /// Whether selective acknowledgments are welcome.
    pub sack_ok: bool,
    /// Timestamp value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// Window scale.
    pub scale: Option<u8>,
    /// One block of octets received out of order.
    pub sack: Option<(u32, u32)>,
    /// Anything else, as it goes on the wire; padded by the writer.
    pub extra: &'static [u8],
}

/// A segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Which end it claims to come from.
    pub from: End,
    /// TTL or hop limit where it is now.
    pub ttl: u8,
    /// IP-ID; IPv4 only.
    pub ip_id: u16,
    /// Don't fragment; IPv4 only.
    pub df: bool,
    /// Flow label; IPv6 only.
    pub label: u32,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// See [`flag`].
    pub flags: u16,
    /// Window as on the wire.
    pub window: u16,
    /// Options.
    pub options: Options,
    /// Payload.
    pub payload: Bytes,
    /// Whose it is.
    pub truth: Truth,
    /// Offset of the client's port: a NAT that has forgotten a connection gives it another one.
    pub port_shift: u16,
    /// What went wrong with it on the way, after its checksum was made.
    pub wrong: Wrong,
}

/// See [`Segment::wrong`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrong {
    /// No bit.
    #[default]
    None,
    /// One of the bits of addresses, TCP header and payload: this one, modulo how many there are.
    Any(u32),
    /// These flags.
    Flags(u16),
    /// These bits of the checksum itself.
    Sum(u16),
}

impl Segment {
    /// A segment with nothing in it.
    pub fn empty(from: End) -> Self {
        Self {
            from,
            ttl: 64,
            ip_id: 0,
            df: true,
            label: 0,
            seq: 0,
            ack: 0,
            flags: 0,
            window: 0,
            options: Options::default(),
            payload: Bytes::new(),
            truth: Truth::Genuine,
            port_shift: 0,
            wrong: Wrong::None,
        }
    }

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// Sequence numbers that it takes.
    pub fn length(&self) -> u32 {
        let extra = u32::from(self.has(flag::SYN)) + u32::from(self.has(flag::FIN));
        self.payload.len() as u32 + extra
    }

    /// The sequence number behind it.
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.length())
    }
}

/// The addresses and ports of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Of the end that asked.
    pub client: SocketAddr,
    /// Of the end that was asked.
    pub server: SocketAddr,
}

/// Length of the Ethernet header that captures of a router's port have.
pub const ETHERNET: usize = 14;

/// Of the router's neighbour on the clients' side.
pub(super) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Of the router's neighbour on the other side.
pub(super) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Appends `segment` to `out` as an Ethernet frame with right checksums.
pub fn write(segment: &Segment, pair: &Pair, out: &mut Vec<u8>) {
    let mut client = pair.client;
    client.set_port(client.port().wrapping_add(segment.port_shift));
    let (source, destination, macs) = match segment.from {
        End::Client => (client, pair.server, [SERVER_MAC, CLIENT_MAC]),
        End::Server => (pair.server, client, [CLIENT_MAC, SERVER_MAC]),
    };
    out.extend_from_slice(&macs[0]);
    out.extend_from_slice(&macs[1]);
    let ip_at = out.len() + 2;
    let mut space = [0; 40];
    let taken = write_options(&segment.options, &mut space);
    let options = &space[..taken];
    let tcp_len = 20 + options.len() + segment.payload.len();
    // The pseudo-header's part of the checksum: protocol, length, addresses.
    let mut pseudo = 6 + tcp_len as u64;
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
            out.extend_from_slice(&((20 + tcp_len) as u16).to_be_bytes());
            out.extend_from_slice(&segment.ip_id.to_be_bytes());
            out.extend_from_slice(&[if segment.df { 0x40 } else { 0 }, 0, segment.ttl, 6, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = checksum(0, &out[ip_at..]);
            out[ip_at + 10..ip_at + 12].copy_from_slice(&sum.to_be_bytes());
            pseudo += sum_of(&from.octets()) + sum_of(&to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            out.extend_from_slice(&[0x86, 0xdd]);
            out.extend_from_slice(&(0x6000_0000 | segment.label & 0xf_ffff).to_be_bytes());
            out.extend_from_slice(&(tcp_len as u16).to_be_bytes());
            out.extend_from_slice(&[6, segment.ttl]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            pseudo += sum_of(&from.octets()) + sum_of(&to.octets());
        }
        _ => unreachable!("both ends of a pair are of one family"),
    }
    let at = out.len();
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
    out.extend_from_slice(&segment.seq.to_be_bytes());
    out.extend_from_slice(&segment.ack.to_be_bytes());
    let offset = ((5 + options.len() / 4) as u16) << 12 | segment.flags & 0x1ff;
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&segment.window.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(options);
    out.extend_from_slice(&segment.payload);
    let sum = checksum(pseudo, &out[at..]);
    out[at + 16..at + 18].copy_from_slice(&sum.to_be_bytes());
    match segment.wrong {
        Wrong::None => {}
        Wrong::Flags(flags) => out[at + 13] ^= flags as u8,
        Wrong::Sum(bits) => {
            let [high, low] = bits.to_be_bytes();
            out[at + 16] ^= high;
            out[at + 17] ^= low;
        }
        Wrong::Any(bit) => {
            // The addresses, which the pseudo-header has, stand right before.
            let from = at - if source.is_ipv4() { 8 } else { 32 };
            let bit = bit as usize % ((out.len() - from) * 8);
            out[from + bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// Writes options and returns their length, a multiple of four.
fn write_options(options: &Options, out: &mut [u8; 40]) -> usize {
    let mut at = 0;
    let mut put = |octets: &[u8]| {
        out[at..at + octets.len()].copy_from_slice(octets);
        at += octets.len();
    };
    if let Some(mss) = options.mss {
        let [high, low] = mss.to_be_bytes();
        put(&[2, 4, high, low]);
    }
    if options.sack_ok {
        put(if options.timestamps.is_some() { &[4, 2] } else { &[1, 1, 4, 2] });
    }
    if let Some((value, echo)) = options.timestamps {
        put(if options.sack_ok { &[8, 10] } else { &[1, 1, 8, 10] });
        put(&value.to_be_bytes());
        put(&echo.to_be_bytes());
    }
    if let Some(scale) = options.scale {
        put(&[1, 3, 3, scale]);
    }
    if let Some((from, to)) = options.sack {
        put(&[1, 1, 5, 10]);
        put(&from.to_be_bytes());
        put(&to.to_be_bytes());
    }
    put(options.extra);
    // The end-of-list option is 0, and so is what comes after it.
    at.next_multiple_of(4)
}

/// Octets as a sum of 32-bit words, which folds to that of 16-bit ones.
pub(super) fn sum_of(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

/// The Internet checksum (RFC 1071) of `octets` and what is in `start` already.
pub(super) fn checksum(start: u64, octets: &[u8]) -> u16 {
    let mut sum = start + sum_of(octets);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{End, Options, Pair, Segment, flag, write};

    #[test]
    fn what_is_written_reads_back_with_right_checksums() {
        for (client, server) in
            [("10.0.0.1:1025", "198.18.0.1:443"), ("[fd00::1]:1025", "[2001:db8::1]:443")]
        {
            let pair = Pair { client: client.parse().unwrap(), server: server.parse().unwrap() };
            let mut segment = Segment::empty(End::Client);
            segment.flags = flag::SYN | flag::ACK;
            segment.payload = Bytes::from_static(b"odd");
            segment.options = Options {
                mss: Some(1460),
                sack_ok: true,
                timestamps: Some((1, 2)),
                scale: Some(7),
                ..Options::default()
            };
            let mut out = Vec::new();
            write(&segment, &pair, &mut out);
            let read = etherparse::PacketHeaders::from_ethernet_slice(&out).unwrap();
            let Some(etherparse::TransportHeader::Tcp(tcp)) = read.transport else { panic!() };
            assert_eq!(tcp.options_iterator().filter(Result::is_ok).count(), 5);
            let sum = match read.net.unwrap() {
                etherparse::NetHeaders::Ipv4(ip, _) => {
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    tcp.calc_checksum_ipv4(&ip, b"odd").unwrap()
                }
                etherparse::NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, b"odd").unwrap(),
                etherparse::NetHeaders::Arp(_) => panic!(),
            };
            assert_eq!(tcp.checksum, sum);
        }
    }
}
