//! ICMP and ICMPv6 messages.

use std::net::IpAddr;

use etherparse::Icmpv6Header;

use super::net::Ip;

/// A message of type and code about `quoted`, a packet or its beginning.
pub fn message(ip: &Ip, kind: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
    let mut octets = vec![kind, code, 0, 0, 0, 0, 5, 0xdc];
    octets.extend(quoted);
    match (ip.source, ip.destination) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let (header, rest) = Icmpv6Header::from_slice(&octets).expect("it has a header");
            let sum = header
                .icmp_type
                .calc_checksum(from.octets(), to.octets(), rest)
                .expect("a message is shorter than 4 GiB");
            octets[2..4].copy_from_slice(&sum.to_be_bytes());
            ip.packet(58, &octets)
        }
        _ => {
            let sum = internet_checksum(&octets);
            octets[2..4].copy_from_slice(&sum.to_be_bytes());
            ip.packet(1, &octets)
        }
    }
}

/// The error that says that a packet's TTL ran out.
pub fn time_exceeded(ip: &Ip, quoted: &[u8]) -> Vec<u8> {
    message(ip, if ip.source.is_ipv6() { 3 } else { 11 }, 0, quoted)
}

/// RFC 1071.
fn internet_checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
