//! UDP and DNS messages.

use std::net::IpAddr;

use etherparse::UdpHeader;

use super::net::Ip;

/// A datagram.
pub fn datagram(ip: &Ip, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let header = match (ip.source, ip.destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // Of the IPv4 header only the addresses enter the sum.
            let net = etherparse::Ipv4Header {
                source: from.octets(),
                destination: to.octets(),
                ..etherparse::Ipv4Header::default()
            };
            UdpHeader::with_ipv4_checksum(ports.0, ports.1, &net, payload)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let net = etherparse::Ipv6Header {
                source: from.octets(),
                destination: to.octets(),
                ..etherparse::Ipv6Header::default()
            };
            UdpHeader::with_ipv6_checksum(ports.0, ports.1, &net, payload)
        }
        ends => panic!("ends of two versions: {ends:?}"),
    };
    let mut transport = header.expect("it fits into a datagram").to_bytes().to_vec();
    transport.extend(payload);
    ip.packet(17, &transport)
}

/// A name as DNS has it.
pub fn name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// A question; with an OPT record if `edns`.
pub fn query(id: u16, of: &str, kind: u16, edns: bool) -> Vec<u8> {
    let mut message = message(id, 0x0100, of, kind, [0, 0, u16::from(edns)]);
    if edns {
        message.extend(OPT);
    }
    message
}

/// An answer with one address for each of `addresses`.
pub fn reply(id: u16, flags: u16, of: &str, kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    let mut message = message(id, flags, of, kind, [addresses.len() as u16, 0, 0]);
    for address in addresses {
        let (kind, octets) = match address {
            IpAddr::V4(address) => (1_u16, address.octets().to_vec()),
            IpAddr::V6(address) => (28, address.octets().to_vec()),
        };
        // The name of the question, by pointer (RFC 1035, section 4.1.4).
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 1, 44]);
        message.extend((octets.len() as u16).to_be_bytes());
        message.extend(octets);
    }
    message
}

/// The message with an OPT record behind it.
pub fn with_opt(mut message: Vec<u8>) -> Vec<u8> {
    let count = u16::from_be_bytes([message[10], message[11]]) + 1;
    message[10..12].copy_from_slice(&count.to_be_bytes());
    message.extend(OPT);
    message
}

const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];

fn message(id: u16, flags: u16, of: &str, kind: u16, counts: [u16; 3]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(id.to_be_bytes());
    message.extend(flags.to_be_bytes());
    message.extend(1_u16.to_be_bytes());
    for count in counts {
        message.extend(count.to_be_bytes());
    }
    message.extend(name(of));
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}
