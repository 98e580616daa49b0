//! A packet rebuilt from what is known of its headers, with the client replaced and checksums right.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header,
    TcpHeader,
};

use super::{End, OCTETS_MAX, stand_in};
use crate::checksum::pseudo_header;

/// What is known of a packet's headers.
#[derive(Debug, Clone)]
pub(super) struct Headers<'a> {
    pub(super) server: SocketAddr,
    pub(super) from: End,
    pub(super) hops: u8,
    pub(super) class: u8,
    pub(super) ip_id: u16,
    pub(super) df: bool,
    pub(super) flow_label: u32,
    /// `None` for UDP.
    pub(super) tcp: Option<Segment>,
    /// Octets of payload on the wire.
    pub(super) length: u32,
    /// Those of them that are kept.
    pub(super) payload: &'a [u8],
}

/// What is known of a TCP header.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) seq: u32,
    pub(super) ack: u32,
    /// The 13th and 14th octets, less the header's length.
    pub(super) flags: u16,
    pub(super) window: u16,
    pub(super) urgent: u16,
    pub(super) options: Vec<u8>,
}

/// The packet from its IP header on.
pub(super) fn build(headers: &Headers<'_>) -> Vec<u8> {
    let client = stand_in(headers.server.ip());
    let (from, to) = match headers.from {
        End::Client => (client, headers.server),
        End::Server => (headers.server, client),
    };
    let transport = match &headers.tcp {
        Some(segment) => tcp(segment, from, to, headers.payload),
        None => udp(headers, from, to),
    };
    let length = transport.len() + headers.length as usize;
    let room = Ipv6Header::LEN + transport.len() + headers.payload.len();
    let mut packet = Vec::with_capacity(room.min(OCTETS_MAX));
    ip(headers, from.ip(), to.ip(), length, &mut packet);
    for part in [&transport, headers.payload] {
        packet.extend_from_slice(&part[..part.len().min(OCTETS_MAX - packet.len())]);
    }
    packet
}

fn ip(headers: &Headers<'_>, from: IpAddr, to: IpAddr, length: usize, packet: &mut Vec<u8>) {
    let protocol = if headers.tcp.is_some() { IpNumber::TCP } else { IpNumber::UDP };
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut ip = Ipv4Header {
                dscp: IpDscp::try_new(headers.class >> 2).unwrap_or_default(),
                ecn: IpEcn::try_new(headers.class & 3).unwrap_or_default(),
                // Super-segments that a host has not cut up yet are longer than the field can say.
                total_len: u16::try_from(Ipv4Header::MIN_LEN + length).unwrap_or(u16::MAX),
                identification: headers.ip_id,
                dont_fragment: headers.df,
                more_fragments: false,
                fragment_offset: IpFragOffset::ZERO,
                time_to_live: headers.hops,
                protocol,
                header_checksum: 0,
                source: from.octets(),
                destination: to.octets(),
                options: Ipv4Options::default(),
            };
            ip.header_checksum = ip.calc_header_checksum();
            packet.extend_from_slice(&ip.to_bytes());
        }
        (from, to) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let ip = Ipv6Header {
                traffic_class: headers.class,
                flow_label: Ipv6FlowLabel::try_new(headers.flow_label).unwrap_or_default(),
                payload_length: u16::try_from(length).unwrap_or(u16::MAX),
                next_header: protocol,
                hop_limit: headers.hops,
                source: octets(from),
                destination: octets(to),
            };
            packet.extend_from_slice(&ip.to_bytes());
        }
    }
}

fn tcp(segment: &Segment, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut header = TcpHeader::new(from.port(), to.port(), segment.seq, segment.window);
    header.acknowledgment_number = segment.ack;
    header.urgent_pointer = segment.urgent;
    // What is longer than a header can be was no list of options.
    let _ = header.set_options_raw(&segment.options);
    let mut octets = header.to_bytes().to_vec();
    // AE, and the three bits that no RFC has given a meaning.
    octets[12] |= (segment.flags >> 8) as u8 & 0x0f;
    octets[13] = segment.flags as u8;
    let sum = checksum(from.ip(), to.ip(), IpNumber::TCP, &[&octets, payload]);
    octets[16..18].copy_from_slice(&sum.to_be_bytes());
    octets
}

fn udp(headers: &Headers<'_>, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut octets = Vec::with_capacity(8);
    octets.extend(from.port().to_be_bytes());
    octets.extend(to.port().to_be_bytes());
    let length = u16::try_from(headers.length.saturating_add(8)).unwrap_or(u16::MAX);
    octets.extend(length.to_be_bytes());
    octets.extend([0, 0]);
    let sum = checksum(from.ip(), to.ip(), IpNumber::UDP, &[&octets, headers.payload]);
    // RFC 768: a sum of zero is sent as all ones.
    let sum = if sum == 0 { u16::MAX } else { sum };
    octets[6..8].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// The checksum of a transport header and its payload. Of what is cut off nothing is summed: nobody can check it
/// either.
fn checksum(from: IpAddr, to: IpAddr, protocol: IpNumber, parts: &[&[u8]]) -> u16 {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut sum = pseudo_header(from, to, protocol.0, length);
    for part in parts {
        sum = sum.add_slice(part);
    }
    sum.ones_complement().to_be()
}

/// Gives the client of a packet another port, and its checksum right again.
pub(super) fn with_port(packet: &[u8], from: End, port: u16) -> Vec<u8> {
    let mut changed = packet.to_vec();
    let at = match packet.first().map(|octet| octet >> 4) {
        Some(4) => usize::from(packet[0] & 15) * 4,
        Some(6) => Ipv6Header::LEN,
        _ => return changed,
    };
    let protocol = packet.get(if at == Ipv6Header::LEN { 6 } else { 9 });
    let sum_at = at + if protocol == Some(&IpNumber::TCP.0) { 16 } else { 6 };
    let port_at = if from == End::Client { at } else { at + 2 };
    if changed.len() < sum_at + 2 {
        return changed;
    }
    let word = |octets: &[u8], at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    let (old, sum) = (word(packet, port_at), word(packet, sum_at));
    // RFC 1624, equation 3.
    let new = u32::from(!sum) + u32::from(!old) + u32::from(port);
    let new = (new & 0xffff) + (new >> 16);
    let new = !(((new & 0xffff) + (new >> 16)) as u16);
    changed[port_at..port_at + 2].copy_from_slice(&port.to_be_bytes());
    changed[sum_at..sum_at + 2].copy_from_slice(&new.to_be_bytes());
    changed
}
