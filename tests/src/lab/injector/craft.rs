//! Forged packets, with everything right but their origin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pnet::{
    packet::{
        MutablePacket as _,
        ethernet::{EtherType, EtherTypes, MutableEthernetPacket},
        ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
        ipv4::{self, Ipv4Flags, Ipv4Packet, MutableIpv4Packet},
        ipv6::{Ipv6Packet, MutableIpv6Packet},
        tcp::{self, MutableTcpPacket, TcpFlags},
        udp::{self, MutableUdpPacket},
    },
    util::MacAddr,
};

use super::{model::Reset, version};

/// What forged A records lead to: addresses for documentation (RFC 5737), where nobody is.
pub const LIE_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

/// What forged AAAA records lead to (RFC 3849).
pub const LIE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66);

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;
const UDP: usize = 8;

/// TTL and IP-ID of forged answers: those of a box one hop from the router, made by hand.
const ANSWER_TTL: u8 = 63;
const ANSWER_ID: u16 = 0x9d5c;

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged(pub Vec<u8>);

/// A reset from `from` to `to`, numbered `seq` and more as `one` says.
pub fn reset(from: SocketAddr, to: SocketAddr, seq: u32, ack: u32, one: &Reset) -> Forged {
    let mut segment = [0; TCP];
    if let Some(mut tcp) = MutableTcpPacket::new(&mut segment) {
        tcp.set_source(from.port());
        tcp.set_destination(to.port());
        tcp.set_sequence(seq.wrapping_add(one.offset));
        tcp.set_acknowledgement(ack);
        tcp.set_data_offset((TCP / 4) as u8);
        tcp.set_flags(TcpFlags::RST | TcpFlags::ACK);
        tcp.set_window(one.window);
        let sum = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                tcp::ipv4_checksum(&tcp.to_immutable(), &from, &to)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                tcp::ipv6_checksum(&tcp.to_immutable(), &from, &to)
            }
            _ => unreachable!("both ends of a connection are of one family"),
        };
        tcp.set_checksum(sum);
    }
    let header = Header { ttl: one.ttl, ip_id: one.ip_id, df: one.df };
    packet(from.ip(), to.ip(), IpNextHeaderProtocols::Tcp, &header, &segment)
}

/// A datagram from `from` to `to`; with this TTL and IP-ID 0, if one is given.
pub fn datagram(from: SocketAddr, to: SocketAddr, ttl: Option<u8>, payload: &[u8]) -> Forged {
    let mut octets = vec![0; UDP + payload.len()];
    if let Some(mut udp) = MutableUdpPacket::new(&mut octets) {
        udp.set_source(from.port());
        udp.set_destination(to.port());
        udp.set_length((UDP + payload.len()) as u16);
        udp.payload_mut().copy_from_slice(payload);
        let sum = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                udp::ipv4_checksum(&udp.to_immutable(), &from, &to)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                udp::ipv6_checksum(&udp.to_immutable(), &from, &to)
            }
            _ => unreachable!("both ends of an exchange are of one family"),
        };
        udp.set_checksum(sum);
    }
    let header = match ttl {
        Some(ttl) => Header { ttl, ip_id: 0, df: false },
        None => Header { ttl: ANSWER_TTL, ip_id: ANSWER_ID, df: false },
    };
    packet(from.ip(), to.ip(), IpNextHeaderProtocols::Udp, &header, &octets)
}

/// A false answer to `query`, whose question is of type `kind`; none for other types than
/// addresses.
pub fn answer(query: &[u8], kind: u16) -> Option<Vec<u8>> {
    let data = match kind {
        1 => LIE_V4.octets().to_vec(),
        28 => LIE_V6.octets().to_vec(),
        _ => return None,
    };
    let name_end = 12 + query.get(12..)?.iter().position(|octet| *octet == 0)?;
    // Type and class follow the name.
    let question = query.get(12..name_end + 5)?;
    let mut message = query.get(..2)?.to_vec();
    // A response, recursion desired and available; one question, one answer.
    message.extend_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend_from_slice(question);
    // The name by reference, type, class, a minute's validity.
    message.extend_from_slice(&[0xc0, 12]);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    message.extend_from_slice(&(data.len() as u16).to_be_bytes());
    message.extend_from_slice(&data);
    Some(message)
}

/// Where the TCP segment of an IP packet begins; nothing if it has none.
pub fn segment_at(packet: &[u8]) -> Option<usize> {
    let (at, protocol) = match packet.first()? >> 4 {
        4 => {
            let ip = Ipv4Packet::new(packet)?;
            (usize::from(ip.get_header_length()) * 4, ip.get_next_level_protocol())
        }
        6 => (IPV6, Ipv6Packet::new(packet)?.get_next_header()),
        _ => return None,
    };
    (protocol == IpNextHeaderProtocols::Tcp && packet.len() >= at + TCP).then_some(at)
}

/// Corrects lengths and checksums of a packet whose TCP segment was changed, and nothing else.
pub fn refit(packet: &mut [u8]) -> Option<()> {
    let (at, len) = (segment_at(packet)?, packet.len());
    let (ip, segment) = packet.split_at_mut(at);
    let mut tcp = MutableTcpPacket::new(segment)?;
    let sum = if let Some(mut ip) = MutableIpv4Packet::new(ip).filter(|ip| ip.get_version() == 4) {
        ip.set_total_length(len as u16);
        let sum = ipv4::checksum(&ip.to_immutable());
        ip.set_checksum(sum);
        tcp::ipv4_checksum(&tcp.to_immutable(), &ip.get_source(), &ip.get_destination())
    } else {
        let mut ip = MutableIpv6Packet::new(ip)?;
        ip.set_payload_length((len - at) as u16);
        tcp::ipv6_checksum(&tcp.to_immutable(), &ip.get_source(), &ip.get_destination())
    };
    tcp.set_checksum(sum);
    Some(())
}

/// `packet` in an Ethernet frame.
pub fn framed(packet: &Forged, from: MacAddr, to: MacAddr) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET + packet.0.len()];
    if let Some(mut ethernet) = MutableEthernetPacket::new(&mut frame) {
        ethernet.set_source(from);
        ethernet.set_destination(to);
        ethernet.set_ethertype(ethertype(packet));
        ethernet.payload_mut().copy_from_slice(&packet.0);
    }
    frame
}

fn ethertype(packet: &Forged) -> EtherType {
    if packet.0.first().is_some_and(|first| first >> 4 == 6) {
        EtherTypes::Ipv6
    } else {
        EtherTypes::Ipv4
    }
}

struct Header {
    ttl: u8,
    ip_id: u16,
    df: bool,
}

fn packet(
    from: IpAddr,
    to: IpAddr,
    protocol: IpNextHeaderProtocol,
    header: &Header,
    payload: &[u8],
) -> Forged {
    let size = if version(from) == 4 { IPV4 } else { IPV6 };
    let mut octets = vec![0; size + payload.len()];
    octets[size..].copy_from_slice(payload);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            if let Some(mut ip) = MutableIpv4Packet::new(&mut octets) {
                ip.set_version(4);
                ip.set_header_length((IPV4 / 4) as u8);
                ip.set_total_length((IPV4 + payload.len()) as u16);
                ip.set_identification(header.ip_id);
                ip.set_flags(if header.df { Ipv4Flags::DontFragment } else { 0 });
                ip.set_ttl(header.ttl);
                ip.set_next_level_protocol(protocol);
                ip.set_source(from);
                ip.set_destination(to);
                let sum = ipv4::checksum(&ip.to_immutable());
                ip.set_checksum(sum);
            }
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            if let Some(mut ip) = MutableIpv6Packet::new(&mut octets) {
                ip.set_version(6);
                ip.set_payload_length(payload.len() as u16);
                ip.set_next_header(protocol);
                ip.set_hop_limit(header.ttl);
                ip.set_source(from);
                ip.set_destination(to);
            }
        }
        _ => unreachable!("both ends are of one family"),
    }
    Forged(octets)
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketHeaders, TransportHeader};

    use super::*;

    const RESET: Reset = Reset { offset: 1_460, ttl: 115, window: 9, ip_id: 7, df: true };

    #[test]
    fn resets_are_valid_in_both_families() {
        for (from, to) in [("10.0.0.1:443", "10.0.0.2:9"), ("[fd71::1]:443", "[fd71::2]:9")] {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let forged = reset(from, to, u32::MAX, 5, &RESET);
            let read = PacketHeaders::from_ip_slice(&forged.0).expect("a valid packet");
            let Some(TransportHeader::Tcp(tcp)) = read.transport else { panic!("no TCP") };
            assert_eq!((tcp.sequence_number, tcp.acknowledgment_number), (1_459, 5));
            assert!(tcp.rst && tcp.ack && !tcp.syn);
            let sum = match read.net.expect("IP") {
                etherparse::NetHeaders::Ipv4(ip, _) => {
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    tcp.calc_checksum_ipv4(&ip, &[]).unwrap()
                }
                etherparse::NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, &[]).unwrap(),
                _ => panic!("not IP"),
            };
            assert_eq!(tcp.checksum, sum);
        }
    }

    #[test]
    fn answers_repeat_their_question() {
        let query =
            b"\x07\x08\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x02at\x00\x00\x01\x00\x01rest";
        let message = answer(query, 1).expect("an answer to a question for an address");
        assert_eq!(message[..2], query[..2]);
        assert_eq!(message[12..22], query[12..22]);
        assert_eq!(message[message.len() - 4..], LIE_V4.octets());
        assert_eq!(answer(query, 15), None);
    }
}
