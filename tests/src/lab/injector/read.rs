//! What a censor reads: addresses, numbers, and the name that a client asks for.
//!
//! Written apart from the agent's parsers on purpose: a mistake that both made would not be seen.

use std::net::SocketAddr;

use pnet::{
    packet::{
        ethernet::{EtherTypes, EthernetPacket},
        ip::IpNextHeaderProtocols,
        ipv4::Ipv4Packet,
        ipv6::Ipv6Packet,
        tcp::{TcpFlags, TcpPacket},
        udp::UdpPacket,
    },
    util::MacAddr,
};
use rustls::{
    Side,
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{Keys, Version},
};

/// A packet as far as it matters here.
#[derive(Debug)]
pub struct Packet<'a> {
    /// Sender of the frame.
    pub mac_from: MacAddr,
    /// Receiver of the frame.
    pub mac_to: MacAddr,
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// TTL or hop limit.
    pub hops: u8,
    /// The rest.
    pub payload: Payload<'a>,
}

/// What it carries.
#[derive(Debug)]
pub enum Payload<'a> {
    /// A TCP segment.
    Tcp {
        /// Sequence number.
        seq: u32,
        /// Acknowledgment number.
        ack: u32,
        /// Whether it is a SYN without ACK.
        opens: bool,
        /// Data.
        octets: &'a [u8],
    },
    /// A UDP datagram.
    Udp {
        /// Data.
        octets: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Reads an Ethernet frame; nothing if it is not TCP or UDP.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let ethernet = EthernetPacket::new(frame)?;
        if !matches!(ethernet.get_ethertype(), EtherTypes::Ipv4 | EtherTypes::Ipv6) {
            return None;
        }
        let ip = frame.get(EthernetPacket::minimum_packet_size()..)?;
        let (mac_from, mac_to) = (ethernet.get_source(), ethernet.get_destination());
        Some(Self { mac_from, mac_to, ..Self::read_ip(ip)? })
    }

    /// Reads an IP packet without a frame around it.
    pub fn read_ip(ip: &'a [u8]) -> Option<Self> {
        let (addresses, hops, protocol, rest) = match ip.first()? >> 4 {
            4 => {
                let packet = Ipv4Packet::new(ip)?;
                let header = usize::from(packet.get_header_length()) * 4;
                let end = usize::from(packet.get_total_length()).min(ip.len());
                let addresses = (packet.get_source().into(), packet.get_destination().into());
                (
                    addresses,
                    packet.get_ttl(),
                    packet.get_next_level_protocol(),
                    ip.get(header..end)?,
                )
            }
            6 => {
                let packet = Ipv6Packet::new(ip)?;
                let header = Ipv6Packet::minimum_packet_size();
                let end = (header + usize::from(packet.get_payload_length())).min(ip.len());
                let addresses = (packet.get_source().into(), packet.get_destination().into());
                (addresses, packet.get_hop_limit(), packet.get_next_header(), ip.get(header..end)?)
            }
            _ => return None,
        };
        let (ports, payload) = match protocol {
            IpNextHeaderProtocols::Tcp => {
                let segment = TcpPacket::new(rest)?;
                let flags = segment.get_flags();
                let payload = Payload::Tcp {
                    seq: segment.get_sequence(),
                    ack: segment.get_acknowledgement(),
                    opens: flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN,
                    octets: rest.get(usize::from(segment.get_data_offset()) * 4..)?,
                };
                ((segment.get_source(), segment.get_destination()), payload)
            }
            IpNextHeaderProtocols::Udp => {
                let datagram = UdpPacket::new(rest)?;
                let octets = rest.get(UdpPacket::minimum_packet_size()..)?;
                ((datagram.get_source(), datagram.get_destination()), Payload::Udp { octets })
            }
            _ => return None,
        };
        Some(Self {
            mac_from: MacAddr::zero(),
            mac_to: MacAddr::zero(),
            from: SocketAddr::new(addresses.0, ports.0),
            to: SocketAddr::new(addresses.1, ports.1),
            hops,
            payload,
        })
    }
}

/// The name in a TLS hello or in an HTTP request, if it is there by now.
pub fn server_name(stream: &[u8]) -> Option<String> {
    if stream.first() == Some(&22) { sni(stream) } else { host(stream) }
}

/// The name in the hello of a QUIC client's first datagram. Of a hello that goes on in a second one it
/// sees nothing: a simple censor.
pub fn quic_name(datagram: &[u8]) -> Option<String> {
    hello_name(&quic_hello(datagram)?)
}

/// RFC 9001, section 5: the keys follow from the destination id.
fn quic_hello(datagram: &[u8]) -> Option<Vec<u8>> {
    let mut octets = datagram.to_vec();
    let mut reader = Reader(datagram);
    let first = reader.take(1)?[0];
    let version_one = reader.take(4)? == [0, 0, 0, 1];
    (version_one && first & 0xf0 == 0xc0).then_some(())?;
    let id = reader.sized::<1>()?;
    reader.sized::<1>()?;
    let token = reader.varint()?;
    reader.take(token)?;
    let length = reader.varint()?;
    let at = datagram.len() - reader.0.len();
    octets.truncate(at + length);

    let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
    let keys = Keys::initial(Version::V1, suite, suite.quic?, id, Side::Server).remote;
    let sample = octets.get(at + 4..at + 20)?.to_vec();
    let (head, rest) = octets.split_at_mut(at);
    keys.header.decrypt_in_place(&sample, &mut head[0], rest.get_mut(..4)?).ok()?;
    let width = usize::from(head[0] & 3) + 1;
    let number = rest[..width].iter().fold(0, |number, octet| number << 8 | u64::from(*octet));
    let (head, sealed) = octets.split_at_mut(at + width);
    let frames = keys.packet.decrypt_in_place(number, head, sealed).ok()?;

    let (mut hello, mut reader) = (vec![0; 2_048], Reader(frames));
    let mut end = 0;
    while let Some(kind) = reader.take(1) {
        match kind[0] {
            0 | 1 => {}
            6 => {
                let (offset, length) = (reader.varint()?, reader.varint()?);
                hello.get_mut(offset..offset + length)?.copy_from_slice(reader.take(length)?);
                end = end.max(offset + length);
            }
            _ => break,
        }
    }
    hello.truncate(end);
    Some(hello)
}

/// RFC 8446, section 4.1.2 and RFC 6066, section 3: the hello in one or more records.
fn sni(stream: &[u8]) -> Option<String> {
    let mut hello = Vec::new();
    let mut records = stream;
    while let [22, 3, _, high, low, rest @ ..] = records {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (record, next) = rest.split_at(len.min(rest.len()));
        hello.extend_from_slice(record);
        records = next;
    }
    hello_name(&hello)
}

fn hello_name(hello: &[u8]) -> Option<String> {
    let mut reader = Reader(hello);
    (reader.take(1)? == [1]).then_some(())?;
    // Length, version, random.
    reader.take(3 + 2 + 32)?;
    // Session id, cipher suites, compression methods, and the length of all extensions.
    reader.sized::<1>()?;
    reader.sized::<2>()?;
    reader.sized::<1>()?;
    reader.take(2)?;
    loop {
        let kind = reader.take(2)?;
        let body = reader.sized::<2>()?;
        if kind == [0, 0] {
            let mut list = Reader(Reader(body).sized::<2>()?);
            (list.take(1)? == [0]).then_some(())?;
            return String::from_utf8(list.sized::<2>()?.to_vec()).ok();
        }
    }
}

/// RFC 9112, section 3.2.
fn host(stream: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stream);
    text.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        key.eq_ignore_ascii_case("host").then(|| value.split(':').next().map(str::to_owned))?
    })
}

/// Name and type of the question in a DNS query (RFC 1035, section 4.1.2).
pub fn question(message: &[u8]) -> Option<(String, u16)> {
    let query = message.get(2)? & 0x80 == 0;
    let one = message.get(4..6)? == [0, 1];
    if !query || !one {
        return None;
    }
    let mut reader = Reader(message.get(12..)?);
    let mut labels = Vec::new();
    loop {
        let label = reader.sized::<1>()?;
        if label.is_empty() {
            break;
        }
        // Longer ones are pointers, which questions do not have.
        (label.len() < 64).then_some(())?;
        labels.push(String::from_utf8_lossy(label).into_owned());
    }
    let kind = reader.take(2)?;
    Some((labels.join("."), u16::from_be_bytes([kind[0], kind[1]])))
}

/// Takes octets off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// RFC 9000, section 16.
    fn varint(&mut self) -> Option<usize> {
        let first = self.take(1)?[0];
        let rest = self.take((1 << (first >> 6)) - 1)?;
        Some(rest.iter().fold((first & 0x3f).into(), |sum, octet| sum << 8 | usize::from(*octet)))
    }

    /// What follows a length of `N` octets.
    fn sized<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let len = self.take(N)?.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::{question, quic_name, server_name};
    use crate::craft::quic::Initial;

    #[test]
    fn a_name_is_read_in_a_datagram() {
        let flight = crate::craft::quic::flight(&Initial::new(b"12345678"), "a.example", 0);
        assert_eq!(quic_name(&flight[0]), Some("a.example".into()));
        assert_eq!(quic_name(&flight[0][..900]), None);
    }

    #[test]
    fn a_host_is_read_once_its_line_is_there() {
        assert_eq!(server_name(b"GET / HTTP/1.1\r\nHost: a.example"), Some("a.example".into()));
        assert_eq!(server_name(b"GET / HTTP/1.1\r\nAccept: */*\r\n"), None);
    }

    #[test]
    fn a_question_is_read() {
        let query =
            b"\x07\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x02at\x00\x00\x1c\x00\x01";
        assert_eq!(question(query), Some(("www.at".into(), 28)));
        assert_eq!(question(&query[..14]), None);
    }
}
